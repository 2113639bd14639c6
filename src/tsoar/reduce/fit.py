"""`tsoar.fit`: from the folder of a run to the planet's spectrum.

The story: white light and its event, the orbit to start from, the white light of all orders fitted together, then every
bin of orders 1 and 2 with that orbit held, residuals judged like light curves, products. Needs nothing but the folder.
"""

from __future__ import annotations

import logging
import math
import os
import time as clocks
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.config import Config, load
from tsoar.errors import ConfigError, InputError
from tsoar.fitting.channels import ChannelFit, Channels, fit_channels
from tsoar.fitting.limbdark import from_table, read_table
from tsoar.fitting.params import FitParams
from tsoar.fitting.planets import Planet, settle
from tsoar.fitting.sample import Posterior, sample_white
from tsoar.fitting.transit import Clock, Orbit, Shapes, duration, make_shapes, scaled_to
from tsoar.fitting.white import WhiteCurve, WhiteFit, fit_white
from tsoar.io import datasets
from tsoar.reduce.fit_baseline import Settled, other_settlings, plain, settle_baseline
from tsoar.reduce.run import Progress, Result
from tsoar.series.baseline import LEAST, Baseline, find_baseline
from tsoar.series.dispersion import Along, along_dispersion, moved_back
from tsoar.series.lightcurves import FREE_COLUMNS, bin_spectra, light_curves, usable_columns
from tsoar.series.residuals import nanmedian
from tsoar.series.white import WHITE_ORDERS, white_light
from tsoar.units import SECONDS_PER_DAY

log = logging.getLogger(__name__)

INSIDE = 3
"""Integrations in the event, and outside it beyond the baseline's parameters, without which nothing is fitted."""
MISFIT = 25.0
"""Drop of white light's chi2 with a/R* and inclination free (2 more parameters) that is worth a note: 4.6 sigma."""
LASTS = 0.25
"""Share by which the orbit's duration may differ from the one seen before a note says so."""


@dataclass(frozen=True)
class Fit:
    """What `tsoar.fit` found and wrote."""

    out: Path
    spectrum: Table
    """wavelength, half_width [um], depth, depth_err, order ... (planet_spectrum.ecsv)"""
    white: WhiteFit
    channels: ChannelFit
    posterior: Posterior | None
    numbers: dict[str, Any]
    """diagnostics/fit.json"""
    notes: list[str]

    def summary(self) -> list[str]:
        """What a terminal should say."""
        from tsoar.reduce.fit_products import summary_lines

        return summary_lines(self)


@dataclass(frozen=True)
class Measured:
    """What the run's folder gives for a fit."""

    folder: Path
    target: str
    clock: Clock
    spectra: xr.Dataset
    outside: NDArray[np.bool_]
    """(i,) integrations the light curves were normalised on"""
    white: Table
    event: Baseline
    along: Along | None = None
    """motion along dispersion, where it was looked for; the spectra are moved back if it is sure"""


@dataclass(frozen=True)
class Work:
    """The fit under way, handed to the products."""

    measured: Measured
    params: FitParams
    planet: Planet
    white_curves: list[WhiteCurve]
    white: WhiteFit
    posterior: Posterior | None
    curves: xr.Dataset
    """light curves of all bins (integration, order, column | bin)"""
    where: tuple[NDArray[np.int64], NDArray[np.int64]]
    """order index and column or bin of each channel"""
    channels: Channels
    found: ChannelFit
    orbit_err: F64
    """(c,) what the orbit's uncertainty adds to the depths, common to all bins"""
    settle_err: F64
    """(c,) what the uncertainty of a settling's time scale adds to them, common to all bins; in depth_err"""
    baseline: Settled
    notes: list[str]
    settings: str


def fit(
    run: Result | str | os.PathLike[str],
    *,
    planet: str | None = None,
    event: str | None = None,
    resolution: float | None = None,
    n_columns: int | None = None,
    edges: Sequence[float] | NDArray[Any] | None = None,
    limb_darkening: str | os.PathLike[str] | None = None,
    regress: Sequence[str] | None = None,
    sample: bool = False,
    figures: bool = True,
    config: Config | None = None,
    progress: Progress | None = None,
) -> Fit:
    """Fit a transit or eclipse to white light and to every wavelength bin of orders 1 and 2.

    Parameters
    ----------
    run : what `tsoar.run` returned, or the folder of a run.
    planet : name in the table of planets (`tsoar.fitting.planets`); the header's target when not given.
    event : "transit" or "eclipse".
    resolution, n_columns, edges : bins of a resolving power, of so many columns, or between these wavelengths [um]; columns
        as they are when none is given.
    limb_darkening : "smooth", "free", "fixed", or an ECSV file; see `FitParams`.
    regress : "shift", "width": trace motion in the baseline; "auto" (the default): where white light asks for it; nothing of
        it: [].
    sample : posterior of the white light by nested sampling (needs dynesty).
    figures : draw them too.
    config : settings, section ``fit``; those of the run when not given. What is given above lies over it.
    progress : called as ``progress(stage, done, total)``.

    Returns
    -------
    Fit. Written into the folder: planet_spectrum.ecsv, fit.nc, diagnostics/fit.json and figures.

    Raises
    ------
    TsoarError
        For anything the user can mend (one line each).
    """
    folder = run.out if isinstance(run, Result) else Path(run)
    if config is None:
        config = load(like=folder) if (folder / "run.json").exists() else load()
    asked = {"planet": planet, "event": event, "limb_darkening": None if limb_darkening is None else str(limb_darkening)}
    over: dict[str, Any] = {f"fit.{k}": v for k, v in asked.items() if v is not None}
    if regress is not None:
        over["fit.regress"] = list(regress)
    config = with_values(config, over)
    params, say = config.fit, progress or (lambda stage, done, total: None)
    if sum(v is not None for v in (resolution, n_columns, edges)) > 1:
        raise ConfigError("bins: expected at most one of resolution, number of columns, edges")
    start = clocks.perf_counter()
    say("white light", 0, 1)
    measured = read(folder, params.dispersion == "auto")
    notes: list[str] = []
    known = settle(params, measured.target)
    orbit, held = starting_orbit(known, params, measured, notes)
    ratio = known.radius_ratio if math.isfinite(known.radius_ratio) else _ratio_of(measured)
    designs = designs_of(measured, plain(params), notes)
    spare = check_coverage(measured, orbit, ratio, params, designs, notes)
    table = limb_table(params)
    free = tuple(n for n in params.free if n not in held)
    if known.period == 0:
        free = tuple(dict.fromkeys((*free, "period")))

    def refit(with_baseline: FitParams) -> tuple[list[WhiteCurve], WhiteFit]:
        curves = white_curves_of(measured, designs_of(measured, with_baseline, []), params, table)
        return curves, fit_white(
            measured.clock,
            curves,
            orbit,
            params.event,
            ratio,
            free=free,
            jitter=params.jitter,
            clip=params.clip,
            start_depth=None if params.event == "transit" else 1e-3,
        )

    baseline = settle_baseline(
        measured.clock, params, refit, lambda name, order: motion_of(measured, name, order), spare, width_changes(measured)
    )
    white_curves, white, designs = baseline.curves, baseline.white, designs_of(measured, baseline.params, [])
    geometry_note(measured, white_curves, white, params, ratio, free, notes)
    posterior = None
    if sample:
        say("sampling the white light", 0, 1)
        posterior = sample_white(
            measured.clock, white_curves, params.event, white, live_points=params.live_points, seed=config.seed
        )
    say("every bin", 0, 1)
    curves = bins_of(measured, resolution, n_columns, edges)
    where, channels = channels_of(curves, padded(designs))
    if not len(channels.flux):
        raise InputError(f"{folder / 'spectra.nc'}: no bin of orders 1 and 2 has light in half of its integrations")
    found, orbit_err = fit_bins(measured.clock, channels, white, params, table)
    other = [padded(designs_of(measured, p, [])) for p in other_settlings(baseline)]
    settle_err = settling_error(measured.clock, channels, other, white, params, table)
    found = replace(found, depth_err=np.hypot(found.depth_err, settle_err))
    say("writing", 0, 1)
    from tsoar.reduce.fit_products import write

    seconds = clocks.perf_counter() - start
    work = Work(
        measured, params, known, white_curves, white, posterior, curves, where, channels, found, orbit_err, settle_err,
        baseline, notes, settings=str(measured.spectra.attrs.get("settings", "")),
    )  # fmt: skip
    spectrum, numbers = write(work, seconds, figures)
    say("writing", 1, 1)
    return Fit(folder, spectrum, white, found, posterior, numbers, notes)


def with_values(config: Config, over: dict[str, Any]) -> Config:
    """The settings with some of them replaced and checked again."""
    from tsoar.config import SCHEMA, get

    if not over:
        return config
    flat = {path: get(config, path) for path in SCHEMA.diff(config)}
    return SCHEMA.build(flat | over)


# -- what the folder holds ------------------------------------------------------------------------------------------------


def read(folder: Path, steady: bool = True) -> Measured:
    """Spectra, white light and the event seen in it; ``steady``: spectra that moved along dispersion are moved back."""
    spectra = datasets.open_dataset(folder / "spectra.nc")
    time = spectra["time"].values.astype(np.float64)
    if time.size < LEAST:
        raise InputError(f"{folder / 'spectra.nc'}: {time.size} integrations; a fit needs {LEAST} or more")
    outside = np.ones(time.size, bool)
    if (folder / "lightcurves.nc").exists():
        with datasets.open_dataset(folder / "lightcurves.nc") as curves:
            outside = curves["baseline"].values.astype(bool)
    if not outside.any():
        outside[:] = True
    cadence = float(np.median(np.diff(time)))
    along = along_dispersion(spectra) if steady else None
    if along is not None and along.sure:
        spectra = moved_back(spectra, along.shift)
    n = spectra.sizes.get("difference", 0)  # one less than groups; with the reset, integrations are n + 2 groups apart
    clock = Clock(time, cadence * (n / (n + 2) if n else 1.0))
    white = white_light(spectra, outside)
    order = next((o for o in WHITE_ORDERS if np.isfinite(white[f"flux_order{o}"]).any()), None)
    if order is None:
        raise InputError(f"{folder / 'spectra.nc'}: no light in orders 1 and 2; nothing to fit")
    found = find_baseline(time, np.asarray(white[f"flux_order{order}"]), np.asarray(white[f"flux_err_order{order}"]))
    return Measured(folder, target_of(folder), clock, spectra, outside, white, found, along)


def target_of(folder: Path) -> str:
    """Name of the target: from run.json, or the headers of slope images; empty when neither says."""
    if (folder / "run.json").exists() and (name := datasets.read_json(folder / "run.json").get("target")):
        return str(name)
    from astropy.io import fits

    for path in (folder / "rate.fits", *sorted((folder / "rateints").glob("*.fits"))):
        if path.exists():
            header = fits.getheader(path)
            return str(header.get("TARGPROP") or header.get("TARGNAME") or "")
    return ""


def _ratio_of(measured: Measured) -> float:
    """Rp/R* from how deep the white light is in the middle of the event."""
    flux = np.concatenate([np.asarray(measured.white[f"flux_order{o}"]) for o in WHITE_ORDERS])
    flux = flux[np.isfinite(flux)]
    return float(np.sqrt(np.clip(1 - np.percentile(flux, 5), 1e-4, 0.2)))


# -- the orbit ------------------------------------------------------------------------------------------------------------


def starting_orbit(planet: Planet, params: FitParams, measured: Measured, notes: list[str]) -> tuple[Orbit, tuple[str, ...]]:
    """Where the fit starts, and what is held because the data do not show it."""
    mid = params.t0
    held: tuple[str, ...] = ()
    seen = measured.event
    if mid == 0:
        if seen.mid is not None:
            mid = seen.mid
        else:
            mid, held = predicted(planet, params, measured), ("t0",)
            notes.append(f"{seen.how}; t0 held where the ephemeris of {planet.name} puts it")
    scaled = planet.period == 0
    period = 1.0 if scaled else planet.period
    orbit = Orbit(mid, period, planet.a_over_r, planet.inclination, planet.eccentricity, planet.omega)
    ratio = planet.radius_ratio if math.isfinite(planet.radius_ratio) else _ratio_of(measured)
    lasts = duration(orbit, ratio, params.event)
    if not math.isfinite(lasts):
        raise ConfigError(
            f"orbit of {planet.name}: no {params.event} at inclination {planet.inclination:g} deg and a/R* "
            f"{planet.a_over_r:g}; give others with --set fit.inclination=, fit.a_over_r="
        )
    if seen.event is None:
        if scaled:
            raise ConfigError(f"fit.period = 0 scales the orbit to the event seen, but: {seen.how}; give --set fit.period=")
        return orbit, held
    found = seen.event[3] - seen.event[0]
    if scaled:
        return scaled_to(orbit, ratio, params.event, found), held
    whole = measured.clock.time[0] < seen.event[0] and seen.event[3] < measured.clock.time[-1]
    if whole and abs(lasts / found - 1) > LASTS:
        notes.append(
            f"the event lasts {24 * found:.2f} h, with the orbit of {planet.name} it would last {24 * lasts:.2f} h: "
            "another period (--set fit.period=; 0 scales it, for a simulated, shortened event) or --set fit.free="
        )
    return orbit, held


def predicted(planet: Planet, params: FitParams, measured: Measured) -> float:
    """Middle of an event by the ephemeris, if one lies in the exposure."""
    time = measured.clock.time
    if math.isfinite(planet.t0) and planet.period > 0:
        first = planet.t0
        if params.event == "eclipse":  # to first order in the eccentricity (Winn 2010, equation 33)
            e, w = planet.eccentricity, math.radians(planet.omega)
            first += 0.5 * planet.period * (1 + 4 / math.pi * e * math.cos(w))
        mid = first + planet.period * round((0.5 * (time[0] + time[-1]) - first) / planet.period)
        if time[0] < mid < time[-1]:
            return mid
    raise ConfigError(f"{measured.event.how}; nothing to start from: give the middle of the {params.event} with --set fit.t0=")


def check_coverage(
    measured: Measured, orbit: Orbit, ratio: float, params: FitParams, designs: dict[int, F64], notes: list[str]
) -> int:
    """Enough integrations in and out of the event, or a ConfigError that counts them; how many are left outside."""
    time = measured.clock.time
    half = 0.5 * duration(orbit, ratio, params.event)
    inside = np.abs(time - orbit.t0) < half
    needed = max(d.shape[1] for d in designs.values()) + INSIDE - 1
    when = f"with its middle at {orbit.t0:.5f} and {48 * half:.2f} h long (exposure: {time[0]:.5f} to {time[-1]:.5f})"
    doubt = "".join(f"; {text}" for text in notes if "would last" in text)
    if inside.sum() < INSIDE:
        raise ConfigError(
            f"{inside.sum()} integrations in the {params.event} {when}; {INSIDE} needed: check fit.t0, fit.period{doubt}"
        )
    if (~inside).sum() < needed:
        raise ConfigError(
            f"{(~inside).sum()} integrations outside the {params.event} {when}; {needed} needed for this baseline: "
            f"fewer regressors, a lower fit.baseline, or another fit.t0, fit.period{doubt}"
        )
    for side, none in (("before", not (time < orbit.t0 - half).any()), ("after", not (time > orbit.t0 + half).any())):
        if none:
            notes.append(f"no integration {side} the event: depth, time and the baseline's slope are hardly told apart")
    return int((~inside).sum()) - needed


def geometry_note(
    measured: Measured,
    curves: list[WhiteCurve],
    white: WhiteFit,
    params: FitParams,
    ratio: float,
    free: tuple[str, ...],
    notes: list[str],
) -> None:
    """Say so when white light does not agree with the orbit's a/R* and inclination."""
    if params.event == "eclipse" or {"a_over_r", "inclination", "period"} & set(free):
        return
    more = (*free, "a_over_r", "inclination")
    other = fit_white(measured.clock, curves, white.orbit, params.event, ratio, free=more, jitter=False, clip=params.clip)
    same = fit_white(measured.clock, curves, white.orbit, params.event, ratio, free=free, jitter=False, clip=params.clip)
    gain = sum(f.chi2 for f in same.orders.values()) - sum(f.chi2 for f in other.orders.values())
    if gain > MISFIT:
        notes.append(
            f"white light asks for another orbit: chi2 falls by {gain:.0f} with a/R* {other.orbit.a_over_r:.3f} and "
            "inclination "
            f'{other.orbit.inclination:.2f} deg; fit them with --set \'fit.free=["t0", "a_over_r", "inclination"]\''
        )


# -- baselines and limb darkening -----------------------------------------------------------------------------------------


def design_of(measured: Measured, order: int, params: FitParams, notes: list[str]) -> F64:
    """Columns of the baseline (i, n): powers of time from -1 to 1, settling, trace motion in units of its scatter."""
    time = measured.clock.time
    x = 2 * (time - time[0]) / (time[-1] - time[0]) - 1
    columns = [x**k for k in range(params.baseline + 1)]
    if params.settle:
        columns.append(np.exp(-(time - time[0]) * 1440 / params.settle))
    for name in plain(params).regress:
        values = motion_of(measured, name, order)
        if values is None:
            notes.append(f"{name} of order {order} does not change: no regressor there")
        else:
            columns.append(values)
    return np.stack(columns, 1)


def designs_of(measured: Measured, params: FitParams, notes: list[str]) -> dict[int, F64]:
    """The baseline of every order that was extracted."""
    return {o: design_of(measured, o, params, notes) for o in WHITE_ORDERS if o in measured.spectra["order"].values}


def motion_of(measured: Measured, name: str, order: int) -> F64 | None:
    """Trace motion (i,) of an order, its mean taken off, in units of its scatter; None where it does not change."""
    if name not in measured.spectra:
        return None
    values = measured.spectra[name].sel(order=order).values.astype(np.float64)
    if values.size != measured.clock.time.size or not np.isfinite(values).any() or np.nanstd(values) == 0:
        return None
    values = np.where(np.isfinite(values), values, np.nanmean(values))
    return np.asarray((values - values.mean()) / values.std())


def width_changes(measured: Measured) -> float:
    """Scatter of the profile's width in errors of one integration, of the order that shows it best; 0 where it is not known."""
    out = [0.0]
    for order in measured.spectra["order"].values:
        if order in WHITE_ORDERS and {"width", "width_err"} <= set(measured.spectra):
            width, error = (measured.spectra[n].sel(order=order).values.astype(np.float64) for n in ("width", "width_err"))
            good = np.isfinite(width) & np.isfinite(error) & (error > 0)
            if good.sum() >= LEAST:
                out.append(float(np.std(width[good]) / np.median(error[good])))
    return max(out)


def padded(designs: dict[int, F64]) -> dict[int, F64]:
    """Baselines with as many columns for every order; those of zeros are left at zero by the fit of the bins."""
    most = max(d.shape[1] for d in designs.values())
    return {o: np.pad(d, ((0, 0), (0, most - d.shape[1]))) for o, d in designs.items()}


def limb_table(params: FitParams) -> tuple[F64, F64] | None:
    """The user's table; None for limb darkening that is fitted."""
    if params.limb_darkening in ("smooth", "free") or params.event == "eclipse":
        return None
    if params.limb_darkening == "fixed":
        if params.u1 is None or params.u2 is None:
            raise ConfigError("limb darkening fixed: give its coefficients with --set fit.u1= and --set fit.u2=")
        return np.array([0.0, 10.0]), np.array([[params.u1, params.u2]] * 2)
    if not Path(params.limb_darkening).exists():
        raise ConfigError(f"limb darkening {params.limb_darkening!r}: expected smooth, free, fixed or an existing ECSV file")
    return read_table(params.limb_darkening)


def white_curves_of(
    measured: Measured, designs: dict[int, F64], params: FitParams, table: tuple[F64, F64] | None
) -> list[WhiteCurve]:
    """White light of every order that has any."""
    out = []
    for order, design in designs.items():
        flux, error = (np.asarray(measured.white[f"{n}_order{order}"], np.float64) for n in ("flux", "flux_err"))
        if not np.isfinite(flux).any():
            continue
        first, last = FREE_COLUMNS[order]
        one = measured.spectra.sel(order=order).isel(column=slice(first, last))
        level = nanmedian(one["flux"].values[measured.outside], axis=0)
        wavelength = one["wavelength"].values.astype(np.float64)
        use = np.isfinite(level) & (level > 0) & np.isfinite(wavelength)
        u, delay = None, 0.0
        if table is not None:
            u = np.average(from_table(table, wavelength[use], params.limb_darkening), axis=0, weights=level[use])
        if "column_time" in one and use.any():
            delay = float(np.average(one["column_time"].values[use], weights=level[use])) / SECONDS_PER_DAY
        out.append(WhiteCurve(order, flux, error, design, u, delay))
    return out


# -- bins -----------------------------------------------------------------------------------------------------------------


def bins_of(
    measured: Measured, resolution: float | None, n_columns: int | None, edges: Sequence[float] | NDArray[Any] | None
) -> xr.Dataset:
    """Light curves of orders 1 and 2, of columns or of bins."""
    orders = [o for o in WHITE_ORDERS if o in measured.spectra["order"].values]
    spectra = measured.spectra.sel(order=orders)
    if resolution is None and n_columns is None and edges is None:
        curves = light_curves(spectra, measured.outside)
        if "column_time" not in spectra:
            return curves
        return curves.assign(column_time=spectra["column_time"].broadcast_like(spectra["wavelength"]))
    columns = {o: FREE_COLUMNS[o] for o in orders}
    binned = bin_spectra(
        spectra, edges=edges, resolution=resolution, n_columns=n_columns, columns=columns, baseline=measured.outside
    )
    if not binned.sizes["bin"] or not np.isfinite(binned["wavelength"].values).any():
        low, high = float(np.nanmin(spectra["wavelength"])), float(np.nanmax(spectra["wavelength"]))
        raise ConfigError(f"bins: none of them holds a column; the spectra reach from {low:.3f} to {high:.3f} um")
    also = [n for n in ("n_columns", "column_time") if n in binned]
    return light_curves(binned, measured.outside).assign({n: binned[n] for n in also})


def channels_of(curves: xr.Dataset, designs: dict[int, F64]) -> tuple[tuple[NDArray[np.int64], NDArray[np.int64]], Channels]:
    """The bins that can be fitted, as rows."""
    dim = "bin" if "bin" in curves.dims else "column"
    flux = curves["flux"].transpose("order", dim, "integration").values.astype(np.float64)
    error = curves["flux_err"].transpose("order", dim, "integration").values.astype(np.float64)
    wavelength = curves["wavelength"].transpose("order", dim).values
    use = np.isfinite(wavelength)
    for k, order in enumerate(curves["order"].values):
        if not np.isfinite(flux[k]).any():
            use[k] = False
            continue
        use[k] &= usable_columns(flux[k].T)
        if dim == "column":
            first, last = FREE_COLUMNS[int(order)]
            use[k, :first], use[k, last:] = False, False
    row, x = np.nonzero(use)
    order = curves["order"].values[row].astype(np.int64)
    delay = None
    if "column_time" in curves:
        delay = curves["column_time"].transpose("order", dim).values[row, x] / SECONDS_PER_DAY
    return (row, x), Channels(flux[row, x], error[row, x], wavelength[row, x].astype(np.float64), order, designs, delay)


def fit_bins(
    clock: Clock, channels: Channels, white: WhiteFit, params: FitParams, table: tuple[F64, F64] | None
) -> tuple[ChannelFit, F64]:
    """All bins with the orbit of the white light, and what the orbit's uncertainty adds to their depths."""
    solve = solver(channels, white, params, table)
    found = solve(channels, make_shapes(clock, white.orbit, params.event, white.radius_ratio))
    geometry = [n for n in white.names if n in ("t0", "period", "a_over_r", "inclination")]
    common = np.zeros(len(channels.flux))
    if set(geometry) - {"t0"}:  # one standard deviation along each axis of the error ellipsoid
        values, vectors = np.linalg.eigh(white.covariance[: len(geometry), : len(geometry)])
        for value, vector in zip(values, vectors.T, strict=True):
            if value <= 0:
                continue
            moved = {n: getattr(white.orbit, n) + math.sqrt(value) * float(v) for n, v in zip(geometry, vector, strict=True)}
            moved["inclination"] = min(moved.get("inclination", white.orbit.inclination), 90.0)
            shapes = make_shapes(clock, replace(white.orbit, **moved), params.event, white.radius_ratio)
            common += np.nan_to_num(solve(channels, shapes).depth - found.depth) ** 2
    return found, np.sqrt(common)


def settling_error(
    clock: Clock,
    channels: Channels,
    other: list[dict[int, F64]],
    white: WhiteFit,
    params: FitParams,
    table: tuple[F64, F64] | None,
) -> F64:
    """What a standard deviation of the settling's time scale changes in the depths (c,): half of what lies between ``other``,
    the baselines with a shorter and a longer one; 0 without them."""
    if not other:
        return np.zeros(len(channels.flux))
    solve, shapes = solver(channels, white, params, table), make_shapes(clock, white.orbit, params.event, white.radius_ratio)
    short, long = (solve(replace(channels, designs=d), shapes).depth for d in other)
    return np.abs(np.nan_to_num(long - short)) / 2


def solver(
    channels: Channels, white: WhiteFit, params: FitParams, table: tuple[F64, F64] | None
) -> Callable[[Channels, Shapes], ChannelFit]:
    """Fits all bins, from where white light was."""
    fallback = next(iter(white.orders.values()))
    of_order = [white.orders.get(int(o), fallback) for o in channels.order]
    depth = np.array([f.depth for f in of_order])
    if table is None:
        law, u = params.limb_darkening if params.event == "transit" else "held", np.array([f.u for f in of_order])
    else:
        law, u = "held", from_table(table, channels.wavelength, params.limb_darkening)

    def solve(c: Channels, s: Shapes) -> ChannelFit:
        return fit_channels(
            s, c, depth, u,
            law=law, degree=params.limb_degree, width=params.limb_width, jitter=params.jitter, clip=params.clip,
        )  # fmt: skip

    return solve
