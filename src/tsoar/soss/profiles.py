"""How the light of each order is spread over the rows of a column, and who owns how much of a pixel.

Profiles are those measured on WASP-39 (packaged table ``soss_profiles``; BD+60 1753 agrees within 5 % of the peak), at 12
wavelengths, pixel response included. The far wings of both stars fall as |s|^-1.5.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d, median_filter

from tsoar.blocks import F32, F64, Each
from tsoar.jit import kernel
from tsoar.soss.tables import of_order, table
from tsoar.soss.traces import REFERENCE_ANGLE, published_traces

WING = 1.4e-4
"""share of an order's light per pixel, 70 px from its trace (WASP-39 and BD+60 1753)"""
WING_AT = 70.0
WING_POWER = 1.5
TABLE_EDGE = 36.0
"""[px] the profiles are tabulated to; the wing joins there and has its own strength from 70 px on"""

CORE = 22.0
"""[px] rows this close to a trace decide how bright an order is"""
BLENDED = 34.0
"""[px] nearer to order 1 than this, order 2's light is not told from order 1's wing (left of column ~600)"""
SMOOTHING = 48
"""[columns] over which the brightness of orders 2 and 3 is smoothed"""


@cache
def _profiles(order: int) -> tuple[F64, F64, F64]:
    """Wavelengths (w,) [um], rising; distances (s,) [px]; profiles (w, s), one per px with sum 1 within +-17 px."""
    rows = table("soss_profiles")
    # order 1 at columns 60, 300 ... 1985: the same wavelengths as at the wheel angle they were measured at
    lines = {
        1: ((2.7738, 2.5360, 2.2393, 1.9438, 1.6495, 1.2134, 1.0531, 0.9024), (60, 300, 600, 900, 1200, 1650, 1820, 1985)),
        2: ((0.8905, 0.7750, 0.6553), (1100, 1350, 1620)),
        3: ((0.8204,), (430,)),
    }[order]
    waves = np.array(lines[0][::-1])
    values = np.stack([rows[f"o{order}_x{x}"] for x in lines[1][::-1]])
    return waves, np.asarray(rows["s"], np.float64), values


def wing(s: F64 | float) -> F64:
    """Share of an order's light per pixel at distance ``s`` [px] in the far wings: 1.4e-4 (|s| / 70)^-1.5."""
    return np.asarray(WING * (np.abs(s) / WING_AT) ** -WING_POWER, np.float64)


def profile(order: int, wavelength: ArrayLike, s: ArrayLike) -> F64:
    """Share of an order's light per pixel, ``s`` rows from its trace [px], at ``wavelength`` [um] (broadcast).

    The sum over |s| <= 17 px is 1. Linear in wavelength between the measured profiles, the nearest one beyond; between
    36 and 70 px the measured value at the edge goes over into the common wing.
    """
    waves, grid, values = _profiles(order)
    w, s = np.broadcast_arrays(np.asarray(wavelength, np.float64), np.asarray(s, np.float64))
    last = max(waves.size - 2, 0)
    i = np.clip(np.searchsorted(waves, w) - 1, 0, last)
    t = np.clip((w - waves[i]) / (waves[i + 1] - waves[i]), 0, 1) if waves.size > 1 else np.zeros(w.shape)
    near = np.clip(s, -TABLE_EDGE, TABLE_EDGE)
    place = (near - grid[0]) / (grid[1] - grid[0])
    j = np.clip(place.astype(np.int64), 0, grid.size - 2)
    u = place - j
    upper = np.minimum(i + 1, waves.size - 1)
    inner = (1 - t) * ((1 - u) * values[i, j] + u * values[i, j + 1])
    inner += t * ((1 - u) * values[upper, j] + u * values[upper, j + 1])
    far = np.abs(s) > TABLE_EDGE
    if far.any():
        away = np.where(far, np.abs(s), TABLE_EDGE)
        join = np.clip((WING_AT - away) / (WING_AT - TABLE_EDGE), 0, 1)
        inner = np.where(far, wing(away) * (inner / wing(TABLE_EDGE)) ** join, inner)
    return np.asarray(inner, np.float64)


@cache
def typical_ratio(order: int) -> F64:
    """(2048,) brightness of order 2 or 3 over order 1's in the same column, WASP-39 (packaged ``soss_counts``).

    Beyond its table an order fades to nothing within 160 columns.
    """
    x = np.arange(2048.0)
    first, other = of_order("soss_counts", 1), of_order("soss_counts", order)
    fade = np.clip(1 - (x - other["x"][-1]) / 160, 0, 1)
    return np.interp(x, other["x"], other["wasp39"]) / np.interp(x, first["x"], first["wasp39"]) * fade


def full_traces(traces: F64) -> F64:
    """Traces (3, x) continued where they are not on the subarray (their wings are), as far as the orders are known.

    The published traces are moved by what order 1 shows: order 3 turns with order 1, order 2 nearly so.
    """
    published = published_traces(REFERENCE_ANGLE)[:, : traces.shape[1]]
    if published.shape != traces.shape:
        return traces
    moved = traces[0] - published[0]
    known = np.isfinite(moved)
    if not known.any():
        return traces
    x = np.arange(traces.shape[1])
    return np.where(np.isfinite(traces), traces, published + np.interp(x, x[known], moved[known]))


def order_fluxes(star: F32, good: NDArray[np.bool_], traces: F64, waves: F64, models: F32 | None = None) -> F64:
    """(3, x) brightness of every order [unit of ``star`` x px], never negative, 0 where an order is not known.

    Per column least squares with the profiles on the rows near the traces; orders 2 and 3, fainter and partly hidden,
    are smoothed over columns, and where order 2 lies on order 1's edge it is order 1 times the ratio of the WASP-39
    table, scaled to what is seen just right of there.
    """
    nx = star.shape[1]
    if models is None:
        models = profile_images(full_traces(traces), waves, star.shape)
    normal, right = np.zeros((3, 3, nx)), np.zeros((3, nx))
    _normal_equations(models, star, good, traces, CORE, normal, right)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        normal[a, b] = normal[b, a]
    normal, right = np.moveaxis(normal, 2, 0), right.T
    # an order without rows in this column gets its flux from the neighbours below; keep the system solvable
    seen = np.diagonal(normal, axis1=1, axis2=2) > 0.3 * np.nanmedian(normal[:, 0, 0])
    for a in range(3):
        normal[~seen[:, a], a, :] = normal[~seen[:, a], :, a] = 0
        normal[~seen[:, a], a, a] = 1
        right[~seen[:, a], a] = 0
    raw: F64 = np.asarray(np.linalg.solve(normal + 1e-12 * np.eye(3), right[..., None])[..., 0].T, np.float64)
    raw[~seen.T] = np.nan
    return _regular(raw, traces)


@kernel
def _normal_equations(models, star, good, traces, radius, normal, right):
    """Sums down the columns of model x model into normal (3, 3, x), of model x star into right (3, x), near any trace.

    ``normal`` is symmetric; what is above its diagonal is left out.
    """
    for y in range(star.shape[0]):
        for x in range(star.shape[1]):
            near = abs(y - traces[0, x]) <= radius or abs(y - traces[1, x]) <= radius or abs(y - traces[2, x]) <= radius
            if not (near and good[y, x]):
                continue
            for a in range(3):
                right[a, x] += models[a, y, x] * star[y, x]
                for b in range(a + 1):
                    normal[a, b, x] += models[a, y, x] * models[b, y, x]


def _regular(raw: F64, traces: F64) -> F64:
    """Fluxes (3, x) with gaps bridged, orders 2 and 3 smoothed and held to their usual ratio where they are blended."""
    nx = raw.shape[1]
    first = np.maximum(_bridge(raw[0]), 0)
    smooth_first = np.maximum(_smooth(first, 8), 1e-6 * max(first.max(initial=0), 1e-30))
    out = np.stack([first, np.zeros(nx), np.zeros(nx)])
    for o in (1, 2):
        usual = typical_ratio(o + 1)[:nx] if nx <= 2048 else np.zeros(nx)
        with np.errstate(invalid="ignore"):
            clear = np.isfinite(raw[o]) & (np.abs(traces[o] - traces[0]) > BLENDED)
        if o == 2:  # its brightness is known relative to order 1 where it is brightest
            clear &= usual > 0.3 * usual.max(initial=0)
        if clear.sum() < 20:
            out[o] = usual * smooth_first
            continue
        x = np.flatnonzero(clear)
        ratio = raw[o, clear] / smooth_first[clear]
        # robust over outliers in single columns, then smooth; in the logarithm of ratio over usual ratio, which is flat
        relative = ratio / np.maximum(usual[clear], 1e-6)
        relative = _smooth(median_filter(relative, size=min(31, x.size | 1), mode="nearest"), SMOOTHING)
        relative = np.clip(relative, 0.1, 10)
        out[o] = np.interp(np.arange(nx), x, relative) * usual * smooth_first
        if o == 1:  # where it is clear and bright, what is seen counts, not the smoothed ratio
            own = np.interp(np.arange(nx), x, _smooth(raw[o, clear], 2))
            share = np.clip((np.arange(nx) - 950) / 100, 0, 1)
            share[x[-1] + 1 :] = 0
            out[o] = share * own + (1 - share) * out[o]
    return np.maximum(out, 0)


def _bridge(values: F64) -> F64:
    fine = np.isfinite(values)
    if not fine.any():
        return np.zeros_like(values)
    x = np.arange(values.size)
    return np.interp(x, x[fine], values[fine])


def _smooth(values: F64, width: float) -> F64:
    return np.asarray(gaussian_filter1d(values, width, mode="nearest"), np.float64)


def profile_images(traces: F64, waves: F64, shape: tuple[int, int], each: Each = map) -> F32:
    """(3, y, x) share of each order's light in every pixel, wings included; 0 in columns without trace.

    What `profile` gives, which asks its table for every pixel anew; here the wavelength of a column is looked up once.
    """
    out = np.zeros((3, *shape), np.float32)

    def fill(o: int) -> None:
        known = np.isfinite(traces[o])
        if not known.any():
            return
        w = _bridge(waves[o]) if np.isfinite(waves[o]).any() else np.ones(shape[1])
        measured, grid, values = _profiles(o + 1)
        place = np.interp(w, measured, np.arange(measured.size))
        _spread(values, grid[0], grid[1] - grid[0], place, traces[o], out[o])

    for _ in each(fill, range(3)):
        pass
    return out


@kernel
def _spread(values, first, step, place, trace, out):
    """`profile` down the columns: values (w, s) from s = ``first``, columns at ``place`` (x,) among the wavelengths."""
    nw, ns = values.shape
    nx = trace.size
    columns, above_wing = np.empty((ns, nx)), np.empty((2, nx))
    for x in range(nx):
        i = min(int(place[x]), max(nw - 2, 0))
        t = place[x] - i
        for k in range(ns):
            columns[k, x] = (1 - t) * values[i, k] + (t * values[i + 1, k] if t > 0 else 0.0)
        for side in range(2):  # at the table's edges
            j = (TABLE_EDGE * (2 * side - 1) - first) / step
            k = min(int(j), ns - 2)
            edge = columns[k, x] + (j - k) * (columns[k + 1, x] - columns[k, x])
            above_wing[side, x] = edge / (WING * (TABLE_EDGE / WING_AT) ** -WING_POWER)
    for y in range(out.shape[0]):
        o = out[y]
        for x in range(nx):
            s = y - trace[x]
            away = abs(s)
            if away <= TABLE_EDGE:
                j = (s - first) / step
                k = min(int(j), ns - 2)
                o[x] = columns[k, x] + (j - k) * (columns[k + 1, x] - columns[k, x])
            elif away < np.inf:  # NaN, no trace, is not
                far = WING / ((away / WING_AT) * np.sqrt(away / WING_AT))  # WING_POWER, four times faster than a power
                join = (WING_AT - away) / (WING_AT - TABLE_EDGE)
                o[x] = far * above_wing[1 if s > 0 else 0, x] ** join if join > 0 else far


def split_orders(star: F32, good: NDArray[np.bool_], traces: F64, wavelengths: F64, models: F32 | None = None) -> F32:
    """(3, y, x) the star's image, shared among the three orders.

    star (y, x): image without sky, may be noisy; good (y, x): which pixels may be used to judge brightness; traces,
    wavelengths (3, x); models: their `profile_images`, if at hand. Every pixel is divided in the proportion of the orders'
    models, flux(x) * profile(s) with wings, so that the three add up to ``star``; where no order has light at all it all
    goes to order 1. A split wrong by a tenth costs order 1 nothing and order 2 a few ppm of depth (methods: orders overlap
    left of column ~700).
    """
    if models is None:
        models = profile_images(full_traces(traces), wavelengths, star.shape)
    shares: F32 = models * order_fluxes(star, good, traces, wavelengths, models)[:, None, :].astype(np.float32)
    total = shares.sum(axis=0)
    dark = ~(total > 0)
    shares /= np.where(dark, 1, total)
    shares[0][dark] = 1
    shares *= np.nan_to_num(star)
    return shares
