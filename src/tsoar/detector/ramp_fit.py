r"""Slopes of ramps: generalised least squares on group differences (default), or the field's optimal weights.

``gls``. Group differences d_k share read noise with their neighbours: C_kk = 2 r^2 + p, C_k,k+1 = -r^2 with r the noise
of a single read and p the Poisson variance of one difference, all in DN. The slope is 1'C^-1 d / 1'C^-1 1 (Brandt 2024,
PASP 136, 045004; `jwst` calls it LIKELY). A flagged difference leaves the system, which falls apart into independent
pieces. p comes from the *deep* rate of the pixel, the same in every integration: variances taken from the ramp's own
differences bias the slope by up to -2 % of a faint pixel. Without flags the weights are then constant planes.

``ols``. Line fits with weights |(k - mid)/mid|^P chosen by signal-to-noise (Fixsen et al. 2000, PASP 112, 1350), pieces
between hits combined by their read-noise variance, as stcal 1.20 ``OLS_C`` does. Differences from it, on purpose: the
Poisson variance uses the pixel's deep rate (or the ramp's own median rate), not the mean over whatever integrations
share a file; a ramp without a usable difference is NaN with DO_NOT_USE, never 0 or data_0 / t.

Both give the field's two variances and flags. Group flags: DO_NOT_USE or SATURATED in a group spoil the differences on
both sides of it, JUMP_DET in group k + 1 spoils difference k only. References: gain [e-/DN], readnoise (CDS noise [DN],
a single read has 1/sqrt(2) of it).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsoar import flags
from tsoar.blocks import F32, U8, U32, Deep, Ramps, Readout, Reference, Slopes
from tsoar.errors import InputError
from tsoar.jit import kernel
from tsoar.params import Annotated, Literal, doc

DNU, SAT, JUMP = np.uint8(flags.DO_NOT_USE), np.uint8(flags.SATURATED), np.uint8(flags.JUMP_DET)
SPOILT = np.uint8(0xFF & ~(flags.PERSISTENCE | flags.JUMP_DET))  # flags that make a group's value unusable
KEPT = np.uint8(flags.SATURATED | flags.JUMP_DET | flags.PERSISTENCE)  # group flags a slope inherits
BAD_PIXEL = np.uint32(flags.DO_NOT_USE | flags.NO_GAIN_VALUE | flags.REFERENCE_PIXEL)


@dataclass(frozen=True, slots=True)
class RampFitParams:
    """How slopes are fitted."""

    method: Annotated[
        Literal["gls", "ols", "ols_file"],
        doc(
            "gls: covariance of differences; ols: the field's optimal weights; ols_file: the field's to the bit, with Poisson "
            "variances over all integrations of a file"
        ),
    ] = "gls"


@dataclass(frozen=True, slots=True)
class NoiseModel:
    """What a ramp fit knows of each pixel, in DN and per group difference."""

    rate: F32
    """(y, x) expected signal of one difference [DN], not negative; NaN: take it from the ramp itself"""
    gain: F32
    """(y, x) [e-/DN]; NaN where there is no valid gain"""
    read2: F32
    """(y, x) variance of a single read [DN^2]"""
    usable: U8
    """(y, x) 1 where slopes are formed"""
    tgroup: float
    """[s]"""


def noise_model(gain: Reference, readnoise: Reference, readout: Readout, pixeldq: U32, deep: Deep | None = None) -> NoiseModel:
    """Gain, read noise and expected rate of every pixel, cut to the subarray; pixeldq (y, x) says which are usable.

    ``readnoise`` is the CDS noise [DN] (a single read has 1/sqrt(2) of it). With a deep stack the read noise is enlarged
    by what dark rows show after the column step (1/f inside a column acts like read noise).
    """
    g, cds = gain.cut(readout).data, readnoise.cut(readout).data
    assert g is not None and cds is not None
    with np.errstate(invalid="ignore"):
        valid = (g > 0) & np.isfinite(g) & (cds >= 0) & np.isfinite(cds)
    usable = valid & ((pixeldq & BAD_PIXEL) == 0)
    read2 = np.where(valid, 0.5 * cds.astype(np.float32) ** 2, np.float32(np.nan)).astype(np.float32)
    rate = np.full(readout.shape, np.nan, np.float32)
    if deep is not None:
        read2 *= np.float32(deep.read_noise_factor**2)
        rate = np.maximum(deep.total, 0).astype(np.float32) * np.float32(readout.tgroup)
        usable &= ~deep.noisy
    return NoiseModel(
        rate, np.where(valid, g, np.float32(np.nan)).astype(np.float32), read2, usable.astype(np.uint8), readout.tgroup
    )


# -- generalised least squares ---------------------------------------------------------------------------------------


@kernel
def gls_pixel(d, good, poisson, read2, work):
    """Slope and variances of one pixel from its differences.

    d (K,) [DN]; good (K,) which differences count; poisson, read2 [DN^2] per difference and per read; work (3, K) scratch.
    Returns slope [DN per difference], Poisson and read-noise variance; NaN without a usable difference.
    """
    n = d.size
    diag = poisson + 2.0 * read2
    if not diag > 0.0:
        diag = 1e-30  # neither signal nor read noise: all differences weigh the same
    # Thomas algorithm for C w = 1, pieces decouple where a difference is missing
    upper, right, w = work[0], work[1], work[2]
    for k in range(n):
        if not good[k]:
            upper[k] = right[k] = 0.0
            continue
        linked = k > 0 and good[k - 1]
        pivot = diag + (read2 * upper[k - 1] if linked else 0.0)
        upper[k] = -read2 / pivot
        right[k] = (1.0 + (read2 * right[k - 1] if linked else 0.0)) / pivot
    total = 0.0
    slope = 0.0
    for k in range(n - 1, -1, -1):
        if not good[k]:
            w[k] = 0.0
            continue
        w[k] = right[k] - (upper[k] * w[k + 1] if k + 1 < n and good[k + 1] else 0.0)
        total += w[k]
        slope += w[k] * d[k]
    if not total > 0.0:
        return np.nan, np.nan, np.nan
    squares = 0.0
    for k in range(n):
        w[k] /= total
        squares += w[k] * w[k]
    return slope / total, poisson * squares, 1.0 / total - poisson * squares


@kernel
def gls_weights(rate, gain, read2, usable, n):
    """Constant weights of unflagged ramps.

    Returns weights (ceil(n / 2), y, x) float32 (they are symmetric: difference k and n - 1 - k share one) that sum to 1
    over the n differences, and the Poisson and read-noise variances (y, x) of the slope [DN^2 per difference^2].
    """
    ny, nx = rate.shape
    half = (n + 1) // 2
    weights = np.empty((half, ny, nx), np.float32)
    var_p, var_r = np.empty((ny, nx), np.float32), np.empty((ny, nx), np.float32)
    good = np.ones(n, np.uint8)
    ones = np.ones(n)
    work = np.zeros((3, n))
    for y in range(ny):
        for x in range(nx):
            if usable[y, x]:
                _, p, r = gls_pixel(ones, good, np.float64(rate[y, x] / gain[y, x]), read2[y, x], work)
                var_p[y, x], var_r[y, x] = p, r
                for k in range(half):
                    weights[k, y, x] = work[2, k]
            else:
                var_p[y, x] = var_r[y, x] = np.nan
                weights[:, y, x] = np.nan
    return weights, var_p, var_r


@kernel
def slope_row(data, y, weights, out):
    """Slopes [DN per difference] of one detector row of one integration, all differences taken as good.

    data (g, y, x), weights (ceil(K / 2), y, x), out (x,).
    """
    n = data.shape[0] - 1
    half = n // 2
    row = out
    row[:] = np.float32(0)
    for k in range(half):
        a, b, c, d, w = data[k, y], data[k + 1, y], data[n - 1 - k, y], data[n - k, y], weights[k, y]
        for x in range(row.size):
            row[x] += w[x] * ((b[x] - a[x]) + (d[x] - c[x]))
    if n % 2:
        a, b, w = data[half, y], data[half + 1, y], weights[half, y]
        for x in range(row.size):
            row[x] += w[x] * (b[x] - a[x])


@kernel
def fit_pixel(data, dq, y, x, rate, gain, read2, d, good, work):
    """The rare ramp: any flags. Returns slope, var_poisson, var_rnoise [per difference] (NaN: nothing usable)."""
    n = d.size
    count, total = 0, 0.0
    for k in range(n):
        before, after = dq[k, y, x], dq[k + 1, y, x]
        good[k] = 1 if ((before | after) & SPOILT) == 0 and (after & JUMP) == 0 else 0
        d[k] = data[k + 1, y, x] - data[k, y, x]
        if d[k] != d[k]:
            good[k] = 0
        if good[k]:
            count += 1
            total += d[k]
    if count == 0:
        return np.nan, np.nan, np.nan
    expected = rate if rate == rate else max(total / count, 0.0)
    return gls_pixel(d, good, expected / gain, read2, work)


# -- the field's weights -----------------------------------------------------------------------------------------------


@kernel
def ols_pixel(data, dq, y, x, rate, gain, read2, d, good, work):
    """Slope and variances of one ramp by the field's optimal weights; same arguments and result as `fit_pixel`.

    As stcal 1.20 ``OLS_C``: contiguous runs of good groups, each fitted with weights |(k - mid)/mid|^P, combined by read-noise
    variance; the variances are those of the weights used (the field's errors are of weights it does not use: 1 % in such
    ramps). ``rate`` [DN per difference] sets the Poisson variance; NaN: the median of the ramp's own differences.
    """
    ng = data.shape[0]
    if dq[0, y, x] & SAT:
        return np.nan, np.nan, np.nan
    n = 0
    for k in range(ng - 1):
        before, after = dq[k, y, x], dq[k + 1, y, x]
        if ((before | after) & SPOILT) == 0 and (after & JUMP) == 0:
            v = data[k + 1, y, x] - data[k, y, x]
            if v == v:
                d[n] = v
                n += 1
    if n == 0:
        return np.nan, np.nan, np.nan
    mean_rate = rate if rate == rate else max(np.median(d[:n]), 0.0)
    inverse_r = weighted_p = numerator = 0.0
    start = 0
    while start < ng:
        if dq[start, y, x] & SPOILT:
            start += 1
            continue
        stop = start + 1  # a run may begin at the group of a hit; it ends before the next hit or spoilt group
        while stop < ng and (dq[stop, y, x] & (SPOILT | JUMP)) == 0:
            stop += 1
        length = stop - start
        if length >= 2:
            slope = data[start + 1, y, x] - data[start, y, x]
            if length > 2:
                rise = data[stop - 1, y, x] - data[start, y, x]
                below = read2 * gain * gain + rise * gain
                snr = max(0.0, rise * gain / np.sqrt(below)) if below > 0 else 0.0
                power = 10.0
                if snr < 5:
                    power = 0.0
                elif snr < 10:
                    power = 0.4
                elif snr < 20:
                    power = 1.0
                elif snr < 50:
                    power = 3.0
                elif snr < 100:
                    power = 6.0
                mid = 0.5 * (length - 1)
                sw = sx = sxx = sy = sxy = 0.0
                for k in range(length):
                    w = 1.0 if power == 0.0 else abs((k - mid) / mid) ** power
                    v = data[start + k, y, x]
                    sw += w
                    sx += w * k
                    sxx += w * k * k
                    sy += w * v
                    sxy += w * k * v
                slope = (sw * sxy - sx * sy) / (sw * sxx - sx * sx)
            var_r = 12.0 * read2 / (length * (length * length - 1.0))
            if var_r > 0:
                inverse_r += 1.0 / var_r
                numerator += slope / var_r
                weighted_p += mean_rate / (gain * (length - 1)) / (var_r * var_r)
        start = stop
    if not inverse_r > 0:
        return np.nan, np.nan, np.nan
    return numerator / inverse_r, weighted_p / (inverse_r * inverse_r), 1.0 / inverse_r


# -- whole integrations ------------------------------------------------------------------------------------------------


@kernel
def fit_every(data, dq, rate, gain, read2, usable, use_ols, slope, var_p, var_r):
    """One integration, every pixel through the scalar fit."""
    ng, ny, nx = data.shape
    d, good, work = np.empty(ng - 1), np.empty(ng - 1, np.uint8), np.zeros((3, ng - 1))
    for y in range(ny):
        for x in range(nx):
            if not usable[y, x]:
                s = p = r = np.nan
            elif use_ols:
                s, p, r = ols_pixel(data, dq, y, x, rate[y, x], gain[y, x], read2[y, x], d, good, work)
            else:
                s, p, r = fit_pixel(data, dq, y, x, rate[y, x], gain[y, x], read2[y, x], d, good, work)
            slope[y, x], var_p[y, x], var_r[y, x] = s, p, r


@kernel
def refit_flagged(data, dq, pixels, rate, gain, read2, usable, slope, var_p, var_r):
    """The pixels (n, 2) = (y, x) that carry flags, through the scalar fit; unusable ones become NaN."""
    n = data.shape[0] - 1
    d, good, work = np.empty(n), np.empty(n, np.uint8), np.zeros((3, n))
    for i in range(pixels.shape[0]):
        y, x = pixels[i, 0], pixels[i, 1]
        if usable[y, x]:
            s, p, r = fit_pixel(data, dq, y, x, rate[y, x], gain[y, x], read2[y, x], d, good, work)
            slope[y, x], var_p[y, x], var_r[y, x] = s, p, r


@kernel
def flagged(dq, usable):
    """Positions (n, 2) of usable pixels with any group flag."""
    ng, ny, nx = dq.shape
    any_row = np.empty(nx, np.uint8)
    found = np.empty((ny * nx, 2), np.int32)
    n = 0
    for y in range(ny):
        any_row[:] = 0
        for g in range(ng):
            row = dq[g, y]
            for x in range(nx):
                any_row[x] |= row[x]
        for x in range(nx):
            if any_row[x] and usable[y, x]:
                found[n, 0], found[n, 1] = y, x
                n += 1
    return found[:n].copy()


@kernel
def slope_frame(data, weights, slope):
    """`slope_row` for all rows of one integration."""
    for y in range(data.shape[1]):
        slope_row(data, y, weights, slope[y])


@kernel
def finish(slope, var_p, var_r, dq, pixeldq, tgroup, err, flag):
    """DN per difference -> DN/s, errors, and the slope's flags, for one integration, in place.

    A NaN slope is DO_NOT_USE with NaN error and zero variances; JUMP_DET, SATURATED and PERSISTENCE of any group are kept.
    """
    for y in range(slope.shape[0]):
        for x in range(slope.shape[1]):
            _finish_pixel(slope, var_p, var_r, dq, pixeldq, tgroup, err, flag, y, x)


@kernel
def _finish_pixel(slope, var_p, var_r, dq, pixeldq, tgroup, err, flag, y, x):
    seen = np.uint8(0)
    for g in range(dq.shape[0]):
        seen |= dq[g, y, x]
    s = slope[y, x] / np.float32(tgroup)
    bad = s != s
    p = np.float32(0) if bad else var_p[y, x] / np.float32(tgroup * tgroup)
    r = np.float32(0) if bad else var_r[y, x] / np.float32(tgroup * tgroup)
    slope[y, x], var_p[y, x], var_r[y, x] = s, p, r
    err[y, x] = np.float32(np.nan) if bad else np.sqrt(p + r)
    flag[y, x] = pixeldq[y, x] | np.uint32(seen & KEPT) | np.uint32(1 if bad else 0)


@kernel
def finish_listed(slope, var_p, var_r, dq, pixeldq, tgroup, err, flag, pixels):
    """`finish` for the listed pixels (n, 2) alone, each listed once."""
    for i in range(pixels.shape[0]):
        y, x = np.int64(pixels[i, 0]), np.int64(pixels[i, 1])
        _finish_pixel(slope, var_p, var_r, dq, pixeldq, tgroup, err, flag, y, x)


@kernel
def per_second(slope, tgroup):
    """DN per difference -> DN/s, in place."""
    t = np.float32(tgroup)
    for y in range(slope.shape[0]):
        row = slope[y]
        for x in range(row.size):
            row[x] /= t


def ramp_fit(
    ramps: Ramps,
    gain: Reference,
    readnoise: Reference,
    deep: Deep | None = None,
    params: RampFitParams = RampFitParams(),
) -> Slopes:
    """Slopes of all integrations of a block.

    Parameters
    ----------
    ramps : data (i, g, y, x) [DN] with flags; at least 2 groups.
    gain, readnoise : references, full frame or cut; gain <= 0 or NaN gives NO_GAIN_VALUE | DO_NOT_USE.
    deep : the deep stack; its rate sets the weights and Poisson variances. Without it each ramp's own mean difference does.

    Returns
    -------
    Slopes : slope, err [DN/s], var_poisson, var_rnoise [(DN/s)^2], dq. NaN slopes carry DO_NOT_USE.

    Raises
    ------
    InputError
        With a single group there is no slope.
    """
    ni, ng, ny, nx = ramps.data.shape
    if ng < 2:
        raise InputError(f"ramp_fit: {ng} group per integration, at least 2 are needed for a slope")
    noise = noise_model(gain, readnoise, ramps.readout, ramps.pixeldq, deep)
    pixeldq = ramps.pixeldq | np.where(np.isfinite(noise.gain), 0, flags.NO_GAIN_VALUE).astype(np.uint32)
    pixeldq |= np.where(noise.usable, 0, flags.DO_NOT_USE).astype(np.uint32)
    shape = (ni, ny, nx)
    slope, err, var_p, var_r = (np.empty(shape, np.float32) for _ in range(4))
    dq = np.empty(shape, np.uint32)
    fast = params.method == "gls" and deep is not None
    if fast:
        weights, fixed_p, fixed_r = gls_weights(noise.rate, noise.gain, noise.read2, noise.usable, ng - 1)
    for i in range(ni):
        data, gdq = np.ascontiguousarray(ramps.data[i]), np.ascontiguousarray(ramps.groupdq[i])
        if fast:
            slope_frame(data, weights, slope[i])
            var_p[i], var_r[i] = fixed_p, fixed_r
            pixels = flagged(gdq, noise.usable)
            refit_flagged(data, gdq, pixels, noise.rate, noise.gain, noise.read2, noise.usable, slope[i], var_p[i], var_r[i])
        else:
            fit_every(
                data,
                gdq,
                noise.rate,
                noise.gain,
                noise.read2,
                noise.usable,
                params.method == "ols",
                slope[i],
                var_p[i],
                var_r[i],
            )
        finish(slope[i], var_p[i], var_r[i], gdq, pixeldq, ramps.readout.tgroup, err[i], dq[i])
    return Slopes(slope, err, var_p, var_r, dq, ramps.readout, ramps.first, dict(ramps.facts))
