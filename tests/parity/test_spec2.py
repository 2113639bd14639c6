"""What follows in the field's pipeline takes our slope files: data models, assign_wcs, srctype, extract_1d.

With references made up here (`soss_references`), as the observatory's are not at hand.
"""

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tests.parity import field, soss_references
from tests.sim.conftest import SMALL
from tsoar.io.rateints import segment_path
from tsoar.sim import scenario, simulate

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(theirs, ours, folder): rateints of the same exposure."""
    field.needed()
    folder = tmp_path_factory.mktemp("spec2")
    small = {"exposure.segments": 1, "exposure.subarray": "SUBSTRIP256", "exposure.nints": 2}
    made = simulate(scenario(values=SMALL | small), folder)
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


def through_spec2(path, references):
    """assign_wcs, srctype and extract_1d of one slope file: their results."""
    from jwst.assign_wcs import AssignWcsStep
    from jwst.extract_1d import Extract1dStep
    from jwst.srctype import SourceTypeStep
    from stdatamodels.jwst import datamodels

    with field.quiet(), datamodels.open(str(path)) as model:
        assert type(model).__name__ == "CubeModel"
        wcs, extract = AssignWcsStep(), Extract1dStep()
        for step in (wcs, extract):
            for kind in step.reference_file_types:
                setattr(step, f"override_{kind}", references.get(kind, "N/A"))
        extract.soss_atoca = False  # a box; the disentangling needs the real profiles
        cube = SourceTypeStep().process(wcs.process(model))
        assert cube.meta.cal_step.assign_wcs == cube.meta.cal_step.srctype == "COMPLETE"
        return cube, extract.process(cube)


def test_spec2_takes_our_files(files):
    theirs, ours, folder = files
    made = {k: getattr(soss_references, k)(folder / f"{k}.asdf") for k in ("specwcs", "pastasoss")}
    made |= {k: getattr(soss_references, k)(folder / f"{k}.fits") for k in ("specprofile", "speckernel")}
    (cube, spectra), (our_cube, our_spectra) = (through_spec2(path, made) for path in (theirs, ours))
    wave = [c.meta.wcs.forward_transform(1000.0, 40.0, 1)[-1] for c in (cube, our_cube)]
    assert wave[0] == wave[1] and 1.5 < wave[0] < 2.2
    assert cube.meta.target.source_type == our_cube.meta.target.source_type == "POINT"
    assert spectra.meta.cal_step.extract_1d == our_spectra.meta.cal_step.extract_1d == "COMPLETE"
    assert len(spectra.spec) == len(our_spectra.spec) == 3
    for a, b in zip(spectra.spec, our_spectra.spec, strict=True):
        for name in ("WAVELENGTH", "FLUX", "FLUX_ERROR"):
            assert field.same(a.spec_table[name], b.spec_table[name]).all(), name
        assert np.nanmedian(a.spec_table["FLUX"]) > 0
        np.testing.assert_array_equal(a.spec_table["MJD-AVG"], b.spec_table["MJD-AVG"])
