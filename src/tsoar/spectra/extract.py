"""Box extraction along the trace, with fractional edge pixels, for every integration.

The box moves with the trace: a fixed one turns 10 mpx of motion into 30 ppm of white light. Sky is subtracted, pixels
without a slope are replaced by the model (star scaled to this integration, plus sky), never summed over. The variance is
that of the sum, weights squared; it gets a term for the 1/f noise inside a column later (`one_over_f_excess`), because
that is shared by the pixels of a column and known only from the scatter of star-free windows over the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar.blocks import F32, F64, Deep
from tsoar.jit import kernel
from tsoar.params import Annotated, Gt, Interval, Literal, Unit, doc
from tsoar.soss.masks import near_trace


@dataclass(frozen=True, slots=True)
class ExtractParams:
    """The aperture, and how its pixels are weighted."""

    method: Annotated[
        Literal["box", "optimal"],
        doc("box: sum over the moving box; optimal: weighted by profile and noise, overlapping orders told apart"),
    ] = "box"
    radius: Annotated[float, Gt(1), Unit("px"), doc("half height of the box; 15 holds 93 % of the light")] = 15.0
    max_filled: Annotated[
        float, Interval(ge=0, le=1), doc("columns with a larger share of their light filled in are not valid")
    ] = 0.5
    blank_rows: Annotated[
        int, Interval(ge=5, le=101), Unit("px"), doc("height of the star-free windows that measure 1/f noise")
    ] = 31


@kernel
def extract_box(slope, var, sky, model, trace, shift, radius, flux, variance, filled):
    """Sum one order over its moving box.

    slope, var (y, x) [DN/s, (DN/s)^2] with NaN slopes where there is none; sky, model (y, x) [DN/s]; trace (x,) rows;
    out: flux, variance (x,) float64 of slope - sky, filled (x,) share of the model's light that had to be filled in.
    """
    ny, nx = slope.shape
    for x in range(nx):
        centre = trace[x] + shift
        flux[x] = variance[x] = filled[x] = np.nan
        if centre != centre or centre + radius < 0.5 or centre - radius > ny - 1.5:
            continue
        bottom, top = centre - radius, centre + radius
        first, last = max(int(np.floor(bottom + 0.5)), 0), min(int(np.ceil(top - 0.5)), ny - 1)
        total = noise = missing = light = 0.0
        for y in range(first, last + 1):
            share = min(y + 0.5, top) - max(y - 0.5, bottom)
            if share <= 0.0:
                continue
            share = min(share, 1.0)
            expected = model[y, x] - sky[y, x]
            light += share * abs(expected)
            s = slope[y, x]
            if s == s:
                total += share * (s - sky[y, x])
                noise += share * share * var[y, x]
            else:
                total += share * expected
                missing += share * abs(expected)
        flux[x], variance[x] = total, noise
        filled[x] = missing / light if light > 0 else 1.0


@kernel
def blank_sums(data, columns, offsets_weight, model, blank, spans, sigma2, sums, counts, inner):
    """Residual sums of every difference over the star-free window of each column.

    data (g, y, x) after the column step, but for columns (g, x) that are still to be taken out; offsets_weight (y, x)
    weights the offset was measured with; blank (y, x) 1 in the window; sums (K, x): sum of residuals; counts (x,): pixels;
    inner (x,): sum of offset weights inside the window.
    A pixel beyond 5 sigma counts as on the model (a hit).
    """
    n = data.shape[0] - 1
    sums[:] = np.float32(0)
    counts[:] = np.float32(0)
    inner[:] = np.float32(0)
    for i in range(spans.shape[0]):
        y, left, right = spans[i, 0], spans[i, 1], spans[i, 2]
        m, v, u, w = model[y, left:right], sigma2[y, left:right], blank[y, left:right], offsets_weight[y, left:right]
        c, q = counts[left:right], inner[left:right]
        for x in range(m.size):
            c[x] += u[x]
            q[x] += w[x] * u[x]
        for k in range(n):
            a, b, o = data[k, y, left:right], data[k + 1, y, left:right], sums[k, left:right]
            ca, cb = columns[k, left:right], columns[k + 1, left:right]
            for x in range(m.size):
                r = ((b[x] - cb[x]) - (a[x] - ca[x])) - m[x]
                inside = r * r < np.float32(25) * v[x]
                o[x] += u[x] * r if inside else np.float32(0)


def blank_windows(deep: Deep, usable: NDArray[np.bool_], rows: int, away: float = 20.0) -> F32:
    """(y, x) float32: 1 in the darkest window of ``rows`` rows of each column, further than ``away`` px from every trace.

    ``usable`` (y, x): rows that measure the column offset; the window must leave at least as many of them beside itself.
    Columns without such a window have none (all 0). Where fewer than three in five columns have one (small subarrays),
    windows of two thirds of the height are tried, down to 9 rows.
    """
    ny, nx = deep.sky.shape
    y = np.arange(ny)[:, None]
    with np.errstate(invalid="ignore"):
        near = (np.abs(y - deep.trace_all[:, None]) <= away).any(axis=0)
    unfit = np.logical_or(near, ~np.asarray(usable.any(axis=1))[:, None])
    light = np.where(unfit, np.inf, np.abs(deep.star.sum(0, dtype=np.float64)))
    while True:
        windows = np.lib.stride_tricks.sliding_window_view(light, rows, axis=0).sum(-1)
        start = np.argmin(windows, axis=0)
        possible = np.isfinite(windows[start, np.arange(nx)]) & (usable.sum(axis=0) >= 2 * rows)
        if possible.mean() > 0.6 or rows * 2 // 3 < 9:
            inside = (y >= start) & (y < start + rows) & possible & usable
            return inside.astype(np.float32)
        rows = rows * 2 // 3


def mean_group_weights(weights: F32, deep: Deep, radius: float, n: int) -> F64:
    """(3, K, x) weights of the differences, averaged over the box of each order with its light."""
    out = np.full((3, n, deep.sky.shape[1]), 1.0 / n)
    for o in range(3):
        near, part = near_trace(deep.trace[o], deep.sky.shape[0], radius)
        w = weights[:, part]
        light = np.where(near & np.isfinite(w[0]), np.maximum(deep.star[o, part], 0), 0).astype(np.float64)
        norm = light.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            half = np.where(norm > 0, np.einsum("kyx,yx->kx", np.nan_to_num(w), light) / norm, 1.0 / n)
        out[o] = half[[min(k, n - 1 - k) for k in range(n)]]
    return out


def one_over_f_excess(blank: F64, white: F64, window_rows: F64, width: int = 101) -> F64:
    """Variance (x,) [(DN/s)^2] that 1/f noise inside a column adds to each row of an aperture (the same in all its rows).

    blank (i, x): the window's sums over the exposure [DN/s] (NaN: none); white (x,): the variance they would have
    without 1/f; window_rows (x,): pixels in each window. The excess of a row is averaged over
    ``width`` columns (its own error per column is large); columns without a window take their neighbours'.
    """
    n = blank.shape[0]
    where = np.flatnonzero((np.isfinite(blank).sum(axis=0) > max(n // 2, 2)) & (window_rows > 5))
    if n < 8 or where.size < 20:
        return np.zeros(white.shape)
    sums = blank[:, where]
    far = np.abs(sums - np.nanmedian(sums, axis=0))
    sums = np.where(far <= 4 * 1.4826 * np.nanmedian(far, axis=0), sums, np.nan)
    values = (np.nanvar(sums, axis=0, ddof=1) - white[where]) / window_rows[where] ** 2
    half = width // 2
    out = np.zeros(white.shape)
    for x in range(white.size):
        a, b = np.searchsorted(where, (x - half, x + half + 1))
        if b - a < width // 4:  # near a stretch without windows: the nearest ones
            middle = np.searchsorted(where, x)
            a, b = max(0, middle - half), min(where.size, middle + half + 1)
        part = np.sort(values[a:b])
        cut = int(np.ceil(0.02 * (part.size - 1)))  # what lies beyond the 2 and 98 % quantiles
        out[x] = part[cut : part.size - cut].mean()
    return np.maximum(out, 0.0)
