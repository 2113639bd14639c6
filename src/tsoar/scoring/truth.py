"""Truth of a simulated exposure, from truth.nc of tsoar's simulator or truth.npz of the independent one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as ZlibError

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tsoar.errors import InputError
from tsoar.flags import DO_NOT_USE, REFERENCE_PIXEL

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

COLUMNS = 2048
ODD = ("dead", "low_qe", "hot", "warm", "rc", "telegraph", "nonlinear", "unstable_bias")
"""Kinds of odd pixels in truth.npz; with ``_unflagged`` the same that no mask tells of."""
EVENTS = ("transit", "eclipse", "none")
BROKEN = (OSError, EOFError, ValueError, TypeError, IndexError, RuntimeError, BadZipFile, ZlibError)
"""What numpy, zipfile, zlib and HDF5 say of files that are cut off or damaged."""


@dataclass(frozen=True, slots=True)
class Hits:
    """Pixels hit by cosmic rays, one entry for each pixel of a track.

    Attributes
    ----------
    integration, group, row, column : (n,) 0-based; the charge appears at read ``group`` and stays.
    dn : (n,) charge left [DN].
    event : (n,) number of the track.
    """

    integration: I64
    group: I64
    row: I64
    column: I64
    dn: F64
    event: I64


@dataclass(frozen=True, slots=True)
class Truth:
    """What was put into an exposure: indices from 0, rows of the subarray, DMS orientation, orders 1 to 3.

    Attributes
    ----------
    path : the file it came from.
    subarray : its name.
    trace, centroid : (3, 2048) published trace and centre of light within 15 px [px], at zero drift; NaN without light.
    edges : (3, 2048) midpoint of the half-maximum edges [px], where the file tells it.
    wavelength : (3, 2048) [um]; NaN where the order has no light.
    rate : (3, 2048) star without planet, summed over the subarray's rows [DN/s].
    star_image : (3, row, 2048) star without planet at zero drift [DN/s].
    sky_image, field_image, dark_image : (row, 2048) [DN/s].
    depth : (3, 2048) amplitude of the event: (Rp/Rs)² or Fp/Fs; 0 for none.
    light_curve : (3, integration, 2048) relative flux of star and planet.
    grey : (integration,) further factor on the star.
    time : (integration,) mid-integration, BJD_TDB - 2400000.5 [d].
    drift_y, drift_x : (integration,) shift along rows and columns [px].
    stretch : (integration,) width factor of the profile, 1: none.
    gain, read_noise : (row, 2048) [e-/DN], [e- per read].
    bad, reference : (row, 2048) odd pixels, whether flagged or not; reference pixels.
    masked : (row, 2048) pixels that the mask gives up.
    hits : cosmic rays.
    n_groups, t_group : reads of a ramp and time from one to the next [s].
    t_mid : middle of the event, as ``time``; NaN without event.
    event : "transit", "eclipse" or "none".
    """

    path: Path
    subarray: str
    trace: F64
    centroid: F64
    edges: F64 | None
    wavelength: F64
    rate: F64
    star_image: F32
    sky_image: F32
    field_image: F32
    dark_image: F32
    depth: F64
    light_curve: F32
    grey: F64
    time: F64
    drift_y: F64
    drift_x: F64
    stretch: F64
    gain: F64
    read_noise: F64
    bad: Mask
    reference: Mask
    masked: Mask
    hits: Hits
    n_groups: int
    t_group: float
    t_mid: float
    event: str

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the subarray."""
        return self.star_image.shape[1], self.star_image.shape[2]

    @property
    def integrations(self) -> int:
        """Number of integrations."""
        return self.time.size

    def still_image(self, *, dark: bool = True) -> F64:
        """(row, column) mean rate out of the event, without motion [DN/s]."""
        image = self.star_image.sum(axis=0, dtype=np.float64) + self.sky_image + self.field_image
        return np.asarray(image + self.dark_image if dark else image)

    def white(self, order: int) -> F64:
        """(integration,) relative flux of an order's whole light, planet only; 1 where the order has no light."""
        weight = np.nan_to_num(self.rate[order - 1])
        curve = np.nan_to_num(self.light_curve[order - 1].astype(np.float64), nan=1.0)
        return np.asarray(curve @ weight / weight.sum()) if weight.sum() > 0 else np.ones(self.integrations)

    def outside(self) -> Mask:
        """(integration,) out of the event: no order's white light is down by more than 1/500 of what it falls by."""
        out = np.ones(self.integrations, bool)
        if self.event != "none":
            for order in (1, 2, 3):
                white = self.white(order)
                out &= white >= white.max() - 0.002 * np.ptp(white) - 1e-9
        return out


def read_truth(path: str | Path) -> Truth:
    """Truth from truth.nc (tsoar simulate) or truth.npz (the independent simulator).

    Raises
    ------
    InputError
        When the file is not there, cannot be read or is not the truth of an exposure.
    """
    path = Path(path)
    if path.is_dir():
        path = next((path / name for name in ("truth.nc", "truth.npz") if (path / name).is_file()), path / "truth.nc")
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the truth.nc that `tsoar simulate` leaves beside the exposure")
    try:
        return from_npz(path) if path.suffix == ".npz" else from_netcdf(path)
    except KeyError as error:
        raise refuse(path, f"{error.args[0]} is not in it") from None
    except BROKEN as error:
        raise refuse(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from None


def refuse(path: Path, why: str) -> InputError:
    """One line for a file that is not a truth."""
    return InputError(
        f"{path} is not the truth of a simulated exposure: {why}; "
        "expected truth.nc of `tsoar simulate`, or truth.npz: give the one that belongs to this run"
    )


def from_netcdf(path: Path) -> Truth:
    """Truth from netCDF (`tsoar simulate`)."""
    with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as data:
        names = [str(name) for name in data.variables]
        values = {name: data[name].values for name in names}
        attributes = dict(data.attrs)
    for name in ("n_groups", "t_group"):
        if name not in attributes:
            raise KeyError(f"attribute {name}")
    n_hits = {len(values[f"hit_{name}"]) for name in ("integration", "group", "row", "column", "dn", "event")}
    if len(n_hits) != 1:
        raise ValueError("its hits have columns of different length")
    return build(
        path,
        values,
        hits=hits(values, "hit_{}", ("integration", "group", "row", "column", "dn", "event")),
        bad=values["bad"].astype(bool),
        subarray=str(attributes.get("subarray", "")),
        n_groups=int(attributes["n_groups"]),
        t_group=float(attributes["t_group"]),
        t_mid=float(attributes.get("t_mid", np.nan)),
        event=str(attributes.get("event", "none")),
    )


def from_npz(path: Path) -> Truth:
    """Truth from the keys of the independent simulator."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as data:  # numpy leaves a damaged file open
        values = {name: data[name] for name in data.files}
    for key, name in (("trace_y", "trace"), ("edge_y", "edges"), ("centroid_y", "centroid"), ("rate_dn", "rate")):
        values[name] = values[key]
    options = json.loads(str(values["parameters"]))
    bad = np.zeros(values["mask"].shape, bool)
    for kind in ODD:
        for name in (f"bad_{kind}", f"bad_{kind}_unflagged"):
            where = values.get(name, np.empty((0, 2), int)).astype(int)
            bad[where[:, 0], where[:, 1]] = True
    event = str(values["planet_kind"])
    if event == "eclipse":
        values["depth"] = values["emission"]
    event = event if event in EVENTS and np.nanmax(values["depth"], initial=0.0) > 0 else "none"
    return build(
        path,
        values,
        hits=hits(values, "cr_{}", ("int", "group", "row", "col", "dn", "event")),
        bad=bad,
        subarray=str(options["subarray"]),
        n_groups=int(options["ngroups"]),
        t_group=float(values["tframe"]),
        t_mid=float(values["t_mid"]),
        event=event,
    )


def hits(values: Mapping[str, Any], pattern: str, names: tuple[str, ...]) -> Hits:
    """`Hits` from six arrays."""
    integration, group, row, column, dn, event = (np.asarray(values[pattern.format(name)]) for name in names)
    return Hits(
        integration.astype(np.int64),
        group.astype(np.int64),
        row.astype(np.int64),
        column.astype(np.int64),
        dn.astype(np.float64),
        event.astype(np.int64),
    )


def build(path: Path, values: Mapping[str, Any], *, hits: Hits, bad: Mask, event: str, **rest: Any) -> Truth:
    """A `Truth` whose arrays fit each other."""
    if event not in EVENTS:
        raise ValueError(f"event {event!r}; known: {', '.join(EVENTS)}")
    n = len(values["time"])
    shape = (*values["star_image"].shape[1:],)
    if len(shape) != 2 or shape[1] != COLUMNS:
        raise ValueError(f"star_image is {values['star_image'].shape}, expected (3, rows, {COLUMNS})")
    if n == 0 or rest["n_groups"] < 2:
        raise ValueError(f"{n} integrations of {rest['n_groups']} groups, at least 1 of 2 are needed")

    for name, size in (("integration", n), ("row", shape[0]), ("column", shape[1])):
        where = getattr(hits, name)
        if where.size and not 0 <= where.min() <= where.max() < size:
            raise ValueError(f"hits lie outside the exposure ({name} {where.min()} to {where.max()})")

    def take(name: str, kind: type, expected: tuple[int, ...]) -> NDArray[Any]:
        array: NDArray[Any] = np.asarray(values[name], kind)
        if array.shape != expected:
            raise ValueError(f"{name} is {array.shape}, expected {expected}")
        return array

    def reals(names: tuple[str, ...], kind: type, expected: tuple[int, ...]) -> dict[str, NDArray[Any]]:
        return {name: take(name, kind, expected) for name in names}

    mask = take("mask", np.uint32, shape)
    arrays: dict[str, Any] = (
        reals(("trace", "centroid", "wavelength", "rate", "depth"), np.float64, (3, COLUMNS))
        | reals(("sky_image", "field_image", "dark_image"), np.float32, shape)
        | reals(("grey", "time", "drift_y", "drift_x", "stretch"), np.float64, (n,))
        | reals(("gain", "read_noise"), np.float64, shape)
    )
    return Truth(
        path=path,
        edges=take("edges", np.float64, (3, COLUMNS)) if "edges" in values else None,
        star_image=take("star_image", np.float32, (3, *shape)),
        light_curve=take("light_curve", np.float32, (3, n, COLUMNS)),
        bad=np.broadcast_to(bad, shape),
        reference=(mask & np.uint32(REFERENCE_PIXEL)) != 0,
        masked=(mask & np.uint32(DO_NOT_USE)) != 0,
        hits=hits,
        event=event,
        **arrays,
        **rest,
    )
