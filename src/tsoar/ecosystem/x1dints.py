"""Tables of spectra as the observatory writes them, from a finished run (what `tsoar run --save x1dints` writes)."""

from __future__ import annotations

from pathlib import Path

from tsoar.errors import InputError, TsoarError
from tsoar.io import datasets, rateints
from tsoar.io.exposure import Exposure, open_exposure


def write(folder: Path, out: Path) -> list[Path]:
    """``<exposure>_nis_x1dints.fits``; headers and times come from the run's slope images, or from its inputs.

    Raises
    ------
    InputError
        When neither is there any more.
    """
    exposure = exposure_of(folder)
    spectra = datasets.open_dataset(folder / "spectra.nc")
    if spectra.sizes["integration"] != exposure.n_integrations:
        raise InputError(
            f"{folder / 'spectra.nc'}: {spectra.sizes['integration']} integrations, its exposure has "
            f"{exposure.n_integrations}; expected the folder of one finished run"
        )
    path = out / f"{exposure.stem}_nis_x1dints.fits"
    with exposure:
        rateints.write_x1dints(path, exposure, spectra)
    return [path]


def exposure_of(folder: Path) -> Exposure:
    """The exposure a run was made of: by its slope images, else by the files run.json names."""
    slopes = sorted((folder / "rateints").glob("*_rateints.fits"))
    run = datasets.read_json(folder / "run.json")
    named = [Path(p) for p in run.get("performance", {}).get("files", {}).get("inputs", [])]
    for paths in (slopes, named):
        if paths and all(p.exists() for p in paths):
            try:
                return open_exposure(paths)
            except TsoarError as error:
                raise InputError(f"{folder}: its exposure cannot be opened again: {error}") from error
    raise InputError(
        f"{folder}: neither its slope images (rateints/) nor its input files are there, so headers and times are not known; "
        "run again with --save x1dints"
    )
