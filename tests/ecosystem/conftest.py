"""The folder of a finished run, by hand: spectra of a transit, light curves, white light, run.json."""

import json

import numpy as np
import pytest

from tests.synthetic import make_spectra
from tsoar.config import Config, to_dict
from tsoar.io import datasets
from tsoar.series.lightcurves import light_curves
from tsoar.series.white import white_light

N = 12


def record(**changes):
    """A run.json of the default chain."""
    steps = ["dq_init", "saturation", "superbias", "refpix", "linearity", "dark_current", "one_over_f", "jump", "ramp_fit"]
    return {
        "tsoar": "0.1.0",
        "exposure": "jw00001001001_04101_00001",
        "target": "WASP-39 b",
        "kind": "uncal",
        "references": [{"type": "mask", "file": "jwst_niriss_mask_0017.fits", "pedigree": "INFLIGHT 2022-01-01 2022-06-01"}],
        "config": to_dict(Config()),
        "options": {"baseline": None, "products": "all", "save": [], "only_through": None},
        "steps": [*steps, "motion", "extract", "clean"],
        "settings": "0123456789abcdef",
        "versions": {"tsoar": "0.1.0", "python": "3.11.7", "numpy": "2.4.6", "scipy": "1.17.1", "numba": "0.68.1"},
    } | changes


def write_run(folder, spectra, **changes):
    outside = np.ones(spectra.sizes["integration"], bool)
    outside[4:8] = False
    folder.mkdir(exist_ok=True)
    datasets.write_dataset(spectra, folder / "spectra.nc")
    datasets.write_dataset(light_curves(spectra, outside), folder / "lightcurves.nc")
    datasets.write_table(white_light(spectra, outside), folder / "white_light.ecsv")
    (folder / "run.json").write_text(json.dumps(record(**changes)))
    return folder


@pytest.fixture(scope="session")
def spectra():
    made = make_spectra(seed=3, n=N)
    made = made.assign(shift=(("integration", "order"), np.full((N, 3), 0.01)))
    made["valid"][2, 0, 1000] = 0
    return made.assign_attrs(radius=15.0)


@pytest.fixture(scope="session")
def finished(tmp_path_factory, spectra, tiny):
    """A run whose inputs are the tiny exposure of 12 integrations."""
    files = {"files": {"inputs": [str(p) for p in tiny.uncal]}}
    return write_run(tmp_path_factory.mktemp("finished") / "out", spectra, performance=files)
