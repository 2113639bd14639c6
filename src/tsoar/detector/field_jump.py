"""Jumps exactly as the field's pipeline finds them (jwst 3.0 / stcal 1.20 ``detect_jumps_data``), flag for flag.

Its statistics run over *all integrations that share a file*; the same exposure cut into other files gives other flags. That
is why this is a method of its own (``jump.method = "two_point_file"``) and not the default: see docs/measured/parity.md.

d_k = e_k+1 - e_k [e-] of all integrations of the file, NaN beside SATURATED or DO_NOT_USE groups; read noise r from the
CDS reference times the gain. Three branches:

- as many integrations in the file as ``clip_from`` (100): for each difference of the ramp by itself, sigma clipping over
  integrations, median +- threshold * std, at most 5 rounds (astropy ``sigma_clip``);
- else as many differences up the ramp as ``single_pass_from`` (10): |d - median| / sqrt(|median| + r^2) > threshold once;
- else in turn, on |d| (folded: a drop of twice the signal goes unseen): all integrations of a pixel together, the median
  of all but the largest, the furthest from it is flagged and leaves, until none is beyond the threshold.

Then neighbours, groups after large jumps, and flags taken back where DO_NOT_USE or SATURATED. With fewer than 3 groups
that are not DO_NOT_USE all over, in any one integration, nothing is flagged in the whole file.

Most pixels have nothing to flag: bounds on their median, a whole row at a time, tell. In the others the elements that leave
always lie at one end of the sorted |d|: a few at the top are left out one by one (the median by Hoare's selection, 1961),
more by a window over the sorted values that shrinks.

Not reproduced: snowballs and showers (off for NIRISS), several reads a group, row slices of several processes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, F64, U8, Ramps, Readout, Reference
from tsoar.jit import kernel
from tsoar.params import Annotated, Ge, Gt, Unit, doc

JUMP = np.uint8(flags.JUMP_DET)
OFF = np.uint8(flags.SATURATED | flags.DO_NOT_USE)
DNU = np.uint8(flags.DO_NOT_USE)
TILE = 16  # pixels whose differences are gathered together: a cache line of float32
ROUNDS = 5  # of sigma clipping
MINIMUM_GROUPS = 3
NONE, ITERATIVE, SINGLE_PASS, SIGMA_CLIP = 0, 1, 2, 3


@dataclass(frozen=True, slots=True)
class FieldJumpParams:
    """What ``two_point_file`` needs besides threshold and neighbours of [jump]; the names in jwst stand beside."""

    neighbours_max: Annotated[
        float, Gt(0), Unit("sigma"), doc("hits above this do not flag their neighbours (max_jump_to_flag_neighbors)")
    ] = 1000.0
    clip_from: Annotated[
        int, Ge(1), Unit("integrations"), doc("sigma clipping for files with as many (minimum_sigclip_groups)")
    ] = 100
    single_pass_from: Annotated[
        int, Ge(1), Unit("differences"), doc("no iteration for ramps with as many (min_diffs_single_pass)")
    ] = 10
    threshold3: Annotated[
        float, Ge(0), Unit("sigma"), doc("with 3 differences left of all integrations (four_group_rejection_threshold)")
    ] = 5.0
    threshold2: Annotated[float, Ge(0), Unit("sigma"), doc("with 2 of them left (three_group_rejection_threshold)")] = 6.0
    after_dn1: Annotated[float, Ge(0), Unit("DN"), doc("jumps above this flag what follows (after_jump_flag_dn1)")] = 0.0
    after_time1: Annotated[float, Ge(0), Unit("s"), doc("for this long; 0: off (after_jump_flag_time1)")] = 0.0
    after_dn2: Annotated[float, Ge(0), Unit("DN"), doc("a second such rule (after_jump_flag_dn2)")] = 0.0
    after_time2: Annotated[float, Ge(0), Unit("s"), doc("its time; 0: off (after_jump_flag_time2)")] = 0.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What is settled for a file before its rows are judged."""

    branch: int
    """NONE, ITERATIVE, SINGLE_PASS or SIGMA_CLIP"""
    thresholds: tuple[float, float, float]
    """with 4 or more, 3 and 2 differences"""
    neighbours: tuple[float, float]
    """hits between these flag their neighbours [sigma]"""
    after_e: tuple[float, float]
    """[e-]"""
    after_n: tuple[int, int]
    """[groups]"""


def settings(
    n_integrations: int,
    usable_groups: int,
    gain: F32,
    readout: Readout,
    threshold: float,
    neighbours: float,
    params: FieldJumpParams,
) -> Settings:
    """Branch and limits for one file.

    Parameters
    ----------
    n_integrations : of the file.
    usable_groups : groups minus the largest number, over its integrations, of groups that are DO_NOT_USE in every pixel.
    gain : (y, x) [e-/DN] of the whole subarray, NaN and all: its median turns DN into electrons for the groups after a jump.
    threshold, neighbours : of `JumpParams`.
    """
    ng = readout.n_groups
    clip = n_integrations >= params.clip_from
    if ng < MINIMUM_GROUPS or (usable_groups < MINIMUM_GROUPS and not clip):
        branch = NONE
    elif clip:
        branch = SIGMA_CLIP
    else:
        branch = SINGLE_PASS if usable_groups - 1 >= params.single_pass_from else ITERATIVE
    typical = np.nanmedian(gain) if np.isfinite(gain).any() else np.float32(np.nan)
    after_e = (float(np.float32(params.after_dn1) * typical), float(np.float32(params.after_dn2) * typical))
    after_n = (int(params.after_time1 // readout.tgroup), int(params.after_time2 // readout.tgroup))
    limits = (threshold, params.threshold3, params.threshold2)
    return Settings(branch, limits, (neighbours, params.neighbours_max), after_e, after_n)


def usable_groups(groupdq: U8) -> int:
    """Groups (i, g, y, x) less those that are DO_NOT_USE all over in the worst integration."""
    gone = ((groupdq & DNU) != 0).all(axis=(2, 3)).sum(axis=1)
    return int(groupdq.shape[1] - gone.max(initial=0))


# -- order statistics --------------------------------------------------------------------------------------------------


@kernel
def _select(a, n, k):
    """The k-th smallest of a[:n], in place; nothing before position k is larger afterwards (Hoare's FIND)."""
    low, high = 0, n - 1
    while low < high:
        pivot = a[k]
        i, j = low, high
        while i <= j:
            while a[i] < pivot:
                i += 1
            while pivot < a[j]:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if j < k:
            low = i
        if k < i:
            high = j
    return a[k]


@kernel
def _middle(a, n, whole):
    """Median in float64 of the n smallest of a[:whole] (n >= 1), in place."""
    k = n // 2
    upper = _select(a, whole, k)
    if n % 2:
        return np.float64(upper)
    lower = a[0]
    for i in range(1, k):
        lower = max(lower, a[i])
    return (np.float64(lower) + np.float64(upper)) / 2.0


@kernel
def _sorted_middle(a, low, high):
    """Median in float64 of the sorted a[low:high]; NaN of nothing."""
    n = high - low
    if n <= 0:
        return np.nan
    k = low + n // 2
    if n % 2:
        return np.float64(a[k])
    return (np.float64(a[k - 1]) + np.float64(a[k])) / 2.0


# -- one pixel, all integrations -----------------------------------------------------------------------------------------


@kernel
def _noise(middle, read2):
    """Standard deviation of a difference [e-] in float64; a zero becomes NaN, which nothing exceeds."""
    s = np.sqrt(abs(middle) + read2)
    return s if s != 0.0 else np.nan


@kernel
def _distance(value, middle, sigma):
    """|value - middle| / sigma with the difference rounded to float32."""
    return np.float64(abs(np.float32(np.float64(value) - middle))) / sigma


@kernel
def _limit_of(n, t4, t3, t2):
    if n >= 4:
        return t4
    if n == 3:
        return t3
    return t2 if n == 2 else np.inf


@kernel
def _iterate(a, n, read2, t4, t3, t2):
    """|d| that stay, as (lowest, highest): what is outside is flagged. a[:n] is scratch."""
    least, most, ties = a[0], a[0], 0
    for i in range(n):
        least = min(least, a[i])
        most = max(most, a[i])
    for i in range(n):
        ties += 1 if a[i] == most else 0
    if n < 2:
        return least, most
    # first look, without sorting; medians of the field: all but the largest, of three all, of two the smaller
    if n == 2:
        middle = 1.0 * least
    else:
        m = n - ties if n >= 4 else n
        middle = _middle(a, m, n) if m > 0 else np.nan
    sigma = _noise(middle, read2)
    far = max(_distance(least, middle, sigma), _distance(most, middle, sigma))
    if not far > _limit_of(n, t4, t3, t2):
        return least, most
    # a few hits above all others, as in most pixels that have any: leave them out one after the other
    for _ in range(4):
        if not _distance(least, middle, sigma) < far:
            break
        kept, top, ties = 0, np.float32(-np.inf), 0
        for i in range(n):
            v = a[i]
            if v != most:
                a[kept] = v
                kept += 1
                ties = 1 if v > top else ties + 1 if v == top else ties
                top = max(top, v)
        n, most = kept, top
        if n == 0:
            return np.float32(np.inf), np.float32(-np.inf)
        if n == 1:
            return least, most
        if n == 2:
            middle = 1.0 * least
        else:
            m = n - ties if n >= 4 else n
            middle = _middle(a, m, n) if m > 0 else np.nan
        middle = 1.0 * np.float32(middle)
        sigma = _noise(middle, read2)
        far = max(_distance(least, middle, sigma), _distance(most, middle, sigma))
        if not far > _limit_of(n, t4, t3, t2):
            return least, most
    a[:n].sort()
    low, high = 0, n
    while True:
        while low < high and _distance(a[high - 1], middle, sigma) == far:
            high -= 1
        while low < high and _distance(a[low], middle, sigma) == far:
            low += 1
        m = high - low
        if m < 2:
            break
        if m >= 4:
            top = high
            while top > low and a[top - 1] == a[high - 1]:
                top -= 1
            middle = _sorted_middle(a, low, top)
        elif m == 3:
            middle = _sorted_middle(a, low, high)
        else:
            middle = 1.0 * a[low]
        middle = 1.0 * np.float32(middle)  # from the second round on the field keeps it in float32
        sigma = _noise(middle, read2)
        far = max(_distance(a[low], middle, sigma), _distance(a[high - 1], middle, sigma))
        if not far > _limit_of(m, t4, t3, t2):
            break
    if low == high:
        return np.float32(np.inf), np.float32(-np.inf)
    return a[low], a[high - 1]


@kernel
def _clip_bounds(a, work, n, threshold):
    """Bounds of astropy's sigma_clip (median, std, at most ROUNDS rounds); a[:n] is scratch."""
    low, high = np.nan, np.nan
    for _ in range(ROUNDS):
        if n == 0:
            break
        mean = 0.0
        for i in range(n):
            work[i] = a[i]
            mean += np.float64(a[i])
        mean /= n
        square = 0.0
        for i in range(n):
            square += (np.float64(a[i]) - mean) * (np.float64(a[i]) - mean)
        spread = np.sqrt(square / n)
        middle = _middle(work, n, n)
        low, high = middle - threshold * spread, middle + threshold * spread
        kept = 0
        for i in range(n):
            if low <= np.float64(a[i]) <= high:
                a[kept] = a[i]
                kept += 1
        if kept == n:
            break
        n = kept
    return low, high


# -- rows ------------------------------------------------------------------------------------------------------------------


@kernel
def _differences(data, dq, y, gain, d, seen):
    """Differences [e-] of one row, d (i * k, x) float32, NaN beside groups that are off; seen (x,): all flags OR-ed."""
    ni, ng = data.shape[0], data.shape[1]
    nx = seen.size
    nan = np.float32(np.nan)
    before, after = np.empty(nx, np.float32), np.empty(nx, np.float32)
    seen[:] = 0
    g = gain[y]
    for i in range(ni):
        for k in range(ng):
            v, q = data[i, k, y], dq[i, k, y]
            for x in range(nx):
                after[x] = nan if q[x] & OFF else v[x] * g[x]
            for x in range(nx):
                seen[x] |= q[x]
            if k > 0:
                row = d[i * (ng - 1) + k - 1]
                for x in range(nx):
                    row[x] = after[x] - before[x]
            before, after = after, before


@kernel
def _least_most(row, fold, count, shift, total, least, most):
    """One row of differences into count, sum, minimum and maximum of each column, NaN left out; |d| with ``fold``.

    The sum is about each column's first value, so that rounding is small against the column's scatter.
    """
    nothing = np.float32(0)
    for x in range(row.size):
        v = abs(row[x]) if fold else row[x]
        good = v == v
        shift[x] = v if good and count[x] == nothing else shift[x]
        count[x] += np.float32(1) if good else nothing
        total[x] += v - shift[x] if good else nothing
        least[x] = v if v < least[x] else least[x]
        most[x] = v if v > most[x] else most[x]


@kernel
def _add_squares(row, fold, mean, square):
    nothing = np.float32(0)
    for x in range(row.size):
        v = abs(row[x]) if fold else row[x]
        square[x] += (v - mean[x]) * (v - mean[x]) if v == v else nothing


@kernel
def _add_ranks(row, fold, low, high, most, below, upto, ties):
    one, nothing = np.float32(1), np.float32(0)
    for x in range(row.size):
        v = abs(row[x]) if fold else row[x]
        below[x] += one if v < low[x] else nothing
        upto[x] += one if v <= high[x] else nothing
        ties[x] += one if v == most[x] else nothing


@kernel
def _suspects(d, first, step, fold, noise, threshold, out, work):
    """Columns of d[first::step] (m, x) in which a value may lie beyond the threshold: out (x,) = 1; never misses one.

    The median is not known yet, but it lies within a third of a standard deviation of the mean in nearly all columns;
    counting says in which. noise (x,): the read-noise part of the variance [e-^2] (sigma^2 = |median| + noise), or NaN: sigma
    is the standard deviation of the values. A per cent is left for rounding.
    """
    nx = out.size
    count, shift, total, least, most, mean, square, low, high, below, upto, ties = work
    count[:] = shift[:] = total[:] = square[:] = below[:] = upto[:] = ties[:] = 0
    least[:], most[:] = np.inf, -np.inf
    for m in range(first, d.shape[0], step):
        _least_most(d[m], fold, count, shift, total, least, most)
    for x in range(nx):
        mean[x] = shift[x] + total[x] / count[x]
    for m in range(first, d.shape[0], step):
        _add_squares(d[m], fold, mean, square)
    for x in range(nx):
        third = np.float32(0.35) * np.sqrt(square[x] / count[x])
        low[x], high[x] = mean[x] - third, mean[x] + third
    for m in range(first, d.shape[0], step):
        _add_ranks(d[m], fold, low, high, most, below, upto, ties)
    for x in range(nx):
        n = count[x]
        kept = n - ties[x] if fold else n
        inside = below[x] <= np.floor((kept - 1) / 2) and upto[x] >= np.floor(kept / 2) + 1
        nearest = max(max(low[x], -high[x]), np.float32(0))  # the smallest |median| can be
        sigma2 = nearest + noise[x] if noise[x] == noise[x] else square[x] / n
        far = max(most[x] - low[x], high[x] - least[x])
        clean = n >= 4 and inside and np.float32(1.01) * far < np.float32(threshold) * np.sqrt(sigma2)
        out[x] = 0 if clean else 1


@kernel
def _compact(values, out):
    """The values that are not NaN, in order; how many."""
    n = 0
    for i in range(values.size):
        v = values[i]
        if v == v:
            out[n] = v
            n += 1
    return n


@kernel
def judge_rows(data, dq, gain, cds, branch, thresholds, neighbours, want_middle, spread, middles, open_planes):
    """First flags of all rows: data, dq (i, g, y, x) of a file, in place.

    gain, cds (y, x). spread (i, g, y, x) uint8 out: 1 where neighbours are to be flagged; middles (y, x) float64 out: signed
    median [e-], NaN where it was not needed; open_planes (i, g) uint8: set to 1 where a pixel is neither jump nor unusable.
    """
    ni, ng, ny, nx = data.shape
    nd = ng - 1
    t4, t3, t2 = thresholds
    near_low, near_high = neighbours
    d, tile = np.empty((ni * nd, nx), np.float32), np.empty((TILE, ni * nd), np.float32)
    a, w32 = np.empty(ni * nd, np.float32), np.empty(ni * nd, np.float32)
    low, high = np.empty(nd), np.empty(nd)
    hits, seen = np.empty(ni * nd, np.int64), np.empty(nx, np.uint8)
    work, noise2 = np.empty((12, nx), np.float32), np.empty(nx, np.float32)
    apart = nd if branch == SIGMA_CLIP else 1  # sets of differences that are judged by themselves
    suspect = np.empty((apart, nx), np.uint8)
    for y in range(ny):
        _differences(data, dq, y, gain, d, seen)
        for x in range(nx):
            r = cds[y, x] * gain[y, x]
            # without read noise nothing is ever flagged where the median is 0: those pixels are looked at one by one
            noise2[x] = np.float32(np.nan) if branch == SIGMA_CLIP else max(r * r, np.float32(0)) if r == r else np.float32(0)
        for k in range(apart):
            _suspects(d, k, apart, branch == ITERATIVE, noise2, t4, suspect[k], work)
        for x0 in range(0, nx, TILE):
            count = min(TILE, nx - x0)
            if not want_middle:
                busy = False
                for x in range(x0, x0 + count):
                    busy |= seen[x] & JUMP != 0
                    for k in range(apart):
                        busy |= suspect[k, x] != 0
                if not busy:
                    continue
            for m in range(ni * nd):
                for t in range(count):
                    tile[t, m] = d[m, x0 + t]
            for t in range(count):
                x = x0 + t
                any_suspect = False
                for k in range(apart):
                    any_suspect |= suspect[k, x] != 0
                if not (any_suspect or want_middle or seen[x] & JUMP):
                    continue
                v = tile[t]
                noise = cds[y, x] * gain[y, x]
                read2 = np.float64(noise * noise)
                middle = np.nan
                if want_middle or (branch == SINGLE_PASS and any_suspect):
                    n = _compact(v, a)
                    middle = _middle(a, n, n) if n > 0 else np.nan
                found = 0
                if branch == ITERATIVE and any_suspect:
                    n = 0
                    for i in range(v.size):
                        w = abs(v[i])
                        if w == w:
                            a[n] = w
                            n += 1
                    if n > 0:
                        least, most = _iterate(a, n, read2, t4, t3, t2)
                        for m in range(v.size):
                            w = abs(v[m])
                            if w < least or w > most:
                                hits[found] = m
                                found += 1
                elif branch == SINGLE_PASS and any_suspect:
                    sigma = _noise(middle, read2)
                    for m in range(v.size):
                        if abs(np.float64(v[m]) - middle) / sigma > t4 and np.isfinite(v[m]):
                            hits[found] = m
                            found += 1
                elif branch == SIGMA_CLIP and any_suspect:
                    for k in range(nd):
                        low[k], high[k] = np.nan, np.nan
                        if not suspect[k, x]:
                            continue
                        n = 0
                        for i in range(ni):
                            w = v[i * nd + k]
                            if np.isfinite(w):
                                a[n] = w
                                n += 1
                        low[k], high[k] = _clip_bounds(a, w32, n, t4)
                    for m in range(v.size):
                        w = np.float64(v[m])
                        k = m % nd
                        if (w < low[k] or w > high[k]) and np.isfinite(w):
                            hits[found] = m
                            found += 1
                for h in range(found):
                    dq[hits[h] // nd, hits[h] % nd + 1, y, x] |= JUMP
                if seen[x] & JUMP:  # flags that were there before count too
                    found = 0
                    for m in range(v.size):
                        if dq[m // nd, m % nd + 1, y, x] & JUMP:
                            hits[found] = m
                            found += 1
                if found:
                    if middle != middle:
                        n = _compact(v, a)
                        middle = _middle(a, n, n) if n > 0 else np.nan
                    sigma = _noise(middle, read2)
                    for h in range(found):
                        far = abs(np.float64(v[hits[h]]) - middle) / sigma
                        if near_low < far < near_high:
                            spread[hits[h] // nd, hits[h] % nd + 1, y, x] = 1
                middles[y, x] = middle
    if branch == SIGMA_CLIP:
        for i in range(ni):
            for g in range(ng):
                for y in range(ny):
                    if open_planes[i, g]:
                        break
                    for x in range(nx):
                        if dq[i, g, y, x] & (JUMP | DNU) == 0:
                            open_planes[i, g] = 1
                            break


@kernel
def _flag_neighbours(dq, spread, first, last):
    """4 neighbours of marked pixels, in rows first to last; off groups stay as they are."""
    ni, ng, ny, nx = dq.shape
    near = np.empty(nx, np.uint8)
    for i in range(ni):
        for g in range(1, ng):
            for y in range(first, last):
                s = spread[i, g, y]
                near[:] = s
                near[1:] |= s[:-1]
                near[:-1] |= s[1:]
                if y > 0:
                    near |= spread[i, g, y - 1]
                if y + 1 < ny:
                    near |= spread[i, g, y + 1]
                row = dq[i, g, y]
                for x in range(nx):
                    if near[x] and row[x] & OFF == 0:
                        row[x] |= JUMP


@kernel
def _flag_after(data, dq, gain, middles, after_e, after_n, first, last):
    """Groups that follow a jump of at least after_e [e-]."""
    ni, ng, ny, nx = data.shape
    until = np.empty(2, np.int64)
    for i in range(ni):
        for y in range(first, last):
            for x in range(nx):
                any_jump = np.uint8(0)
                for g in range(1, ng):
                    any_jump |= dq[i, g, y, x]
                if any_jump & JUMP == 0:
                    continue
                until[:] = -1
                before = data[i, 0, y, x] * gain[y, x]
                off_before = dq[i, 0, y, x] & OFF
                for g in range(1, ng):
                    q = dq[i, g, y, x]
                    e = data[i, g, y, x] * gain[y, x]
                    jumped = (q & JUMP != 0) and (q & OFF == 0) and off_before == 0
                    if jumped:
                        height = np.float64(e - before) - middles[y, x]
                        for r in range(2):
                            if after_n[r] > 0 and height >= after_e[r]:
                                until[r] = max(until[r], g + after_n[r])
                    if g <= max(until[0], until[1]) and q & OFF == 0 and not jumped:
                        dq[i, g, y, x] |= JUMP
                        # the field looks at the flags as they were before this: what follows does not reach further
                    before, off_before = e, q & OFF


@kernel
def _take_back(dq, first, last):
    """No JUMP_DET where DO_NOT_USE or SATURATED."""
    ni, ng, ny, nx = dq.shape
    for i in range(ni):
        for g in range(ng):
            for y in range(first, last):
                row = dq[i, g, y]
                for x in range(nx):
                    if row[x] & OFF and row[x] & JUMP:
                        row[x] ^= JUMP


@kernel
def _unflag(dq, spread, planes):
    """Values of exactly JUMP_DET become 0 in the planes (i, g) that are flagged all over."""
    for i in range(dq.shape[0]):
        for g in range(dq.shape[1]):
            if planes[i, g]:
                for y in range(dq.shape[2]):
                    row, near = dq[i, g, y], spread[i, g, y]
                    for x in range(row.size):
                        if row[x] == JUMP:
                            row[x] = near[x] = 0


@dataclass(frozen=True, slots=True)
class First:
    """What the first flags leave for the rules that follow."""

    spread: U8
    middles: F64


def judge(data: F32, dq: U8, gain: F32, cds: F32, s: Settings, open_planes: U8) -> First:
    """First flags of some rows of a file, in place; see `judge_rows`."""
    shape = data.shape
    first = First(np.zeros(shape, np.uint8), np.full(shape[2:], np.nan))
    if s.branch != NONE:
        want = max(s.after_n) > 0
        judge_rows(data, dq, gain, cds, s.branch, s.thresholds, s.neighbours, want, first.spread, first.middles, open_planes)
    return first


def follow(data: F32, dq: U8, gain: F32, s: Settings, first: First, closed: NDArray[np.bool_], rows: tuple[int, int]) -> None:
    """Neighbours, groups after jumps, flags taken back, in rows [first, last); ``closed`` (i, g): planes flagged all over."""
    if s.branch == SIGMA_CLIP and closed.any():
        _unflag(dq, first.spread, closed)
    if s.branch != NONE:
        _flag_neighbours(dq, first.spread, *rows)
        if max(s.after_n) > 0:
            _flag_after(data, dq, gain, first.middles, s.after_e, s.after_n, *rows)
    _take_back(dq, *rows)


def jump_by_file(
    ramps: Ramps,
    gain: Reference,
    readnoise: Reference,
    threshold: float = 4.0,
    neighbours: float = 10.0,
    params: FieldJumpParams = FieldJumpParams(),
) -> Ramps:
    """Flag the jumps of all integrations of one file.

    Parameters
    ----------
    ramps : data (i, g, y, x) [DN] after the dark, *all integrations of the file*.
    gain, readnoise : references [e-/DN], CDS noise [DN].
    threshold, neighbours : [sigma]; neighbours inf: none.

    Returns
    -------
    Ramps : JUMP_DET in groupdq; NO_GAIN_VALUE | DO_NOT_USE in pixeldq where the gain is not above 0. With fewer than 3 groups
        nothing changes.
    """
    g, cds = gain.cut(ramps.readout).data, readnoise.cut(ramps.readout).data
    assert g is not None and cds is not None
    if ramps.readout.n_groups < MINIMUM_GROUPS:
        return ramps
    groupdq, data = ramps.groupdq.copy(), np.ascontiguousarray(ramps.data)
    s = settings(data.shape[0], usable_groups(groupdq), g, ramps.readout, threshold, neighbours, params)
    open_planes = np.zeros(data.shape[:2], np.uint8)
    first = judge(data, groupdq, g, cds, s, open_planes)
    follow(data, groupdq, g, s, first, open_planes == 0, (0, data.shape[2]))
    return ramps.with_(groupdq=groupdq, pixeldq=ramps.pixeldq | no_gain(g))


def no_gain(gain: F32) -> NDArray[np.uint32]:
    """NO_GAIN_VALUE | DO_NOT_USE (y, x) where the gain [e-/DN] is NaN or not above 0."""
    with np.errstate(invalid="ignore"):
        bad = (gain <= 0) | np.isnan(gain)
    return np.where(bad, flags.NO_GAIN_VALUE | flags.DO_NOT_USE, 0).astype(np.uint32)
