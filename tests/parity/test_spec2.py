"""What follows in the field's pipeline takes our slope files: data models, assign_wcs, srctype.

extract_1d is not run: it needs three reference files (pastasoss, specprofile, speckernel) that come from the observatory alone.
"""

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tests.parity import field
from tests.sim.conftest import SMALL
from tsoar.blocks import Readout
from tsoar.io.rateints import segment_path
from tsoar.sim import scenario, simulate
from tsoar.soss.subarrays import SUBARRAYS
from tsoar.soss.wavelength import wavelengths

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(theirs, ours, folder): rateints of the same exposure."""
    field.needed()
    folder = tmp_path_factory.mktemp("spec2")
    made = simulate(scenario(values=SMALL | {"exposure.segments": 1}), folder)
    references = {f.name.split("_")[2]: f for f in made.references.iterdir()}
    exposure = tsoar.open(made.segments)
    tsoar.run(exposure, tsoar.references(made.references), out=folder / "out", config=tsoar.load_config(like="jwst"))
    model = field.ramp_model(made.segments[0])
    for name in list(field.STEPS)[:7]:
        model = field.run_step(name, model, references)
    _, rateints = field.run_step("ramp_fit", model, references)
    with field.quiet():
        rateints.save(str(folder / "theirs_rateints.fits"))
    return folder / "theirs_rateints.fits", segment_path(exposure, 0, folder / "out" / "rateints"), folder


def specwcs(path):
    """A stand-in for the wavelength reference: one table an order, wavelength by column."""
    import asdf
    from astropy.modeling.models import Mapping, Tabular1D

    sub = SUBARRAYS["SUBSTRIP256"]  # where all orders are
    waves = wavelengths(Readout("SUBSTRIP256", sub.shape, sub.corner, 2, sub.tframe, sub.tframe))
    tree = {}
    for order in (1, 2, 3):
        known = np.flatnonzero(np.isfinite(waves[order - 1]))
        wave = np.interp(np.arange(2048), known, waves[order - 1][known])
        tree[order] = Mapping((1,), n_inputs=2) | Tabular1D(np.arange(2048), wave, bounds_error=False, fill_value=np.nan)
    asdf.AsdfFile(tree).write_to(path)
    return path


def test_same_keywords_where_it_matters(files):
    theirs, ours, _ = files
    with fits.open(theirs) as a, fits.open(ours) as b:
        names = ["SCI", "ERR", "DQ", "INT_TIMES", "VAR_POISSON", "VAR_RNOISE"]
        for name in names:
            assert name in a and name in b
            if name != "INT_TIMES":
                assert field.same(a[name].data, b[name].data).all(), name
        status = [k for k in a[0].header if k.startswith("S_") and a[0].header[k] == "COMPLETE" and k != "S_GRPSCL"]
        assert {k: b[0].header.get(k) for k in status} == dict.fromkeys(status, "COMPLETE")
        for key in ("TELESCOP", "EXP_TYPE", "SUBARRAY", "FILTER", "PUPIL", "PWCPOS", "NINTS", "NGROUPS", "TGROUP", "TARG_RA"):
            assert a[0].header[key] == b[0].header[key], key
        np.testing.assert_array_equal(a["INT_TIMES"].data["int_mid_BJD_TDB"], b["INT_TIMES"].data["int_mid_BJD_TDB"])


def test_assign_wcs_and_srctype(files):
    theirs, ours, folder = files
    from jwst.assign_wcs import AssignWcsStep
    from jwst.srctype import SourceTypeStep
    from stdatamodels.jwst import datamodels

    reference = str(specwcs(folder / "specwcs.asdf"))
    results = []
    with field.quiet():
        for path in (theirs, ours):
            with datamodels.open(str(path)) as model:
                assert type(model).__name__ == "CubeModel"
                step = AssignWcsStep()
                for kind in step.reference_file_types:
                    setattr(step, f"override_{kind}", reference if kind == "specwcs" else "N/A")
                out = SourceTypeStep().process(step.process(model))
                assert out.meta.cal_step.assign_wcs == "COMPLETE"
                assert out.meta.cal_step.srctype == "COMPLETE"
                results.append((out.meta.wcs.forward_transform(1000.0, 40.0, 1), out.meta.target.source_type, out.data.copy()))
    (wcs, kind, data), (wcs_ours, kind_ours, data_ours) = results
    np.testing.assert_array_equal(wcs, wcs_ours)
    assert 1.5 < wcs[-1] < 2.2 and kind == kind_ours == "POINT"
    assert field.same(data, data_ours).all()
