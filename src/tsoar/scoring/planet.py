"""The planet's spectrum against the one that was put in."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tsoar.scoring.limits import F64
from tsoar.scoring.rows import Row, row, short
from tsoar.scoring.spectra import FEWEST_COLUMNS, REGIONS, WHOLE, Curves, add_up, fit
from tsoar.scoring.truth import Mask, Truth
from tsoar.units import PPM

BIN = 32
"""Columns of a bin of the spectrum that is drawn."""
BIN_FIELDS = [("order", "i8"), ("wavelength", "f8"), ("half_width", "f8"), ("depth", "f8"), ("error", "f8"), ("injected", "f8")]
BANDS = tuple(round(0.9 + 0.2 * k, 1) for k in range(10))
"""Edges of the bands of order 1 that are summed before the fit [um]."""


def depths(one: Curves) -> tuple[F64, F64, F64]:
    """Depth of each column (column,), its claimed error, and the error that photons and reads alone would leave.

    Least squares with equal weights of flux = level (1 - depth x shape), shape = (1 - light curve) / true depth. Both
    parameters are sums of fluxes, flux_i times c_i, so that an error of each flux goes over exactly; depth = -b / a.
    NaN where the order has no light, no event or no usable column.
    """
    good = np.isfinite(one.flux)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.where(good, (1.0 - one.curve) / one.depth, 0.0)
        n = good.sum(axis=0)
        middle = shape.sum(axis=0) / n
        lever = np.where(good, shape - middle, 0.0)
        power = np.sum(lever**2, axis=0)
        flux = np.where(good, one.flux, 0.0)
        to_b = lever / power
        to_a = np.where(good, 1.0 / n, 0.0) - middle * to_b
        a, b = np.sum(to_a * flux, axis=0), np.sum(to_b * flux, axis=0)
        depth = -b / a
        to_depth = -(to_b + depth * to_a) / a
        claimed = np.sqrt(np.sum(to_depth**2 * np.where(good, one.error, 0.0) ** 2, axis=0))
        limit = np.sqrt(np.sum(to_depth**2, axis=0)) * one.box.noise
    ok = one.usable & (one.depth > 0) & (power > 0.1) & (claimed > 0)
    return np.where(ok, depth, np.nan), np.where(ok, claimed, np.nan), np.where(ok, limit, np.nan)


def planet(orders: dict[int, Curves], truth: Truth) -> list[Row]:
    """Depths by column in the regions, of white light, and of bands 0.2 um wide.

    The box holds some light of the other orders, whose depths are those of other wavelengths; nothing is corrected for
    it, so what dilution a reduction leaves in is seen as a bias.
    """
    rows = []
    found = {order: depths(one) for order, one in orders.items()}
    for region in REGIONS:
        one = orders.get(region.order)
        if one is None or region.order == 3:
            continue
        depth, claimed, limit = found[region.order]
        use = region.columns(truth.wavelength) & np.isfinite(depth)
        n = int(use.sum())
        if n < FEWEST_COLUMNS:
            continue
        away, error = depth[use] - one.depth[use], claimed[use]
        weight = 1.0 / error**2
        bias, uncertain = float(np.sum(weight * away) / weight.sum()), float(1.0 / np.sqrt(weight.sum()))
        pull = away / error
        name, note = region.name, f"{region.note(n)}, depth {PPM * np.median(one.depth[use]):.0f} ppm"
        rows += [
            row("planet", f"{name}: bias", PPM * bias, "ppm", f"0 +- {short(PPM * uncertain, 2)}", note),
            row("planet", f"{name}: chi2/N", float(np.mean(pull**2)), "", f"1 +- {np.sqrt(2 / n):.2g}"),
            row("planet", f"{name}: pull mean", float(pull.mean()), "", f"0 +- {1 / np.sqrt(n):.2g}"),
            row("planet", f"{name}: pull width", float(pull.std(ddof=1)), "", f"1 +- {1 / np.sqrt(2 * n):.2g}"),
            row(
                "planet",
                f"{name}: scatter of depths over limit",
                float(np.std(away / limit[use], ddof=1)),
                "",
                f"1 +- {1 / np.sqrt(2 * n):.2g}",
                f"limit {short(PPM * float(np.median(limit[use])))} ppm a column",
            ),
        ]
    for region in WHOLE[:2]:
        one = orders.get(region.order)
        if one is not None:
            inside = one.usable & region.columns(truth.wavelength)
            rows += summed(one, inside, truth, f"{region.name}, white light", both=True)[0]
    own = []
    for low, high in pairwise(BANDS):
        if 1 in orders:
            inside = (truth.wavelength[0] >= low) & (truth.wavelength[0] < high)
            more, sigmas = summed(orders[1], orders[1].usable & inside, truth, f"band {low}-{high} um")
            rows += more
            own += sigmas
    if own:
        largest = float(np.max(np.abs(own)))
        rows.append(row("planet", "bands: largest error in its own sigmas", largest, "", "below 3", f"{len(own)} bands"))
    return rows


def spectrum(orders: dict[int, Curves], truth: Truth) -> NDArray[np.void]:
    """The planet's spectrum of orders 1 and 2 (where it stands alone) in bins of 32 columns, beside the one that was put in.

    Returns
    -------
    (bin) order, wavelength and half_width [um], depth and its error from the residuals, injected depth (weighted with
    the light). Depth is the amplitude of the known light-curve shape: (Rp/Rs)^2, or Fp/Fs of an eclipse.
    """
    found = []
    for region in WHOLE[:2]:
        order, one = region.order, orders.get(region.order)
        columns = np.empty(0, int)
        if one is not None:
            columns = np.flatnonzero(one.usable & (one.depth > 0) & region.columns(truth.wavelength))
        for first in range(0, columns.size - BIN + 1, BIN):
            assert one is not None
            some = columns[first : first + BIN]
            use = np.zeros(one.usable.size, bool)
            use[some] = True
            total = add_up(one, use, truth)
            result = fit(total) if total is not None else None
            if total is None or result is None or not result.error > 0:
                continue
            wave = truth.wavelength[order - 1, some]
            injected = float(np.average(one.depth[some], weights=one.box.own[some]))
            scale = injected / total.depth  # from mid-event, where the limb darkens less, to the amplitude
            middle, half = 0.5 * (wave.max() + wave.min()), 0.5 * (wave.max() - wave.min())
            found.append((order, middle, half, scale * result.depth, scale * result.error, injected))
    return np.array(found, BIN_FIELDS)


def summed(one: Curves, use: Mask, truth: Truth, name: str, *, both: bool = False) -> tuple[list[Row], list[float]]:
    """Rows for the depth at mid-event of a sum of columns, and the depth's error in sigmas of the residuals."""
    total = add_up(one, use, truth)
    found = fit(total) if total is not None else None
    if total is None or found is None or not found.error > 0:
        return [], []
    away = found.depth - total.depth
    sigmas = away / found.error
    rows = [row("planet", f"{name}: mid-event depth", PPM * found.depth, "ppm", f"{PPM * total.depth:.1f}")] if both else []
    note = f"{sigmas:+.1f} sigma, of {PPM * total.depth:.0f} ppm"
    perfect = f"0 +- {short(PPM * found.error, 2)}"
    rows.append(row("planet", f"{name}: mid-event depth, error", PPM * away, "ppm", perfect, note))
    return rows, [sigmas]
