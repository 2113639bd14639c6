"""Light curves of one order in bins of equal width in wavelength: small enough to travel inside a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tsoar.blocks import F32
from tsoar.series.lightcurves import FREE_COLUMNS, filled_sums, usable_columns, values_of
from tsoar.series.residuals import nanmedian

BUDGET = 250_000
"""Values of one order at most; an exposure of 500 integrations keeps bins of four columns."""
FINEST = 4
"""Columns of the narrowest bin."""


@dataclass(frozen=True, slots=True)
class BinnedCurves:
    """Light curves of an order, normalised outside the event."""

    order: int
    low: float
    """[um] shorter edge of the first bin"""
    step: float
    """[um] width of a bin"""
    flux: F32
    """(i, b) over its level outside the event; NaN where there is none"""
    error: F32
    """(b,) claimed error of one integration, median over time"""


def binned_curves(
    spectra: xr.Dataset,
    baseline: NDArray[np.bool_],
    *,
    orders: tuple[int, ...] = (1, 2),
    columns: Mapping[int, tuple[int, int]] = FREE_COLUMNS,
    budget: int = BUDGET,
) -> list[BinnedCurves]:
    """Light curves of each order that has light, in as many bins as ``budget`` values allow (of 4 columns or more).

    spectra: spectra.nc; baseline (i,): integrations outside the event; columns: [first, last + 1) of each order that count.
    """
    out = []
    for order in orders:
        if order not in spectra["order"].values:
            continue
        first, last = columns[order]
        flux, error = values_of(spectra, order)
        wavelength = spectra["wavelength"].sel(order=order).values
        x = np.arange(wavelength.size)
        use = np.flatnonzero(usable_columns(flux) & (x >= first) & (x < last) & np.isfinite(wavelength))
        if use.size < 2:
            continue
        use = use[np.argsort(wavelength[use], kind="stable")]
        w = wavelength[use]
        count = max(min(use.size // FINEST, budget // max(flux.shape[0], 1)), 2)
        low = float(w[0] - 1e-6)
        step = float(w[-1] + 1e-6 - low) / count
        number = np.minimum(((w - low) / step).astype(np.int64), count - 1)
        filled, starts = np.unique(number, return_index=True)
        total, noise = filled_sums(flux[:, use], error[:, use], starts, baseline)
        level = nanmedian(total[baseline], axis=0)
        relative, sigma = np.full((flux.shape[0], count), np.nan, np.float32), np.full(count, np.nan, np.float32)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative[:, filled] = total / level
            sigma[filled] = nanmedian(noise / level, axis=0)
        out.append(BinnedCurves(order, low, step, relative, sigma))
    return out
