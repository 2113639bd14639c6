"""`tsoar.export`: a finished run in the format of another program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from tsoar.ecosystem import chromatic, eureka, exotedrf, juliet, lightcurves, x1dints
from tsoar.errors import ConfigError

Target = Literal["chromatic", "eureka", "juliet", "exotedrf", "x1dints"]


def export(
    run: Any,
    to: Target,
    *,
    out: str | os.PathLike[str] | None = None,
    resolution: float | None = None,
    orders: Sequence[int] | None = None,
    author: str = "",
    contact: str = "",
) -> list[Path]:
    """Write a run's spectra and light curves as another program reads them.

    Parameters
    ----------
    run : what `tsoar.run` returned, or the folder of a run.
    to : "chromatic": netCDF that `chromatic.read_rainbow` opens; "eureka": HDF5 as Eureka! stages 3 and 4 leave it;
        "juliet": text, white light and a file a bin; "exotedrf": FITS that exoTEDRF's driver of exoUPRF reads; "x1dints":
        the observatory's tables.
    out : folder for the files; by default ``export/<to>`` inside the run's.
    resolution : bins of this resolving power; columns as they are without.
    orders : of the spectra; 1 and 2, or 1 alone where order 2 has no light.
    author, contact : written into chromatic's files, which want them.

    Returns
    -------
    Paths of the files written.

    Raises
    ------
    TsoarError
        For anything the user can mend (one line each).
    """
    if to not in get_args(Target):
        raise ConfigError(f"export to {to!r}: expected one of {', '.join(get_args(Target))}")
    folder = Path(getattr(run, "out", run))
    place = folder / "export" / to if out is None else Path(out)
    if to == "x1dints":
        if resolution is not None or orders is not None:
            raise ConfigError("x1dints: holds every order by column; leave --resolution and --order out")
        return x1dints.write(folder, place)
    observed = lightcurves.read(folder, None if orders is None else tuple(orders), resolution)
    if to == "chromatic":
        return chromatic.write(observed, place, author, contact)
    if to == "eureka":
        return eureka.write(observed, place)
    if to == "juliet":
        return juliet.write(observed, place)
    return exotedrf.write(observed, place, binned=resolution is not None)
