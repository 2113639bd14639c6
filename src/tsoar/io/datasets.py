"""Products as files: netCDF, ECSV, JSON, text; each written beside its final name and renamed when whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table

from tsoar.errors import InputError, OutputError

LARGE = 10_000
"""arrays with more values than this are compressed"""

HDF5_OVERHEAD = 1 << 20
"""of a file beyond its arrays [bytes], rounded up"""


def trouble(path: Path, error: OSError) -> OutputError:
    """What to say when a product cannot be written."""
    reason = error.strerror or str(error)
    return OutputError(f"{path}: cannot be written ({reason}); free space or choose another folder with --out")


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A path to write to; it takes its final name when the block ends well and is removed when it does not.

    Raises
    ------
    OutputError
        For any OSError inside the block: no space, no permission.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        raise trouble(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def write_dataset(ds: xr.Dataset, path: Path) -> None:
    """A Dataset as netCDF-4 that ``xarray.open_dataset`` reads; the same Dataset gives the same bytes."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, variable in ds.variables.items():
        own: dict[str, Any] = {"_FillValue": None}
        if variable.size > LARGE:
            own |= {"zlib": True, "complevel": 1, "shuffle": True}
        encoding[str(name)] = own
    with atomic(path) as part:
        # HDF5 crashes (segmentation fault at exit) when the disk fills up under it: look for room first
        if shutil.disk_usage(path.parent).free < ds.nbytes + HDF5_OVERHEAD:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        ds.to_netcdf(part, engine="h5netcdf", encoding=encoding)


def open_dataset(path: Path) -> xr.Dataset:
    """A product, lazily; times stay numbers."""
    if not path.exists():
        raise InputError(f"{path}: not there; expected the folder of a finished run")
    try:
        return xr.open_dataset(path, engine="h5netcdf", decode_times=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as netCDF ({error})") from error


def write_table(table: Table, path: Path) -> None:
    """A table as ECSV, units and metadata included."""
    with atomic(path) as part:
        table.write(part, format="ascii.ecsv", overwrite=True)


def plain(value: Any) -> Any:
    """numpy values as JSON takes them; what is not finite becomes null."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)


def write_json(data: dict[str, Any], path: Path) -> None:
    """JSON, indented, in the order given."""
    write_text(json.dumps(plain(data), indent=1, allow_nan=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """A text file."""
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON product of a run."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected the folder of a finished run") from error
    return data


def allocate(fd: int, size: int) -> None:
    """Reserve disk space, so that a full disk shows before the work and not in the middle of it."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
    else:
        os.ftruncate(fd, size)
