"""Where the traces are, column by column (row C2).

Two definitions of a trace, which differ by up to 1 px because the SOSS profile has two horns of unequal height:

- `centroids`: the maximum of the Gaussian-smoothed profile, walked from a start column, as the tutorial does
  (nespinoza/transitspectroscopy ``trace_spectrum``, whose defaults these are). Noisy (10-20 mpx a column after medians)
  and pulled by neighbours; cheap enough for every integration, where it is a diagnostic.
- `edge_midpoints`: the middle between the two half-maximum edges, the definition of the published PASTASOSS trace; hardly
  touched by the unequal horns. For the deep image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter1d

from tsoar.blocks import F32, F64
from tsoar.jit import kernel
from tsoar.params import Annotated, Ge, Gt, Unit, doc

STRETCHES = 16
BLOCK = 16
"""columns copied at a time: a cache line of float32"""


@dataclass(frozen=True, slots=True)
class CentroidParams:
    """How centroids are walked. A smoothing of 10 px merges the two horns, 15 px apart, into one maximum."""

    sigma: Annotated[float, Gt(0), Unit("px"), doc("width of the Gaussian that smooths the profile")] = 10.0
    radius: Annotated[float, Gt(1), Unit("px"), doc("the maximum is looked for this far from the column before's position")] = (
        20.0
    )
    tolerance: Annotated[
        float, Gt(0), Unit("px"), doc("a maximum further from the column before's position is not believed")
    ] = 5.0
    outlier: Annotated[
        float, Gt(0), Unit("sigma"), doc("centroids further from the running median of their neighbours are not valid")
    ] = 5.0
    separation: Annotated[
        float,
        Ge(0),
        Unit("px"),
        doc("orders 2 and 3 are held to the model where a lower order is nearer than this (order 2: left of ~900)"),
    ] = 50.0
    brightness: Annotated[
        float, Ge(0), Unit("sigma"), doc("columns are valid where the smoothed peak exceeds its noise by this")
    ] = 5.0


@dataclass(frozen=True, slots=True)
class EdgeParams:
    """How the middle between the half-maximum edges is measured."""

    columns: Annotated[int, Ge(1), Unit("columns"), doc("neighbours averaged along the trace")] = 9
    separation: Annotated[
        float,
        Ge(0),
        Unit("px"),
        doc("orders 2 and 3 are not measured where a lower order is nearer than this (order 2: left of ~850)"),
    ] = 45.0
    brightness: Annotated[
        float, Ge(0), Unit("sigma"), doc("columns are valid where the plateau exceeds the noise of a pixel by this")
    ] = 4.0


def centroids(
    image: F32, good: NDArray[np.bool_], expected: F64, params: CentroidParams = CentroidParams()
) -> tuple[F64, NDArray[np.bool_]]:
    """Maxima of the Gaussian-smoothed profiles, walked from each order's brightest columns to both sides.

    image (y, x) without sky; good (y, x); expected (3, x) rows near which the traces lie. Returns rows (3, x) [px] and
    which of them are valid (3, x). Orders 2 and 3 are measured on an image from which pixels nearer to another order are
    cut. Where a lower order or the frame's edge is too near, rows are held to ``expected`` and not valid. NaN where
    ``expected`` is NaN.
    """
    y, peak = walked_centroids(image, good, expected, params)
    valid = np.zeros(y.shape, bool)
    for o in range(len(y)):
        found = np.where(np.isfinite(peak[o]), y[o], np.nan)
        if np.isfinite(found).any():
            valid[o] = _believable(found, peak[o], expected[o], params)
    return y, valid


def walked_centroids(
    image: F32, good: NDArray[np.bool_], expected: F64, params: CentroidParams = CentroidParams()
) -> tuple[F64, F32]:
    """`centroids` without asking which are valid (that takes as long as the walk): rows (3, x) [px], and the height of the
    smoothed profile (3, x) where a maximum was found, NaN elsewhere.
    """
    n_orders, nx = expected.shape
    y = expected.copy()
    peaks = np.full((n_orders, nx), np.nan, np.float32)
    reach = int(np.ceil(3 * params.sigma))
    taps = np.arange(-reach, reach + 1)
    gauss = np.exp(-0.5 * (taps / params.sigma) ** 2)
    gauss = (gauss / gauss.sum()).astype(np.float32)
    radius = round(params.radius)
    margin = radius + int(np.ceil(params.tolerance)) + 2
    band = np.zeros((nx, 2 * (margin + reach) + 1), np.float32)
    first = np.empty(nx, np.int64)
    peak = np.empty(nx, np.float32)
    seen = np.empty(nx, np.bool_)
    image = np.ascontiguousarray(image, np.float32)
    good = np.ascontiguousarray(good)
    for o in range(n_orders):
        low, high = _territory(expected, o)
        walk = np.isfinite(expected[o]) & _apart(expected, o, params.separation)
        # near the frame's edge what is cut off would move the maximum
        edge = params.radius + params.tolerance
        walk &= (expected[o] >= edge) & (expected[o] <= image.shape[0] - 1 - edge)
        if not walk.any():
            continue
        _straighten(image, good, expected[o], walk, low, high, margin + reach, band, first, seen)
        start = _start(band, seen, margin + reach)
        if start < 0:
            continue
        found = np.full(nx, np.nan)
        for step in (1, -1):
            _walk(band, first, seen, expected[o], start, step, gauss, radius, margin, params.tolerance, found, peak)
        measured = np.isfinite(found)
        y[o, measured] = found[measured]
        peaks[o, measured] = peak[measured]
    return y, peaks


def _territory(expected: F64, order: int) -> tuple[F64, F64]:
    """(x,), (x,) rows between which pixels are nearer to this order than to its neighbours; order 1 has no limits."""
    low = np.full(expected.shape[1], -np.inf)
    high = np.full(expected.shape[1], np.inf)
    if order > 0:
        low = np.nan_to_num((expected[order] + expected[order - 1]) / 2, nan=-np.inf)
        if order + 1 < len(expected):
            high = np.nan_to_num((expected[order] + expected[order + 1]) / 2, nan=np.inf)
    return low, high


def _apart(expected: F64, order: int, separation: float) -> NDArray[np.bool_]:
    """(x,) where no lower order is nearer than ``separation``; order 3, clear of order 2's core everywhere, counts 3/4."""
    apart = np.ones(expected.shape[1], bool)
    wanted = separation * (0.75 if order == 2 else 1.0)
    for lower in range(order):
        apart &= ~(np.abs(expected[order] - expected[lower]) < wanted)
    return apart


def _start(band: F32, seen: NDArray[np.bool_], centre: int) -> int:
    """The column to walk from: a typical one of the brightest of 16 stretches (single hot pixels do not count)."""
    n = band.shape[0] // STRETCHES
    light = np.where(seen, band[:, centre - 8 : centre + 9 : 4].sum(axis=1), -np.inf)[: n * STRETCHES]
    typical = np.sort(light.reshape(STRETCHES, n), axis=1)[:, n // 2]
    best = int(np.argmax(typical)) if n > 0 else 0
    if n == 0 or not np.isfinite(typical[best]):
        return int(np.argmax(seen)) if seen.any() else -1
    return best * n + int(np.argmin(np.abs(light[best * n : (best + 1) * n] - typical[best])))


@kernel
def _straighten(image, good, expected, walk, low, high, half, band, first, seen):  # type: ignore[no-untyped-def]
    """Profiles as rows, centred on ``expected``: band (x, 2 half + 1); first (x,) the row of its first pixel.

    Bad pixels are bridged linearly; pixels off the frame or outside low ... high are 0. Columns with fewer than two
    thirds of their inner pixels good are not ``seen``. Copied in blocks of columns: reading down single columns of an
    image 2048 wide misses the cache at every pixel.
    """
    ny, nx = image.shape
    n = 2 * half + 1
    holes = np.empty(n, np.int64)
    block = np.empty((ny, BLOCK), np.float32)
    for x in range(nx):
        first[x] = int(np.rint(expected[x])) - half if walk[x] else 0
    for x in range(nx):
        if x % BLOCK == 0:
            _copy_block(image, good, first, walk, x, n, block)
        seen[x] = walk[x]
        if not walk[x]:
            continue
        bottom = first[x]
        lowest, highest = max(low[x], 0.0), min(high[x], ny - 1.0)
        begin, end = int(np.ceil(lowest)) - bottom, int(np.floor(highest)) - bottom + 1
        begin, end = min(max(begin, 0), n), min(max(end, 0), n)
        profile = band[x]
        profile[:begin] = 0
        profile[end:] = 0
        m = np.int64(0)
        for k in range(begin, end):
            value = block[bottom + k, x % BLOCK]
            profile[k] = value
            if value != value:
                holes[m] = k
                m += 1
        # inner pixels that are good; another order's count, as they are 0 by intention
        count = min(half + 12, ny - 1 - bottom) - max(half - 12, -bottom) + 1
        for i in range(m):
            count -= 1 if abs(holes[i] - half) <= 12 else 0
        seen[x] = count >= 17
        _bridge(profile, holes, m, n)


@kernel
def _copy_block(image, good, first, walk, x, n, block):  # type: ignore[no-untyped-def]
    """The rows that the columns from ``x`` on need, into block (y, BLOCK); bad pixels NaN."""
    ny, nx = image.shape
    width = min(nx - x, BLOCK)
    begin, end = ny, 0
    for i in range(x, x + width):
        if walk[i]:
            begin, end = min(begin, first[i]), max(end, first[i] + n)
    for y in range(max(begin, 0), min(end, ny)):
        a, g, to = image[y, x : x + width], good[y, x : x + width], block[y]
        for i in range(width):
            to[i] = a[i] if g[i] else np.float32(np.nan)


@kernel
def _bridge(profile, holes, m, n):  # type: ignore[no-untyped-def]
    """Straight lines across the first m (rising) ``holes`` in profile[:n]; 0 if nothing is known."""
    i = 0
    while i < m:
        left = holes[i] - 1
        while i + 1 < m and holes[i + 1] == holes[i] + 1:
            i += 1
        right = holes[i] + 1
        step = 0.0
        if left >= 0 and right < n:
            step = (profile[right] - profile[left]) / (right - left)
        known = profile[left] if left >= 0 else profile[right] if right < n else np.float32(0)
        for k in range(left + 1, right):
            profile[k] = known + step * (k - left)
        i += 1


@kernel
def _walk(band, first, seen, expected, start, step, gauss, radius, margin, tolerance, found, peak):  # type: ignore[no-untyped-def]
    """Follow the maximum of the smoothed profile from column ``start`` in direction ``step``; found (x,) NaN if none."""
    nx, n = band.shape
    taps = gauss.size
    reach = taps // 2
    width = 2 * radius + 3
    smooth = np.empty(width, np.float32)
    offset = 0.0  # of the column before from what is expected: slopes of 0.7 px per column do not count as jumps
    x = start if step > 0 else start - 1
    while 0 <= x < nx:
        if seen[x]:
            guess = expected[x] - first[x] + offset
            low = int(np.rint(guess)) - radius - 1
            low = max(low, reach)
            if low + width + reach > n:
                low = n - reach - width
            piece = band[x, low - reach : low + width + reach]
            for j in range(width):
                smooth[j] = 0
            for k in range(taps):
                g = gauss[k]
                shifted = piece[k : k + width]
                for j in range(width):
                    smooth[j] += g * shifted[j]
            best = 1
            for j in range(2, width - 1):
                if smooth[j] > smooth[best]:
                    best = j
            before, here, after = smooth[best - 1], smooth[best], smooth[best + 1]
            bend = before - 2 * here + after
            inside = here >= before and here >= after and bend < 0
            place = low + best + (0.5 * (before - after) / bend if inside else 0.0)
            peak[x] = here
            if inside and abs(place - guess) <= tolerance:
                found[x] = first[x] + place
                offset = found[x] - expected[x]
        x += step


def _believable(found: F64, peak: F32, expected: F64, params: CentroidParams) -> NDArray[np.bool_]:
    """(x,) centroids near the running median of their neighbours, where the order is bright."""
    measured = np.isfinite(found)
    x = np.flatnonzero(measured)
    away = found[x] - expected[x]
    rest = np.abs(away - median_filter(away, size=31, mode="nearest"))
    fine = rest <= params.outlier * max(1.4826 * float(np.median(rest)), 1e-3)
    light = peak[x].astype(np.float64)
    noise = 1.4826 * float(np.median(np.abs(np.diff(light)))) / np.sqrt(2) if x.size > 1 else 0.0
    fine &= uniform_filter1d(light, 51, mode="nearest") > params.brightness * noise
    valid = measured.copy()
    valid[x] = fine
    return valid


PLATEAU = 8.0
"""[px] the mean this close to the trace is the height of the profile"""
LEVEL = 0.55
"""share of it at which the edges are taken"""
INNER = 13.0
"""[px] the two flanks are looked for this far from the trace"""
OUTER = 26.0
SAMPLING = 0.5
WIDTH_LIMITS = (16.0, 31.0)
"""[px] full width at half maximum that a SOSS profile can have (21.5 to 25.5 in WASP-39)"""


def edge_midpoints(
    image: F32, good: NDArray[np.bool_], expected: F64, params: EdgeParams = EdgeParams()
) -> tuple[F64, NDArray[np.bool_]]:
    """Middle between the two half-maximum edges of the profile, per column.

    image (y, x) without sky; good (y, x); expected (3, x) rows within ~5 px of which the traces lie. Returns rows (3, x)
    [px], NaN where not found, and which are valid (3, x). Profiles are shifted onto ``expected`` (cubic interpolation),
    averaged over some columns, and their edges are followed outwards from the highest point of either flank.

    The level of an edge decides the result by some 0.1 px, as the profile is not symmetric. Here it is 0.55 of the mean over
    +-8 px, between the half of the maximum, which one horn decides, and the half of the median: on WASP-39 the three lie
    (+0.12, +0.58), (-0.06, +0.19), (-0.31, -0.10) px from the published traces of orders 2 and 3; about the exactly known
    edges of half maximum of a simulated order 1 they scatter by 0.03, 0.05, 0.10 px.
    """
    n_orders, nx = expected.shape
    repaired = _repair(image, good)
    s = np.arange(-OUTER, OUTER + SAMPLING / 2, SAMPLING)
    y = np.full((n_orders, nx), np.nan)
    valid = np.zeros((n_orders, nx), bool)
    for o in range(n_orders):
        use = np.isfinite(expected[o]) & _apart(expected, o, params.separation)
        use &= (expected[o] > INNER) & (expected[o] < image.shape[0] - 1 - INNER)
        x = np.flatnonzero(use)
        if x.size < 2 * params.columns:
            continue
        lines = _aligned(repaired, expected[o, x], x, s)
        noise = 1.4826 * float(np.median(np.abs(np.diff(lines[np.abs(s) < INNER], axis=1)))) / np.sqrt(2)
        mean = uniform_filter1d(lines, params.columns, axis=1, mode="nearest")
        if o == 1:  # order 1, far brighter, beside it
            mean = mean - _pedestal(mean, s)
        middle, width, height = _half_maximum(mean, s)
        share = np.count_nonzero(_aligned_good(good, expected[o, x], x), axis=0) / (2 * INNER + 1)
        fine = np.isfinite(middle) & (width > WIDTH_LIMITS[0]) & (width < WIDTH_LIMITS[1])
        fine &= (height > params.brightness * noise) & (share > 0.7)
        y[o, x] = expected[o, x] + middle
        valid[o, x] = fine
    return y, valid


def _pedestal(profiles: F32, s: F64) -> F32:
    """(s, x) straight line through the light at both ends of profiles (s, x): the wing of the brighter order beside."""
    low, high = (profiles[side * s > OUTER - 4].mean(axis=0) for side in (-1, 1))
    t = ((s + OUTER - 2) / (2 * OUTER - 4))[:, None].astype(np.float32)
    line: F32 = low + t * (high - low)
    return line


def _repair(image: F32, good: NDArray[np.bool_]) -> F32:
    """Bad pixels replaced by the mean of good ones within 3 columns in the same row; 0 where there are none."""
    fine = (good & np.isfinite(image)).astype(np.float32)
    values = np.where(fine > 0, image, 0).astype(np.float32)
    total = uniform_filter1d(values, 7, axis=1, mode="constant")
    count = uniform_filter1d(fine, 7, axis=1, mode="constant")
    mean = np.where(count > 0.1, total / np.maximum(count, 0.1), 0)
    out: F32 = np.where(fine > 0, values, mean).astype(np.float32)
    return out


def _aligned(image: F32, trace: F64, x: NDArray[np.int64], s: F64) -> F32:
    """(s, x) the image at rows trace + s, by Catmull-Rom interpolation; rows beyond the frame repeat its edge."""
    rows = trace + s[:, None]
    base = np.floor(rows).astype(np.int64)
    t = (rows - base).astype(np.float32)
    top = image.shape[0] - 1
    a, b, c, d = (image[np.clip(base + k, 0, top), x] for k in (-1, 0, 1, 2))
    out: F32 = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return out


def _aligned_good(good: NDArray[np.bool_], trace: F64, x: NDArray[np.int64]) -> NDArray[np.bool_]:
    rows = np.rint(trace + np.arange(-INNER, INNER + 1)[:, None]).astype(np.int64)
    inside = (rows >= 0) & (rows < good.shape[0])
    fine: NDArray[np.bool_] = good[np.clip(rows, 0, good.shape[0] - 1), x] & inside
    return fine


def _half_maximum(profiles: F32, s: F64) -> tuple[F64, F64, F64]:
    """Middle of and distance between the two edges, and the plateau, of profiles (s, x); NaN where not found."""
    height = profiles[np.abs(s) <= PLATEAU].mean(axis=0).astype(np.float64)
    half = LEVEL * height
    columns = np.arange(profiles.shape[1])
    index = np.arange(s.size)[:, None]
    edges = []
    for side in (-1, 1):
        flank = np.flatnonzero((side * s >= 3) & (side * s <= INNER))
        top = flank[np.argmax(profiles[flank], axis=0)]
        below = (profiles < half) & (side * (index - top) > 0)
        # the first place outwards from the flank's top that lies below half
        out = s.size - 1 - np.argmax(below[::-1], axis=0) if side < 0 else np.argmax(below, axis=0)
        found = below.any(axis=0) & (profiles[top, columns] > half)
        inn = np.clip(out - side, 0, s.size - 1)
        high, low = profiles[inn, columns].astype(np.float64), profiles[out, columns].astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            place = s[inn] + (high - half) / (high - low) * (s[out] - s[inn])
        edges.append(np.where(found, place, np.nan))
    return (edges[0] + edges[1]) / 2, edges[1] - edges[0], height


class StartProfile(NamedTuple):
    """The profile from which an order is walked."""

    column: int
    rows: NDArray[np.int64]
    """(n,) [px]"""
    flux: F32
    """(n,) as measured, bad pixels bridged; 0 where another order is nearer"""
    smooth: F32
    """(n,) after the Gaussian"""
    centre: float
    """[px] its maximum, by a parabola through the three highest points"""


def start_profile(
    image: F32, good: NDArray[np.bool_], expected: F64, order: int, params: CentroidParams = CentroidParams()
) -> StartProfile | None:
    """Where `centroids` starts to walk an order (index 0, 1, 2), and what it sees there; None where it cannot.

    image (y, x) without sky; good (y, x); expected (3, x), as there.
    """
    nx = expected.shape[1]
    reach, half = int(np.ceil(3 * params.sigma)), round(params.radius) + int(np.ceil(3 * params.sigma))
    walk = np.isfinite(expected[order]) & _apart(expected, order, params.separation)
    if not walk.any():
        return None
    low, high = _territory(expected, order)
    band, first, seen = np.zeros((nx, 2 * half + 1), np.float32), np.empty(nx, np.int64), np.empty(nx, np.bool_)
    image, good = np.ascontiguousarray(image, np.float32), np.ascontiguousarray(good)
    _straighten(image, good, expected[order], walk, low, high, half, band, first, seen)
    column = _start(band, seen, half)
    if column < 0:
        return None
    gauss = np.exp(-0.5 * (np.arange(-reach, reach + 1) / params.sigma) ** 2)
    smooth = np.convolve(band[column], gauss / gauss.sum(), mode="same").astype(np.float32)
    inner = np.abs(np.arange(2 * half + 1) - half) <= params.radius
    k = int(np.argmax(np.where(inner, smooth, -np.inf)))
    centre = float(first[column] + k)
    if 0 < k < 2 * half:
        before, here, after = (float(v) for v in smooth[k - 1 : k + 2])
        bend = before - 2 * here + after
        centre += 0.5 * (before - after) / bend if bend < 0 else 0.0
    return StartProfile(column, first[column] + np.arange(2 * half + 1), band[column].copy(), smooth, centre)
