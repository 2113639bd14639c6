"""What every chain makes of the same exposure, held against the truth by `tsoar.score`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

CHAINS = ("jwst", "jwst, clean_flicker_noise", "tsoar --like jwst", "tsoar --like tutorial", "tsoar")
ROWS = {
    "jumps: found, 3-6 sigma": "hits of 3-6 sigma found [%]",
    "jumps: found, 6-10 sigma": "6-10 sigma [%]",
    "jumps: found, above 10 sigma": "above 10 sigma [%]",
    "jumps: false flags": "false flags [% of good ramps]",
    "slopes: bias, faint (<10 DN/s)": "bias of faint slopes [%]",
    "slopes: chi2/dof, faint (<10 DN/s)": "chi2 of faint slopes",
    "scatter: order 1: over the limit of the box": "scatter of columns over limit, order 1",
    "scatter: order 2: over the limit of the box": "order 2",
    "sensitivity: order 1": "sensitivity, order 1",
    "sensitivity: order 2": "order 2 ",
    "white light: order 1: RMS over limit": "white light over limit, order 1",
    "white light: order 2: RMS over limit": "order 2  ",
    "planet: order 1: scatter of depths over limit": "scatter of depths over limit, order 1",
    "planet: order 2: scatter of depths over limit": "order 2   ",
    "planet: order 1: chi2/N": "chi2/N of depths, order 1",
    "planet: order 2: chi2/N": "order 2    ",
}
"""what is shown of the score, and how the table calls it"""


def reduce(who: str, uncal: list[str], refs: str, folder: str, workers: int) -> dict[str, Any]:
    """Products of one chain in ``folder``. The field's slopes become spectra by tsoar, 1/f on slopes left out."""
    from benchmarks import field, stage

    if not who.startswith("jwst"):
        like = who.partition("--like ")[2] or None
        return stage.run(uncal, refs, folder, workers, like)

    def slopes() -> list[str]:
        return [str(p) for p in sorted((Path(folder) / "rateints").glob("*_rateints.fits"))]

    if not slopes():  # else the detector stage was run before
        for path in uncal:
            field.detector1(path, refs, flicker="clean_flicker_noise" in who, out=folder)
    return stage.run(slopes(), None, folder, workers, products="spectra", skip=["one_over_f"])


def score(folder: str, truth: str) -> dict[str, Any]:
    """The chosen rows of the score; jumps by the flags of their ramp, for all alike."""
    from tsoar.scoring import score as held_against

    found = {row.label: row.value for row in held_against(folder, truth).rows}
    return {"rows": {label: found.get(label) for label in ROWS}}


def for_exotedrf(uncal: list[str], refs: str, folder: str) -> dict[str, Any]:
    """Calibrated ramps, references and traces in files that exoTEDRF can start from."""
    import shutil

    import tsoar
    from benchmarks.field import references_of
    from tsoar.config import load
    from tsoar.soss.background import sky_template
    from tsoar.soss.traces import expected_traces

    exposure = tsoar.open(uncal)
    tsoar.run(exposure, tsoar.references(refs), out=folder, config=load(), only_through="dark_current")
    (made,) = Path(folder).rglob("*_dark_current.fits")
    shutil.move(made, Path(folder) / "ramps.fits")
    known = references_of(refs)
    for kind in ("gain", "readnoise"):
        shutil.copyfile(known[kind], Path(folder) / f"{kind}.fits")
    readout = exposure.readout
    sky = 0.92 * sky_template(readout)  # the scale the scenario puts in
    np.savez(Path(folder) / "traces.npz", traces=expected_traces(readout), sky=sky, tgroup=readout.tgroup)
    return {}


def of_exotedrf(folder: str, truth: str) -> dict[str, Any]:
    """exoTEDRF's spectra in tsoar's layout, scored; seconds of its steps per integration."""
    import xarray as xr

    from tsoar.io.datasets import write_dataset

    found = np.load(Path(folder) / "spectra.npz")
    out = Path(folder) / "scored"
    out.mkdir()
    with xr.open_dataset(truth, decode_times=False) as true:
        wavelength, time = true["wavelength"].values, true["time"].values
    flux, error = (found[name].transpose(1, 0, 2) for name in ("flux", "error"))
    x = np.arange(flux.shape[-1])
    valid = (x < found["columns"][:, None]) & (x > 4) & (x < flux.shape[-1] - 5) & np.isfinite(flux) & (error > 0)
    dims = ("integration", "order", "column")
    data = {
        "flux": (dims, flux),
        "flux_err": (dims, error),
        "valid": (dims, valid.astype(np.uint8)),
        "wavelength": (("order", "column"), wavelength[:2]),
        "time": (("integration",), time),
    }
    write_dataset(xr.Dataset(data, {"order": [1, 2], "column": x}), out / "spectra.nc")
    steps = json.loads((Path(folder) / "seconds.json").read_text())
    n = flux.shape[0]
    return score(str(out), truth) | {"steps": {name: {k: v / n for k, v in times.items()} for name, times in steps.items()}}
