"""Slopes against the mean rates that were put in."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tsoar.flags import JUMP_DET
from tsoar.scoring.expected import expected
from tsoar.scoring.limits import F64
from tsoar.scoring.products import Products, integrations
from tsoar.scoring.rows import Row, row
from tsoar.scoring.truth import Truth

CLASSES = (("bright (>100 DN/s)", 100.0, np.inf), ("middle (10-100 DN/s)", 10.0, 100.0), ("faint (<10 DN/s)", -np.inf, 10.0))
"""By the true mean rate out of the event, sky included [DN/s]."""
STEP, REACH = 0.005, 30.0
"""Of the histogram of pulls, in sigmas."""


@dataclass(slots=True)
class Sums:
    """Sums over slopes of one class."""

    n: int = 0
    truth: float = 0.0
    difference: float = 0.0
    variance: float = 0.0
    square: float = 0.0
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(int(2 * REACH / STEP), np.int64))

    def add(self, difference: F64, error: F64, truth: F64) -> None:
        """Take in slopes: what was measured minus truth, claimed error, truth [DN/s]."""
        pull = difference / error
        self.n += pull.size
        self.truth += float(truth.sum())
        self.difference += float(difference.sum())
        self.variance += float(np.sum(error**2))
        self.square += float(np.sum(pull**2))
        place = np.clip((pull + REACH) / STEP, 0, self.histogram.size - 1).astype(np.int64)
        self.histogram += np.bincount(place, minlength=self.histogram.size)

    def width(self) -> float:
        """Half the distance of the 16th and 84th percentile of the pulls."""
        cumulative = np.concatenate([[0.0], np.cumsum(self.histogram)]) / max(self.n, 1)
        edges = -REACH + STEP * np.arange(cumulative.size)
        low, high = np.interp([0.158655, 0.841345], cumulative, edges)
        return float(high - low) / 2

    def rows(self, name: str, note: str = "") -> list[Row]:
        """Bias, chi2/dof and pull width."""
        if self.n == 0:
            return []
        note = f"{self.n} slopes{note}"
        mean, bias, error = self.truth / self.n, self.difference / self.n, np.sqrt(self.variance) / self.n
        spread = np.sqrt(2 / self.n)
        return [
            row("slopes", f"bias, {name}", 100 * bias / mean, "%", f"0 +- {100 * error / mean:.2g}", note),
            row("slopes", f"bias, {name}, absolute", bias, "DN/s", f"0 +- {error:.2g}", note),
            row("slopes", f"chi2/dof, {name}", self.square / self.n, "", f"1 +- {spread:.2g}", note),
            row("slopes", f"pull width, {name}", self.width(), "", f"1 +- {spread:.2g}", "half of 16 to 84 %"),
        ]


def hit_maps(truth: Truth) -> dict[int, NDArray[np.int64]]:
    """Flat pixel indices (row x columns + column) of each integration's ramps that a hit changes.

    Charge that is there at the first read (group 0) changes no difference.
    """
    hits = truth.hits
    seen = (hits.group > 0) & (hits.group < truth.n_groups)
    order = np.argsort(hits.integration[seen], kind="stable")
    which = hits.integration[seen][order]
    pixels = (hits.row * truth.shape[1] + hits.column)[seen][order]
    numbers, starts = np.unique(which, return_index=True)
    return dict(zip(numbers.tolist(), np.split(pixels, starts[1:]), strict=True)) if numbers.size else {}


def slopes(products: Products, truth: Truth) -> list[Row]:
    """Bias, chi2 and pulls of unflagged slopes by brightness, and of ramps with a cosmic ray apart.

    Unflagged: no DQ bit but JUMP_DET; odd pixels of the truth and reference pixels are left out. The standard errors
    behind "+-" take pixels as independent; 1/f noise makes the real ones larger.
    """
    images = expected(truth, dark=products.dark_left())
    level = truth.still_image(dark=False).ravel()
    kinds = [(level > low) & (level <= high) for _, low, high in CLASSES]
    good = ~(truth.bad | truth.reference).ravel()
    hits = hit_maps(truth)
    sums = [Sums() for _ in CLASSES]
    struck = Sums()
    for i, (science, error, dq) in integrations(products.rateints, ("SCI", "ERR", "DQ"), truth.shape, truth.integrations):
        true = images.image(i).ravel()
        measured, claimed = science.ravel().astype(np.float64), error.ravel().astype(np.float64)
        usable = good & ((dq.ravel() & ~np.uint32(JUMP_DET)) == 0) & np.isfinite(measured) & (claimed > 0)
        hit = np.zeros(good.size, bool)
        hit[hits.get(i, np.empty(0, np.int64))] = True
        for kind, total in zip(kinds, sums, strict=True):
            use = usable & kind & ~hit
            total.add(measured[use] - true[use], claimed[use], true[use])
        use = usable & hit
        struck.add(measured[use] - true[use], claimed[use], true[use])
    rows = [each for (name, _, _), total in zip(CLASSES, sums, strict=True) for each in total.rows(name, " without a hit")]
    return rows + struck.rows("hit ramps", " with a cosmic ray after the first read")
