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

from tsoar import flags
from tsoar.blocks import F32, U8
from tsoar.jit import kernel
from tsoar.medians import sort_few

JUMP, SATURATED = np.uint8(flags.JUMP_DET), np.uint8(flags.SATURATED)
SPOILT = np.uint8(0xFF & ~(flags.PERSISTENCE | flags.JUMP_DET))
HITS = 10
"""clear hits beside the saturated pixels of a cluster"""
ROUND, FULL = 0.4, 0.6
"""least ratio of the axes, and least part of its ellipse that a cluster fills"""
AGAIN = 3.0
"""rings are looked at out to this many radii of the clear hits"""
CLEAR = 2.5
"""sigma of a ring's sum; no further ring follows one below it"""


@kernel
def saturating(dq, pixels, out):
    """Bit masks (n,) of the groups at which listed pixels (n, 2) saturate; the first group spoils no difference more."""
    for i in range(pixels.shape[0]):
        y, x = pixels[i, 0], pixels[i, 1]
        out[i] = 0
        for g in range(1, min(dq.shape[0], 63)):
            if dq[g, y, x] & SATURATED and not dq[g - 1, y, x] & SATURATED:
                out[i] |= 1 << g


@kernel
def clusters(pixels, strong, fresh, g, smallest, events):
    """Round clusters among pixels (n, 2), in order of rows, with bit ``g`` in ``strong`` or ``fresh`` (n,).

    Writes row, column and radius [px] into events (m, 3) and returns their number.
    """
    n = pixels.shape[0]
    which, root = np.empty(n, np.int64), np.empty(n, np.int64)
    m = 0
    for i in range(n):
        if (strong[i] | fresh[i]) >> g & 1:
            which[m], root[m] = i, m
            m += 1
    if m < smallest:
        return 0
    above = 0
    for i in range(m):  # pixels touch by sides and corners
        y, x = pixels[which[i], 0], pixels[which[i], 1]
        while above < i and (
            pixels[which[above], 0] < y - 1 or (pixels[which[above], 0] == y - 1 and pixels[which[above], 1] < x - 1)
        ):
            above += 1
        j = above
        while j < i and pixels[which[j], 0] == y - 1 and pixels[which[j], 1] <= x + 1:
            _join(root, i, j)
            j += 1
        if i > 0 and pixels[which[i - 1], 0] == y and pixels[which[i - 1], 1] == x - 1:
            _join(root, i, i - 1)
    sums = np.zeros((m, 7))
    for i in range(m):
        y, x = float(pixels[which[i], 0]), float(pixels[which[i], 1])
        s = sums[_root(root, i)]
        s[0] += 1.0
        s[1] += 1.0 if strong[which[i]] >> g & 1 else 0.0
        s[2] += y
        s[3] += x
        s[4] += y * y
        s[5] += x * x
        s[6] += y * x
    count = 0
    for i in range(m):
        area, hits = sums[i, 0], sums[i, 1]
        if area < smallest or hits < HITS or count == events.shape[0]:
            continue
        y, x = sums[i, 2] / area, sums[i, 3] / area
        yy, xx, yx = sums[i, 4] / area - y * y, sums[i, 5] / area - x * x, sums[i, 6] / area - y * x
        middle, apart = 0.5 * (yy + xx), np.sqrt(0.25 * (yy - xx) ** 2 + yx * yx)
        major, minor = np.sqrt(middle + apart), np.sqrt(max(middle - apart, 0.0))
        if minor < ROUND * major or area < FULL * 4 * np.pi * major * minor:
            continue
        events[count, 0], events[count, 1], events[count, 2] = y, x, 2 * major  # a disc's variance is radius^2 / 4
        count += 1
    return count


@kernel
def _root(root, i):
    while root[i] != i:
        i = root[i]
    return i


@kernel
def _join(root, i, j):
    a, b = _root(root, i), _root(root, j)
    root[max(a, b)] = min(a, b)


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


@kernel
def _flag_events(data, dq, columns, listed, pixels, strong, fresh, model, sigma2, usable, smallest, events, new):
    work = np.empty(data.shape[0])
    m = np.int64(0)
    for g in range(1, min(data.shape[0], 63)):
        for e in range(clusters(pixels, strong, fresh, g, smallest, events)):
            radius = reach(data, dq, columns, listed, g, events[e], model, sigma2, work)
            m = flag_disc(dq, usable, listed, g, events[e], radius, new, m)
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
    saturated = np.empty(len(pixels), np.int64)
    saturating(dq, pixels, saturated)
    clear = (strong | saturated) != 0
    if np.count_nonzero(clear) < smallest:
        return np.empty((0, 2), np.int32)
    new, events = np.empty((data[0].size, 2), np.int32), np.empty((64, 3))
    found = (np.ascontiguousarray(pixels[clear]), strong[clear], saturated[clear])
    m = _flag_events(data, dq, columns, listed, *found, model, sigma2, usable, smallest, events, new)
    return new[:m].copy()
