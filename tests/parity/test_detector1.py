"""The whole detector stage: files of `tsoar run --like jwst` beside those of jwst's Detector1 steps."""

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tests.parity import field
from tests.parity.awkward import awkward_exposure
from tsoar.io.rateints import segment_path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PLANES = ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE")
NAMES = {"SCI": "data", "ERR": "err", "DQ": "dq", "VAR_POISSON": "var_poisson", "VAR_RNOISE": "var_rnoise"}
ARCHIVE = {  # the jump step as recorded for SOSS (detector.md, section 5)
    "rejection_threshold": 6.0,
    "flag_4_neighbors": False,
    "after_jump_flag_dn1": 1000.0,
    "after_jump_flag_time1": 90.0,
}
ARCHIVE_OURS = ("jump.threshold=6.0", "jump.neighbours=inf", "field_jump.after_dn1=1000.0", "field_jump.after_time1=90.0")


def detector1(path, references, jump=None):
    """rate and rateints models of the field's steps."""
    model = field.ramp_model(path)
    for name in ("dq_init", "saturation", "superbias", "refpix", "linearity", "dark_current"):
        model = field.run_step(name, model, references)
    model = field.run_step("jump", model, references, **(jump or {}))
    rate, rateints = field.run_step("ramp_fit", model, references)
    return field.run_step("gain_scale", rate, references), field.run_step("gain_scale", rateints, references)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return awkward_exposure(tmp_path_factory.mktemp("awkward"), "SUBSTRIP96", 7, 6, segments=2)


@pytest.fixture(scope="module")
def run(made, tmp_path_factory):
    out = tmp_path_factory.mktemp("like")
    refs = tsoar.references(made.references["mask"].parent)
    exposure = tsoar.open(made.segments)
    tsoar.run(exposure, refs, out=out, config=tsoar.load_config(like="jwst"))
    return out, exposure


def compare(path, model):
    """Number of differing values by extension."""
    with fits.open(path) as hdus:
        out = {}
        for name in PLANES:
            mine, theirs = hdus[name].data, np.asarray(getattr(model, NAMES[name]))
            assert mine.shape == theirs.shape
            out[name] = int((~field.same(mine.astype(theirs.dtype), theirs)).sum())
    return out


def test_every_file_to_the_last_bit(made, run):
    field.needed()
    out, exposure = run
    for number, path in enumerate(made.segments):
        rate, rateints = detector1(path, made.references)
        assert not any(compare(segment_path(exposure, number, out / "rateints"), rateints).values())
        assert not any(compare(segment_path(exposure, number, out / "rateints", "rate"), rate).values())
        assert (rateints.dq & 4 > 0).sum() > 3000 and np.isnan(rateints.data).sum() > 1000


def test_rate_of_an_exposure_in_one_file(made, tmp_path):
    """With a single file the run's rate.fits is the field's rate; here with the parameters recorded for the archive."""
    field.needed()
    exposure, refs = tsoar.open(made.segments[:1], allow_missing=True), tsoar.references(made.references["mask"].parent)
    config = tsoar.load_config(like="jwst", overrides=ARCHIVE_OURS)
    tsoar.run(exposure, refs, out=tmp_path, config=config)
    rate, rateints = detector1(made.segments[0], made.references, ARCHIVE)
    assert not any(compare(tmp_path / "rate.fits", rate).values())
    assert not any(compare(segment_path(exposure, 0, tmp_path / "rateints"), rateints).values())


def test_strips_do_not_matter(made, run, tmp_path, monkeypatch):
    """Strips of a single row, and one thread, give the same bytes."""
    from tsoar.reduce import field as by_file

    monkeypatch.setattr(by_file, "BUDGET", 1)
    out, exposure = run
    refs = tsoar.references(made.references["mask"].parent)
    tsoar.run(exposure, refs, out=tmp_path, config=tsoar.load_config(like="jwst"), workers=1)
    for file in ("rate.fits", "spectra.nc", *(f"rateints/{f.name}" for f in (out / "rateints").iterdir())):
        assert (tmp_path / file).read_bytes() == (out / file).read_bytes(), file


def test_gain_factor(made, tmp_path):
    """GAINFACT of the gain reference scales slopes and errors, as the field's gain_scale."""
    field.needed()
    path = tmp_path / made.references["gain"].name
    with fits.open(made.references["gain"], memmap=False) as hdus:
        hdus[0].header["GAINFACT"] = 1.23
        hdus.writeto(path)
    exposure = tsoar.open(made.segments[:1], allow_missing=True)
    refs = tsoar.references(made.references["mask"].parent, gain=path)
    tsoar.run(exposure, refs, out=tmp_path / "out", config=tsoar.load_config(like="jwst"), only_through="ramp_fit")
    rate, rateints = detector1(made.segments[0], made.references | {"gain": path})
    assert not any(compare(segment_path(exposure, 0, tmp_path / "out" / "rateints"), rateints).values())
    assert not any(compare(segment_path(exposure, 0, tmp_path / "out" / "rateints", "rate"), rate).values())


def test_jumps_can_be_saved(made, run, tmp_path):
    """--save jump writes the ramps after the field's jump step."""
    field.needed()
    exposure, refs = tsoar.open(made.segments[:1], allow_missing=True), tsoar.references(made.references["mask"].parent)
    tsoar.run(exposure, refs, out=tmp_path, config=tsoar.load_config(like="jwst"), only_through="jump")
    model = field.ramp_model(made.segments[0])
    for name in ("dq_init", "saturation", "superbias", "refpix", "linearity", "dark_current", "jump"):
        model = field.run_step(name, model, made.references)
    with fits.open(segment_path(exposure, 0, tmp_path, "jump")) as hdus:
        np.testing.assert_array_equal(hdus["GROUPDQ"].data, model.groupdq)
        np.testing.assert_array_equal(hdus["PIXELDQ"].data, model.pixeldq)
        assert field.same(hdus["SCI"].data, model.data).all()
