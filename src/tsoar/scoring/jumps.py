"""Cosmic rays found and missed, and flags where there was none."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from tsoar.flags import DO_NOT_USE, JUMP_DET, SATURATED
from tsoar.scoring.limits import difference_noise
from tsoar.scoring.products import Products, integrations
from tsoar.scoring.rows import Row, row
from tsoar.scoring.truth import I64, Truth

SIZES = (
    ("3-6 sigma", 3.0, 6.0),
    ("6-10 sigma", 6.0, 10.0),
    ("10-20 sigma", 10.0, 20.0),
    ("above 20 sigma", 20.0, np.inf),
    ("above 10 sigma", 10.0, np.inf),
)
"""Of the noise of a difference of two reads of the pixel."""
THRESHOLD = 4.0
"""A hit of this size is found every other time by who flags what is this far off, and knows all else [sigma]."""


def first_hit(truth: Truth, which: I64) -> NDArray[np.int16]:
    """(row, column) first read at which a pixel or one of its 8 neighbours is hit; n_groups for never."""
    rows, columns = truth.shape
    first = np.full((rows + 2, columns + 2), truth.n_groups, np.int16)
    hits = truth.hits
    for dr in (0, 1, 2):
        for dc in (0, 1, 2):
            np.minimum.at(first, (hits.row[which] + dr, hits.column[which] + dc), hits.group[which].astype(np.int16))
    return first[1:-1, 1:-1]


def jumps(products: Products, truth: Truth) -> list[Row]:
    """Completeness by size and false flags, in pixels that are neither odd, masked nor reference.

    With *_jump.fits: a hit is found when its own group is flagged JUMP_DET, DO_NOT_USE or SATURATED, or when the slopes
    gave the ramp up; reads are counted. Without: when its ramp has JUMP_DET or DO_NOT_USE in the slopes; ramps are
    counted; a hit that filled the pixel is found when the ramp is SATURATED where most others of the pixel are not.
    Hits before the first read change no difference and do not count. A flag is false when neither the pixel nor one of
    its 8 neighbours was hit at or before that read (ramps: in that integration).
    """
    hits, by_group = truth.hits, bool(products.jump)
    good = ~(truth.bad | truth.reference | truth.masked)
    sigma = difference_noise(truth.still_image() * truth.gain, truth.read_noise, truth.t_group) / truth.gain
    size = hits.dn / sigma[hits.row, hits.column]
    counts = good[hits.row, hits.column] & (hits.group > 0) & (hits.group < truth.n_groups)
    order = np.argsort(hits.integration, kind="stable")
    edges = np.searchsorted(hits.integration[order], np.arange(truth.integrations + 1))
    found, seen, filled = (np.zeros(hits.group.size, bool) for _ in range(3))
    full = np.zeros(truth.shape, np.int32)  # integrations in which a pixel saturates
    false = beside = total = 0

    def tally(flagged: NDArray[np.bool_], read: int, first: NDArray[np.int16]) -> tuple[int, int]:
        return int(np.count_nonzero(flagged & (first > read))), int(np.count_nonzero(flagged & (first <= read)))

    for i, (dq,) in integrations(products.rateints, ("DQ",), truth.shape, truth.integrations):
        which = order[edges[i] : edges[i + 1]]
        given_up = (dq & np.uint32(DO_NOT_USE)) != 0
        found[which] = given_up[hits.row[which], hits.column[which]]
        if not by_group:
            seen[which] = True
            flagged = (dq & np.uint32(JUMP_DET)) != 0
            found[which] |= flagged[hits.row[which], hits.column[which]]
            saturated = (dq & np.uint32(SATURATED)) != 0
            filled[which] = saturated[hits.row[which], hits.column[which]]
            full += saturated
            usable = good & ~given_up
            more, near = tally(flagged & usable, truth.n_groups - 1, first_hit(truth, which))
            false, beside, total = false + more, beside + near, total + int(usable.sum())
    shape = (truth.n_groups, *truth.shape)
    for i, (dq,) in integrations(products.jump, ("GROUPDQ",), shape, truth.integrations):
        which = order[edges[i] : edges[i + 1]]
        inside = which[hits.group[which] < truth.n_groups]
        seen[which] = True
        bits = dq[hits.group[inside], hits.row[inside], hits.column[inside]]
        found[inside] |= (bits & (JUMP_DET | DO_NOT_USE | SATURATED)) != 0
        first = first_hit(truth, which)
        for read in range(1, truth.n_groups):
            usable = good & ((dq[read] & (DO_NOT_USE | SATURATED)) == 0)
            more, near = tally(((dq[read] & JUMP_DET) != 0) & usable, read, first)
            false, beside, total = false + more, beside + near, total + int(usable.sum())
    found |= filled & (2 * full < truth.integrations)[hits.row, hits.column]
    counts &= seen
    how = "by the flags of their own group" if by_group else "by the flags of their ramp"
    rows = []
    for name, low, high in SIZES:
        of = counts & (size >= low) & (size < high)
        n = int(of.sum())
        value = 100.0 * found[of].mean() if n else np.nan
        best = f"{100 * norm.cdf(size[of] - THRESHOLD).mean():.3g} (threshold of {THRESHOLD:g} sigma)" if n else ""
        rows.append(row("jumps", f"found, {name}", value, "%", best, f"{n} hits, {how}"))
    what = "good reads after the first" if by_group else "good ramps"
    share = 100.0 / total if total else np.nan
    rows.append(row("jumps", "false flags", false * share, "%", "0", f"{false} of {total} {what}; no hit there or beside it"))
    rows.append(row("jumps", "flags at and beside hits", beside * share, "%", "no fewer than the hits", f"{beside} of {total}"))
    return rows
