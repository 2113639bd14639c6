"""Light curves per column or per bin of wavelength, normalised outside the event (row D1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.errors import ConfigError
from tsoar.series.residuals import nanmedian
from tsoar.units import TIME_LONG_NAME, TIME_UNITS

FREE_COLUMNS = {1: (0, 2048), 2: (700, 1757), 3: (0, 850)}
"""Columns [first, last + 1) on which an order counts: order 2 from where it stands free of order 1 to where its box
leaves the subarray (0.60 um), order 3 where it is bright enough."""

TIME_ATTRS = {"units": TIME_UNITS, "long_name": TIME_LONG_NAME}
Bool = NDArray[np.bool_]


def values_of(spectra: xr.Dataset, order: int) -> tuple[F64, F64]:
    """Flux and error (i, x) [DN/s] of one order, NaN where they are not valid."""
    one = spectra.sel(order=order)
    flux = one["flux"].transpose("integration", ...).values.astype(np.float64)
    error = one["flux_err"].transpose("integration", ...).values.astype(np.float64)
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    if "valid" in one:
        good &= one["valid"].transpose("integration", ...).values.astype(bool)
    return np.where(good, flux, np.nan), np.where(good, error, np.nan)


def column_edges(wavelength: NDArray[np.floating]) -> F64:
    """Shorter and longer edge (..., x, 2) [um] of each column: half way to its neighbours; NaN where there is no wavelength."""
    w = np.asarray(wavelength, np.float64)
    between = np.full((*w.shape[:-1], w.shape[-1] + 1), np.nan)
    between[..., 1:-1] = 0.5 * (w[..., 1:] + w[..., :-1])
    left, right = between[..., :-1], between[..., 1:]
    edges = np.stack([np.where(np.isnan(left), 2 * w - right, left), np.where(np.isnan(right), 2 * w - left, right)], -1)
    return np.sort(np.where(np.isnan(w)[..., None], np.nan, edges), axis=-1)


def light_curves(spectra: xr.Dataset, baseline: Bool) -> xr.Dataset:
    """Every column's (or bin's) light curve, over its median outside the event.

    Parameters
    ----------
    spectra : spectra.nc, or what `bin_spectra` makes of it.
    baseline : (i,), integrations outside the event.

    Returns
    -------
    Dataset with flux, flux_err (integration, order, column | bin) [1], NaN where the spectra are not valid; level
    (order, column | bin) [DN/s], what they were divided by; wavelength, wavelength_edges [um]; time; baseline (uint8).
    """
    baseline = np.asarray(baseline, bool)
    dim = "bin" if "bin" in spectra.dims else "column"
    orders = spectra["order"].values
    shape = (spectra.sizes["integration"], len(orders), spectra.sizes[dim])
    relative, normalised = np.empty(shape, np.float32), np.empty(shape, np.float32)
    level = np.empty(shape[1:])
    for k, order in enumerate(orders):  # one at a time: of a long exposure three would be a third of the memory allowed
        flux, error = values_of(spectra, int(order))
        level[k] = nanmedian(flux[baseline], axis=0)
        level[k][~(level[k] > 0)] = np.nan  # a curve that is dark on average cannot be normalised
        relative[:, k], normalised[:, k] = flux / level[k], error / level[k]
    wavelength = spectra["wavelength"].transpose("order", dim).values.astype(np.float64)
    edges = spectra["wavelength_edges"].values if "wavelength_edges" in spectra else column_edges(wavelength)
    dims = ("integration", "order", dim)
    data = {
        "flux": (dims, relative, {"units": "1", "long_name": "flux over its median outside the event"}),
        "flux_err": (dims, normalised, {"units": "1", "long_name": "claimed error of flux"}),
        "level": (dims[1:], level.astype(np.float32), {"units": "DN/s", "long_name": "median flux outside the event"}),
        "wavelength": (dims[1:], wavelength, {"units": "um"}),
        "wavelength_edges": ((*dims[1:], "edge"), edges, {"units": "um", "long_name": "shorter and longer edge"}),
        "time": (("integration",), spectra["time"].values, TIME_ATTRS),
        "baseline": (("integration",), baseline.astype(np.uint8), {"long_name": "1 outside the event"}),
    }
    coords = {k: spectra[k] for k in ("order", dim) if k in spectra.coords}
    return xr.Dataset(data, coords, {"Conventions": "CF-1.10"} | _kept(spectra))


def bin_spectra(
    spectra: xr.Dataset,
    *,
    edges: Sequence[float] | NDArray[np.floating] | None = None,
    resolution: float | None = None,
    n_columns: int | None = None,
    columns: Mapping[int, tuple[int, int]] = FREE_COLUMNS,
    baseline: Bool | None = None,
) -> xr.Dataset:
    """Spectra summed over bins of whole columns; give exactly one of ``edges``, ``resolution``, ``n_columns``.

    Parameters
    ----------
    edges : wavelengths [um] between bins, the same for every order; a column belongs where its centre lies.
    resolution : wavelength over width of a bin; bins from the shortest to the longest wavelength there is.
    n_columns : neighbouring columns per bin, order by order.
    columns : [first, last + 1) of each order; orders that are not named are left out.
    baseline : (i,), integrations from which holes are filled (all when not given), see `filled_sum`.

    Returns
    -------
    Dataset of the same layout with ``bin`` for ``column``: flux, flux_err (in quadrature) [DN/s], valid, wavelength (mean
    of the columns, by flux), wavelength_edges, n_columns (order, bin), time, and column_time (order, bin) where the spectra
    say when a column is read. Bins an order does not reach are not valid.

    Raises
    ------
    ConfigError
        Unless exactly one kind of bin is given, and one that can be.
    """
    _check_bins(edges, resolution, n_columns)
    orders = [int(o) for o in spectra["order"].values if int(o) in columns]
    n, nx = spectra.sizes["integration"], spectra.sizes["column"]
    wavelength = {o: spectra["wavelength"].sel(order=o).values.astype(np.float64) for o in orders}
    used = {}
    for o in orders:
        flux, error = values_of(spectra, o)
        inside = (np.arange(nx) >= columns[o][0]) & (np.arange(nx) < columns[o][1]) & np.isfinite(wavelength[o])
        used[o] = flux, error, inside & usable_columns(flux)
    members = _members(wavelength, {o: use for o, (_, _, use) in used.items()}, edges, resolution, n_columns)
    count = len(edges) - 1 if edges is not None else max((int(m.max()) + 1 for m in members.values()), default=0)
    total, noise = np.full((n, len(orders), count), np.nan), np.full((n, len(orders), count), np.nan)
    centre, sides = np.full((len(orders), count), np.nan), np.full((len(orders), count, 2), np.nan)
    number = np.zeros((len(orders), count), np.int32)
    read = spectra["column_time"].values if "column_time" in spectra else np.full(nx, np.nan)
    when = np.full((len(orders), count), np.nan)
    for k, o in enumerate(orders):
        flux, error, _ = used[o]
        own_edges = column_edges(wavelength[o])
        for b in range(count):
            here = np.flatnonzero(members[o] == b)
            if here.size == 0:
                continue
            total[:, k, b], noise[:, k, b] = filled_sum(flux[:, here], error[:, here], baseline)
            weight = np.maximum(nanmedian(flux[:, here], axis=0), 1e-30)
            centre[k, b] = np.average(wavelength[o][here], weights=weight)
            when[k, b] = np.average(read[here], weights=weight)
            sides[k, b] = own_edges[here, 0].min(), own_edges[here, 1].max()
            number[k, b] = here.size
    dims = ("integration", "order", "bin")
    data = {
        "flux": (dims, total, {"units": "DN/s", "long_name": "flux summed over the bin"}),
        "flux_err": (dims, noise, {"units": "DN/s", "long_name": "errors of the columns in quadrature"}),
        "valid": (dims, np.isfinite(total).astype(np.uint8), {"long_name": "1 where the bin can be used"}),
        "wavelength": (dims[1:], centre, {"units": "um", "long_name": "mean of the bin's columns, weighted with flux"}),
        "wavelength_edges": ((*dims[1:], "edge"), sides, {"units": "um", "long_name": "shorter and longer edge"}),
        "n_columns": (dims[1:], number, {"long_name": "columns summed"}),
        "time": (("integration",), spectra["time"].values, TIME_ATTRS),
    }
    if "column_time" in spectra:
        data["column_time"] = (dims[1:], when, spectra["column_time"].attrs)
    return xr.Dataset(data, {"order": orders, "bin": np.arange(count)}, _kept(spectra))


def usable_columns(flux: F64, share: float = 0.5) -> Bool:
    """Columns (x,) with a value in more than ``share`` of the integrations of ``flux`` (i, x), and light on average."""
    enough: Bool = (np.isfinite(flux).mean(axis=0) > share) & (nanmedian(flux, axis=0) > 0)
    return enough


def filled_sum(flux: F64, error: F64, baseline: Bool | None = None, least: float = 0.5) -> tuple[F64, F64]:
    """Sum (i,) over columns that does not move when holes come and go, and its error.

    A missing value counts as its column's median (outside the event where that is known) times the brightness of the
    integration, sum of what is there over sum of their medians. Where less than ``least`` of the light is there: NaN.
    The error is that of the values there, relative to their sum: nothing is claimed to be known from filling.
    """
    reference = nanmedian(flux if baseline is None else flux[baseline], axis=0)
    reference = np.where(np.isfinite(reference), reference, nanmedian(flux, axis=0))
    there = np.isfinite(flux) & np.isfinite(error)
    whole = reference.sum()
    present = np.where(there, reference, 0.0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(present > least * whole, whole / present, np.nan)
        total = gain * np.where(there, flux, 0.0).sum(axis=1)
        noise = gain * np.sqrt((np.where(there, error, 0.0) ** 2).sum(axis=1))
    return total, noise


def filled_sums(
    flux: F64, error: F64, starts: NDArray[np.int64], baseline: Bool | None = None, least: float = 0.5
) -> tuple[F64, F64]:
    """`filled_sum` over many bins at once: bin k holds the columns from ``starts[k]`` up to the next start. (i, k), (i, k)."""
    reference = nanmedian(flux if baseline is None else flux[baseline], axis=0)
    reference = np.where(np.isfinite(reference), reference, nanmedian(flux, axis=0))
    there = np.isfinite(flux) & np.isfinite(error)
    whole = np.add.reduceat(reference, starts)
    present = np.add.reduceat(np.where(there, reference, 0.0), starts, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(present > least * whole, whole / present, np.nan)
        total = gain * np.add.reduceat(np.where(there, flux, 0.0), starts, axis=1)
        noise = gain * np.sqrt(np.add.reduceat(np.where(there, error, 0.0) ** 2, starts, axis=1))
    return total, noise


def _kept(spectra: xr.Dataset) -> dict[str, str]:
    return {k: spectra.attrs[k] for k in ("settings",) if k in spectra.attrs}


def _check_bins(edges: Sequence[float] | NDArray | None, resolution: float | None, n_columns: int | None) -> None:
    given = [k for k, v in (("edges", edges), ("resolution", resolution), ("n_columns", n_columns)) if v is not None]
    if len(given) != 1:
        raise ConfigError(f"bins: expected exactly one of edges, resolution, n_columns; got {', '.join(given) or 'none'}")
    if edges is not None and (len(edges) < 2 or not np.all(np.diff(np.sort(np.asarray(edges, float))) > 0)):
        raise ConfigError(f"bins: edges {edges}: expected two or more different wavelengths [um]")
    if resolution is not None and not resolution > 0:
        raise ConfigError(f"bins: resolution {resolution}: expected a number > 0")
    if n_columns is not None and not n_columns >= 1:
        raise ConfigError(f"bins: n_columns {n_columns}: expected 1 or more")


def _members(
    wavelength: Mapping[int, F64],
    use: Mapping[int, Bool],
    edges: Sequence[float] | NDArray | None,
    resolution: float | None,
    n_columns: int | None,
) -> dict[int, NDArray[np.int64]]:
    """Number of the bin each column (x,) of each order belongs to, -1 for none."""
    out = {}
    lit = np.concatenate([wavelength[o][use[o]] for o in use] or [np.empty(0)])
    for o, w in wavelength.items():
        if not use[o].any():
            number = np.full(w.size, -1)
        elif n_columns is not None:
            number = (np.arange(w.size) - np.flatnonzero(use[o])[0]) // n_columns
        elif edges is not None:
            limits = np.sort(np.asarray(edges, np.float64))
            number = np.digitize(w, limits) - 1
            number[number == limits.size - 1] = -1
        else:
            number = np.floor(np.log(np.where(use[o], w, lit.min()) / lit.min()) * float(resolution or 1)).astype(int)
        out[o] = np.where(use[o], number, -1)
    return out
