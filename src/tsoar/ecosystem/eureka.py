"""Files for Eureka! (Bell et al. 2022), in the layout of its stages 3 and 4 as Astraeus reads it.

`S3_..._SpecData.h5` is where Eureka! takes over spectra of others: its stage 4 makes light curves of any SpecData file in its
input folder and needs no saved metadata beside it (`manageevent.loadevent`: a SpecData file without ``data_format`` is
"custom"). `S4_..._LCData.h5` holds the light curves as stage 4 leaves them; its stage 5 starts from one of its own runs of
stage 4. A folder for each order, as stage 4 takes one SpecData file a folder.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import xarray as xr

from tsoar.ecosystem.lightcurves import Observed, Order
from tsoar.io import datasets

FLUX, WAVE, TIME = "DN/s", "microns", "BMJD_TDB"
"""Eureka!'s words; BMJD_TDB is BJD_TDB - 2400000.5"""


def write(observed: Observed, out: Path) -> list[Path]:
    """SpecData and LCData of each order, in folders order1, order2 ..."""
    paths = []
    label = event_label(observed)
    for order in observed.orders:
        folder = out / f"order{order.number}"
        for name, dataset in (("S3", spec_data(order)), ("S4", lc_data(order))):
            kind = "SpecData" if name == "S3" else "LCData"
            paths.append(folder / f"{name}_{label}_order{order.number}_{kind}.h5")
            datasets.write_dataset(dataset, paths[-1])
    return paths


def event_label(observed: Observed) -> str:
    """The event label files go by: the target in small letters, or the exposure's name.

    >>> from pathlib import Path
    >>> event_label(Observed(Path(), "jw01366_04101", "WASP-39 b", {}, ()))
    'wasp39b'
    """
    return re.sub(r"[^a-z0-9]", "", observed.target.lower()) or observed.name


def time_like(order: Order) -> dict[str, xr.Variable]:
    """Trace motion under Eureka!'s names: y is across the trace."""
    names = {"shift": "centroid_y", "width": "centroid_sy"}
    units = {"units": "pixels", "time_units": TIME}
    return {names[k]: xr.Variable("time", order.motion[k], units) for k in names if k in order.motion}


def spec_data(order: Order) -> xr.Dataset:
    """Stage 3: optspec, opterr, optmask (time, x), wave_1d (x)."""
    dims = ("time", "x")
    units = {"flux_units": FLUX, "time_units": TIME, "wave_units": WAVE}
    data = {
        "optspec": xr.Variable(dims, order.flux.T, units),
        "opterr": xr.Variable(dims, order.error.T, units),
        "optmask": xr.Variable(dims, ~order.valid.T, {"flux_units": "None", "time_units": TIME}),
        "wave_1d": xr.Variable("x", order.wavelength, {"wave_units": WAVE}),
    }
    coordinates = {
        "time": xr.Variable("time", order.time, {"time_units": TIME}),
        "x": xr.Variable("x", order.member),
    }
    return xr.Dataset(data | time_like(order), coordinates)


def lc_data(order: Order) -> xr.Dataset:
    """Stage 4: data, err, mask (wavelength, time), wave_low, wave_hi, wave_mid, wave_err (wavelength)."""
    dims = ("wavelength", "time")
    units = {"flux_units": FLUX, "wave_units": WAVE, "time_units": TIME}
    wave = {"wave_units": WAVE}
    data = {
        "data": xr.Variable(dims, order.flux, units),
        "err": xr.Variable(dims, order.error, units),
        "mask": xr.Variable(dims, ~order.valid, units | {"flux_units": "None"}),
        "wave_low": xr.Variable("wavelength", order.shorter, wave),
        "wave_hi": xr.Variable("wavelength", order.longer, wave),
        "wave_mid": xr.Variable("wavelength", 0.5 * (order.shorter + order.longer), wave),
        "wave_err": xr.Variable("wavelength", 0.5 * np.abs(order.longer - order.shorter), wave),
    }
    coordinates = {
        "wavelength": xr.Variable("wavelength", order.wavelength, wave),
        "time": xr.Variable("time", order.time, {"time_units": TIME}),
    }
    return xr.Dataset(data | time_like(order), coordinates)
