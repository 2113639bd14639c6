"""The numbers that say how good a reduction is, each with its criterion and verdict, and the figures of the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table

from tsoar.blocks import F64
from tsoar.reduce.chain import Recipe
from tsoar.reduce.plan import Plan
from tsoar.series.baseline import Baseline, find_baseline, parse_baseline
from tsoar.series.binning import rms_binning
from tsoar.series.lightcurves import light_curves
from tsoar.series.psd import power_spectrum
from tsoar.series.residuals import detrend
from tsoar.series.sensitivity import band_median, sensitivity
from tsoar.series.white import white_light
from tsoar.units import PPM

BANDS = ((1, 1.15, 1.25), (1, 1.55, 1.65), (1, 2.05, 2.15), (1, 2.45, 2.55), (2, 0.65, 0.75), (2, 0.61, 0.65))
"""order, wavelengths [um] whose sensitivity is reported by itself"""

Numbers = dict[str, dict[str, Any]]


@dataclass(slots=True)
class Looks:
    """Time-series products and what was learned from them; empty ones for a single integration."""

    numbers: Numbers
    notes: list[str] = field(default_factory=list)
    curves: xr.Dataset | None = None
    white: Table | None = None
    baseline: Baseline | None = None
    sensitivity: xr.Dataset | None = None
    binning: xr.Dataset | None = None
    psd: xr.Dataset | None = None


def verdict(value: float | None, unit: str, criterion: str, low: float, high: float, doubtful: float = 0.25) -> dict[str, Any]:
    """A number with its criterion: good inside [low, high], "look here" up to ``doubtful`` of the limit beyond, else bad."""
    if value is None or not np.isfinite(value):
        return {"value": None, "unit": unit, "criterion": criterion, "verdict": "not measured"}
    below = low - doubtful * abs(low) if np.isfinite(low) else low
    above = high + doubtful * abs(high) if np.isfinite(high) else high
    word = "good" if low <= value <= high else "look here" if below <= value <= above else "bad"
    return {"value": float(f"{value:.6g}"), "unit": unit, "criterion": criterion, "verdict": word}


def unjudged(value: float, unit: str, why: str) -> dict[str, Any]:
    """A number without a criterion."""
    measured = np.isfinite(value)
    word = "not judged" if measured else "not measured"
    return {"value": float(f"{value:.6g}") if measured else None, "unit": unit, "criterion": why, "verdict": word}


def look(plan: Plan, recipe: Recipe, spectra: xr.Dataset, asked_baseline: str | None, n_groups: int) -> Looks:
    """Light curves, white light and all numbers of diagnostics.json; ``n_groups`` of the exposure's ramps."""
    numbers = detector_numbers(recipe, spectra, n_groups)
    out = Looks(numbers)
    n = spectra.sizes["integration"]
    if n < 2:
        return out
    time = spectra["time"].values
    white = white_light(spectra)
    out.baseline = baseline_of(plan, asked_baseline, time, white, n)
    out.white = white_light(spectra, out.baseline.mask)
    out.curves = light_curves(spectra, out.baseline.mask)
    if out.baseline.mask.sum() < 4:
        out.notes.append("fewer than 4 integrations outside the event: no scatter, no sensitivity")
        return out
    out.sensitivity = sensitivity(out.curves)
    series_numbers(out, time)
    motion_numbers(numbers, spectra)
    return out


def baseline_of(plan: Plan, asked: str | None, time: F64, white: Table, n: int) -> Baseline:
    """The baseline asked for, or the one found in order 1's white light."""
    if asked is not None:
        return Baseline(parse_baseline(asked, n), None, f"as asked: {asked}")
    return find_baseline(time, np.asarray(white["flux_order1"]), np.asarray(white["flux_err_order1"]), plan.config.baseline)


def detector_numbers(recipe: Recipe, spectra: xr.Dataset, n_groups: int) -> Numbers:
    """What the detector stage and the survey found."""
    deep = recipe.deep
    pixels = float((recipe.noise.usable > 0).sum())
    out: Numbers = {}
    if "n_jumps" in spectra:
        groups = max(n_groups - 1, 1)
        share = 100 * float(spectra["n_jumps"].mean()) / (pixels * groups)
        out["reads flagged as jumps"] = verdict(share, "%", "0.02 to 0.5 % (cosmic-ray rate and neighbours)", 0.02, 0.5)
    if "n_saturated" in spectra:
        out["saturated reads"] = verdict(float(spectra["n_saturated"].mean()), "a integration", "below 2000", 0, 2000)
    unusable = 100 * (1 - pixels / recipe.noise.usable.size)
    out["pixels not used"] = verdict(unusable, "%", "below 4 % (reference pixels are 2 %)", 0, 4)
    if "read_noise_factor" in deep.facts:
        criterion = "1.0 to 1.3 (1/f inside columns acts like read noise)"
        out["noise of dark rows over the reference"] = verdict(deep.read_noise_factor, "", criterion, 1.0, 1.3)
    for key, name in (("sky_left", "sky over template, left of the step"), ("sky_right", "sky over template, right")):
        if key in deep.facts:
            out[name] = verdict(float(deep.facts[key]), "", "0.4 to 1.5 (real exposures: 0.6 to 0.9)", 0.4, 1.5)
    angle = deep.facts.get("pwcpos_fitted")
    if angle is not None:
        off = 1e3 * (float(angle) - recipe.readout.pwcpos)
        out["wheel angle, fitted minus header"] = verdict(off, "mdeg", "within 30 mdeg", -30, 30)
    offset = deep.facts.get("trace_offset")
    if offset is not None:
        out["trace of order 1, offset from the model"] = verdict(float(np.ravel(offset)[0]), "px", "within 1 px", -1, 1, 1.0)
    return out


def series_numbers(out: Looks, time: F64) -> None:
    """Sensitivity, white light, its spectrum and binning."""
    assert out.sensitivity is not None
    assert out.white is not None
    assert out.baseline is not None
    for order in (1, 2):
        value = float(out.sensitivity["median"].sel(order=order))
        out.numbers[f"sensitivity, order {order}"] = verdict(value, "", "0.93 to 1.05 (scatter over claimed error)", 0.93, 1.05)
    for order, low, high in BANDS:
        value = band_median(out.sensitivity, order, low, high)
        name = f"sensitivity, order {order}, {low} to {high} um"
        out.numbers[name] = verdict(value, "", "0.93 to 1.05", 0.93, 1.05)
    mask = out.baseline.mask
    for order in (1, 2):
        flux, err = (np.asarray(out.white[f"{c}_order{order}"], float) for c in ("flux", "flux_err"))
        if not np.isfinite(flux).any():
            continue
        residual, freedom = detrend(time[mask], flux[mask], 1)
        scatter = float(np.sqrt(np.nansum(residual**2) / max(int(freedom), 1)))
        claimed = float(np.nanmedian(err[mask]))
        out.numbers[f"white light, order {order}: scatter"] = unjudged(PPM * scatter, "ppm", "no limit by itself")
        limit = 1.2 if order == 1 else 1.35
        name = f"white light, order {order}: scatter over claimed"
        out.numbers[name] = verdict(scatter / claimed, "", f"below {limit}", 0, limit)
    flux, err = (np.asarray(out.white[c], float) for c in ("flux", "flux_err"))
    out.binning = rms_binning(time, flux, err, mask)
    out.psd = power_spectrum(time, flux, err, mask)
    out.numbers["integrations outside the event"] = verdict(float(mask.sum()), "", "at least 20", 20, np.inf)


def motion_numbers(numbers: Numbers, spectra: xr.Dataset) -> None:
    """Trace motion, widths and what was replaced."""
    for order in (1, 2):
        shift = spectra["shift"].sel(order=order).values
        if np.isfinite(spectra["shift_err"].sel(order=order).values).any():
            criterion = "below 50 mpx (the box follows)"
            numbers[f"trace motion, order {order}, rms"] = verdict(1e3 * float(np.nanstd(shift)), "mpx", criterion, 0, 50, 4.0)
    wide = spectra["width"].sel(order=1).values
    share = 100 * float(np.mean(wide != 0))
    numbers["integrations with a change of width"] = verdict(share, "%", "0 (else a mirror tilt: look at traces)", 0, 0)
    valid = spectra["valid"].sel(order=1).values.astype(bool)
    replaced = 100 * float(spectra["replaced"].sum() / max(int((spectra["valid"] > 0).sum()), 1))
    numbers["outliers replaced in spectra"] = verdict(replaced, "%", "below 0.02 %", 0, 0.02, 4.0)
    numbers["columns of order 1 valid"] = verdict(100 * float(valid.mean()), "%", "above 98 %", 98, 100, 0.05)
