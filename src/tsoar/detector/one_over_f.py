"""1/f noise: offsets of whole columns, measured beside the star and taken out of every group (or of the slope image).

NIRISS reads a column at a time (2.7 ms), so slow detector noise is one offset per column and read. It is measured on
group differences and taken out of the groups after the first, cumulatively. Methods:

``deep`` (default where a deep stack exists). The residual against the deep image, scaled to this integration's
brightness per order and with its trace motion, is averaged over the rows outside the traces with inverse-variance
weights, clipped *starting from the median* (a mean start loses a whole column to one big cosmic ray). As the residual
holds neither star nor sky, nothing of them is taken away.

``masked`` / ``median``. The column's median, with or without the traces masked (`median` is the tutorial's). Such a
median holds sky and star wings; what is smooth along the columns in it, or the deep stack's own median where there is
one, is put back, so that background and Poisson variances stay right (a bias of 730 to 880 ppm in a public pipeline
came from leaving this out).

At ``slope`` level the same is done on slope images. It is offered because the tutorial asks for the comparison (row E3):
bright and faint pixels weight the groups differently, so a drift of the reads gives different slopes inside and beside
the trace; white light then scatters 1.5 to 2 times the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, F64, U8, Deep, Ramps, Slopes
from tsoar.errors import InputError
from tsoar.jit import kernel
from tsoar.medians import column_medians
from tsoar.params import Annotated, Ge, Gt, Literal, Unit, doc

START_ROWS = 32  # rows in the median that starts the clipping: its error is a fifth of a pixel's noise


@dataclass(frozen=True, slots=True)
class OneOverFParams:
    """How column offsets are measured."""

    method: Annotated[
        Literal["deep", "masked", "median"],
        doc("deep: residual against the deep stack; masked: column median beside the traces; median: of the whole column"),
    ] = "deep"
    level: Annotated[Literal["group", "slope"], doc("take the offsets out of group differences or of slope images")] = "group"
    mask_radius: Annotated[float, Gt(0), Unit("px"), doc("rows this close to the traces of orders 1 and 2 are left out")] = 17.0
    clip: Annotated[float, Gt(1), Unit("sigma"), doc("deep: residuals further from the column's level are left out")] = 4.0
    smooth: Annotated[int, Ge(3), Unit("columns"), doc("median, masked: width of what is put back as sky and star")] = 101


@kernel
def start_residuals(data, low, high, y_rows, model, factor, weight, out):
    """Residuals of one difference on a few rows: out (n, x), NaN where the weight is 0."""
    for j in range(y_rows.size):
        y = y_rows[j]
        a, b, m, w, o = data[low, y], data[high, y], model[y], weight[y], out[j]
        for x in range(o.size):
            r = (b[x] - a[x]) - factor * m[x]
            o[x] = r if w[x] > np.float32(0) else np.float32(np.nan)


@kernel
def _add(a, b, m, w, start, factor, limit2, total, norm):
    """One residual and its weight to the sums of a column, if it is within the limit."""
    d = ((b - a) - factor * m) - start
    inside = d * d * w < limit2  # NaN is not
    return total + (w * d if inside else np.float32(0)), norm + (w if inside else np.float32(0))


@kernel
def _add_row(a, b, m, w, start, factor, limit2, total, norm):
    for x in range(total.size):
        total[x], norm[x] = _add(a[x], b[x], m[x], w[x], start[x], factor, limit2, total[x], norm[x])


@kernel
def _add_four_rows(a0, b0, m0, w0, a1, b1, m1, w1, a2, b2, m2, w2, a3, b3, m3, w3, start, factor, limit2, total, norm):
    for x in range(total.size):
        s, t, n = start[x], total[x], norm[x]
        t, n = _add(a0[x], b0[x], m0[x], w0[x], s, factor, limit2, t, n)
        t, n = _add(a1[x], b1[x], m1[x], w1[x], s, factor, limit2, t, n)
        t, n = _add(a2[x], b2[x], m2[x], w2[x], s, factor, limit2, t, n)
        t, n = _add(a3[x], b3[x], m3[x], w3[x], s, factor, limit2, t, n)
        total[x], norm[x] = t, n


@kernel
def accumulate(data, low, high, model, factor, weight, start, limit, total, norm):
    """Inverse-variance sums (k, x) of the residuals of differences that lie within ``limit`` sigma of ``start`` (k, x).

    Difference k is data[high[k]] - data[low[k]] - factor * model; row by row, so that each is fetched once. Four rows at
    a time, as the sums of all differences are larger than the nearest cache: fetching and storing them for every row
    takes half of the time.
    """
    limit2 = np.float32(limit * limit)
    total[:] = np.float32(0)
    norm[:] = np.float32(0)
    ny = data.shape[1]
    for y in range(0, ny - ny % 4, 4):
        m, w = model[y : y + 4], weight[y : y + 4]
        for k in range(low.size):
            a, b = data[low[k], y : y + 4], data[high[k], y : y + 4]
            _add_four_rows(
                a[0], b[0], m[0], w[0], a[1], b[1], m[1], w[1], a[2], b[2], m[2], w[2], a[3], b[3], m[3], w[3],
                start[k], factor, limit2, total[k], norm[k],
            )  # fmt: skip
    for y in range(ny - ny % 4, ny):
        for k in range(low.size):
            _add_row(data[low[k], y], data[high[k], y], model[y], weight[y], start[k], factor, limit2, total[k], norm[k])


@kernel
def _bridge_rows(offsets):
    nx = offsets.shape[1]
    for k in range(offsets.shape[0]):
        row = offsets[k]
        last = -1  # the last column that is known
        for x in range(nx):
            if not np.isfinite(row[x]):
                continue
            slope = (np.float64(row[x]) - row[last]) / (x - last) if last >= 0 else 0.0
            for hole in range(last + 1, x):
                row[hole] = slope * (hole - last) + row[last] if last >= 0 else row[x]
            last = x
        for hole in range(last + 1, nx):
            row[hole] = row[last] if last >= 0 else np.float32(0)


def bridge(offsets: F32) -> F32:
    """Columns (..., x) without a single good row take the line between their neighbours (0 if there is no column at all)."""
    out = offsets.copy()
    _bridge_rows(out.reshape(-1, out.shape[-1]))
    return out


@cache
def start_rows(ny: int) -> NDArray[np.int64]:
    """Rows, spread evenly, whose median starts the clipping."""
    return np.unique(np.linspace(0, ny - 1, min(ny, START_ROWS)).round().astype(np.int64))


def clipped_offsets(
    data: F32,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    model: F32,
    factor: float,
    weight: F32,
    clip: float,
    norm: F32 | None = None,
) -> F32:
    """Offsets (k, x) [DN] of the differences ``data[high[k]] - data[low[k]]`` against ``factor * model``.

    data (g, y, x) [DN]; model (y, x) [DN per difference]; weight (y, x) 1/variance [DN^-2], 0 = not used.
    ``norm`` (k, x), when given, receives the sum of the weights used.
    """
    rows = start_rows(data.shape[1])
    few = np.empty((rows.size, data.shape[2]), np.float32)
    start = np.empty((low.size, data.shape[2]), np.float32)
    for k in range(low.size):
        start_residuals(data, low[k], high[k], rows, model, np.float32(factor), weight, few)
        start[k] = column_medians(few)
    start = bridge(start)
    total, norm = np.empty_like(start), np.empty_like(start) if norm is None else norm
    accumulate(data, low, high, model, np.float32(factor), weight, start, np.float32(clip), total, norm)
    with np.errstate(invalid="ignore", divide="ignore"):
        return bridge(start + total / norm)


def difference_offset(data: F32, low: int, high: int, model: F32, factor: float, weight: F32, clip: float) -> F32:
    """`clipped_offsets` of a single difference: (x,)."""
    one: F32 = clipped_offsets(data, np.array([low]), np.array([high]), model, factor, weight, clip)[0]
    return one


def deep_offsets(data: F32, model: F32, weight: F32, clip: float, norm: F32 | None = None) -> F32:
    """Offsets (g - 1, x) [DN] of all differences of one integration against ``model`` (y, x) [DN per difference]."""
    k = np.arange(data.shape[0] - 1)
    return clipped_offsets(data, k, k + 1, model, 1.0, weight, clip, norm)


def median_offsets(data: F32, dq: U8, mask: NDArray[np.bool_], put_back: F32 | None, smooth: int) -> F32:
    """Offsets (g - 1, x) [DN] of one integration as column medians of the differences over rows where ``mask`` is False.

    ``put_back`` (x,) [DN per difference]: the sky and star in those medians (from the deep stack); None: what is smooth
    along the columns in the mean over the differences.
    """
    spoilt = np.uint8(0xFF & ~flags.PERSISTENCE)
    offsets = np.empty((data.shape[0] - 1, data.shape[2]), np.float32)
    for k in range(offsets.shape[0]):
        bad = mask | (((dq[k] | dq[k + 1]) & spoilt) != 0)
        offsets[k] = bridge(column_medians(np.where(bad, np.float32(np.nan), data[k + 1] - data[k])))
    return offsets - (smooth_level(offsets.mean(0), smooth) if put_back is None else put_back)


def smooth_level(columns: F32, width: int) -> F32:
    """What is smooth in a row of column values: running median, edges mirrored."""
    half = min(width, columns.size) // 2
    padded = np.pad(columns, half, mode="reflect") if half else columns
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    out: F32 = column_medians(np.ascontiguousarray(windows.T))[: columns.size]
    return out


@kernel
def subtract_row(data, y, cumulative):
    """data[g, y] -= cumulative[g - 1] for every group after the first."""
    for g in range(1, data.shape[0]):
        row, c = data[g, y], cumulative[g - 1]
        for x in range(row.size):
            row[x] -= c[x]


@kernel
def subtract(data, cumulative):
    """The same for all rows of one integration, in place."""
    for y in range(data.shape[1]):
        subtract_row(data, y, cumulative)


@kernel
def subtract_listed(data, cumulative, pixels):
    """The same for the listed pixels (n, 2) alone, each listed once."""
    for i in range(pixels.shape[0]):
        y, x = pixels[i, 0], pixels[i, 1]
        for g in range(1, data.shape[0]):
            data[g, y, x] -= cumulative[g - 1, x]


def cumulate(offsets: F32) -> F32:
    """Offsets of differences -> offsets of the groups after the first (summed in float64)."""
    summed: F32 = np.cumsum(offsets, axis=0, dtype=np.float64).astype(np.float32)
    return summed


def offset_weight(
    deep: Deep, noise_read2: F32, noise_gain: F32, usable: NDArray[Any], near: NDArray[np.bool_], tgroup: float
) -> F32:
    """1/variance (y, x) [DN^-2] of a difference; 0 near the traces and where pixels are not to be used."""
    variance = np.maximum(deep.total, 0) * np.float32(tgroup) / noise_gain + 2 * noise_read2
    use = (usable > 0) & ~near & ~deep.odd & np.isfinite(variance) & (variance > 0)
    weight: F32 = np.where(use, 1 / np.where(use, variance, 1), 0).astype(np.float32)
    return weight


def near_traces(trace: F64, shape: tuple[int, int], radius: float, orders: tuple[int, ...] = (1, 2)) -> NDArray[np.bool_]:
    """(y, x) True within ``radius`` rows of the traces of ``orders``."""
    rows = np.arange(shape[0])[:, None]
    with np.errstate(invalid="ignore"):
        near: NDArray[np.bool_] = np.any([np.abs(rows - trace[o - 1]) <= radius for o in orders], axis=0)
    return near


def one_over_f(
    ramps: Ramps,
    deep: Deep | None = None,
    trace: F64 | None = None,
    model: F32 | None = None,
    weight: F32 | None = None,
    params: OneOverFParams = OneOverFParams(),
) -> Ramps:
    """Take column offsets out of the groups of a block.

    Parameters
    ----------
    ramps : data (i, g, y, x) [DN], calibrated.
    deep : the deep stack, for method ``deep``.
    trace : (3, x) trace rows, for method ``masked`` without a deep stack.
    model : (i, y, x) or (y, x) [DN per difference], the expected image; default: the deep stack as it is, unscaled.
    weight : (y, x) [DN^-2]; default: 1 outside the traces.

    Returns
    -------
    Ramps : with ``facts["one_over_f"]`` (i, g - 1, x) [DN], the offsets of the differences.

    Raises
    ------
    InputError
        Method ``deep`` without a deep stack, ``masked`` without traces.
    """
    ni, _, ny, nx = ramps.data.shape
    trace = deep.trace_all if trace is None and deep is not None else trace
    if params.method == "deep" and deep is None:
        raise InputError("one_over_f: method 'deep' needs a deep stack; run the survey first or take method 'masked'")
    if params.method == "masked" and trace is None:
        raise InputError("one_over_f: method 'masked' needs the traces; give trace= or take method 'median'")
    near = np.zeros((ny, nx), bool) if trace is None else near_traces(trace, (ny, nx), params.mask_radius)
    bad = (ramps.pixeldq & np.uint32(flags.DO_NOT_USE | flags.REFERENCE_PIXEL)) != 0
    out, facts = np.empty_like(ramps.data), []
    for i in range(ni):
        data = np.ascontiguousarray(ramps.data[i])
        if params.method == "deep":
            assert deep is not None
            expected = (
                deep.total * np.float32(ramps.readout.tgroup) if model is None else (model if model.ndim == 2 else model[i])
            )
            w = np.where(near | bad, 0, 1).astype(np.float32) if weight is None else weight
            offsets = deep_offsets(data, expected, w, params.clip if weight is not None else 1e6)
        else:
            mask = bad | near if params.method == "masked" else bad
            offsets = median_offsets(data, ramps.groupdq[i], mask, deep_level(deep, mask, ramps.readout.tgroup), params.smooth)
        out[i] = data
        subtract(out[i], cumulate(offsets))
        facts.append(offsets)
    return ramps.with_(data=out, facts={"one_over_f": np.array(facts)})


def deep_level(deep: Deep | None, mask: NDArray[np.bool_], tgroup: float) -> F32 | None:
    """Column medians (x,) of the deep stack over the rows that are not masked, times ``tgroup``; None without one."""
    if deep is None:
        return None
    return bridge(column_medians(np.where(mask, np.float32(np.nan), deep.total * np.float32(tgroup))))


def slope_weight(variance: F32, left_out: NDArray[np.bool_]) -> F32:
    """1/variance (y, x) [(s/DN)^2]; 0 where pixels are left out or have none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(left_out, np.float32(0), np.float32(1) / variance)
    weight[~np.isfinite(weight)] = 0
    return weight


def slope_offset(
    image: F32,
    variance: F32,
    bad: NDArray[np.bool_],
    near: NDArray[np.bool_],
    model: F32 | None,
    put_back: F32 | None,
    params: OneOverFParams,
) -> F32:
    """Offset (x,) of one slope image (y, x) [DN/s].

    ``model`` (y, x): what to expect of it, for method ``deep`` (None: column medians); ``put_back`` (x,) as in
    `median_offsets`; ``bad``, ``near`` (y, x): pixels without a slope, pixels near the traces.
    """
    if params.method == "deep" and model is not None:
        pair = np.stack([np.zeros_like(image), np.where(bad, np.float32(0), image)])
        return difference_offset(pair, 0, 1, model, 1.0, slope_weight(variance, bad | near), params.clip)
    mask = bad if params.method == "median" else bad | near
    offset = bridge(column_medians(np.where(mask, np.float32(np.nan), image)))
    return offset - (smooth_level(offset, params.smooth) if put_back is None else put_back)


def one_over_f_slopes(
    slopes: Slopes,
    deep: Deep | None = None,
    trace: F64 | None = None,
    model: F32 | None = None,
    params: OneOverFParams = OneOverFParams(level="slope"),
) -> Slopes:
    """The same on slope images (i, y, x) [DN/s] (row E3, and the only way for a start from rateints).

    ``model`` (i, y, x) [DN/s]: what to expect of each integration, for method ``deep`` (default: the deep stack as it is).
    """
    ni, ny, nx = slopes.slope.shape
    trace = deep.trace_all if trace is None and deep is not None else trace
    near = np.zeros((ny, nx), bool) if trace is None else near_traces(trace, (ny, nx), params.mask_radius)
    out, facts = np.empty_like(slopes.slope), []
    for i in range(ni):
        image = slopes.slope[i]
        bad = ~np.isfinite(image) | ((slopes.dq[i] & np.uint32(flags.DO_NOT_USE | flags.REFERENCE_PIXEL)) != 0)
        expected = model[i] if model is not None else deep.total if deep is not None else None
        mask = bad if params.method == "median" else bad | near
        variance = slopes.var_poisson[i] + slopes.var_rnoise[i]
        offset = slope_offset(image, variance, bad, near, expected, deep_level(deep, mask, 1.0), params)
        out[i] = image - offset
        facts.append(offset)
    return slopes.with_(slope=out, facts={"one_over_f_slope": np.array(facts)})
