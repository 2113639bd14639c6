"""Slope images that a perfect reduction would give, integration by integration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from tsoar.scoring.limits import F64
from tsoar.scoring.truth import Truth


@dataclass(frozen=True, slots=True)
class Expected:
    """Images of a moving star, as a Taylor series about the still one.

    Attributes
    ----------
    truth : where everything comes from.
    still : (row, column) what does not follow the star [DN/s].
    terms : coefficients (integration,) and the images (order, row, column) they multiply.
    """

    truth: Truth
    still: F64
    terms: list[tuple[F64, NDArray[np.float32]]]

    def image(self, i: int) -> F64:
        """(row, column) mean rate of integration ``i`` [DN/s]."""
        star = self.truth.star_image
        if self.terms:
            star = star.copy()
            for coefficient, term in self.terms:
                star += np.float32(coefficient[i]) * term
        curve = self.truth.light_curve[:, i] * np.float32(self.truth.grey[i])
        return np.asarray(np.einsum("orx,ox->rx", star, curve, dtype=np.float64) + self.still)


def expected(truth: Truth, *, dark: bool = False) -> Expected:
    """Prepare the images.

    Parameters
    ----------
    truth : of the exposure.
    dark : the dark current is still in the slopes.

    Notes
    -----
    Shifted by d along an axis: I - d I' + d²/2 I''. Widened by s about the trace y0, light conserved: with e = ln s and
    D = -d/dy (y - y0), I + e D I + e²/2 D² I. Derivatives are those of cubic splines through the pixels.
    """
    image = truth.star_image.astype(np.float64)
    terms: list[tuple[F64, NDArray[np.float32]]] = []

    def add(coefficient: F64, term: F64) -> None:
        terms.append((coefficient, term.astype(np.float32)))

    for drift, axis in ((truth.drift_y, 1), (truth.drift_x, 2)):
        if np.any(drift != 0):
            spline = CubicSpline(np.arange(image.shape[axis]), image, axis=axis)
            add(-drift, spline(np.arange(image.shape[axis]), 1))
            add(drift**2 / 2, spline(np.arange(image.shape[axis]), 2))
    if np.any(truth.stretch != 1):
        rows = np.arange(image.shape[1], dtype=np.float64)
        away = rows[:, None] - np.nan_to_num(truth.trace)[:, None, :]
        widened = -CubicSpline(rows, away * image, axis=1)(rows, 1)
        add(np.log(truth.stretch), widened)
        add(np.log(truth.stretch) ** 2 / 2, -CubicSpline(rows, away * widened, axis=1)(rows, 1))
        if np.any(truth.drift_y != 0):  # widened about its trace, then shifted
            add(-truth.drift_y * np.log(truth.stretch), CubicSpline(rows, widened, axis=1)(rows, 1))
    still = truth.sky_image.astype(np.float64) + truth.field_image + (truth.dark_image if dark else 0.0)
    return Expected(truth, still, terms)
