"""What was put into a simulated exposure, as ``truth.nc``."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tsoar import __version__
from tsoar.sim.clock import Times
from tsoar.sim.instrument import ORDERS
from tsoar.sim.maps import Detector
from tsoar.sim.noise import Hits
from tsoar.sim.parameters import Scenario, digest, to_dict
from tsoar.sim.planet import Event
from tsoar.sim.scene import Motion, Scene
from tsoar.units import TIME_LONG_NAME

NAME = "truth.nc"


def truth_dataset(
    s: Scenario, scene: Scene, event: Event, motion: Motion, times: Times, detector: Detector, hits: Sequence[Hits]
) -> xr.Dataset:
    """Everything a reduction could be asked for, with units and meaning in the attributes."""
    pixel, cell = ("row", "column"), ("order", "column")
    rate = scene.star.sum(1, dtype=np.float64)
    variables = {
        "trace": (cell, scene.trace, "px", "row of the trace, midpoint of its half-maximum edges, without motion"),
        "centroid": (cell, _centroids(scene), "px", "centre of the order's light within 15 px of the trace, without motion"),
        "wavelength": (cell, scene.wavelength, "um", "wavelength; NaN where the order has no light"),
        "rate": (cell, rate, "DN / s", "star without planet, all rows of the subarray"),
        "star_image": (("order", *pixel), scene.star, "DN / s", "star without planet, without motion, every pixel responding"),
        "sky_image": (pixel, scene.sky, "DN / s", "sky"),
        "field_image": (pixel, scene.field, "DN / s", "field stars"),
        "dark_image": (pixel, detector.dark / detector.gain, "DN / s", "dark current"),
        "response": (pixel, detector.response, "1", "0 for dead and reference pixels"),
        "depth": (cell, event.depth, "1", "(Rp/Rs)^2 of a transit, Fp/Fs of an eclipse"),
        "limb_darkening": ((*cell, "coefficient"), event.limb, "1", "quadratic u1, u2"),
        "light_curve": (
            ("order", "integration", "column"),
            event.light_curve,
            "1",
            "relative flux between first and last read of a pixel",
        ),
        "grey": ("integration", motion.grey, "1", "further factor on the star's flux"),
        "time": ("integration", times.mid, "d", TIME_LONG_NAME),
        "time_utc": ("integration", times.utc[:, 1], "d", "mid-integration time, MJD UTC"),
        "column_time": ("column", scene.subarray.column_time(), "s", "to be added to time for the mid-time of a column"),
        "drift_y": ("integration", motion.y, "px", "shift of the trace across dispersion"),
        "drift_x": ("integration", motion.x, "px", "shift along dispersion"),
        "stretch": ("integration", motion.stretch, "1", "width of the profile, 1: as in star_image"),
        "gain": (pixel, detector.gain, "electron / DN", "gain"),
        "read_noise": (pixel, detector.read_noise, "electron", "white noise of one read"),
        "superbias": (pixel, detector.bias, "DN", "bias"),
        "saturation": (pixel, detector.saturation, "DN", "raw counts from which the saturation reference flags"),
        "full_well": (pixel, detector.full_well, "DN", "measured counts above bias where the signal is cut off"),
        "curve": (pixel, detector.curve, "1 / DN", "a of measured = x (1 - a x)"),
        "mask": (pixel, detector.mask, "1", "flags of the mask reference"),
        "bad": (pixel, detector.bad, "1", "odd pixels, flagged or not"),
        "hit_integration": ("hit", np.repeat(np.arange(len(hits), dtype=np.int32), [h.row.size for h in hits]), "1", ""),
        "hit_group": ("hit", _joined(hits, "group"), "1", "read at which the charge appears"),
        "hit_row": ("hit", _joined(hits, "row"), "px", ""),
        "hit_column": ("hit", _joined(hits, "column"), "px", ""),
        "hit_event": ("hit", _joined(hits, "event"), "1", "number of the event within its integration"),
    }
    size = _joined(hits, "electrons")
    size = size / detector.gain[variables["hit_row"][1], variables["hit_column"][1]]
    variables["hit_dn"] = ("hit", size.astype(np.float32), "DN", "charge left in the pixel")
    e = s.exposure
    return xr.Dataset(
        {
            name: (dims, values, {"units": unit, "long_name": text})
            for name, (dims, values, unit, text) in variables.items()  # type: ignore[misc]
        },
        coords={"order": np.array(ORDERS)},
        attrs={
            "title": "truth of a simulated NIRISS/SOSS exposure",
            "tsoar_version": __version__,
            "scenario": json.dumps(to_dict(s)),
            "scenario_hash": digest(s),
            "subarray": e.subarray,
            "n_groups": e.ngroups,
            "t_group": scene.subarray.frame_time,
            "event": s.planet.event,
            "t_mid": event.mid,
            "duration": event.duration,
            "period": event.period,
            "a_over_r": s.planet.a_over_r,
            "inclination": s.planet.inclination,
        },
    )


def _joined(hits: Sequence[Hits], name: str) -> NDArray[np.generic]:
    return np.concatenate([getattr(h, name) for h in hits])


def _centroids(scene: Scene) -> NDArray[np.float64]:
    rows = np.arange(scene.subarray.rows)[:, None]
    out = np.full(scene.trace.shape, np.nan)
    for k, trace in enumerate(scene.trace):
        light = np.where(np.abs(rows - trace) <= 15, scene.star[k].astype(np.float64), 0)
        total = light.sum(0)
        lit = total > 0
        out[k, lit] = (light * rows).sum(0)[lit] / total[lit]
    return out


def write_truth(folder: Path, truth: xr.Dataset) -> Path:
    """Write ``truth.nc``; it appears under its name when it is whole."""
    path = folder / NAME
    part = path.with_name(path.name + ".part")
    try:
        if shutil.disk_usage(folder).free < truth.nbytes + (1 << 20):  # HDF5 crashes when the disk fills up under it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        truth.to_netcdf(part, engine="h5netcdf", encoding={name: {"zlib": True, "complevel": 1} for name in truth.data_vars})
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
