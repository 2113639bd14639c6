"""exoTEDRF's own functions on given arrays: time-domain jumps, 1/f, bad pixels, box extraction. Imports nothing of tsoar.

Run by the Python of its own environment: python -P benchmarks/exo.py FOLDER
FOLDER holds ramps.fits (calibrated ramps: SCI, PIXELDQ, GROUPDQ), gain.fits, readnoise.fits and traces.npz (row of orders
1 to 3 by column, sky); spectra.npz and seconds.json are left there.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
import time
import warnings
from pathlib import Path

import numpy as np

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
np.seterr(all="ignore")


def main(folder: Path) -> None:
    """Ramps to spectra; defaults of exoTEDRF's configuration for SOSS."""
    with contextlib.redirect_stdout(io.StringIO()):
        from exotedrf import stage1, stage2, stage3
        from jwst.ramp_fitting import RampFitStep
        from jwst.stpipe import Step
        from stdatamodels.jwst import datamodels

    references = {kind: str(folder / f"{kind}.fits") for kind in ("gain", "readnoise")}
    Step.get_reference_file = lambda self, model, kind: references.get(kind, "N/A")
    seconds = {}

    def timed(name, call, *args, **kwargs):
        start = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            out = call(*args, **kwargs)
        seconds[name] = {"wall": time.perf_counter() - start[0], "cpu": time.process_time() - start[1]}
        return out

    ramps = str(folder / "ramps.fits")
    known = np.load(folder / "traces.npz")
    sky, tgroup = known["sky"], float(known["tgroup"])
    x = np.arange(known["traces"].shape[1])
    last = [int(np.flatnonzero(np.isfinite(row))[-1]) + 1 for row in known["traces"]]
    centroids = {"xpos": x}
    for k in range(3):
        centroids[f"ypos o{k + 1}"] = known["traces"][k, : last[k]]
    with datamodels.open(ramps) as model:
        cube = model.data
        groups = np.arange(1, cube.shape[1] + 1)[:, None, None]
        background = (sky * tgroup * groups).astype(np.float32)
        model.data = cube - background  # the step puts it back
        deep = timed("deep stack", np.nanmedian, model.data, axis=0)
        model.save(str(folder / "dark.fits"))
    ramps = str(folder / "dark.fits")
    options = {"background": background, "centroids": centroids, "method": "achromatic", "fileroot": "x_"}
    first, _ = timed("1/f", stage1.oneoverfstep_scale, ramps, deep, output_dir=str(folder) + "/", **options)
    second = timed("jumps in time", stage1.jumpstep_in_time, first, fileroot="x_", output_dir=str(folder) + "/")
    with datamodels.open(second) as model:
        _, slopes = timed("ramp fit (jwst)", RampFitStep().process, model)
        slopes.data = slopes.data - sky.astype(np.float32)
        slopes.dq[np.isnan(slopes.data)] |= 1
        frame = np.nanmedian(slopes.data, axis=0)
        result, _ = timed("bad pixels", stage2.badpixstep, slopes, frame, save_results=False, output_dir=None, to_flag=None)
    flux, error = [], []
    for k in (1, 2):
        rows = centroids[f"ypos o{k}"]
        f, e = timed(
            f"box, order {k}",
            stage3.do_box_extraction,
            result.data,
            result.err,
            rows,
            30,
            extract_end=len(rows),
            progress=False,
        )
        flux.append(f)
        error.append(e)
    np.savez(folder / "spectra.npz", flux=np.array(flux), error=np.array(error), columns=np.array(last[:2]))
    (folder / "seconds.json").write_text(json.dumps(seconds))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
