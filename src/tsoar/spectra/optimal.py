"""Profile-weighted (optimal) extraction with the deep stack's own profile, orders apart (row G4).

After Horne (1986, PASP 98, 609), with what a time series adds: the profile of an order is the deep stack's image of it,
pixel response included, moved with the trace. In every column the brightness of an order is fitted to the pixels with
inverse-variance weights,

    s = scale + sum(w T r) / sum(w T^2),    w = 1 / var,    T = star + shift dS/dy + shift^2 d2S/dy2 / 2,

r being the slope image minus the model of this integration (sky, all orders at their brightness and place). The flux is s
times the light that the *order itself* has in the box: the same flux scale as the box, without the light of others.

Order 1 is fitted alone: what the model of the other orders may be wrong by (their change of colour in the event, 1 % of
1 % of its light) does not reach it. Orders 2 and 3 are fitted together with order 1, both brightnesses free in every column,
over the rows of both: where they overlap (left of column ~700) the light is divided by shape alone, and the error says
how well that could be done.

Weights come from constant variances (deep rate), never from the slopes themselves: those would bias the flux. Pixels
without a slope have no weight; nothing is filled in.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tsoar.blocks import F32, F64, Deep
from tsoar.jit import kernel
from tsoar.soss.masks import near_trace


def box_light(deep: Deep, radius: float) -> F64:
    """(3, x) light of each order by itself in its box [DN/s], edges by their share; NaN where it has none."""
    out = np.full(deep.trace.shape, np.nan)
    for o in range(3):
        known = np.isfinite(deep.trace[o])
        centre, (_, part) = deep.trace[o, known], near_trace(deep.trace[o], deep.sky.shape[0], radius + 1)
        rows = np.arange(part.start, part.stop, dtype=np.float64)[:, None]
        share = np.clip(np.minimum(rows + 0.5, centre + radius) - np.maximum(rows - 0.5, centre - radius), 0, 1)
        light = (share * deep.star[o, part][:, known]).sum(axis=0, dtype=np.float64)
        out[o, known] = np.where(light > 0, light, np.nan)
    return out


@kernel
def extract_optimal(
    slope, var, model, star, gradient, curvature, odd, trace, scale, shift, radius, light, flux, variance, missing
):
    """Fit the brightness of all three orders in every column of one integration.

    slope, var, model (y, x) [DN/s, (DN/s)^2]; star, gradient, curvature (3, y, x): the deep stack; odd (y, x): pixels to
    leave out; trace (3, x); scale, shift (3,): this integration's shape; light (3, x): `box_light`; out, (3, x) float64:
    flux, variance, and the share of the fit's weight that pixels without a slope have taken away.
    """
    ny, nx = slope.shape
    for o in range(3):
        for x in range(nx):
            flux[o, x] = variance[o, x] = missing[o, x] = np.nan
            centre, first_order = trace[o, x], trace[0, x]
            if centre != centre or light[o, x] != light[o, x] or centre < 0 or centre > ny - 1:
                continue
            together = o > 0 and first_order == first_order
            low, high = centre - radius, centre + radius
            bottom, top = low, high
            if together:
                bottom, top = min(low, first_order - radius), max(high, first_order + radius)
            aa = ab = bb = ra = rb = lost = 0.0
            for y in range(max(int(np.ceil(bottom)), 0), min(int(np.floor(top)), ny - 1) + 1):
                own = low <= y <= high
                if not own and not (together and abs(y - first_order) <= radius):
                    continue
                a = star[o, y, x] + shift[o] * (gradient[o, y, x] + shift[o] * curvature[o, y, x])
                v, s = var[y, x], slope[y, x]
                good = s == s and v > 0.0 and not odd[y, x]
                if not good:
                    lost += abs(a) if own else 0.0
                    continue
                w = 1.0 / v
                r = s - model[y, x]
                aa += w * a * a
                ra += w * a * r
                if together:
                    b = star[0, y, x] + shift[0] * (gradient[0, y, x] + shift[0] * curvature[0, y, x])
                    ab += w * a * b
                    bb += w * b * b
                    rb += w * b * r
            missing[o, x] = lost / light[o, x]
            inner = aa - ab * ab / bb if bb > 0.0 else aa  # what of the order is left when order 1 may take its share
            if not inner > 1e-6 * aa:
                missing[o, x] = 1.0
                continue
            change = (ra - ab * rb / bb) / inner if bb > 0.0 else ra / inner
            flux[o, x] = light[o, x] * (scale[o] + change)
            variance[o, x] = light[o, x] ** 2 / inner


def effective_rows(deep: Deep, variance: F32, usable: NDArray[np.bool_], radius: float, light: F64) -> F64:
    """(3, x) how many rows of a box a constant in a column counts as in the fit: what 1/f noise inside columns brings.

    variance (y, x) [(DN/s)^2] of unflagged slopes. A constant c under all pixels changes the flux of an order by c times
    this number; for a box it is the box's height.
    """
    rows = np.arange(deep.sky.shape[0])[:, None]
    out = np.full(light.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(usable & ~deep.odd & (variance > 0), 1 / variance.astype(np.float64), 0)
        first = np.abs(rows - deep.trace[0]) <= radius
        for o in range(3):
            near = np.abs(rows - deep.trace[o]) <= radius
            if o > 0:
                near = near | first
            w = weight * near
            a, b = deep.star[o].astype(np.float64), deep.star[0].astype(np.float64)
            aa, ra = (w * a * a).sum(0), (w * a).sum(0)
            if o > 0:
                ab, bb, rb = (w * a * b).sum(0), (w * b * b).sum(0), (w * b).sum(0)
                known = bb > 0
                aa = np.where(known, aa - ab**2 / bb, aa)
                ra = np.where(known, ra - ab * rb / bb, ra)
            out[o] = light[o] * ra / aa
    return out


def fit_weights(deep: Deep, variance: F32, usable: NDArray[np.bool_], radius: float, light: F64) -> F64:
    """(3, y, x) by how much the flux of an order changes with the slope of each pixel, of unflagged ramps where it is typical.

    The flux is linear in the slopes; these are its coefficients. Arguments as of `effective_rows`.
    """
    rows = np.arange(deep.sky.shape[0])[:, None]
    out = np.zeros(deep.star.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(usable & ~deep.odd & (variance > 0), 1 / variance.astype(np.float64), 0)
        first = np.abs(rows - deep.trace[0]) <= radius
        for o in range(3):
            near = np.abs(rows - deep.trace[o]) <= radius
            w = weight * (near | first if o > 0 else near)
            a, b = deep.star[o].astype(np.float64), deep.star[0].astype(np.float64)
            aa, own = (w * a * a).sum(0), w * a
            if o > 0:
                ab, bb = (w * a * b).sum(0), (w * b * b).sum(0)
                aa = np.where(bb > 0, aa - ab**2 / bb, aa)
                own = np.where(bb > 0, own - ab / bb * w * b, own)
            out[o] = np.nan_to_num(light[o] * own / aa)
    return out
