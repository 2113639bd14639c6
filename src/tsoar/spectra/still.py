"""Light beside the star that does not change when the star does: field stars, told from the star's own wings by time.

No single image tells a faint field star beside the trace from the wing of the star's profile. The transit does: what is
the star's dims with it. A model that takes light of a field star for the star's dims too much beside the traces; the column
offsets of 1/f noise, which are measured there, follow, and with them the light in the apertures. A star of 1 % of the
target's light 22 px from its trace makes depths of order 2 up to 1 % too large that way (simulated: 170 ppm of 2.5 %).

The residuals of the survey's integrations are held against their brightness, time, motion and width held apart, and added up
in cells along order 1, since a field star's spectrum runs like the target's. Where that is surely light that stays, its share
of the cell is no longer the star's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from tsoar.blocks import F32, F64
from tsoar.jit import kernel
from tsoar.medians import column_medians

ROWS, COLUMNS = 8, 128
"""of a cell [px]"""
SURE, LIKELY = 5.0, 3.0
"""Sigmas above which a cell holds light that stays, and above which one that touches such a cell does too."""
CLIP = 5.0
"""Sigma; residuals further off (hits) say nothing"""
LEAST = 10
"""Integrations without which nothing is looked for."""
SAME = 1e-4
"""Change of brightness apart from all else, over its scatter, that is none."""
FILLED = 0.25
"""Share of a cell's pixels that must be seen."""


def still_light(
    images: F32, weight: F32, star: F32, beside: NDArray[np.bool_], trace: F64, brightness: F64, others: F64
) -> F32:
    """Light (y, x) beside the traces that stays when the star's changes, in the units of ``star``; 0 where it is not sure.

    Parameters
    ----------
    images : (n, y, x) residuals against the star at its brightness, each column's level beside the traces taken out; NaN = not
        known.
    weight : (y, x) inverse variance of one of them, 0 where pixels do not count and on the traces.
    star : (y, x) all that is not sky, in the same units.
    beside : (y, x) pixels beside the traces, where it is looked for.
    trace : (x,) rows of order 1, for all columns.
    brightness : (n,) of the star.
    others : (n, k) what else may change: motion, width.
    """
    n, ny, nx = images.shape
    out = np.zeros((ny, nx), np.float32)
    change = _apart(brightness, others)
    square = float(change @ change)
    if n < LEAST or not square > (SAME * np.std(brightness)) ** 2:
        return out
    with np.errstate(divide="ignore"):
        limit = (CLIP / np.sqrt(weight)).astype(np.float32)
    along = np.zeros((ny, nx), np.float32)
    changing_sums(images, limit, change.astype(np.float32), along)
    cell = _cells(trace, ny)
    blocks, use = -(-nx // COLUMNS), weight > 0
    size = (int(cell.max()) // blocks + 1) * blocks

    def total(values: NDArray[np.floating]) -> F64:
        return np.asarray(np.bincount(cell[use], values[use], size).reshape(-1, blocks), np.float64)

    inverse, count = total(weight), np.bincount(cell.ravel(), minlength=size).reshape(-1, blocks)
    known = total(np.ones_like(weight)) > FILLED * np.maximum(count, ROWS * COLUMNS)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.where(known, -total(weight * along) / inverse / square, 0.0)
        error = np.where(known, 1 / np.sqrt(inverse * square), np.inf)
        light = np.where(known, total(weight * star) / inverse, 0.0)
    if known.sum() < 2 * blocks:
        return out
    # what stays has shifted its columns' level as well: the cells without say by how much
    level = np.nan_to_num(column_medians(np.where(known, seen, np.nan).astype(np.float32)))
    error = error * max(1.0, 1.4826 * float(np.median(np.abs((seen - level) / error)[known])))
    for _ in range(2):
        there = _sure(np.where(known, (seen - level) / error, 0.0))
        without = np.where(known & ~there, inverse, 0.0)
        level = (without * seen).sum(axis=0) / np.maximum(without.sum(axis=0), 1e-300)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(there & (light > 0), np.clip((seen - level) / light, 0.0, 1.0), 0.0)
    out[beside] = (share.ravel()[cell] * np.maximum(star, 0))[beside]
    return out


@kernel
def changing_sums(images, limit, change, out):
    """Sum (y, x) over images (n, y, x) times ``change`` (n,); what is NaN or beyond ``limit`` (y, x) counts as 0."""
    for y in range(out.shape[0]):
        o, most = out[y], limit[y]
        for j in range(images.shape[0]):
            a, f = images[j, y], change[j]
            for x in range(o.size):
                v = a[x]
                o[x] += f * v if abs(v) < most[x] else np.float32(0)


def _apart(brightness: F64, others: F64) -> F64:
    """Change of brightness (n,) that is no straight line in time and nothing like the ``others`` (n, k)."""
    n = brightness.size
    columns = np.column_stack([np.ones(n), np.linspace(-1, 1, n), np.nan_to_num(others)])
    size = np.sqrt((columns**2).sum(axis=0))
    u, s, _ = np.linalg.svd(columns[:, size > 0] / size[size > 0], full_matrices=False)
    taken = u[:, s > 1e-6]
    return np.asarray(brightness - taken @ (taken.T @ brightness))


def _cells(trace: F64, ny: int) -> NDArray[np.int64]:
    """(y, x) number of each pixel's cell: by distance from the trace, then by column."""
    away = np.floor((np.arange(ny)[:, None] - np.round(trace)[None]) / ROWS).astype(np.int64)
    blocks = -(-trace.size // COLUMNS)
    return (away - away.min()) * blocks + np.arange(trace.size) // COLUMNS


def _sure(sigmas: F64) -> NDArray[np.bool_]:
    """Cells that are likely, and touch (or are) one that is sure."""
    number, _ = label(sigmas > LIKELY, np.ones((3, 3)))
    return np.isin(number, np.unique(number[(sigmas > SURE) & (number > 0)])) & (number > 0)
