"""Depths of all settings with one orbit and one limb darkening: those of the reference setting.

The reference's white light is fitted as `tsoar.fit` does, and its bins give the limb darkening. With both held, every
setting's depths are a fit of depth and baseline alone, so that they differ by what the settings do and by nothing else.

Settings see the same photons, so the *change* of a depth is far better known than the depth. It is measured on the
difference of two light curves: that difference is fitted (least squares) with a straight line and the event's shape, and its
scatter gives the error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table

from tsoar.blocks import F64
from tsoar.config import Config
from tsoar.fitting.channels import Channels, fit_channels
from tsoar.fitting.limbdark import from_table
from tsoar.fitting.params import FitParams
from tsoar.fitting.planets import settle
from tsoar.fitting.transit import Clock, Shapes, make_shapes
from tsoar.fitting.white import WhiteCurve, WhiteFit, fit_white
from tsoar.reduce.fit import Measured, check_coverage, design_of, fit_bins, limb_table, motion_of, padded, starting_orbit
from tsoar.reduce.fit_baseline import plain, settle_baseline
from tsoar.series.baseline import Baseline, find_baseline
from tsoar.series.lightcurves import usable_columns
from tsoar.series.white import WHITE_ORDERS
from tsoar.studies.judge import Outcome

RATIO = 0.1
"""Rp/R* where nothing else is known: only where the depth's fit starts"""


@dataclass(frozen=True)
class Held:
    """What the reference setting fixed for all."""

    white: WhiteFit
    shapes: Shapes
    u: F64
    """(o, b, 2) limb darkening of each bin"""
    curve: F64
    """(o, i) white light's event"""
    bin_curve: F64
    """(o, b, i); NaN where a bin has none"""
    bin_depth: F64
    """(o, b)"""
    bin_common: F64
    """(o, b) what the uncertainty of limb darkening and orbit adds to the depths of all settings and bins alike"""
    baseline: FitParams
    """with the trace motion and settling that were asked for, or chosen from white light"""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Depths:
    """Of one setting; NaN where there is none."""

    white: F64
    """(o, 2) depth and error"""
    change: F64
    """(o, 2) change of white light's depth against the reference, and its error"""
    bins: F64
    """(o, b, 2) with limb darkening and orbit held"""
    bin_common: F64
    """(o, b) see `Held`"""
    bin_change: F64
    """(o, b, 2)"""


def measured_of(outcome: Outcome, clock: Clock, target: str, event: Baseline) -> Measured:
    """What `tsoar.reduce.fit` wants to know of a run."""
    dims = ("integration", "order")
    motion = {name: (dims, outcome.arrays[name].T) for name in ("shift", "width")}
    spectra = xr.Dataset({"time": (("integration",), clock.time), **motion}, {"order": list(WHITE_ORDERS)})
    white = Table()
    for k, o in enumerate(WHITE_ORDERS):
        white[f"flux_order{o}"], white[f"flux_err_order{o}"] = outcome.arrays["white"][k], outcome.arrays["white_err"][k]
    return Measured(Path(), target, clock, spectra, outcome.arrays["outside"], white, event)


def event_of(outcome: Outcome, time: F64) -> Baseline:
    """The event seen in white light of the first order that has any."""
    k = int(np.argmax(np.isfinite(outcome.arrays["white"]).any(axis=1)))
    return find_baseline(time, outcome.arrays["white"][k], outcome.arrays["white_err"][k])


def hold(outcome: Outcome, clock: Clock, target: str, config: Config) -> Held:
    """Fit the reference setting.

    Raises
    ------
    ConfigError
        When the orbit is not known, or the exposure holds no event: no depths then.
    """
    params, notes = config.fit, list[str]()
    measured = measured_of(outcome, clock, target, event_of(outcome, clock.time))
    known = settle(params, target)
    orbit, held = starting_orbit(known, params, measured, notes)
    ratio = known.radius_ratio if np.isfinite(known.radius_ratio) else RATIO
    designs = {o: design_of(measured, o, plain(params), notes) for o in WHITE_ORDERS}
    spare = check_coverage(measured, orbit, ratio, params, designs, notes)
    table = limb_table(params)
    free = tuple(n for n in params.free if n not in held)
    if known.period == 0:
        free = tuple(dict.fromkeys((*free, "period")))
    start = None if params.event == "transit" else 1e-3

    def refit(with_baseline: FitParams) -> tuple[list[WhiteCurve], WhiteFit]:
        curves = []
        for k, o in enumerate(WHITE_ORDERS):
            if np.isfinite(outcome.arrays["white"][k]).any():
                u = None
                if table is not None:
                    wavelength = outcome.arrays["bin_wavelength"][k]
                    u = from_table(table, wavelength[np.isfinite(wavelength)], params.limb_darkening).mean(axis=0)
                design = design_of(measured, o, with_baseline, [])
                curves.append(WhiteCurve(o, outcome.arrays["white"][k], outcome.arrays["white_err"][k], design, u))
        return curves, fit_white(
            measured.clock, curves, orbit, params.event, ratio,
            free=free, jitter=params.jitter, clip=params.clip, start_depth=start,
        )  # fmt: skip

    baseline = settle_baseline(measured.clock, params, refit, lambda name, order: motion_of(measured, name, order), spare)
    white = baseline.white
    designs = {o: design_of(measured, o, baseline.params, []) for o in WHITE_ORDERS}
    (k, b), channels = channels_of(outcome, padded(designs))
    found, orbit_err = fit_bins(measured.clock, channels, white, params, table)
    shapes = make_shapes(measured.clock, white.orbit, params.event, white.radius_ratio)
    n_orders, n_bins = outcome.arrays["bin_wavelength"].shape
    u, depth = np.full((n_orders, n_bins, 2), np.nan), np.full((n_orders, n_bins), np.nan)
    u[k, b], depth[k, b] = found.u, found.depth
    common = np.full((n_orders, n_bins), np.nan)
    common[k, b] = np.hypot(found.limb_err, orbit_err)
    bin_curve = np.full((n_orders, n_bins, clock.time.size), np.nan)
    good = np.isfinite(found.depth)
    bin_curve[k[good], b[good]] = shapes.curves(found.depth[good], found.u[good])[0]
    curve = np.full((n_orders, clock.time.size), np.nan)
    for o, f in white.orders.items():
        curve[WHITE_ORDERS.index(o)] = f.curve
    return Held(white, shapes, u, curve, bin_curve, depth, common, baseline.params, tuple(notes))


def channels_of(outcome: Outcome, designs: dict[int, F64]) -> tuple[tuple[Any, Any], Channels]:
    """The bins that can be fitted, as rows: their indices (order, bin), and the light curves."""
    flux = outcome.arrays["bin_flux"].astype(np.float64)
    wavelength = outcome.arrays["bin_wavelength"]
    use = np.isfinite(wavelength) & np.stack([usable_columns(f.T) for f in flux])
    k, b = np.nonzero(use)
    order = np.array(WHITE_ORDERS)[k]
    error = outcome.arrays["bin_err"].astype(np.float64)
    return (k, b), Channels(flux[k, b], error[k, b], wavelength[k, b].astype(np.float64), order, designs)


def depths(outcome: Outcome, reference: Outcome, held: Held, clock: Clock, config: Config) -> Depths:
    """Depths of a setting with orbit and limb darkening of the reference, and how they changed."""
    params = config.fit
    if "auto" in params.regress:  # what was chosen for the reference is the same for all
        params = replace(params, regress=held.baseline.regress, settle=held.baseline.settle)
    measured = measured_of(outcome, clock, "", Baseline(outcome.arrays["outside"], None, ""))
    designs = {o: design_of(measured, o, params, []) for o in WHITE_ORDERS}
    n_orders, n_bins = outcome.arrays["bin_wavelength"].shape
    white = np.full((n_orders, 2), np.nan)
    curves = [
        WhiteCurve(o, outcome.arrays["white"][k], outcome.arrays["white_err"][k], designs[o], held.white.orders[o].u)
        for k, o in enumerate(WHITE_ORDERS)
        if o in held.white.orders and np.isfinite(outcome.arrays["white"][k]).any()
    ]
    if curves:
        start = None if params.event == "transit" else 1e-3
        fitted = fit_white(
            clock, curves, held.white.orbit, params.event, held.white.radius_ratio,
            free=(), jitter=params.jitter, clip=params.clip, start_depth=start,
        )  # fmt: skip
        for o, f in fitted.orders.items():
            white[WHITE_ORDERS.index(o)] = f.depth, f.depth_err
    (k, b), channels = channels_of(outcome, padded(designs))
    known = np.isfinite(held.bin_depth[k, b])
    k, b = k[known], b[known]
    channels = replace(
        channels, flux=channels.flux[known], error=channels.error[known],
        wavelength=channels.wavelength[known], order=channels.order[known],
    )  # fmt: skip
    bins = np.full((n_orders, n_bins, 2), np.nan)
    if k.size:
        found = fit_channels(
            held.shapes, channels, held.bin_depth[k, b], held.u[k, b], law="held", jitter=params.jitter, clip=params.clip
        )
        bins[k, b, 0], bins[k, b, 1] = found.depth, found.depth_err
    of_white = [f.depth for f in held.white.orders.values()]
    at = [WHITE_ORDERS.index(o) for o in held.white.orders]
    white_depth = np.full(n_orders, np.nan)
    white_depth[at] = of_white
    change = event_change(outcome.arrays["white"] - reference.arrays["white"], held.curve, white_depth, clock.time)
    difference = outcome.arrays["bin_flux"].astype(np.float64) - reference.arrays["bin_flux"]
    return Depths(white, change, bins, held.bin_common, event_change(difference, held.bin_curve, held.bin_depth, clock.time))


def event_change(difference: F64, curve: F64, depth: F64, time: F64) -> F64:
    """Change of depth and its error (..., 2) seen in the difference (..., i) of two normalised light curves.

    Least squares of a + b t - change x shape, shape = (1 - curve) / depth. Two equal light curves give 0 with error 0.
    Nothing is clipped: where settings differ in a few integrations only, these are the difference.
    """
    flat = difference.reshape(-1, time.size)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = ((1 - curve) / depth[..., None]).reshape(-1, time.size)
    x = (time - time.mean()) / (np.ptp(time) or 1.0)
    out = np.full((len(flat), 2), np.nan)
    for n, (d, s) in enumerate(zip(flat, shape, strict=True)):
        good = np.isfinite(d) & np.isfinite(s)
        if good.sum() < 6 or np.ptp(s[good]) < 0.1:
            continue
        basis = np.stack([np.ones_like(x), x, -s], 1)[good]
        solution, *_ = np.linalg.lstsq(basis, d[good], rcond=None)
        variance = float(np.sum((d[good] - basis @ solution) ** 2)) / (int(good.sum()) - 3)
        covariance = variance * np.linalg.pinv(basis.T @ basis)
        out[n] = solution[2], np.sqrt(max(covariance[2, 2], 0.0))
    return out.reshape(*difference.shape[:-1], 2)
