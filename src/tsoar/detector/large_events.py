"""Snowballs: round clusters of hits, often about a saturated core, whose halo reaches further than single pixels tell.

A part of `tsoar.detector.jump`. The field flags them by their size (stcal ``flag_large_events``: ellipses about clusters, made
twice as large; off for NIRISS by default). On a bright trace that factor is too small and beside it too large, since a
halo is lost in the noise of whatever it falls on. Here a disc grows ring by ring for as long as the pixels of a ring
lie above what they should be together, although none does by itself. Tracks of charged particles are as long but thin,
and saturation by the star has no hits about it: both are left alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, uniform_filter

from tsoar import flags
from tsoar.blocks import F32, U8
from tsoar.jit import kernel
from tsoar.medians import sort_few

JUMP, SATURATED = np.uint8(flags.JUMP_DET), np.uint8(flags.SATURATED)
SPOILT = np.uint8(0xFF & ~(flags.PERSISTENCE | flags.JUMP_DET))
HITS = 10
"""clear hits beside the saturated pixels of a cluster"""
TILE = 32
"""Side of the squares in which hits are counted [px]; clusters are looked for in three by three."""
ROUND, FULL = 0.4, 0.6
"""least ratio of the axes, and least part of its ellipse that a cluster fills"""
AGAIN = 3.0
"""rings are looked at out to this many radii of the clear hits"""
CLEAR = 2.5
"""sigma of a ring's sum; no further ring follows one below it"""


@kernel
def count_clear(dq, pixels, strong, saturated, number, hits):
    """Clear hits, and with them pixels that saturate, in squares of the detector: hits, number (g, y, x) of them.

    pixels (n, 2), strong (n,) bit masks of the groups with a clear hit; saturated (n,) is set: those at which a pixel
    saturates, the first group aside, which spoils no difference more than it did.
    """
    for i in range(pixels.shape[0]):
        y, x = pixels[i, 0], pixels[i, 1]
        saturated[i] = 0
        for g in range(1, number.shape[0]):
            hit = strong[i] >> g & 1
            full = dq[g, y, x] & SATURATED and not dq[g - 1, y, x] & SATURATED
            if full:
                saturated[i] |= 1 << g
            if hit or full:
                number[g, y // TILE, x // TILE] += 1
                hits[g, y // TILE, x // TILE] += hit


def clusters(
    pixels: NDArray[np.int32], hit: NDArray[np.bool_], smallest: int, squares: NDArray[np.int64]
) -> list[tuple[float, float, float]]:
    """Row, column and radius [px] of the round clusters among pixels (n, 2), of which some are hits, the others saturated.

    They are looked for about ``squares`` (m, 2); that with a disc's middle holds at least a quarter of it.
    """
    found = []
    for corner in squares * TILE:
        near = ((pixels >= corner - TILE) & (pixels < corner + 2 * TILE)).all(axis=1)
        inside = tuple((pixels[near] - corner + TILE).T)
        seen, clear = np.zeros((3 * TILE, 3 * TILE), bool), np.zeros((3 * TILE, 3 * TILE), bool)
        seen[inside], clear[inside] = True, hit[near]
        labels, _ = label(seen, np.ones((3, 3)))  # pixels touch by sides and corners
        for k in np.flatnonzero(np.bincount(labels.ravel())[1:] >= smallest) + 1:
            event = _round(labels == k, clear)
            if event is not None and min(event[:2]) >= TILE and max(event[:2]) < 2 * TILE:
                found.append((event[0] + int(corner[0]) - TILE, event[1] + int(corner[1]) - TILE, event[2]))
    return found


def _round(one: NDArray[np.bool_], clear: NDArray[np.bool_]) -> tuple[float, float, float] | None:
    """Middle and radius of a cluster (y, x), if it is round and has hits about it."""
    y, x = np.nonzero(one)
    if np.count_nonzero(one & clear) < HITS:
        return None
    minor, major = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(y, x, bias=True)), 0))
    if minor < ROUND * major or y.size < FULL * 4 * np.pi * major * minor:
        return None
    return float(y.mean()), float(x.mean()), float(2 * major)  # a disc's variance is radius^2 / 4


@kernel
def excess(data, dq, columns, listed, g, y, x, model, work):
    """Difference g - 1 of a pixel above what the model, or else the ramp's other differences, say; NaN where it is spoilt.

    columns (g, x) are still to be taken out of pixels that are not 1 in ``listed`` (y, x).
    """
    n = data.shape[0] - 1
    if (dq[g, y, x] | dq[g - 1, y, x]) & SPOILT:
        return np.nan
    m = np.int64(0)
    here = 0.0
    for k in range(n):
        r = float(data[k + 1, y, x]) - data[k, y, x] - model[y, x]
        if listed[y, x] != 1:
            r -= float(columns[k + 1, x]) - columns[k, x]
        if k == g - 1:
            here = r
        elif ((dq[k, y, x] | dq[k + 1, y, x]) & SPOILT) == 0 and (dq[k + 1, y, x] & JUMP) == 0:
            work[m] = r
            m += 1
    if m < 3:
        return here
    sort_few(work, m)
    return here - 0.5 * (work[(m - 1) // 2] + work[m // 2])


@kernel
def reach(data, dq, columns, listed, g, event, model, sigma2, work):
    """Radius [px] up to which the light about ``event`` (row, column, radius) stands out of difference g - 1."""
    ny, nx = data.shape[1:]
    y0, x0, radius = event[0], event[1], event[2]
    last = int(np.ceil(AGAIN * radius)) + 2
    total, count = np.zeros(last + 1), np.zeros(last + 1)
    for y in range(max(int(y0) - last, 0), min(int(y0) + last + 2, ny)):
        for x in range(max(int(x0) - last, 0), min(int(x0) + last + 2, nx)):
            ring = int(np.hypot(y - y0, x - x0))
            if ring <= last and ring >= radius and sigma2[y, x] > 0:
                r = excess(data, dq, columns, listed, g, y, x, model, work) / np.sqrt(sigma2[y, x])
                if r == r:
                    total[ring] += min(r, 10.0)  # one strong hit is no halo
                    count[ring] += 1
    ring = int(np.ceil(radius))
    while ring <= last and total[ring] > CLEAR * np.sqrt(count[ring]):
        ring += 1
    return float(ring)


@kernel
def flag_disc(dq, usable, listed, g, event, radius, new, m):
    """JUMP_DET in group ``g`` within ``radius`` of an event; pixels not yet in ``listed`` go into new[m:]; their number."""
    ny, nx = usable.shape
    y0, x0 = event[0], event[1]
    for y in range(max(int(y0 - radius), 0), min(int(y0 + radius) + 2, ny)):
        for x in range(max(int(x0 - radius), 0), min(int(x0 + radius) + 2, nx)):
            if not usable[y, x] or np.hypot(y - y0, x - x0) >= radius:
                continue
            if (dq[g, y, x] & SPOILT) == 0:
                dq[g, y, x] |= JUMP
            if listed[y, x] == 0 and m < new.shape[0]:
                listed[y, x] = 2
                new[m, 0], new[m, 1] = y, x
                m += 1
    return m


def flag_large_events(
    data: F32,
    dq: U8,
    model: F32,
    sigma2: F32,
    usable: U8,
    columns: F32,
    listed: U8,
    pixels: NDArray[np.int32],
    strong: NDArray[np.int64],
    smallest: int,
) -> NDArray[np.int32]:
    """Flag the halos of the large events of one integration, in place.

    Parameters
    ----------
    data, dq : (g, y, x) [DN] and group flags, single hits flagged.
    model, sigma2, usable : (y, x) a difference as it should be [DN], its variance [DN^2], what is judged.
    columns : (g, x) what is still to be taken out of the columns of pixels that are not in ``pixels`` [DN].
    listed : (y, x) 1 where a pixel is in ``pixels``; set to 2 where one joins.
    pixels, strong : (n, 2) in order of rows, (n,) bit masks of the groups in which a clear hit was found.
    smallest : clusters of fewer pixels are no large events.

    Returns
    -------
    The pixels (m, 2) that were not in ``pixels`` before.
    """
    counts = np.zeros((2, min(len(data), 63), *(-(-n // TILE) for n in usable.shape)), np.int32)
    saturated = np.empty(len(pixels), np.int64)
    count_clear(dq, pixels, strong, saturated, *counts)
    new, m = np.empty((0, 2), np.int32), 0
    around = uniform_filter(9.0 * counts, (0, 0, 3, 3), mode="constant") + 0.5
    possible = (4 * counts[0] >= smallest) & (around[0] >= smallest) & (around[1] >= HITS)
    for g in np.flatnonzero(possible.any(axis=(1, 2))):
        here = ((strong | saturated) >> g & 1) > 0
        for event in clusters(pixels[here], (strong[here] >> g & 1) > 0, smallest, np.argwhere(possible[g])):
            if not m:
                new = np.empty((usable.size, 2), np.int32)
            radius = reach(data, dq, columns, listed, g, event, model, sigma2, np.empty(len(data)))
            m = flag_disc(dq, usable, listed, g, event, radius, new, m)
    return new[:m].copy()
