"""Sensitivity: scatter outside the event over the median claimed error, per wavelength (row D3). 1 = errors that hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from tsoar.blocks import F64
from tsoar.series.lightcurves import FREE_COLUMNS
from tsoar.series.residuals import detrend, median_factor, nanmedian

RUNNING = 41
"""Columns of the running median; its own noise is then 3 % for 50 integrations."""


def sensitivity(
    curves: xr.Dataset,
    *,
    degree: int = 1,
    model: NDArray[np.floating] | None = None,
    width: int = RUNNING,
    columns: Mapping[int, tuple[int, int]] = FREE_COLUMNS,
    fitted: int = 0,
) -> xr.Dataset:
    """Scatter over claimed error of every light curve.

    Parameters
    ----------
    curves : lightcurves.nc (`light_curves`), of columns or bins.
    degree : polynomial in time taken out of each curve first (least squares; its parameters are counted). 1, a straight
        line, takes a star's or the telescope's slow change out; 0 only the mean.
    model : flux of a fitted model, to broadcast against (i, o, x). Then all integrations count, not only those outside the
        event, and flux / model is judged.
    width : columns of the running median.
    columns : [first, last + 1) of each order that the statistics over columns see; bins all count.
    fitted : parameters of ``model`` that cost each curve degrees of freedom, besides those of the polynomial.

    Returns
    -------
    Dataset over (order, column | bin): scatter (standard deviation, relative), claimed (median error, relative), ratio;
    running (running median of ratio, over the columns that count); over (order,): median, low, high (of running), n
    (columns that count). A curve counts with nine tenths of its integrations present.

    Notes
    -----
    ``scatter``² is unbiased. Statistics that are medians over columns are divided by `median_factor`, since the median
    of standard deviations of few values is below the true one (1 % for 32). Pure white noise with right errors gives 1.
    """
    dim = "bin" if "bin" in curves.dims else "column"
    dims = ("integration", "order", dim)
    chosen = np.ones(curves.sizes["integration"], bool) if model is not None else curves["baseline"].values.astype(bool)
    shape = (curves.sizes["order"], curves.sizes[dim])
    scatter, claimed, freedom = np.empty(shape), np.empty(shape), np.empty(shape, np.int64)
    present = np.empty(shape)
    for k in range(shape[0]):
        flux, error = (
            curves[name].isel(order=k).transpose("integration", dim).values[chosen].astype(np.float64)
            for name in ("flux", "flux_err")
        )
        if model is not None:
            own = np.broadcast_to(model, (chosen.size, *shape))[:, k]
            flux, error = flux / own, error / own
        residual, freedom[k] = detrend(curves["time"].values[chosen], flux, degree)
        with np.errstate(divide="ignore", invalid="ignore"):
            freedom[k] = np.maximum(freedom[k] - fitted, 0)
            scatter[k] = np.sqrt(np.nansum(residual**2, axis=0) / freedom[k])
        claimed[k] = nanmedian(error, axis=0)
        present[k] = np.isfinite(flux).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(freedom > 0, scatter / claimed, np.nan)
    counts = np.isfinite(ratio) & (present >= 0.9)
    if dim == "column":
        x = np.arange(shape[1])
        for k, order in enumerate(curves["order"].values):
            first, last = columns.get(int(order), (0, x.size))
            counts[k] &= (x >= first) & (x < last)
    fair = ratio / median_factor(freedom)
    running = np.full(ratio.shape, np.nan)
    summary = np.full((3, ratio.shape[0]), np.nan)
    for k, use in enumerate(counts):
        if use.any():
            running[k, use] = running_median(fair[k, use], width)
            summary[:, k] = np.median(fair[k, use]), running[k, use].min(), running[k, use].max()
    per_curve = {
        "scatter": (np.where(freedom > 0, scatter, np.nan), "standard deviation outside the event"),
        "claimed": (claimed, "median claimed error"),
        "ratio": (ratio, "scatter over claimed error"),
        "running": (running, "running median of ratio, freed of small-sample bias"),
    }
    per_order = {
        "median": (summary[0], "median of ratio over columns, freed of small-sample bias"),
        "low": (summary[1], "minimum of running"),
        "high": (summary[2], "maximum of running"),
    }
    data: dict[str, Any] = {k: (dims[1:], v, {"units": "1", "long_name": text}) for k, (v, text) in per_curve.items()}
    data |= {k: (("order",), v, {"units": "1", "long_name": text}) for k, (v, text) in per_order.items()}
    data["n"] = (("order",), counts.sum(axis=1), {"long_name": f"{dim}s that count"})
    data["wavelength"] = (dims[1:], curves["wavelength"].transpose(*dims[1:]).values, {"units": "um"})
    coords = {k: curves[k] for k in ("order", dim) if k in curves.coords}
    n = int(chosen.sum())
    attrs = {"integrations": n, "degree": degree, "median_factor": float(median_factor(n - degree - 1 - fitted))}
    return xr.Dataset(data, coords, attrs)


def band_median(result: xr.Dataset, order: int, low: float, high: float) -> float:
    """Sensitivity of a band [um] of an order: median over its columns, freed of small-sample bias; NaN without columns."""
    one = result.sel(order=order)
    inside = np.isfinite(one["running"].values) & (one["wavelength"].values >= low) & (one["wavelength"].values < high)
    return float(nanmedian(one["ratio"].values[inside])) / result.attrs["median_factor"] if inside.any() else float("nan")


def running_median(values: F64, width: int) -> F64:
    """Median over ``width`` neighbours (fewer when there are less than twice as many)."""
    return np.asarray(median_filter(values, size=min(width, max(values.size // 2, 1)), mode="reflect"))
