"""From the stream's series to datasets: errors completed, outliers replaced."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.config import Config
from tsoar.reduce.chain import Recipe
from tsoar.soss.subarrays import column_time
from tsoar.soss.wavelength import wavelengths
from tsoar.spectra.clean import replace_outliers
from tsoar.spectra.extract import extract_box, one_over_f_excess
from tsoar.spectra.optimal import fit_weights
from tsoar.units import TIME_LONG_NAME, TIME_UNITS

ORDERS = np.array([1, 2, 3])
FLUX_IS = {
    "box": "flux in the moving box, sky removed",
    "optimal": "light of this order in the box, by a fit of its profile",
}
Series = dict[str, NDArray[Any]]


def blank_expectation(recipe: Recipe) -> tuple[F64, F64, F64]:
    """What the star-free windows would show without 1/f noise, their size, and what the offsets themselves add.

    Returns the variance (3, x) of their sums [(DN/s)^2], the pixels (x,) in each window, and the variance (3, x)
    [(DN/s)^2] that the white noise of a column's offset brings into one row (it is the same in all rows of a box).
    """
    blank, weight = recipe.blank.astype(np.float64), recipe.offset_weight.astype(np.float64)
    counts = blank.sum(0)
    noise, g = recipe.noise, recipe.group_weights
    dark = np.where(weight > 0, 1.0, 0.0)
    squares, steps = (g**2).sum(1), (g[:, 1:] * g[:, :-1]).sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = (dark * np.nan_to_num(noise.rate / noise.gain)).sum(0) / dark.sum(0)
        r2 = (dark * np.nan_to_num(noise.read2)).sum(0) / dark.sum(0)
        inner = (blank * weight).sum(0)
        others = (weight.sum(0) - inner) / (inner / counts)
        pixel = (p * squares + r2 * (2 * squares - 2 * steps)) / recipe.readout.tgroup**2
        offset = pixel * (weight**2).sum(0) / weight.sum(0) ** 2
        return pixel * (counts + counts**2 / others), counts, np.nan_to_num(offset)


def noise_parts(recipe: Recipe) -> tuple[F64, F64]:
    """Variance (3, x) [(DN/s)^2] that photons and reads bring into the flux of a typical integration, hits and holes aside."""
    photon, read = recipe.unflagged[:2]
    deep, usable = recipe.deep, recipe.noise.usable > 0
    parts = np.full((2, *deep.trace.shape), np.nan)
    if recipe.extract.method == "optimal":
        weights = fit_weights(deep, photon + read, usable, recipe.extract.radius, recipe.own_light)
        for k, plane in enumerate((photon, read)):
            parts[k] = (weights**2 * np.nan_to_num(plane)).sum(axis=1)
        parts[:, ~np.isfinite(deep.trace)] = np.nan
        return parts[0], parts[1]
    total = np.where(usable, deep.total, np.float32(np.nan))
    flux, filled = np.empty(deep.trace.shape[1]), np.empty(deep.trace.shape[1])
    for k, plane in enumerate((photon, read)):
        for o in range(3):
            out = (flux, parts[k, o], filled)
            extract_box(total, plane, deep.sky, deep.total, deep.trace[o], 0.0, recipe.extract.radius, *out)
    return parts[0], parts[1]


def valid_columns(recipe: Recipe, series: Series) -> NDArray[np.bool_]:
    """(i, 3, x): box on science rows, enough light not filled in."""
    science = np.flatnonzero((recipe.noise.usable > 0).mean(axis=1) > 0.5)
    low, high = (science[0] - 0.5, science[-1] + 0.5) if science.size else (0.0, 0.0)
    radius = recipe.extract.radius
    with np.errstate(invalid="ignore"):
        beyond = radius if recipe.extract.method == "box" else 0.0  # a fit needs no whole profile, a sum does
        inside = (recipe.deep.trace - beyond >= low) & (recipe.deep.trace + beyond <= high)
        filled = series["filled"] <= recipe.extract.max_filled
    valid: NDArray[np.bool_] = inside[None] & filled & np.isfinite(series["flux"]) & (series["variance"] > 0)
    return valid


def spectra_dataset(recipe: Recipe, series: Series, time: F64, config: Config, digest: str) -> xr.Dataset:
    """spectra.nc: flux, flux_err [DN/s], valid (integration, order, column); wavelength, time, shapes.

    Takes the large series out of ``series``: of a long exposure there is no room for them twice.
    """
    readout = recipe.readout
    valid = valid_columns(recipe, series)
    excess = np.zeros((3, readout.shape[1]))
    if recipe.calibration is not None and np.isfinite(series["blank"]).any():
        expected, counts, offset = blank_expectation(recipe)
        for o in range(3):
            excess[o] = one_over_f_excess(series["blank"][:, o].astype(np.float64), expected[o], counts)
        excess = np.nan_to_num((excess + offset) * recipe.aperture_rows**2)
    error = np.sqrt(series.pop("variance") + excess.astype(np.float32))
    flux = series.pop("flux")
    series.pop("filled")
    series.pop("blank")
    replaced = np.zeros((flux.shape[0], 3), np.int32)
    where = np.zeros(flux.shape, bool)
    if "clean" not in recipe.skip and flux.shape[0] > 2:
        for o in range(3):
            if valid[:, o].any():
                flux[:, o], _, where[:, o] = replace_outliers(flux[:, o], error[:, o], valid[:, o], config.clean)
                replaced[:, o] = where[:, o].sum(axis=1)
    dims = ("integration", "order", "column")
    per_order = ("integration", "order")
    data: dict[str, Any] = {
        "flux": (dims, flux, {"units": "DN/s", "long_name": FLUX_IS[recipe.extract.method]}),
        "flux_err": (
            dims,
            error.astype(np.float32),
            {"units": "DN/s", "long_name": "error: photon, read and 1/f noise"},
        ),
        "valid": (dims, valid.astype(np.uint8), {"long_name": "1 where the column can be used"}),
        "replaced": (dims, where.astype(np.uint8), {"long_name": "1 where an outlier was replaced"}),
        "wavelength": (("order", "column"), wavelengths(readout), {"units": "um"}),
        "column_time": (
            ("column",),
            column_time(readout),
            {"units": "s", "long_name": "to be added to time: when a column is read in its frame"},
        ),
        "error_1f": (
            ("order", "column"),
            np.sqrt(excess).astype(np.float32),
            {"units": "DN/s", "long_name": "part of flux_err from 1/f noise inside columns"},
        ),
        "time": (("integration",), time, {"units": TIME_UNITS, "long_name": TIME_LONG_NAME}),
    }
    if recipe.calibration is not None:  # of slopes it is not known which part is which
        for name, values in zip(("photon", "read"), noise_parts(recipe), strict=True):
            text = f"variance of flux by {name} noise in a typical integration, hits and holes aside"
            data[f"variance_{name}"] = (
                ("order", "column"),
                values.astype(np.float32),
                {"units": "(DN/s)^2", "long_name": text},
            )
    words = {
        "scale": ("1", "brightness over the deep stack's"),
        "shift": ("pixel", "trace motion along rows"),
        "width": ("1", "relative width of the profile - 1"),
    }
    for name, (units, text) in words.items():
        data[name] = (per_order, series[name], {"units": units, "long_name": text})
        data[f"{name}_err"] = (per_order, series[f"{name}_err"], {"units": units, "long_name": f"error of {name}"})
    for name, text in (("n_jumps", "jump flags (pixels x groups)"), ("n_saturated", "saturated pixels (x groups)")):
        if name in series:
            data[name] = (("integration",), series[name].astype(np.int64), {"long_name": text})
    if "offset_rms" in series:
        data["offset_rms"] = (
            ("integration", "difference"),
            series["offset_rms"].astype(np.float32),
            {"units": "DN", "long_name": "rms over columns of the 1/f offsets"},
        )
    coords = {"order": ORDERS, "column": np.arange(readout.shape[1])}
    attrs = {"radius": recipe.extract.radius, "settings": digest, "Conventions": "CF-1.10"}
    return xr.Dataset(data, coords, attrs)


def traces_dataset(recipe: Recipe, series: Series, time: F64, digest: str) -> xr.Dataset:
    """traces.nc: y (spline + motion), y_raw (centroids) (integration, order, column) [px]; shift, shift_err."""
    deep = recipe.deep
    y = deep.trace.astype(np.float32)[None] + series["shift"].astype(np.float32)[:, :, None]
    dims = ("integration", "order", "column")
    data: dict[str, Any] = {
        "y": (
            dims,
            y.astype(np.float32),
            {"units": "pixel", "long_name": "trace row: spline of the deep stack + motion"},
        ),
        "y_raw": (
            dims,
            series["y_raw"],
            {"units": "pixel", "long_name": "centroid of the smoothed profile (diagnostic)"},
        ),
        "valid": (dims, np.broadcast_to(np.isfinite(deep.trace), y.shape).astype(np.uint8), {}),
        "y_deep": (("order", "column"), deep.trace, {"units": "pixel", "long_name": "trace of the deep stack"}),
        "y_deep_raw": (
            ("order", "column"),
            deep.trace_raw,
            {"units": "pixel", "long_name": "centroids of the deep stack: maxima of the smoothed profile (diagnostic)"},
        ),
        "shift": (("integration", "order"), series["shift"], {"units": "pixel", "long_name": "trace motion"}),
        "shift_err": (("integration", "order"), series["shift_err"], {"units": "pixel"}),
        "width": (("integration", "order"), series["width"], {"units": "1", "long_name": "relative width - 1"}),
        "width_err": (("integration", "order"), series["width_err"], {"units": "1"}),
        "time": (("integration",), time, {"units": TIME_UNITS, "long_name": TIME_LONG_NAME}),
    }
    coords = {"order": ORDERS, "column": np.arange(deep.sky.shape[1])}
    return xr.Dataset(data, coords, {"settings": digest, "Conventions": "CF-1.10"})


def deep_dataset(recipe: Recipe, digest: str) -> xr.Dataset:
    """deep.nc: what the survey learned."""
    deep, noise = recipe.deep, recipe.noise
    plane, cube = ("row", "column"), ("order", "row", "column")
    tgroup = recipe.readout.tgroup
    with np.errstate(invalid="ignore"):
        sigma = np.sqrt(recipe.sigma2) / np.float32(tgroup)
    data: dict[str, Any] = {
        "difference": (plane, deep.total * np.float32(tgroup), {"units": "DN", "long_name": "median group difference"}),
        "star": (cube, deep.star, {"units": "DN/s", "long_name": "star, shared among the orders"}),
        "sky": (plane, deep.sky, {"units": "DN/s", "long_name": "sky background"}),
        "difference_noise": (
            plane,
            sigma,
            {"units": "DN/s", "long_name": "noise of one group difference over its time"},
        ),
        "read_noise": (plane, np.sqrt(noise.read2), {"units": "DN", "long_name": "noise of a single read"}),
        "noisy": (plane, deep.noisy.astype(np.uint8), {"long_name": "noisier inside ramps than the noise model"}),
        "odd": (plane, deep.odd.astype(np.uint8), {"long_name": "deep value does not fit its neighbours, or unusable"}),
        "pixeldq": (plane, recipe.pixeldq, {"long_name": "data quality of the pixel"}),
        "trace": (("order", "column"), deep.trace, {"units": "pixel"}),
        "sample": (("sampled",), deep.sample, {"long_name": "integrations surveyed"}),
    }
    attrs = {k: v for k, v in deep.facts.items() if isinstance(v, (int, float, str))}
    return xr.Dataset(data, {"order": ORDERS}, attrs | {"settings": digest, "Conventions": "CF-1.10"})
