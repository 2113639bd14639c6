"""The field's pipeline (`jwst`) on simulated files, offline: its own steps and defaults, reference files of ours.

Wherever a step, or a step inside a step, asks the observatory's server for a reference file, it gets the file of that
type from the exposure's folder, or "N/A" where there is none; that is what ``override_<type>`` does, one level deep.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.clock import timed

STEPS = (
    ("dq_init", "DQInitStep"),
    ("saturation", "SaturationStep"),
    ("superbias", "SuperBiasStep"),
    ("refpix", "RefPixStep"),
    ("linearity", "LinearityStep"),
    ("dark_current", "DarkCurrentStep"),
    ("jump", "JumpStep"),
    ("clean_flicker_noise", "CleanFlickerNoiseStep"),
    ("ramp_fitting", "RampFitStep"),
)
FLICKER = {
    "background_method": "median_image",
    "mask_science_regions": True,
    "n_sigma": 0.0,
    "skip": False,
}
"""the setting its author names for SOSS (spacetelescope/jwst issue 9577)"""


def references_of(folder: str) -> dict[str, str]:
    """Type -> file."""
    return {path.name.split("_")[2].removesuffix(".fits").removesuffix(".asdf"): str(path) for path in Path(folder).iterdir()}


def offline(references: dict[str, str]) -> None:
    """No server: reference files come from ``references``, parameters are the code's defaults."""
    from jwst.stpipe import Step

    def get_reference_file(self: Any, input_file: Any, kind: str) -> str:
        return references.get(kind, "N/A")

    Step.get_reference_file = get_reference_file
    Step.get_config_from_reference = classmethod(lambda cls, *args, **kwargs: {})


def detector1(
    uncal: str,
    refs: str,
    flicker: bool = False,
    out: str | None = None,
    cores: str = "1",
) -> dict[str, Any]:
    """The detector stage on one file: seconds of every step and of all; with ``out`` the products are written.

    ``cores`` is what jump and ramp_fitting are given as maximum_cores.
    """
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    import importlib

    from stdatamodels.jwst import datamodels

    known = references_of(refs)
    if flicker:
        known |= made_up(Path(refs).parent / "field")
    offline(known)
    steps = {package: getattr(importlib.import_module(f"jwst.{package}"), name) for package, name in STEPS}
    each: dict[str, list[float]] = {}
    total: dict[str, list[float]] = {}
    with timed(total):
        model = datamodels.RampModel(uncal)
        for package, step in steps.items():
            if package == "clean_flicker_noise" and not flicker:
                continue
            instance = step(**FLICKER) if package == "clean_flicker_noise" else step()
            if package in ("jump", "ramp_fitting"):
                instance.maximum_cores = cores
            with timed(each, f"{package} "):
                model = instance.process(model)
            if package == "clean_flicker_noise" and model.meta.cal_step.clean_flicker_noise != "COMPLETE":
                raise SystemExit("clean_flicker_noise was skipped")
        rate, cube = model
    written: dict[str, list[float]] = {}
    if out is not None:
        with timed(written):
            folder = Path(out) / "rateints"
            folder.mkdir(parents=True, exist_ok=True)
            stem = Path(uncal).name.removesuffix("_uncal.fits")
            cube.save(str(folder / f"{stem}_rateints.fits"))
            rate.save(str(Path(out) / "rate.fits"))
    return {"seconds": total, "steps": each, "written": written}


def made_up(folder: Path) -> dict[str, str]:
    """The two reference files that clean_flicker_noise needs beyond the detector's: where the traces are, and the sky.

    Made from the tables tsoar is packaged with (published traces and wavelengths, STScI's sky template).
    """
    from stdatamodels.jwst import datamodels

    from tsoar.soss.tables import of_order
    from tsoar.soss.wavelength import ORDER_1, ORDER_2

    folder.mkdir(exist_ok=True)
    files = {"pastasoss": str(folder / "pastasoss.asdf"), "bkg": str(folder / "bkg.fits")}
    if not Path(files["pastasoss"]).exists():
        model = datamodels.PastasossModel()
        model.meta.pwcpos_cmd, model.meta.pwcpos_bounds = 245.76, [245.51, 246.01]
        model.meta.soss_xdim, model.meta.soss_ydim, model.meta.subarray_ymin = 2048, 300, 2048 - 256
        model.meta.wavemap_wlmin, model.meta.wavemap_wlmax, model.meta.wavemap_nwl = 0.5, 5.5, 5001
        model.meta.order2_separation_cutoff = [0.77, 0.95]
        for order, known in ((1, ORDER_1), (2, ORDER_2)):
            table = of_order("soss_traces", order)
            x = np.arange(table["x"].min(), min(table["x"].max(), 2047) + 1.0)
            y = np.interp(x, table["x"], table["y"])
            inside = (y > 0) & (y < 256)
            model.traces.append(
                {
                    "spectral_order": order,
                    "trace": np.column_stack([x, y])[inside],
                    "pivot_x": 1024.0,
                    "pivot_y": float(np.interp(1024.0, x, y)),
                    "cutoff": 2048,
                    "oversampling": 1,
                    "short_cutoff": 0.6,
                }
            )
            model.wavecal_models.append(
                {
                    "spectral_order": order,
                    "polynomial_degree": known.degree,
                    "coefficients": np.array(known.coefficients),
                    "coefficient_labels": "1 x y x2 xy y2 ...",
                    "scale_extents": np.array(
                        [[known.column[0], known.angle[0]], [known.column[1], known.angle[1]]], np.float64
                    ),
                }
            )
        model.save(files["pastasoss"])
    if not Path(files["bkg"]).exists():
        from tsoar.blocks import Readout
        from tsoar.soss.background import sky_template

        sky = sky_template(Readout("SUBSTRIP256", (256, 2048), (1, 1793), 2, 5.494, 5.494))
        datamodels.SossBkgModel(data=sky[None].astype(np.float32)).save(files["bkg"])
    return files
