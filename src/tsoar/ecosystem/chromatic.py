"""Files that chromatic (zkbt/chromatic, Z. Berta-Thompson) opens by name: `chromatic.read_rainbow("...stellar-spectra.xc")`.

The layout is that of its `xarray_stellar_spectra` and `xarray_raw_light_curves` writers, version 0.5, which came out of the
early release programme: netCDF, dimensions (wavelength, time), units as attributes, attributes of the file as JSON.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import xarray as xr

import tsoar
from tsoar.ecosystem.lightcurves import Observed, Order
from tsoar.io import datasets
from tsoar.units import MJD_OFFSET

TIME_NOTE = "mid-integration time, BJD_TDB"


def write(observed: Observed, out: Path, author: str = "", contact: str = "") -> list[Path]:
    """Stellar spectra [DN/s] and light curves (1 outside the event) of each order."""
    paths = []
    for order in observed.orders:
        stem = f"{observed.name}_order{order.number}"
        about = attributes(observed, order, author, contact)
        for name, dataset in (("stellar-spectra", spectra_of(order)), ("raw-light-curves", curves_of(order))):
            paths.append(out / f"{stem}_{name}.xc")
            datasets.write_dataset(dataset.assign_attrs(about), paths[-1])
    return paths


def attributes(observed: Observed, order: Order, author: str, contact: str) -> dict[str, str]:
    """Attributes of the file; chromatic decodes each as JSON."""
    plain = {
        "author": author or "not given",
        "contact": contact or "not given",
        "code": f"tsoar {tsoar.__version__}",
        "data_origin": f"{observed.name} {observed.target}".strip(),
        "order": order.number,
        "time_format": "jd",
        "time_scale": "tdb",
        "time_is_barycentric": True,
    }
    return {k: json.dumps(v) for k, v in plain.items()}


def coordinates(order: Order) -> dict[str, xr.Variable]:
    """Wavelength and time."""
    return {
        "wavelength": xr.Variable("wavelength", order.wavelength, {"units": "micron"}),
        "time": xr.Variable("time", order.time + MJD_OFFSET, {"units": "d", "long_name": TIME_NOTE}),
    }


def shared(order: Order) -> dict[str, xr.Variable]:
    """What both files hold beside the flux."""
    good = order.valid.astype(np.uint8)
    out = {
        "quality_flag": xr.Variable(("wavelength", "time"), good, {"units": "", "long_name": "1 where the value can be used"}),
        "outside_event": xr.Variable("time", order.outside.astype(np.uint8), {"units": "", "long_name": "1 outside the event"}),
    }
    units = {"shift": "pix", "shift_err": "pix", "width": "", "width_err": ""}
    return out | {f"trace_{k}": xr.Variable("time", v, {"units": units[k]}) for k, v in order.motion.items()}


def spectra_of(order: Order) -> xr.Dataset:
    """Layout `xarray_stellar_spectra`: flux, flux_error, quality_flag."""
    dims = ("wavelength", "time")
    data = {
        "flux": xr.Variable(dims, order.flux, {"units": "DN / s"}),
        "flux_error": xr.Variable(dims, order.error, {"units": "DN / s"}),
        "wavelength_lower": xr.Variable("wavelength", order.shorter, {"units": "micron"}),
        "wavelength_upper": xr.Variable("wavelength", order.longer, {"units": "micron"}),
    }
    return xr.Dataset(data | shared(order), coordinates(order))


def curves_of(order: Order) -> xr.Dataset:
    """Layout `xarray_raw_light_curves`: raw_flux, raw_flux_error, quality_flag, start_wavelength, end_wavelength."""
    dims = ("wavelength", "time")
    data = {
        "raw_flux": xr.Variable(dims, order.flux / order.level[:, None], {"units": ""}),
        "raw_flux_error": xr.Variable(dims, order.error / order.level[:, None], {"units": ""}),
        "start_wavelength": xr.Variable("wavelength", order.shorter, {"units": "micron"}),
        "end_wavelength": xr.Variable("wavelength", order.longer, {"units": "micron"}),
    }
    return xr.Dataset(data | shared(order), coordinates(order))
