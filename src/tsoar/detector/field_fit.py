"""Slopes exactly as the field's pipeline fits them (jwst 3.0 / stcal 1.20 ``OLS_C``), to the bit, a file at a time.

Lines with weights |(k - mid)/mid|^P chosen by signal-to-noise (Fixsen et al. 2000, PASP 112, 1350); pieces between flags
combined by their read-noise variance; Poisson variances from one rate a pixel, the mean over *all integrations of the file*
of each ramp's median rate. That mean counts a ramp without a usable difference as 0, one whose groups are all jumps as
its first group over the group time: see docs/measured/parity.md for what follows from it, and why this is not the default.

Arithmetic in float64 in the order of the C extension (``slope_fitter.c``), weights by the power in float32; nothing here may
be rearranged. Ramps with a single good group are suppressed (``suppress_one_group``, the field's default).

Not reproduced: CHARGELOSS (its step is off for SOSS), ``firstgroup`` and ``lastgroup``, exposures of one group, zero frames.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, F64, U8, U32, Ramps, Readout, Reference, Slopes
from tsoar.errors import InputError
from tsoar.jit import kernel
from tsoar.medians import sort_few

DNU, SAT = np.uint8(flags.DO_NOT_USE), np.uint8(flags.SATURATED)
JUMP, PERS = np.uint8(flags.JUMP_DET), np.uint8(flags.PERSISTENCE)
OFF = np.uint8(flags.DO_NOT_USE | flags.SATURATED)
NOT_PERS = np.uint8(0xFF & ~flags.PERSISTENCE)
INVALID = np.uint32(flags.DO_NOT_USE | flags.SATURATED)
NO_GAIN = np.uint32(flags.NO_GAIN_VALUE | flags.DO_NOT_USE)
TOO_LARGE = 1e6  # variances from here on become 0 (LARGE_VARIANCE_THRESHOLD)
POWERS = np.array([0.0, 0.4, 1.0, 3.0, 6.0, 10.0])
"""exponents of the weights for signal-to-noise up to 5, 10, 20, 50, 100 and beyond"""


def powf() -> Callable[[float, float], float]:
    """The C library's single-precision power, which the C extension calls; elsewhere the float64 power, rounded.

    The two differ in the last bit of some weights of ramps above 30 groups.
    """
    try:
        function = ctypes.CDLL(ctypes.util.find_library("m")).powf
    except (OSError, AttributeError, TypeError):
        return lambda base, power: float(np.float32(float(np.float32(base)) ** float(np.float32(power))))
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float, ctypes.c_float]
    return function


def weights(n_groups: int) -> F64:
    """(length + 1, power, k) weights of read k in a piece of ``length``; single precision, as ``powf`` gives them."""
    out, power = np.zeros((n_groups + 1, POWERS.size, n_groups)), powf()
    for length in range(3, n_groups + 1):
        mid = (length - 1) / 2.0
        for k in range(length):
            base = abs((k - mid) * (1.0 / mid))
            out[length, :, k] = [power(base, p) for p in POWERS]
    return out


@dataclass(frozen=True, slots=True)
class Pixels:
    """What is known of each pixel, rows as wanted (y, x)."""

    pixeldq: U32
    gain: F32
    noise: F32
    """of a single read [e-]"""
    dark: F32
    """average dark current, added to the rate as it stands"""

    def rows(self, first: int, last: int) -> Pixels:
        """Rows [first, last)."""
        return Pixels(*(getattr(self, name)[first:last] for name in Pixels.__slots__))


def pixels(gain: F32, cds: F32, pixeldq: U32, dark_current: float = 0.0) -> Pixels:
    """Planes for the fit; gain [e-/DN] and CDS noise [DN] as the references hold them, bad values and all."""
    with np.errstate(invalid="ignore", over="ignore"):
        noise = (cds.astype(np.float64) * (gain.astype(np.float64) / np.sqrt(2.0))).astype(np.float32)
    return Pixels(pixeldq, gain, noise, np.full(gain.shape, dark_current, np.float32))


@dataclass(frozen=True, slots=True)
class Sums:
    """What the averaged image is made of, over the integrations of one file or several; planes (y, x)."""

    inverse_p: F64
    inverse_r: F64
    slope: F64
    """sum of slope / read-noise variance"""
    flags: U32
    count: NDArray[np.int32]
    """(4, y, x) integrations that are DO_NOT_USE, SATURATED, partly saturated, and all integrations"""

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> Sums:
        """Nothing summed yet."""
        p, r, s = (np.zeros(shape) for _ in range(3))
        return cls(p, r, s, np.zeros(shape, np.uint32), np.zeros((4, *shape), np.int32))

    def rows(self, first: int, last: int) -> Sums:
        """Views of rows [first, last)."""
        window = (..., slice(first, last), slice(None))
        return Sums(*(getattr(self, name)[window] for name in Sums.__slots__))

    def merge(self, other: Sums) -> None:
        """Add the sums of the next file."""
        for name in ("inverse_p", "inverse_r", "slope", "count"):
            getattr(self, name)[...] += getattr(other, name)
        self.flags[...] |= other.flags


@kernel
def _median_rate(values, n):
    """Median of values[:n] as the C code takes it; NaN of nothing."""
    sort_few(values, n)
    if n == 0:
        return np.nan
    if n == 1:
        return values[0]
    if n % 2:
        return values[n // 2]
    return (values[n // 2] + values[n // 2 - 1]) / 2.0


@kernel
def _flags_of(dq, y, x, q):
    """Group flags of one ramp into q (g,), with DO_NOT_USE all over if a single group is good; their OR."""
    good = 0
    seen = np.uint8(0)
    for g in range(q.size):
        q[g] = dq[g, y, x]
        seen |= q[g]
        good += 1 if q[g] & NOT_PERS == 0 else 0
    if good == 1:
        for g in range(q.size):
            q[g] |= DNU
        seen |= DNU
    return seen


@kernel
def _odd_ramps(data, dq, y, odd):
    """Whether a ramp of row y has any flag or NaN, into odd (x,)."""
    odd[:] = 0
    for g in range(dq.shape[0]):
        q, v = dq[g, y], data[g, y]
        for x in range(odd.size):
            odd[x] |= q[x]
        for x in range(odd.size):
            odd[x] |= np.uint8(0) if v[x] == v[x] else np.uint8(1)


@kernel
def _rate_differences(data, y, tgroup, v, d):
    """Differences d (g - 1, x) of data / tgroup as if nothing were flagged; v (2, x) scratch."""
    before, after = v[0], v[1]
    for g in range(data.shape[0]):
        row = data[g, y]
        for x in range(row.size):
            after[x] = np.float64(row[x]) / tgroup
        if g > 0:
            out = d[g - 1]
            for x in range(row.size):
                out[x] = after[x] - before[x]
        before, after = after, before


@kernel
def _exchange(a, b):
    for x in range(a.size):
        low = a[x] if a[x] < b[x] else b[x]
        high = b[x] if a[x] < b[x] else a[x]
        a[x], b[x] = low, high


@kernel
def _sort_columns(d):
    """Every column of d sorted: neighbours exchanged in odd and even turns, whole rows at a time."""
    n = d.shape[0]
    for turn in range(n):
        for k in range(turn % 2, n - 1, 2):
            _exchange(d[k], d[k + 1])


@kernel
def add_rates(data, dq, tgroup, rate):
    """Each ramp's median rate of one integration, data, dq (g, y, x), onto rate (y, x) [DN/s]."""
    ng, ny, nx = data.shape
    q, v, d = np.empty(ng, np.uint8), np.empty(ng), np.empty(ng)
    odd, scratch, rows = np.empty(nx, np.uint8), np.empty((2, nx)), np.empty((ng - 1, nx))
    low, high = rows[(ng - 2) // 2], rows[(ng - 1) // 2]
    for y in range(ny):
        # all ramps as if unflagged, whole rows at a time: four times faster than one by one
        _odd_ramps(data, dq, y, odd)
        _rate_differences(data, y, tgroup, scratch, rows)
        _sort_columns(rows)
        out = rate[y]
        for x in range(nx):
            middle = (high[x] + low[x]) / 2.0 if ng % 2 else low[x]
            out[x] += middle if odd[x] == 0 and middle == middle else 0.0
        for x in range(nx):
            if odd[x] == 0:
                continue
            _flags_of(dq, y, x, q)
            for g in range(ng):
                v[g] = np.nan if q[g] & OFF else np.float64(data[g, y, x]) / tgroup
            n = 0
            for g in range(ng - 1):
                if q[g + 1] & JUMP:
                    continue
                w = v[g + 1] - v[g]
                if w == w:
                    d[n] = w
                    n += 1
            if n == 0 and v[0] == v[0]:
                d[0] = v[0]
                n = 1
            middle = _median_rate(d, n)
            out[x] += middle if middle == middle else 0.0


@kernel
def _piece(data, y, x, start, length, table, rate, gain, noise, dark, tgroup):
    """Slope, Poisson and read-noise variance of a piece of a ramp."""
    signal = (rate + dark) if rate > 0.0 else dark
    if length == 1:
        slope = np.float64(data[start, y, x]) / tgroup
        pairs, cubic = 1.0, 6.0
    elif length == 2:
        slope = (np.float64(data[start + 1, y, x]) - np.float64(data[start, y, x])) / tgroup
        pairs, cubic = 1.0, 6.0
    else:
        rise = np.float64(data[start + length - 1, y, x]) - np.float64(data[start, y, x])
        below = noise * noise + rise * gain
        snr = 0.0
        if not (below <= 0.0 or gain == 0.0):
            s = rise * gain / np.sqrt(below)
            snr = 0.0 if s < 0.0 else s
        p = 5
        if snr < 5.0:
            p = 0
        elif snr < 10.0:
            p = 1
        elif snr < 20.0:
            p = 2
        elif snr < 50.0:
            p = 3
        elif snr < 100.0:
            p = 4
        inverse = 1.0 / (noise * noise)
        sw = sx = sxx = sy = sxy = 0.0
        for k in range(length):
            w = table[length, p, k] * inverse
            t = np.float64(k) + np.float64(start)
            value = 1.0 * data[start + k, y, x]
            value = 0.0 if value != value else value
            tw = t * w
            sw += w
            sx += tw
            sxx += t * tw
            sy += value * w
            sxy += value * tw
        slope = ((sw * sxy - sx * sy) * (1.0 / (sw * sxx - sx * sx))) / tgroup
        n = np.float64(length)
        pairs, cubic = n - 1.0, n * n * n - n
    var_p = signal / (tgroup * gain * pairs)
    r = noise / tgroup
    return slope, var_p, 12.0 * r * r / (cubic * gain * gain)


@kernel
def _choose_power(first, last, gain, noise, power):
    """Number of the weights' exponent for whole ramps of one row, from their signal-to-noise."""
    for x in range(power.size):
        g, n = np.float64(gain[x]), np.float64(noise[x])
        rise = np.float64(last[x]) - np.float64(first[x])
        below = n * n + rise * g
        s = rise * g / np.sqrt(below)
        s = 0.0 if below <= 0.0 or g == 0.0 or s < 0.0 else s
        p = np.int32(0) if s < 5.0 else np.int32(1) if s < 10.0 else np.int32(2) if s < 20.0 else np.int32(3)
        power[x] = p if s < 50.0 else np.int32(4) if s < 100.0 else np.int32(5)


@kernel
def _add_group(row, k, table, power, noise, sw, sx, sxx, sy, sxy):
    """Group k of whole ramps of one row onto the five sums."""
    t = np.float64(k)
    t0, t1, t2, t3, t4, t5 = table[0, k], table[1, k], table[2, k], table[3, k], table[4, k], table[5, k]
    for x in range(row.size):
        n, p, v = np.float64(noise[x]), power[x], np.float64(row[x])
        w = t0 if p == 0 else t1 if p == 1 else t2 if p == 2 else t3 if p == 3 else t4 if p == 4 else t5
        w *= 1.0 / (n * n)
        tw = t * w
        sw[x] += w
        sx[x] += tw
        sxx[x] += t * tw
        sy[x] += v * w
        sxy[x] += v * tw


@kernel
def _finish_whole(length, tgroup, gain, noise, dark, rate, sw, sx, sxx, sy, sxy, s, p, r, e, ip, ir, total):
    """Slope, variances and error of whole ramps of one row from their sums; the same operations as `_piece` and after it."""
    n = np.float64(length)
    pairs, cubic = n - 1.0, n * n * n - n
    for x in range(sw.size):
        g, rn, dc, mr = np.float64(gain[x]), np.float64(noise[x]), np.float64(dark[x]), rate[x]
        a = ((sw[x] * sxy[x] - sx[x] * sy[x]) * (1.0 / (sw[x] * sxx[x] - sx[x] * sx[x]))) / tgroup
        b = (mr + dc if mr > 0.0 else dc) / (tgroup * g * pairs)
        q = rn / tgroup
        c = 12.0 * q * q / (cubic * g * g)
        ir[x], total[x] = 1.0 / c, a / c
        ip[x] = 1.0 / b if b > 0.0 else 0.0
        vp = 1.0 / ip[x] if ip[x] > 0.0 else 0.0
        vr = 1.0 / ir[x]
        p[x] = 0.0 if vp >= TOO_LARGE else vp
        r[x] = 0.0 if vr >= TOO_LARGE else vr
        s[x] = total[x] * r[x]
        variance = 1.0 / (1.0 / (b + c))
        e[x] = 0.0 if variance > TOO_LARGE else np.sqrt(variance)


@kernel
def _fit_whole(data, y, gain, noise, dark, rate, table, tgroup, power, work):
    """All ramps of row y as if whole and unflagged; results in work (12, x)."""
    ng = data.shape[0]
    _choose_power(data[0, y], data[ng - 1, y], gain, noise, power)
    work[:5] = 0.0
    for k in range(ng):
        _add_group(data[k, y], k, table[ng], power, noise, work[0], work[1], work[2], work[3], work[4])
    sums, out = (work[0], work[1], work[2], work[3], work[4]), (work[5], work[6], work[7], work[8])
    _finish_whole(ng, tgroup, gain, noise, dark, rate, *sums, *out, work[9], work[10], work[11])


@kernel
def fit_integration(
    data, dq, pixeldq, gain, noise, dark, rate, table, tgroup, slope, var_p, var_r, err, flag, sum_p, sum_r, sum_s, sum_q, count
):
    """Slopes of one integration, data, dq (g, y, x), into planes (y, x) [DN/s]; what the averaged image needs is added up."""
    ng, ny, nx = data.shape
    q, odd = np.empty(ng, np.uint8), np.empty(nx, np.uint8)
    power, work = np.empty(nx, np.int32), np.empty((12, nx))
    for y in range(ny):
        odd[:] = 1
        if ng > 2:  # whole ramps, a row at a time: three times faster than one by one
            _odd_ramps(data, dq, y, odd)
            _fit_whole(data, y, gain[y], noise[y], dark[y], rate[y], table, tgroup, power, work)
        for x in range(nx):
            g0 = np.float64(gain[y, x])
            pixel = pixeldq[y, x]
            if g0 <= 0.0 or g0 != g0:
                pixel |= NO_GAIN
            if odd[x] == 0 and pixel & INVALID == 0:
                slope[y, x], var_p[y, x], var_r[y, x], err[y, x] = work[5, x], work[6, x], work[7, x], work[8, x]
                sum_p[y, x] += work[9, x]
                sum_r[y, x] += work[10, x]
                sum_s[y, x] += work[11, x]
                count[3, y, x] += 1
                sum_q[y, x] |= pixel
                flag[y, x] = pixel
                continue
            seen = _flags_of(dq, y, x, q)
            own = pixel | np.uint32(seen & (JUMP | PERS))
            off = saturated = 0
            for g in range(ng):
                off += 1 if q[g] & OFF else 0
                saturated += 1 if q[g] & SAT else 0
            s, p, r, e = 0.0, 0.0, 0.0, 0.0
            if q[0] & SAT:
                own |= INVALID
            if off == ng:
                own |= np.uint32(DNU)
                if saturated == ng:
                    own |= np.uint32(SAT)
            if own & INVALID:
                s = np.nan
            else:
                ir = ip = ie = total = 0.0
                n0, rn, dc, mr = 0, np.float64(noise[y, x]), np.float64(dark[y, x]), rate[y, x]
                longest = 0
                for second in range(2):  # pieces of one group count only where there is none longer, and then the first
                    start = 0
                    while start < ng:
                        if q[start] & NOT_PERS:
                            start += 1
                            continue
                        stop = start + 1
                        while stop < ng and q[stop] & NOT_PERS == 0:
                            stop += 1
                        first = start - 1 if start > 0 and q[start - 1] & NOT_PERS == JUMP else start
                        length = stop - first
                        if second == 0:
                            longest = max(longest, length)
                        elif length > 1 or (longest == 1 and n0 == 0):
                            a, b, c = _piece(data, y, x, first, length, table, mr, g0, rn, dc, tgroup)
                            n0 += 1
                            ir += 1.0 / c
                            if b > 0.0:
                                ip += 1.0 / b
                            ie += 1.0 / (b + c)
                            total += a / c
                        start = stop
                if n0 > 0:
                    if ip > 0.0:
                        p = 1.0 / ip
                        sum_p[y, x] += ip
                    if p >= TOO_LARGE:
                        p = 0.0
                    r = 1.0 / ir
                    if r >= TOO_LARGE:
                        r = 0.0
                    s = total * r
                    variance = 1.0 / ie
                    e = 0.0 if variance > TOO_LARGE else np.sqrt(variance)
                    sum_r[y, x] += ir
                    sum_s[y, x] += total
            count[0, y, x] += 1 if own & np.uint32(DNU) else 0
            count[1, y, x] += 1 if own & np.uint32(SAT) else 0
            count[2, y, x] += 1 if saturated > 0 else 0
            count[3, y, x] += 1
            sum_q[y, x] |= pixel | np.uint32(seen & (JUMP | PERS))
            if saturated > 0:
                own |= np.uint32(SAT)
            slope[y, x], var_p[y, x], var_r[y, x], err[y, x] = s, p, r, e
            flag[y, x] = own


def rate_image(sums: Sums) -> dict[str, NDArray]:
    """The averaged slope image (y, x) [DN/s] by the field's formula, which is not that of its single integrations.

    Weights of the read noise alone, error sqrt(VAR_POISSON + VAR_RNOISE); DO_NOT_USE only if no integration is usable,
    SATURATED if any is saturated in part.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        p = np.where(sums.inverse_p > 0, 1.0 / sums.inverse_p, sums.inverse_p)
        p = np.where((p >= TOO_LARGE) | (p < 0), 0.0, p)
        r = np.where(sums.inverse_r > 0, 1.0 / sums.inverse_r, sums.inverse_r)
        r = np.where(r >= TOO_LARGE, 0.0, r)
        err = np.sqrt(p + r)
        everything = sums.count[3]
        dq = sums.flags | np.where(sums.count[0] == everything, np.uint32(DNU), np.uint32(0))
        dq |= np.where(sums.count[1] == everything, np.uint32(SAT), np.uint32(0))
        invalid = (dq & INVALID) != 0
        slope = np.where(invalid, np.nan, sums.slope)
        p, r, err = (np.where(invalid, 0.0, v) for v in (p, r, err))
        slope = slope * r
        dq |= np.where(sums.count[2] > 0, np.uint32(SAT), np.uint32(0))
        planes = {"slope": slope, "err": err, "var_poisson": p, "var_rnoise": r}
        return {name: v.astype(np.float32) for name, v in planes.items()} | {"dq": dq}


def mean_rate(data: F32, dq: U8, tgroup: float) -> F64:
    """(y, x) [DN/s] mean over the file's integrations of each ramp's median rate; data, dq (i, g, y, x)."""
    rate = np.zeros(data.shape[2:])
    for i in range(data.shape[0]):
        add_rates(data[i], dq[i], tgroup, rate)
    rate /= data.shape[0]
    return rate


def fit(
    data: F32, dq: U8, p: Pixels, rate: F64, table: F64, tgroup: float, out: tuple[F32, F32, F32, F32, U32], sums: Sums
) -> None:
    """One integration's rows: data, dq (g, y, x) into out = slope, var_p, var_r, err, flags (y, x); ``sums`` is added to."""
    s = (sums.inverse_p, sums.inverse_r, sums.slope, sums.flags, sums.count)
    fit_integration(data, dq, p.pixeldq, p.gain, p.noise, p.dark, rate, table, tgroup, *out, *s)


def group_time(readout: Readout) -> float:
    """TGROUP [s] as the C extension sees it, through a float32."""
    return float(np.float32(readout.tgroup))


def ramp_fit_by_file(
    ramps: Ramps, gain: Reference, readnoise: Reference, dark_current: float = 0.0
) -> tuple[Slopes, dict[str, NDArray]]:
    """Slopes of all integrations of one file, and their averaged image (`rate_image`).

    Parameters
    ----------
    ramps : data (i, g, y, x) [DN] with flags, *all integrations of the file*, at least 2 groups.
    gain, readnoise : references [e-/DN], CDS noise [DN].
    dark_current : the dark's AVDRKCUR, added to the rate that sets the Poisson variance.

    Raises
    ------
    InputError
        With a single group.
    """
    ni, ng, ny, nx = ramps.data.shape
    if ng < 2:
        raise InputError(f"ramp_fit: {ng} group per integration, at least 2 are needed for a slope")
    g, cds = gain.cut(ramps.readout).data, readnoise.cut(ramps.readout).data
    assert g is not None and cds is not None
    data, dq = np.ascontiguousarray(ramps.data), np.ascontiguousarray(ramps.groupdq)
    p, tgroup, table = pixels(g, cds, ramps.pixeldq, dark_current), group_time(ramps.readout), weights(ng)
    rate = mean_rate(data, dq, tgroup)
    planes = [np.empty((ni, ny, nx), np.float32) for _ in range(4)]
    flag = np.empty((ni, ny, nx), np.uint32)
    sums = Sums.empty((ny, nx))
    for i in range(ni):
        fit(data[i], dq[i], p, rate, table, tgroup, (*(v[i] for v in planes), flag[i]), sums)  # type: ignore[arg-type]
    slope, var_p, var_r, err = planes
    return Slopes(slope, err, var_p, var_r, flag, ramps.readout, ramps.first), rate_image(sums)
