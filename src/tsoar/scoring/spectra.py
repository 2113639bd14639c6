"""Spectra: wavelengths, times, level, scatter against the limits and against the claimed errors, white light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from tsoar.scoring.aperture import Box, boxes
from tsoar.scoring.limits import F64, median_factor
from tsoar.scoring.rows import Row, row, short
from tsoar.scoring.truth import Mask, Truth
from tsoar.units import PPM, SECONDS_PER_DAY

FEWEST_COLUMNS = 8
FEWEST_OUTSIDE = 4
BLOCK = 64
"""Columns of the sums of white light's pieces."""


@dataclass(frozen=True, slots=True)
class Region:
    """Columns of an order, by wavelength [um] and from ``first`` on."""

    order: int
    low: float = 0.0
    high: float = np.inf
    first: int = 0

    @property
    def name(self) -> str:
        """As rows show it."""
        band = "" if np.isinf(self.high) else f", {self.low:.3g}-{self.high:.3g} um"
        return f"order {self.order}{band}"

    def note(self, n: int) -> str:
        """How many columns, and from which on."""
        return f"{n} columns" + (f" from {self.first} on" if self.first else "")

    def columns(self, wavelength: F64) -> Mask:
        """(column,) columns inside; ``wavelength`` is (3, column)."""
        own = wavelength[self.order - 1]
        return np.asarray((own >= self.low) & (own < self.high) & (np.arange(own.size) >= self.first))


WHOLE = (Region(1), Region(2, first=700), Region(3))
"""Whole orders. Below column 700 the box of order 2 lies on order 1."""
REGIONS = (
    WHOLE[0],
    *(Region(1, middle - 0.05, middle + 0.05) for middle in (1.2, 1.6, 2.1, 2.5)),
    WHOLE[1],
    Region(2, 0.65, 0.75),
    Region(2, 0.61, 0.65),
    WHOLE[2],
)


@dataclass(frozen=True, slots=True)
class Curves:
    """Spectra of one order, beside what should be in them.

    Attributes
    ----------
    order : 1, 2 or 3.
    flux, error : (integration, column) [DN/s], the star's own changes (grey) divided out; NaN where not valid.
    curve : (integration, column) true relative flux of star and planet.
    depth : (column,) true amplitude of the event.
    outside : (integration,) out of the event.
    box : light and limits of the box.
    """

    order: int
    flux: F64
    error: F64
    curve: F64
    depth: F64
    outside: Mask
    box: Box

    @property
    def steady(self) -> F64:
        """(integration, column) flux with the true light curve divided out [DN/s]."""
        return np.asarray(self.flux / self.curve)

    @property
    def usable(self) -> Mask:
        """(column,) columns that count: light of the order, nine tenths of the integrations valid."""
        return np.asarray((np.isfinite(self.flux).mean(axis=0) >= 0.9) & np.isfinite(self.box.own))


def curves(data: xr.Dataset, truth: Truth, order: int, box: Box) -> Curves:
    """One order of spectra.nc beside its truth."""
    one = data.sel(order=order)
    names = ("flux", "flux_err", "valid")
    flux, error, valid = (one[name].transpose("integration", "column").values.astype(np.float64) for name in names)
    good = (valid > 0) & np.isfinite(flux) & (error > 0) & np.isfinite(truth.wavelength[order - 1])
    grey = truth.grey[:, None]
    return Curves(
        order,
        np.where(good, flux / grey, np.nan),
        np.where(good, error / grey, np.nan),
        np.nan_to_num(truth.light_curve[order - 1].astype(np.float64), nan=1.0),
        np.nan_to_num(truth.depth[order - 1]),
        truth.outside(),
        box,
    )


def all_curves(data: xr.Dataset, truth: Truth, radius: float) -> dict[int, Curves]:
    """Orders that are in spectra.nc."""
    present = data["order"].values.tolist()
    return {k + 1: curves(data, truth, k + 1, box) for k, box in enumerate(boxes(truth, radius)) if k + 1 in present}


def wavelength(data: xr.Dataset, truth: Truth) -> list[Row]:
    """Wavelength errors in pixels of the truth's dispersion, by order, and time errors."""
    rows = []
    for order in data["order"].values.tolist():
        if order not in (1, 2, 3):
            continue
        true = truth.wavelength[order - 1]
        away = (data["wavelength"].sel(order=order).values - true) / np.abs(np.gradient(true))
        away = away[np.isfinite(away)]
        if away.size:
            rms, largest = float(np.sqrt(np.mean(away**2))), float(np.abs(away).max())
            rows.append(row("wavelength", f"order {order}: rms", rms, "px", "0", f"{away.size} columns"))
            rows.append(row("wavelength", f"order {order}: largest", largest, "px", "0"))
    late = (data["time"].values - truth.time) * SECONDS_PER_DAY
    rows.append(row("wavelength", "time, largest error", float(np.abs(late).max()), "s", "0", "mid-integration, BJD_TDB"))
    return rows


def level(orders: dict[int, Curves], truth: Truth) -> list[Row]:
    """Flux out of the event over the light of the order that lies in the box.

    The other orders' light in the box is not the order's: it dilutes the planet. Whoever leaves it in gets more than 1.
    """
    rows = []
    for region in REGIONS:
        one, use = pick(orders, region, truth)
        if one is None:
            continue
        ratio = np.nanmedian(one.steady[one.outside][:, use], axis=0) / one.box.own[use]
        extra = float(np.median(one.box.other[use] / one.box.own[use]))
        perfect = f"1 ({1 + extra:.4f} with others' light)"
        name = f"{region.name}: flux over light in the box"
        rows.append(row("spectra", name, float(np.median(ratio)), "", perfect, f"median of {region.note(int(use.sum()))}"))
    return rows


def pick(orders: dict[int, Curves], region: Region, truth: Truth) -> tuple[Curves | None, Mask]:
    """Curves and columns of a region; None when it has too few columns, or too few integrations are out of the event."""
    one = orders.get(region.order)
    if one is None or one.outside.sum() < FEWEST_OUTSIDE:
        return None, np.zeros(0, bool)
    use = one.usable & region.columns(truth.wavelength)
    use &= np.isfinite(one.flux[one.outside]).sum(axis=0) >= FEWEST_OUTSIDE
    return (one if use.sum() >= FEWEST_COLUMNS else None), use


def scatter_of(values: F64) -> tuple[F64, F64]:
    """Standard deviation over mean of each column (NaN are left out), and its degrees of freedom."""
    n = np.isfinite(values).sum(axis=0)
    freedom = np.maximum(n - 1, 1).astype(np.float64)
    mean = np.nanmean(values, axis=0)
    return np.asarray(np.sqrt(np.nansum((values - mean) ** 2, axis=0) / freedom) / mean), freedom


def sensitivity(orders: dict[int, Curves], truth: Truth) -> list[Row]:
    """Scatter out of the event over claimed error, median over columns (freed of the median's small-sample bias)."""
    rows = []
    for region in REGIONS:
        one, use = pick(orders, region, truth)
        if one is None:
            continue
        steady, claimed = one.steady[one.outside][:, use], (one.error / one.curve)[one.outside][:, use]
        scatter, freedom = scatter_of(steady)
        ratio = scatter / (np.nanmedian(claimed, axis=0) / np.nanmean(steady, axis=0)) / median_factor(freedom)
        perfect = f"1 +- {spread(ratio.size, freedom):.2g}"
        rows.append(row("sensitivity", region.name, float(np.median(ratio)), "", perfect, region.note(int(use.sum()))))
    return rows


def spread(n: int, freedom: F64) -> float:
    """Standard error of a median of ``n`` ratios of scatters with ``freedom`` degrees (1.25: median against mean)."""
    return float(1.2533 / np.sqrt(2 * np.median(freedom) * n))


def scatter(orders: dict[int, Curves], truth: Truth) -> list[Row]:
    """Scatter out of the event over photon and read noise: of the box, and of a profile-weighted sum."""
    rows = []
    for region in REGIONS:
        one, use = pick(orders, region, truth)
        if one is None:
            continue
        found, freedom = scatter_of(one.steady[one.outside][:, use])
        found = found / median_factor(freedom)
        perfect = f"1 +- {spread(found.size, freedom):.2g}"
        box, weighted = one.box.relative[use], one.box.weighted[use]
        limit = f"limit {short(PPM * float(np.median(box)))} ppm, {region.note(int(use.sum()))}"
        name = region.name
        rows += [
            row("scatter", f"{name}", PPM * float(np.median(found)), "ppm", short(PPM * float(np.median(box))), limit),
            row("scatter", f"{name}: over the limit of the box", float(np.median(found / box)), "", perfect, limit),
            row("scatter", f"{name}: over the profile-weighted limit", float(np.median(found / weighted)), "", perfect),
        ]
    return rows


@dataclass(frozen=True, slots=True)
class Sum:
    """Columns of an order added up.

    Attributes
    ----------
    flux, error : (integration,) [DN/s]; NaN for integrations that are left out. Columns' errors add in quadrature.
    model : (integration,) true relative flux of the sum.
    shape : (integration,) 1 - model over ``depth``.
    depth : true depth at the middle of the event.
    limit : noise of the sum that photons and reads leave, relative.
    n : columns.
    """

    flux: F64
    error: F64
    model: F64
    shape: F64
    depth: float
    limit: float
    n: int


def add_up(one: Curves, use: Mask, truth: Truth) -> Sum | None:
    """Sum of columns: those valid in every integration that has half of them or more; None with fewer than 8."""
    if use.sum() < FEWEST_COLUMNS:
        return None
    valid = np.isfinite(one.flux[:, use])
    kept = valid.mean(axis=1) >= 0.5
    if not kept.any():
        return None
    columns = np.flatnonzero(use)[valid[kept].all(axis=0)]
    if columns.size < FEWEST_COLUMNS:
        return None
    light = one.box.own[columns]
    model = one.curve[:, columns] @ light / light.sum()
    middle = mid_event(truth)
    # the planet's own light is there out of an eclipse: what the flux falls by is relative to that
    model = model / np.median(model[one.outside]) if one.outside.any() else model
    depth = float(1.0 - model[middle]) if truth.event != "none" else 0.0
    return Sum(
        np.where(kept, np.where(kept[:, None], one.flux[:, columns], 0.0).sum(axis=1), np.nan),
        np.where(kept, np.sqrt(np.where(kept[:, None], one.error[:, columns] ** 2, 0.0).sum(axis=1)), np.nan),
        model,
        (1.0 - model) / depth if depth > 0 else np.zeros_like(model),
        depth,
        float(np.sqrt(np.sum(one.box.noise[columns] ** 2)) / light.sum()),
        columns.size,
    )


def mid_event(truth: Truth) -> int:
    """Integration nearest to the middle of the event."""
    return int(np.argmin(np.abs(truth.time - truth.t_mid))) if np.isfinite(truth.t_mid) else 0


@dataclass(frozen=True, slots=True)
class Fit:
    """Level and depth of a sum.

    Attributes
    ----------
    depth, error : mid-event depth and its error from the scatter of the residuals; 0 and NaN without event.
    rms : of the residuals, relative.
    claimed : median claimed error, relative.
    freedom : degrees of freedom.
    """

    depth: float
    error: float
    rms: float
    claimed: float
    freedom: int


def fit(total: Sum) -> Fit | None:
    """Least squares: flux = level (1 - depth x shape); level alone when the shape is flat. None with too few points."""
    use = np.isfinite(total.flux)
    event = bool(np.ptp(total.shape[use]) > 0.1) if use.any() else False
    freedom = int(use.sum()) - (2 if event else 1)
    if freedom < 2:
        return None
    design = np.stack([np.ones(use.sum()), total.shape[use]], axis=1)[:, : 2 if event else 1]
    covariance = np.linalg.inv(design.T @ design)
    values = covariance @ (design.T @ total.flux[use])
    residual = total.flux[use] - design @ values
    sigma = float(np.sqrt(np.sum(residual**2) / freedom))
    claimed = float(np.median(total.error[use]) / values[0])
    if not event:
        return Fit(0.0, np.nan, sigma / values[0], claimed, freedom)
    depth = -values[1] / values[0]
    gradient = np.array([values[1] / values[0] ** 2, -1.0 / values[0]])
    error = sigma * float(np.sqrt(gradient @ covariance @ gradient))
    return Fit(float(depth), error, sigma / float(values[0]), claimed, freedom)


def white_light(orders: dict[int, Curves], truth: Truth) -> list[Row]:
    """White light of each order: RMS after level and depth (all integrations), its limit, its claimed error.

    Sums of 64 columns show how noise that columns share (1/f, motion) grows on the way: root mean square over the sums
    of RMS over limit.
    """
    rows = []
    for region in WHOLE:
        one = orders.get(region.order)
        if one is None:
            continue
        inside = one.usable & region.columns(truth.wavelength)
        total = add_up(one, inside, truth)
        found = fit(total) if total is not None else None
        if total is None or found is None:
            continue
        name, perfect = region.name, f"1 +- {1 / np.sqrt(2 * found.freedom):.2g}"
        note = f"{region.note(total.n)}, {'level and depth' if truth.event != 'none' else 'level'} fitted"
        rows += [
            row("white light", f"{name}: RMS", PPM * found.rms, "ppm", short(PPM * total.limit), note),
            row("white light", f"{name}: RMS over limit", found.rms / total.limit, "", perfect),
            row("white light", f"{name}: claimed error", PPM * found.claimed, "ppm", f"{short(PPM * found.rms)} (RMS)"),
            row("white light", f"{name}: RMS over claimed error", found.rms / found.claimed, "", perfect),
        ]
        ratios = []
        columns = np.flatnonzero(inside)
        for first in range(0, columns.size - BLOCK + 1, BLOCK):
            use = np.zeros(one.usable.size, bool)
            use[columns[first : first + BLOCK]] = True
            piece = add_up(one, use, truth)
            result = fit(piece) if piece is not None else None
            if piece is not None and result is not None:
                ratios.append(result.rms / piece.limit)
        if ratios:
            value = float(np.sqrt(np.mean(np.square(ratios))))
            perfect = f"1 +- {1 / np.sqrt(2 * found.freedom * len(ratios)):.2g}"
            title = f"{name}: sums of {BLOCK} columns, RMS over limit"
            rows.append(row("white light", title, value, "", perfect, f"rms of {len(ratios)} sums"))
    return rows
