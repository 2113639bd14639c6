"""The field's pipeline takes simulated files as they are."""

import warnings

import numpy as np
import pytest

from tests.sim.conftest import SMALL
from tsoar.sim import scenario, simulate

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

STEPS = (
    ("dq_init", "DQInitStep", ("mask",)),
    ("saturation", "SaturationStep", ("saturation", "superbias")),
    ("superbias", "SuperBiasStep", ("superbias",)),
    ("refpix", "RefPixStep", ()),
    ("linearity", "LinearityStep", ("linearity",)),
    ("dark_current", "DarkCurrentStep", ("dark",)),
    ("jump", "JumpStep", ("gain", "readnoise")),
)


@pytest.fixture(scope="module", params=["SUBSTRIP96", "SUBSTRIP256"])
def made(request, tmp_path_factory):
    s = scenario(values=SMALL | {"exposure.subarray": request.param, "exposure.segments": 1})
    return simulate(s, tmp_path_factory.mktemp("exposure"))


def run(step, model, references):
    """A step of the pipeline without the observatory's server: its own code, its own defaults, our reference files."""
    instance = step()
    for kind, path in references.items():
        setattr(instance, f"override_{kind}", path)
    return instance.process(model)


@pytest.mark.filterwarnings("error:.*not an allowed value.*:")
def test_every_detector_step_completes(made):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import jwst.dark_current
        import jwst.dq_init
        import jwst.jump
        import jwst.linearity
        import jwst.ramp_fitting
        import jwst.refpix
        import jwst.saturation
        import jwst.superbias
        from stdatamodels.jwst import datamodels

    refs = {f.name.split("_")[2]: str(f) for f in made.references.iterdir()}
    assert len(refs) == 7
    with datamodels.open(made.segments[0]) as level_1b:
        assert type(level_1b).__name__ == "Level1bModel"
    model = datamodels.RampModel(made.segments[0])
    for package, step, needed in STEPS:
        model = run(getattr(getattr(jwst, package), step), model, {kind: refs[kind] for kind in needed})
    status = model.meta.cal_step
    for name in ("dq_init", "saturation", "superbias", "refpix", "linearity", "dark_sub", "jump"):
        assert getattr(status, name) == "COMPLETE", name
    _, cube = run(jwst.ramp_fitting.RampFitStep, model, {kind: refs[kind] for kind in ("gain", "readnoise")})
    assert cube.meta.cal_step.ramp_fit == "COMPLETE"
    assert list(cube.int_times["integration_number"]) == [1, 2, 3]

    # and what comes out is the light that went in
    import xarray as xr

    with xr.open_dataset(made.truth) as truth:
        expected = (truth.star_image * truth.light_curve.isel(integration=0)).sum("order") + truth.sky_image
        bright = (expected.values > 300) & ~truth.bad.values & (truth.mask.values == 0)
        assert bright.sum() > 500
        ratio = np.nanmedian(cube.data[0][bright] / expected.values[bright])
    assert ratio == pytest.approx(1, abs=0.02)
