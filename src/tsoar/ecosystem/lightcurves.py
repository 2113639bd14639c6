"""What all exports start from: spectra and light curves of one order of a finished run, by rising wavelength."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.errors import ConfigError, InputError
from tsoar.io import datasets
from tsoar.series.lightcurves import FREE_COLUMNS, bin_spectra, light_curves
from tsoar.series.white import WHITE_ORDERS


@dataclass(frozen=True)
class Order:
    """Spectra of one order; bins b (columns where nothing is binned), integrations i."""

    number: int
    time: F64
    """(i,) mid-integration, BJD_TDB - 2400000.5 [d]"""
    outside: NDArray[np.bool_]
    """(i,) integrations outside the event"""
    member: NDArray[np.int64]
    """(b,) column, or number of the bin"""
    wavelength: F64
    """(b,) [um], rising"""
    shorter: F64
    """(b,) edge [um]"""
    longer: F64
    """(b,) edge [um]"""
    flux: F64
    """(b, i) [DN/s]; NaN where not valid"""
    error: F64
    """(b, i) [DN/s]"""
    level: F64
    """(b,) median flux outside the event [DN/s]"""
    motion: dict[str, F64]
    """(i,) shift [pixel] and width [1] of the trace, and their errors, where the run has them"""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(b, i) where there is a value."""
        return np.isfinite(self.flux)


@dataclass(frozen=True)
class Observed:
    """A run's folder, as far as an export needs it."""

    folder: Path
    name: str
    """of the exposure, as files are called"""
    target: str
    white: dict[int, tuple[F64, F64]]
    """white light of an order: flux and error (i,), 1 outside the event"""
    orders: tuple[Order, ...]


def read(folder: Path, orders: tuple[int, ...] | None = None, resolution: float | None = None) -> Observed:
    """Spectra of a finished run.

    Parameters
    ----------
    folder : of the run.
    orders : those to take, on the columns on which each stands free (`FREE_COLUMNS`); of 1 and 2 those with light when not
        given.
    resolution : bins of this resolving power; columns as they are without.

    Raises
    ------
    InputError
        For a folder without spectra.
    ConfigError
        For an order without any light.
    """
    spectra = datasets.open_dataset(folder / "spectra.nc")
    outside = np.ones(spectra.sizes["integration"], bool)
    if (folder / "lightcurves.nc").exists():
        with datasets.open_dataset(folder / "lightcurves.nc") as curves:
            outside = curves["baseline"].values.astype(bool)
    if not outside.any():
        outside[:] = True
    there = [int(o) for o in spectra["order"].values]
    given = orders is not None
    orders = orders if orders is not None else tuple(o for o in WHITE_ORDERS if o in there)
    absent = [o for o in orders if o not in there]
    if absent:
        raise ConfigError(f"order {absent[0]}: not in {folder / 'spectra.nc'}; expected of {', '.join(map(str, there))}")
    chosen = spectra.sel(order=list(orders))
    if resolution is not None:
        chosen = bin_spectra(chosen, resolution=resolution, columns={o: FREE_COLUMNS[o] for o in orders}, baseline=outside)
    curves = light_curves(chosen, outside)
    run = datasets.read_json(folder / "run.json") if (folder / "run.json").exists() else {}
    found = tuple(f for f in (one_order(spectra, chosen, curves, o) for o in orders) if f.wavelength.size or given)
    for f in found:
        if f.wavelength.size == 0:
            raise ConfigError(f"order {f.number}: no light in it; choose another with --order")
    if not found:
        raise InputError(f"{folder / 'spectra.nc'}: no light in orders 1 and 2; nothing to export")
    return Observed(folder, str(run.get("exposure") or "exposure"), str(run.get("target") or ""), white_of(folder), found)


def one_order(spectra: xr.Dataset, chosen: xr.Dataset, curves: xr.Dataset, number: int) -> Order:
    """One order of binned or native spectra; bins that are never valid are left out."""
    dim = "bin" if "bin" in chosen.dims else "column"
    level = curves["level"].sel(order=number).values.astype(np.float64)
    wavelength = curves["wavelength"].sel(order=number).values.astype(np.float64)
    flux = curves["flux"].sel(order=number).transpose(dim, "integration").values * level[:, None]
    error = curves["flux_err"].sel(order=number).transpose(dim, "integration").values * level[:, None]
    use = np.isfinite(wavelength) & np.isfinite(level) & np.isfinite(flux).any(axis=1)
    if dim == "column":
        first, last = FREE_COLUMNS[number]
        column = chosen["column"].values
        use &= (column >= first) & (column < last)
    keep = np.flatnonzero(use)
    keep = keep[np.argsort(wavelength[keep])]
    edges = curves["wavelength_edges"].sel(order=number).values[keep]
    names = [n for n in ("shift", "shift_err", "width", "width_err") if n in spectra]
    return Order(
        number,
        curves["time"].values.astype(np.float64),
        curves["baseline"].values.astype(bool),
        np.asarray(chosen[dim].values[keep], np.int64),
        wavelength[keep],
        edges[:, 0],
        edges[:, 1],
        flux[keep],
        error[keep],
        level[keep],
        {n: spectra[n].sel(order=number).values.astype(np.float64) for n in names},
    )


def white_of(folder: Path) -> dict[int, tuple[F64, F64]]:
    """White light by order, from white_light.ecsv; empty without."""
    path = folder / "white_light.ecsv"
    if not path.exists():
        return {}
    from astropy.table import Table

    try:
        table = Table.read(path, format="ascii.ecsv")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected the folder of a finished run") from error
    names = [n for n in table.colnames if n.startswith("flux_order")]
    return {
        int(n.removeprefix("flux_order")): (
            np.asarray(table[n], np.float64),
            np.asarray(table[n.replace("flux_", "flux_err_")], np.float64),
        )
        for n in names
    }
