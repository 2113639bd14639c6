"""What a run left in its folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy.io import fits
from numpy.typing import NDArray

from tsoar.errors import InputError
from tsoar.scoring.truth import Truth

RADIUS = 15.0
"""Radius of the box where nothing tells it [px]."""


@dataclass(frozen=True, slots=True)
class Products:
    """Files of a run; None or empty where they are missing.

    Attributes
    ----------
    out : the folder.
    rateints, jump : segments.
    traces, spectra : netCDF files.
    run : contents of run.json.
    """

    out: Path
    rateints: list[Path]
    jump: list[Path]
    traces: Path | None
    spectra: Path | None
    run: dict[str, Any]

    def radius(self) -> float:
        """Radius of the extraction box [px]: of run.json, else `RADIUS`."""
        try:
            return float(self.run["config"]["extract"]["radius"])
        except (KeyError, TypeError, ValueError):
            return RADIUS

    def dark_left(self) -> bool:
        """The run did not subtract the dark current."""
        steps = self.run.get("steps")
        return isinstance(steps, list) and "dark_current" not in steps


def find(out: str | Path) -> Products:
    """The products in a folder.

    Raises
    ------
    InputError
        For a folder that is not there or has none.
    """
    out = Path(out)
    if not out.is_dir():
        raise InputError(f"{out}: no such folder; expected the folder that `tsoar run --out` wrote")

    def one(name: str) -> Path | None:
        return out / name if (out / name).is_file() else None

    rateints = sorted((out / "rateints").glob("*_rateints.fits")) or sorted(out.glob("*_rateints.fits"))
    found = Products(out, rateints, sorted(out.glob("*_jump.fits")), one("traces.nc"), one("spectra.nc"), run_json(out))
    if not (found.rateints or found.traces or found.spectra):
        raise InputError(
            f"{out}: no products in it; expected rateints/*_rateints.fits, traces.nc or spectra.nc: "
            "give the folder that `tsoar run --out` wrote"
        )
    return found


FAR_APART = 0.5
"""[d] between the times of a run and of a truth: not a clock error, another exposure."""


def run_json(out: Path) -> dict[str, Any]:
    """Contents of run.json; empty without one."""
    path = out / "run.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(f"{path} cannot be read as JSON; expected what `tsoar run` wrote: repeat the run") from None
    return found if isinstance(found, dict) else {}


def integrations(
    files: list[Path], extensions: tuple[str, ...], shape: tuple[int, ...], total: int
) -> Iterator[tuple[int, list[NDArray[Any]]]]:
    """Integrations of segments one at a time: number (from 0) and one array for each extension.

    Parameters
    ----------
    files : segments; INTSTART of the primary header (from 1) says where each begins.
    extensions : image extensions wanted.
    shape : expected of one integration, of the last axes.
    total : integrations of the exposure.

    Raises
    ------
    InputError
        For segments that cannot be read or do not fit.
    """
    for path in files:
        try:
            with fits.open(path, memmap=False) as hdus:
                first = int(hdus[0].header.get("INTSTART", 1)) - 1
                parts = [hdus[name] for name in extensions]
                n = int(parts[0].header[f"NAXIS{parts[0].header['NAXIS']}"])
                own = tuple(parts[0].shape[-len(shape) :])
                if own != shape or first + n > total or first < 0:
                    raise InputError(
                        f"{path}: integrations {first + 1} to {first + n} of {own} pixels; the truth has {total} of "
                        f"{shape}: give the truth.nc of the exposure this run was made from"
                    )
                for i in range(n):
                    yield first + i, [native(part.section[i]) for part in parts]
        except (OSError, KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(
                f"{path} cannot be read ({str(error).splitlines()[0]}); expected {', '.join(extensions)} "
                "of a product of `tsoar run`: repeat the run"
            ) from None


def native(array: NDArray[Any]) -> NDArray[Any]:
    """The machine's byte order; FITS has the other one."""
    return np.asarray(array).astype(array.dtype.newbyteorder("="), copy=False)


def dataset(path: Path, truth: Truth, names: tuple[str, ...]) -> xr.Dataset:
    """A netCDF product, opened; its integrations, orders and columns are the truth's.

    Raises
    ------
    InputError
        When it cannot be read, lacks a variable or has other dimensions.
    """
    try:
        data = xr.open_dataset(path, engine="h5netcdf", decode_times=False)
    except (OSError, ValueError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path} cannot be read ({why}); expected what `tsoar run` wrote: repeat the run") from None
    absent = [name for name in (*names, "order") if name not in data.variables]
    if absent:
        data.close()
        raise InputError(f"{path} has no {', '.join(absent)}; expected what `tsoar run` wrote: repeat the run")
    sizes = {"integration": truth.integrations, "column": truth.shape[1]}
    for name, size in sizes.items():
        if data.sizes.get(name) != size:
            got = data.sizes.get(name)
            data.close()
            raise InputError(
                f"{path} has {got} along {name}, the truth {truth.path} has {size}: "
                "give the truth.nc of the exposure this run was made from"
            )
    if "time" in data.variables:
        apart = float(np.nanmedian(np.abs(data["time"].values - truth.time)))
        if apart > FAR_APART:
            data.close()
            raise InputError(
                f"{path} lies {apart:.1f} d from the times of the truth {truth.path}: another exposure's; "
                "give the truth.nc of the exposure this run was made from"
            )
    return data
