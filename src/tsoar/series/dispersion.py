"""How far each integration's spectrum lies along dispersion from where it lies on average, from the spectra alone.

A star that moves along the rows of the detector moves its spectrum along wavelength too: where it rises by a per cent a
column, 20 mpx are 200 ppm, a false depth unless it is taken back. Lines show the motion: the change of a spectrum, held
against the reference spectrum's slope, both without what is smooth over a few dozen columns, so that neither the planet's
spectrum nor limb darkening nor a tilted mirror is taken for motion.

Pixels respond differently by a per cent, and some are worse: the slope seen is the spectrum's and that of the pixels, which
do not move. Least squares with it finds a half to three quarters of the motion. So the change is held against the slope of
the smoothed spectrum, in which single columns hardly show, and divided by what the two slopes have in common (an instrumental
variable: Fuller 1987, Measurement Error Models, section 1.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from tsoar.blocks import F64
from tsoar.series.lightcurves import FREE_COLUMNS, usable_columns, values_of
from tsoar.series.residuals import nanmedian

BLOCK = 32
"""Columns over which a straight line is left to everything else that changes."""
SMOOTH = 1.0
"""Sigma of the smoothed spectrum [columns]: about that of the line spread."""
STEEP = 5.0
"""Columns count whose slope is this far (in scatters of the slopes) from the straight line: those of lines."""
QUARTERS = 4
"""Pieces of an order, each with its own scatter of slopes."""
CLIP = 5.0
"""Sigma; values further off the reference that has moved say nothing."""
SURE = 5.0
"""Sigmas of chance by which the scatter of the motion must exceed its errors to be believed."""
ORDERS = (1, 2)
LEAST = 10
"""Columns with lines, and integrations, without which nothing is known."""


@dataclass(frozen=True)
class Along:
    """Motion along dispersion."""

    shift: F64
    """(i,) [columns] to the right is positive; its median is 0"""
    error: float
    """of one integration [columns], from the claimed errors; inf: not known"""

    @property
    def scatter(self) -> float:
        """Standard deviation [columns]."""
        return float(np.std(self.shift))

    @property
    def sure(self) -> bool:
        """Whether the scatter is more than noise."""
        n = self.shift.size
        return bool(n >= LEAST and self.scatter**2 > self.error**2 * (1 + SURE * np.sqrt(2 / n)))


def along_dispersion(spectra: xr.Dataset, columns: Mapping[int, tuple[int, int]] = FREE_COLUMNS) -> Along:
    """Motion along dispersion, from the lines of orders 1 and 2 together.

    Parameters
    ----------
    spectra : spectra.nc.
    columns : [first, last + 1) of each order.
    """
    n = spectra.sizes["integration"]
    parts = []
    for order in ORDERS:
        if order not in spectra["order"].values:
            continue
        flux, error = values_of(spectra, order)
        use = usable_columns(flux)
        x = np.arange(use.size)
        use &= (x >= columns[order][0]) & (x < columns[order][1])
        if use.sum() < 2 * BLOCK:
            continue
        parts.append(_lines(np.flatnonzero(use), flux[:, use], error[:, use]))
    known = sum(float(smooth @ seen) for seen, smooth, _ in parts)
    if sum(np.count_nonzero(smooth) for _, smooth, _ in parts) < LEAST or known <= 0:
        return Along(np.zeros(n), np.inf)
    square = sum(float(smooth @ smooth) for _, smooth, _ in parts)
    shift = np.zeros(n)
    for clip in (np.inf, CLIP):  # first with all values, then without those that do not move along
        step = np.zeros(n)
        for seen, smooth, change in parts:
            off = change + shift[:, None] * seen
            step += np.where(np.abs(off) < clip, off, 0.0) @ smooth
        shift = shift - step / known
    return Along(shift - np.median(shift), float(np.sqrt(square) / known))


def _lines(x: NDArray[np.int64], flux: F64, error: F64) -> tuple[F64, F64, F64]:
    """In sigmas, straight lines taken out: slope (x,) as seen, of the smoothed spectrum (0 without lines), change (i, x)."""
    reference = nanmedian(flux, axis=0)
    sigma = nanmedian(error, axis=0) / reference
    sigma = np.where(sigma > 0, sigma, np.inf)
    slope = _slope(x, reference) / reference
    steady = gaussian_filter1d(reference, SMOOTH, order=1) / reference
    scale = nanmedian(flux / reference, axis=1)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        change = flux / (reference * scale) - 1
    change = np.where(np.isfinite(change), change, 0.0)
    values = np.vstack([slope, steady, change]) / sigma
    for some in np.array_split(np.arange(x.size), max(x.size // BLOCK, 1)):
        line = np.stack([np.ones(some.size), np.linspace(-1, 1, some.size)], axis=1) / sigma[some, None]
        q, _ = np.linalg.qr(line)
        values[:, some] -= values[:, some] @ q @ q.T
    seen, smooth, change = values[0], values[1], values[2:]
    for some in np.array_split(np.arange(x.size), QUARTERS):
        relative = np.abs(smooth[some] * sigma[some])
        smooth[some] *= relative > STEEP * 1.4826 * np.median(relative)
    return seen, smooth, change


def _slope(x: NDArray[np.int64], reference: F64) -> F64:
    """Of the spectrum with column, by a cubic spline through it."""
    return np.asarray(CubicSpline(x, reference)(x, 1))


def moved_back(spectra: xr.Dataset, shift: F64) -> xr.Dataset:
    """Spectra as they would be had the star not moved along dispersion, to first order in ``shift`` (i,) [columns]."""
    flux = spectra["flux"].transpose("integration", "order", "column").values.copy()
    for k, order in enumerate(spectra["order"].values):
        good, _ = values_of(spectra, int(order))
        use = usable_columns(good)
        if use.sum() < 4:
            continue
        good = good[:, use]
        reference = nanmedian(good, axis=0)
        scale = nanmedian(good / reference, axis=1)
        flux[:, k, use] += (scale * shift)[:, None] * _slope(np.flatnonzero(use), reference)
    return spectra.assign(flux=(("integration", "order", "column"), flux, spectra["flux"].attrs))
