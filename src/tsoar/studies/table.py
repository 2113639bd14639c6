"""All settings beside each other: one row each, and what the page draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy import units as u
from astropy.table import Table
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.errors import InputError
from tsoar.series.residuals import detrend, median_factor, nanmedian
from tsoar.series.white import WHITE_ORDERS
from tsoar.studies.grid import Grid
from tsoar.studies.judge import Outcome
from tsoar.studies.planet import Depths
from tsoar.units import PPM, TIME_LONG_NAME, TIME_UNITS

NONE = u.dimensionless_unscaled
PPM_UNIT = u.Unit("1e-6")
COLUMNS: dict[str, tuple[str, str]] = {
    "noise": ("1", "scatter of bins outside the event over that of the reference, median over bins of orders 1 and 2"),
    "noise_err": ("1", "its error"),
    "sensitivity_1": ("1", "scatter over claimed error, order 1, median over columns"),
    "sensitivity_2": ("1", "the same, order 2"),
    "over_limit_1": ("1", "scatter over photon and read noise of the own aperture (no 1/f), order 1, median over columns"),
    "over_limit_2": ("1", "the same, order 2"),
    "scatter_1": ("ppm", "scatter of a column outside the event, order 1, median"),
    "scatter_2": ("ppm", "the same, order 2"),
    "white_rms_1": ("ppm", "scatter of white light outside the event after a straight line, order 1"),
    "white_rms_2": ("ppm", "the same, order 2"),
    "white_over_limit_1": ("1", "that scatter over photon and read noise (no 1/f), order 1"),
    "white_over_limit_2": ("1", "the same, order 2"),
    "white_moved_1": ("ppm", "rms of white light minus that of the reference, order 1"),
    "depth_1": ("ppm", "white light's depth, order 1"),
    "depth_err_1": ("ppm", "its error"),
    "depth_2": ("ppm", "the same, order 2"),
    "depth_err_2": ("ppm", "its error"),
    "change_1": ("ppm", "change of white light's depth against the reference, order 1"),
    "change_err_1": ("ppm", "its error, from the scatter of the difference"),
    "change_2": ("ppm", "the same, order 2"),
    "change_err_2": ("ppm", "its error"),
    "spectrum_chi2": ("1", "mean square change of the spectrum's bins in units of their errors"),
    "spectrum_moved": ("1", "the same in units of the changes' own errors: 1 where nothing but noise changed"),
    "truth_1": ("ppm", "spectrum minus truth, weighted mean over bins, order 1"),
    "truth_err_1": ("ppm", "its error, with what limb darkening and orbit add to all bins"),
    "truth_2": ("ppm", "the same, order 2"),
    "truth_err_2": ("ppm", "its error"),
    "truth_chi2": ("1", "mean square of (spectrum - truth) / error over bins of both orders"),
    "jumps": ("1", "jump flags (pixels x groups) of an integration"),
    "replaced": ("1", "share of spectral values replaced as outliers"),
    "filled_1": ("%", "values missing in columns that count, order 1"),
    "filled_2": ("%", "the same, order 2"),
    "seconds": ("s", "of computing: its own, and its share of what it shares"),
}
"""name: unit, meaning"""


@dataclass(frozen=True)
class Truth:
    """Depths that were put into a simulation."""

    depth: F64
    """(3, x)"""
    light: F64
    """(3, x) star [DN/s]"""
    orbit: dict[str, float]


def read_truth(path: str | Path) -> Truth:
    """truth.nc of `tsoar simulate`.

    Raises
    ------
    InputError
        For a file that is no such truth.
    """
    try:
        with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as t:
            orbit = {n: float(t.attrs[n]) for n in ("period", "a_over_r", "inclination")}
            return Truth(t["depth"].values.astype(np.float64), t["rate"].values.astype(np.float64), orbit)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"truth {path}: cannot be read ({error}); expected the truth.nc of `tsoar simulate`") from error


def truth_bins(truth: Truth, wavelength: NDArray[np.floating], edges: F64) -> F64:
    """Depths (o, b) of bins, weighted with the star's light; wavelength (3, x) [um]."""
    out = np.full((len(WHITE_ORDERS), edges.size - 1), np.nan)
    for k, o in enumerate(WHITE_ORDERS):
        w, depth, light = wavelength[o - 1], truth.depth[o - 1], truth.light[o - 1]
        use = np.isfinite(w) & np.isfinite(depth) & (light > 0)
        number = np.digitize(w[use], edges) - 1
        inside = (number >= 0) & (number < out.shape[1])
        norm = np.bincount(number[inside], light[use][inside], out.shape[1])
        total = np.bincount(number[inside], (light * depth)[use][inside], out.shape[1])
        with np.errstate(invalid="ignore", divide="ignore"):
            out[k] = np.where(norm > 0, total / norm, np.nan)
    return out


def bin_scatter(outcome: Outcome, time: F64) -> F64:
    """Scatter (o, b) of the bins' light curves outside the event, after a straight line."""
    flux = outcome.arrays["bin_flux"].astype(np.float64)
    mask = outcome.arrays["outside"]
    left, freedom = detrend(time[mask], np.moveaxis(flux[:, :, mask], -1, 0), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(freedom > 0, np.sqrt(np.nansum(left**2, axis=0) / freedom), np.nan)


def ratio_of(scatter: F64, reference: F64) -> tuple[float, float]:
    """Median over bins of scatter over the reference's, and its error from the spread over bins."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = scatter / reference
    ratio = ratio[np.isfinite(ratio)]
    if ratio.size == 0:
        return np.nan, np.nan
    middle = float(np.median(ratio))
    spread = 1.4826 * float(np.median(np.abs(ratio - middle)))
    return middle, 1.2533 * spread / np.sqrt(ratio.size)


def white_numbers(outcome: Outcome, reference: Outcome, time: F64) -> dict[str, float]:
    """Scatter of white light, and how far it is from the reference's."""
    out: dict[str, float] = {}
    mask = outcome.arrays["outside"]
    for k, o in enumerate(WHITE_ORDERS):
        left, freedom = detrend(time[mask], outcome.arrays["white"][k][mask], 1)
        rms = float(np.sqrt(np.nansum(left**2) / int(freedom))) if int(freedom) > 0 else np.nan
        light, limit = outcome.arrays["light"][k].astype(np.float64), outcome.arrays["limit"][k].astype(np.float64)
        use = np.isfinite(light) & np.isfinite(limit)
        floor = float(np.sqrt(np.sum((light * limit)[use] ** 2)) / np.sum(light[use])) if use.any() else np.nan
        out[f"white_rms_{o}"] = PPM * rms
        out[f"white_over_limit_{o}"] = rms / floor
        freed = float(median_factor(int(freedom))) if int(freedom) > 0 else np.nan
        out[f"scatter_{o}"] = PPM * float(nanmedian(outcome.arrays["scatter"][k])) / freed
    difference = outcome.arrays["white"][0] - reference.arrays["white"][0]
    out["white_moved_1"] = PPM * float(np.nanstd(difference)) if np.isfinite(difference).any() else np.nan
    return out


def depth_numbers(d: Depths, reference: Depths, truth: F64 | None) -> dict[str, float]:
    """Depths, their changes, and how far they are from the truth."""
    out: dict[str, float] = {}
    for k, o in enumerate(WHITE_ORDERS):
        out[f"depth_{o}"], out[f"depth_err_{o}"] = (PPM * float(v) for v in d.white[k])
        out[f"change_{o}"], out[f"change_err_{o}"] = (PPM * float(v) for v in d.change[k])
    out["spectrum_chi2"] = mean_square(d.bin_change[..., 0], reference.bins[..., 1])
    out["spectrum_moved"] = mean_square(d.bin_change[..., 0], d.bin_change[..., 1])
    if truth is not None:
        away, common = d.bins[..., 0] - truth, np.nan_to_num(d.bin_common)
        for k, o in enumerate(WHITE_ORDERS):
            use = np.isfinite(away[k]) & (d.bins[k, :, 1] > 0)
            weight = d.bins[k, use, 1] ** -2.0
            total = float(weight.sum())
            out[f"truth_{o}"] = PPM * float(np.sum(weight * away[k, use])) / total if total > 0 else np.nan
            shared = float(np.sum(weight * common[k, use])) / total if total > 0 else np.nan
            out[f"truth_err_{o}"] = PPM * float(np.hypot(1 / np.sqrt(total), shared)) if total > 0 else np.nan
        out["truth_chi2"] = mean_square(away, np.hypot(d.bins[..., 1], common))
    return out


def mean_square(values: F64, errors: F64) -> float:
    """Mean of (value / error)^2 where both are known; 0 where nothing changed at all."""
    use = np.isfinite(values) & np.isfinite(errors)
    if not use.any():
        return np.nan
    if not values[use].any():
        return 0.0
    use &= errors > 0
    return float(np.mean((values[use] / errors[use]) ** 2)) if use.any() else np.nan


def make_table(
    grid: Grid,
    outcomes: Sequence[Outcome],
    depths: Sequence[Depths] | None,
    time: F64,
    truth: F64 | None,
) -> Table:
    """study.ecsv: one row a setting, the reference first; columns as in `COLUMNS`, those that nothing fills left out."""
    reference = outcomes[0]
    first = bin_scatter(reference, time)
    rows: list[dict[str, float]] = []
    for k, outcome in enumerate(outcomes):
        row = {name: value for name, value in outcome.numbers.items() if name in COLUMNS}
        row["noise"], row["noise_err"] = ratio_of(bin_scatter(outcome, time), first)
        row |= white_numbers(outcome, reference, time)
        if depths is not None:
            row |= depth_numbers(depths[k], depths[0], truth)
        rows.append(row)
    table = Table()
    table["setting"] = [s.name for s in grid.settings]
    of = [", ".join(p.name for p in grid.parts if any(m.setting == k for m in p.members)) for k in range(len(rows))]
    table["part"] = of
    for name, (unit, text) in COLUMNS.items():
        if not any(name in row for row in rows):
            continue
        values = np.array([row.get(name, np.nan) for row in rows])
        table[name] = values * (PPM_UNIT if unit == "ppm" else NONE if unit == "1" else u.Unit(unit))
        table[name].info.description = text
        table[name].info.format = ".6g"
    return table


def make_dataset(
    grid: Grid,
    table: Table,
    outcomes: Sequence[Outcome],
    depths: Sequence[Depths] | None,
    time: F64,
    truth: F64 | None,
    settings: Sequence[str],
) -> xr.Dataset:
    """study.nc: the table, white light and spectra of every setting; ``settings``: what each changes, as TOML."""
    data: dict[str, Any] = {
        name: (("setting",), np.asarray(table[name], np.float64), {"units": unit, "long_name": text})
        for name, (unit, text) in COLUMNS.items()
        if name in table.colnames
    }
    dims = ("setting", "order", "integration")
    per = {"units": "1"}
    for name, text in (("white", "white light over its level outside the event"), ("white_err", "its claimed error")):
        data[name] = (dims, np.stack([o.arrays[name] for o in outcomes]), per | {"long_name": text})
    data["outside"] = (("integration",), outcomes[0].arrays["outside"].astype(np.uint8), {"long_name": "1 outside the event"})
    data["time"] = (("integration",), time, {"units": TIME_UNITS, "long_name": TIME_LONG_NAME})
    data["wavelength"] = (("order", "bin"), outcomes[0].arrays["bin_wavelength"], {"units": "um"})
    data["bin_scatter"] = (
        ("setting", "order", "bin"),
        np.stack([bin_scatter(o, time) for o in outcomes]).astype(np.float32),
        per | {"long_name": "scatter of the bin's light curve outside the event"},
    )
    if depths is not None:
        cube = ("setting", "order", "bin")
        for at, (name, text) in enumerate((("depth_bin", "depth"), ("depth_bin_err", "its error"))):
            data[name] = (cube, np.stack([d.bins[..., at] for d in depths]), per | {"long_name": text})
        for at, (name, text) in enumerate((("change_bin", "change of depth"), ("change_bin_err", "its error"))):
            data[name] = (cube, np.stack([d.bin_change[..., at] for d in depths]), per | {"long_name": text})
    if truth is not None:
        data["truth_bin"] = (("order", "bin"), truth, per | {"long_name": "depth put in, weighted with the light"})
    data["changes"] = (("setting",), np.array(settings, dtype=object), {"long_name": "settings that are not the default"})
    coords = {"setting": [s.name for s in grid.settings], "order": list(WHITE_ORDERS)}
    return xr.Dataset(data, coords, {"title": grid.title, "grid": grid.digest, "Conventions": "CF-1.10"})
