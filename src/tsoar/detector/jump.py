"""Jumps: groups in which a cosmic ray (or anything sudden) added charge; GROUPDQ gets JUMP_DET.

``deep`` (default where a deep stack exists). Every difference is held against what the deep stack, scaled to this
integration's brightness and moved with its trace, says it should be: |r_k| > threshold * sigma. That works with two
groups as well as with twelve, and sees hits in time as well as up the ramp. A mismatch of the model (trace drift, tilt,
field star) is the same in all differences of a ramp, a hit is not: where the ramp's median residual is significant it
is subtracted first (without this guard the test eats the star).

``two_point``. The field's: differences of a ramp against their own median, largest outlier first, until none is left
(Anderson & Gordon 2011, PASP 123, 1237; stcal 1.20 ``find_crs``). Two deliberate differences from it:
each ramp is judged by itself (the field's median runs over all integrations that happen to share a file), and
differences keep their sign (the field folds them: a drop of twice the signal goes unseen).

``deep`` also follows the halos of large events (snowballs) out to where they are lost: `tsoar.detector.large_events`.

Both: the 4 neighbours of hits above ``neighbours`` sigma are flagged in the same group; ``after_groups`` flags that many
groups after a hit. JUMP_DET in group k + 1 spoils difference k only. SATURATED and DO_NOT_USE groups are never judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, U8, Deep, Ramps, Reference
from tsoar.detector.large_events import flag_large_events
from tsoar.errors import InputError
from tsoar.jit import kernel
from tsoar.medians import sort_few
from tsoar.params import Annotated, Ge, Gt, Literal, Unit, doc

JUMP = np.uint8(flags.JUMP_DET)
SPOILT = np.uint8(0xFF & ~(flags.PERSISTENCE | flags.JUMP_DET))


@dataclass(frozen=True, slots=True)
class JumpParams:
    """How hits are found and what they spoil."""

    method: Annotated[
        Literal["deep", "two_point", "two_point_file"],
        doc(
            "deep: against the deep stack, in time and up the ramp; two_point: against the ramp's own median; two_point_file: "
            "the field's to the last flag, over all integrations of a file (with ramp_fit.method ols_file; see [field_jump])"
        ),
    ] = "deep"
    threshold: Annotated[float, Gt(0), Unit("sigma"), doc("a difference further off is a hit")] = 4.75
    neighbours: Annotated[float, Gt(0), Unit("sigma"), doc("hits above this flag their 4 neighbours too; inf: none")] = 10.0
    after_groups: Annotated[int, Ge(0), Unit("groups"), doc("groups flagged after a hit besides the hit's own")] = 0
    large: Annotated[
        int,
        Ge(0),
        Unit("px"),
        doc(
            "deep: round clusters of this many hits above `neighbours` or saturated at once are snowballs, halo and all; 0: off"
        ),
    ] = 25
    guard: Annotated[
        float,
        Ge(0),
        Unit("sigma"),
        doc("deep: a ramp's own median residual above this is the model's error, not a hit; 0: off"),
    ] = 3.0
    tolerance: Annotated[
        float,
        Ge(0),
        Unit("px"),
        doc("deep, 2 differences or fewer: trace motion the model may miss, added to the noise"),
    ] = 0.02


@kernel
def find_row(data, y, model, sigma2, threshold2, seen, candidate):
    """Mark pixels of one row that need a closer look: any difference beyond the threshold, a sum beyond 4 sigma, any flag.

    data (g, y, x); model, sigma2 (x,) [DN, DN^2] per difference, sigma2 NaN = unusable; seen (x,) OR of the row's group
    flags; candidate (x,) uint8 out.
    """
    n = data.shape[0] - 1
    worst = np.zeros(candidate.size, np.float32)
    a, b = data[0, y], data[n, y]
    count = np.float32(n)
    # differences sum to last - first; read noise cancels in it, so sigma2 * n is an upper bound of its variance
    scale = threshold2 / (np.float32(16) * count)
    for x in range(worst.size):
        r = (b[x] - a[x]) - count * model[x]
        worst[x] = r * r * scale
    for k in range(n):
        a, b = data[k, y], data[k + 1, y]
        for x in range(worst.size):
            r = (b[x] - a[x]) - model[x]
            r2 = r * r
            worst[x] = r2 if r2 > worst[x] else worst[x]
    for x in range(worst.size):
        far = worst[x] > threshold2 * sigma2[x]
        usable = sigma2[x] > np.float32(0)
        candidate[x] = np.uint8(1) if (far or seen[x] != 0) and usable else np.uint8(0)


@kernel
def _median_of(values, n):
    """Median of the first n values (n small), in place."""
    sort_few(values, n)
    return 0.5 * (values[(n - 1) // 2] + values[n // 2])


@kernel
def judge_deep(data, dq, y, x, model, sigma2, threshold, neighbours, after_groups, guard, r, work):
    """Flag the hits of one ramp against the model. Returns a bit mask of groups whose neighbours are to be flagged."""
    n = data.shape[0] - 1
    m = np.int64(0)
    for k in range(n):
        r[k] = (data[k + 1, y, x] - data[k, y, x]) - model
        if ((dq[k, y, x] | dq[k + 1, y, x]) & SPOILT) == 0 and (dq[k + 1, y, x] & JUMP) == 0:
            work[m] = r[k]
            m += 1
    sigma = np.sqrt(sigma2)
    shift = 0.0
    if guard > 0.0 and m >= 3:
        middle = _median_of(work, m)
        if abs(middle) > guard * 1.25 * sigma / np.sqrt(m):
            shift = middle
    spread = 0
    last = -1000
    for k in range(n):
        if ((dq[k, y, x] | dq[k + 1, y, x]) & SPOILT) != 0:
            continue
        far = abs(r[k] - shift)
        if far > threshold * sigma:
            dq[k + 1, y, x] |= JUMP
            last = k
            if far > neighbours * sigma and k < 62:
                spread |= 1 << (k + 1)
        elif k - last <= after_groups:
            dq[k + 1, y, x] |= JUMP
    return spread


@kernel
def judge_two_point(data, dq, y, x, gain, read2, threshold, neighbours, after_groups, d, work):
    """The field's test on one ramp alone: the difference furthest from the median of the others goes first."""
    n = data.shape[0] - 1
    spread = 0
    for _ in range(n):
        m = np.int64(0)
        for k in range(n):
            d[k] = data[k + 1, y, x] - data[k, y, x]
            if ((dq[k, y, x] | dq[k + 1, y, x]) & SPOILT) == 0 and (dq[k + 1, y, x] & JUMP) == 0:
                work[m] = d[k]
                m += 1
        if m < 3:  # two differences cannot say which of them is wrong
            break
        middle = _median_of(work, m)
        sigma = np.sqrt(abs(middle) / gain + 2.0 * read2)
        worst, where = 0.0, -1
        for k in range(n):
            if ((dq[k, y, x] | dq[k + 1, y, x]) & SPOILT) == 0 and (dq[k + 1, y, x] & JUMP) == 0:
                far = abs(d[k] - middle)
                if far > worst:
                    worst, where = far, k
        if where < 0 or not worst > threshold * sigma:
            break
        dq[where + 1, y, x] |= JUMP
        if worst > neighbours * sigma and where < 62:
            spread |= 1 << (where + 1)
        for k in range(where + 1, min(n, where + 1 + after_groups)):
            if ((dq[k, y, x] | dq[k + 1, y, x]) & SPOILT) == 0:
                dq[k + 1, y, x] |= JUMP
    return spread


@kernel
def spread_hits(dq, usable, pixels, spreads, marked):
    """Flag the 4 neighbours of large hits in the same group; returns the newly touched pixels (m, 2).

    pixels (n, 2), spreads (n,) bit masks of groups; marked (y, x) uint8: 1 where a pixel is in a list already.
    """
    ng, ny, nx = dq.shape
    new = np.empty((4 * pixels.shape[0] + 1, 2), np.int32)
    m = 0
    for i in range(pixels.shape[0]):
        if spreads[i] == 0:
            continue
        for side in range(4):
            y = pixels[i, 0] + (1 if side == 0 else -1 if side == 1 else 0)
            x = pixels[i, 1] + (1 if side == 2 else -1 if side == 3 else 0)
            if y < 0 or y >= ny or x < 0 or x >= nx or not usable[y, x]:
                continue
            for g in range(1, min(ng, 63)):
                if spreads[i] >> g & 1 and (dq[g, y, x] & SPOILT) == 0:
                    dq[g, y, x] |= JUMP
            if not marked[y, x]:
                marked[y, x] = 1
                new[m, 0], new[m, 1] = y, x
                m += 1
    return new[:m].copy()


@kernel
def listed(candidate, out):
    """Positions of the marked pixels into out (n, 2); the count. Rows are scanned 8 pixels at a time."""
    ny, nx = candidate.shape
    n = 0
    for y in range(ny):
        words = candidate[y].view(np.uint64)
        for i in range(words.size):
            if words[i] != 0:
                for x in range(8 * i, 8 * i + 8):
                    if candidate[y, x]:
                        out[n, 0], out[n, 1] = y, x
                        n += 1
    return n


@kernel
def judge_listed(data, dq, pixels, model, sigma2, threshold, neighbours, after_groups, guard, spreads):
    """`judge_deep` for a list of pixels."""
    n = data.shape[0] - 1
    r, work = np.empty(n), np.empty(n)
    for i in range(pixels.shape[0]):
        y, x = pixels[i, 0], pixels[i, 1]
        spreads[i] = judge_deep(data, dq, y, x, model[y, x], sigma2[y, x], threshold, neighbours, after_groups, guard, r, work)


@kernel
def seen_row(dq, y, seen):
    """OR of the group flags of one row into seen (x,)."""
    seen[:] = np.uint8(0)
    for g in range(dq.shape[0]):
        row = dq[g, y]
        for x in range(seen.size):
            seen[x] |= row[x]


@kernel
def find_frame(data, dq, model, sigma2, threshold, candidate):
    """`find_row` for all rows of one integration."""
    seen = np.empty(data.shape[2], np.uint8)
    limit = np.float32(threshold * threshold)
    for y in range(data.shape[1]):
        seen_row(dq, y, seen)
        find_row(data, y, model[y], sigma2[y], limit, seen, candidate[y])


@kernel
def _two_point_frame(data, dq, gain, read2, usable, threshold, neighbours, after_groups, pixels, spreads):
    """Judge every usable pixel; those with hits are listed."""
    ng, ny, nx = data.shape
    d, work = np.empty(ng - 1), np.empty(ng - 1)
    m = 0
    for y in range(ny):
        for x in range(nx):
            if usable[y, x]:
                s = judge_two_point(data, dq, y, x, gain[y, x], read2[y, x], threshold, neighbours, after_groups, d, work)
                if s:
                    pixels[m, 0], pixels[m, 1] = y, x
                    spreads[m] = s
                    m += 1
    return m


def flag_deep(data: F32, dq: U8, model: F32, sigma2: F32, usable: U8, params: JumpParams) -> NDArray[np.int32]:
    """Flag one integration in place against ``model`` (y, x) [DN per difference] with noise ``sigma2`` [DN^2].

    Returns the positions (n, 2) of all pixels that carry any group flag afterwards or were looked at: what the ramp fit
    has to treat one by one.
    """
    candidate = np.empty(data.shape[1:], np.uint8)
    find_frame(data, dq, model, sigma2, params.threshold, candidate)
    columns = np.zeros((data.shape[0], data.shape[2]), np.float32)
    return judge_found(data, dq, model, sigma2, usable, params, candidate, found(candidate), columns)


def found(candidate: U8) -> NDArray[np.int32]:
    """Positions (n, 2) of the pixels marked in ``candidate`` (y, x)."""
    if candidate.shape[1] % 8:
        return np.argwhere(candidate).astype(np.int32)
    pixels = np.empty((int(np.count_nonzero(candidate)), 2), np.int32)
    listed(candidate, pixels)
    return pixels


def judge_found(
    data: F32,
    dq: U8,
    model: F32,
    sigma2: F32,
    usable: U8,
    params: JumpParams,
    candidate: U8,
    pixels: NDArray[np.int32],
    columns: F32,
) -> NDArray[np.int32]:
    """`flag_deep` for ``pixels`` (n, 2), those marked in ``candidate`` (y, x): they, large events, neighbours of clear hits.

    What joins comes last, and is marked too; ``columns`` (g, x) [DN] are still to be taken out of it.
    """
    spreads = np.zeros(pixels.shape[0], np.int64)
    limits = (params.threshold, params.neighbours, params.after_groups, params.guard)
    judge_listed(data, dq, pixels, model, sigma2, *limits, spreads)
    joined = [pixels]
    if params.large:
        planes = (model, sigma2, usable, columns, candidate)
        joined.append(flag_large_events(data, dq, *planes, pixels, spreads, params.large))
    joined.append(spread_hits(dq, usable, pixels, spreads, candidate))
    return np.concatenate(joined)


@kernel
def count_listed(dq, pixels):
    """Group flags JUMP_DET among the listed pixels (n, 2), each listed once."""
    total = 0
    for i in range(pixels.shape[0]):
        for g in range(dq.shape[0]):
            total += 1 if dq[g, pixels[i, 0], pixels[i, 1]] & JUMP else 0
    return total


def difference_variance(
    deep: Deep, rate: F32, gain: F32, read2: F32, usable: U8, tgroup: float, n: int, tolerance: float
) -> F32:
    """Variance (y, x) [DN^2] of one difference about the model; NaN where pixels are not judged.

    With fewer than 3 differences a ramp cannot tell a hit from a wrong model by itself; what trace motion beyond the
    model would do is then added to the noise.
    """
    with np.errstate(divide="ignore", invalid="ignore"):  # pixels without a gain are not usable
        variance = rate / gain + 2 * read2
    if n < 3:
        slope = np.abs(deep.gradient).sum(0, dtype=np.float32) * np.float32(tgroup)
        variance = variance + np.square(np.float32(tolerance) * slope)
    out: F32 = np.where(np.asarray(usable) > 0, variance, np.float32(np.nan)).astype(np.float32)
    return out


def jump(
    ramps: Ramps,
    gain: Reference,
    readnoise: Reference,
    deep: Deep | None = None,
    model: F32 | None = None,
    params: JumpParams = JumpParams(),
) -> Ramps:
    """Flag the hits of all integrations of a block.

    Parameters
    ----------
    ramps : data (i, g, y, x) [DN], calibrated, best after `one_over_f`.
    gain, readnoise : references [e-/DN], CDS noise [DN].
    deep : the deep stack, for method ``deep``.
    model : (i, y, x) or (y, x) [DN per difference]: what to expect; default: the deep stack as it is.

    Returns
    -------
    Ramps : with JUMP_DET in groupdq. Fewer than 3 differences and method ``two_point``: nothing can be flagged.

    Raises
    ------
    InputError
        Method ``deep`` without a deep stack.
    """
    ni, ng, ny, nx = ramps.data.shape
    if params.method == "deep" and deep is None:
        raise InputError("jump: method 'deep' needs a deep stack; run the survey first or take method 'two_point'")
    g, cds = gain.cut(ramps.readout).data, readnoise.cut(ramps.readout).data
    assert g is not None and cds is not None
    read2 = (0.5 * np.square(cds)).astype(np.float32)
    bad = (ramps.pixeldq & np.uint32(flags.DO_NOT_USE | flags.REFERENCE_PIXEL)) != 0
    with np.errstate(invalid="ignore"):
        usable = (~bad & (g > 0) & np.isfinite(read2)).astype(np.uint8)
    groupdq = ramps.groupdq.copy()
    tgroup = ramps.readout.tgroup
    if params.method == "deep":
        assert deep is not None
        read2 = read2 * np.float32(deep.read_noise_factor**2)
        rate = np.maximum(deep.total, 0) * np.float32(tgroup)
        sigma2 = difference_variance(deep, rate, g, read2, usable, tgroup, ng - 1, params.tolerance)
    for i in range(ni):
        data = np.ascontiguousarray(ramps.data[i])
        if params.method == "deep":
            expected = rate if model is None else (model if model.ndim == 2 else model[i])
            flag_deep(data, groupdq[i], np.ascontiguousarray(expected, np.float32), sigma2, usable, params)
        elif ng > 3:
            flag_two_point(data, groupdq[i], g, read2, usable, params)
    return ramps.with_(groupdq=groupdq)


def flag_two_point(data: F32, dq: U8, gain: F32, read2: F32, usable: U8, params: JumpParams) -> None:
    """Flag one integration in place by the two-point difference test."""
    pixels, spreads = np.empty((data[0].size, 2), np.int32), np.zeros(data[0].size, np.int64)
    args = (params.threshold, params.neighbours, params.after_groups)
    m = _two_point_frame(data, dq, gain, read2, usable, *args, pixels, spreads)
    spread_hits(dq, usable, pixels[:m], spreads[:m], np.zeros(data.shape[1:], np.uint8))
