"""The first six steps against jwst, each fed with what jwst's step before gave: flags and data bit for bit."""

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tests.parity import field
from tests.parity.awkward import awkward_exposure
from tsoar import config, detector

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
LIKE = config.load(like="jwst")
ORDER = ("dq_init", "saturation", "superbias", "refpix", "linearity", "dark_current")


@pytest.fixture(scope="module", params=["SUBSTRIP96", "SUBSTRIP256"])
def made(request, tmp_path_factory):
    return awkward_exposure(tmp_path_factory.mktemp("awkward"), request.param, 3 if request.param == "SUBSTRIP256" else 4)


def ours(name, ramps, references):
    """Our step with the settings of --like jwst."""
    cut = lambda kind: references.cut(kind, ramps.readout)  # noqa: E731
    if name == "refpix":
        return detector.refpix(ramps, LIKE.refpix)
    if name == "dark_current":
        return detector.dark_current(ramps, cut("dark"), LIKE.dark_current)
    kind = {"dq_init": "mask"}.get(name, name)
    return getattr(detector, name)(ramps, cut(kind))


def test_every_step_to_the_last_bit(made):
    field.needed()
    exposure, references = tsoar.open(made.segments), tsoar.references(made.references["mask"].parent)
    model = field.ramp_model(made.segments[0])
    for name in ORDER:
        before = field.as_ramps(model, exposure.readout)
        mine = ours(name, before, references)
        model = field.run_step(name, model, made.references)
        theirs = field.as_ramps(model, exposure.readout)
        np.testing.assert_array_equal(mine.pixeldq, theirs.pixeldq, name)
        np.testing.assert_array_equal(mine.groupdq, theirs.groupdq, name)
        assert field.same(mine.data, theirs.data).all(), (name, field.ulps(mine.data, theirs.data))
        if name not in ("dq_init", "saturation"):
            assert (mine.data != before.data).mean() > 0.5, name
    flagged = {bit: int((theirs.groupdq & bit > 0).sum()) for bit in (1, 2, 64)}
    assert min(flagged.values()) > 500, flagged
    for bit in (20, 21, 22, 23):
        assert (theirs.pixeldq >> bit & 1).sum() > 50


@pytest.mark.parametrize("keep", [2, 4])
def test_a_short_dark_goes_on_to_the_last_bit(made, keep, tmp_path):
    field.needed()
    short = shortened(made.references["dark"], tmp_path, keep)
    exposure = tsoar.open(made.segments)
    model = field.ramp_model(made.segments[0])
    before = field.as_ramps(model, exposure.readout)
    references = tsoar.references(made.references["mask"].parent, dark=short)
    mine = ours("dark_current", before, references)
    theirs = field.as_ramps(field.run_step("dark_current", model, made.references | {"dark": short}), exposure.readout)
    assert field.same(mine.data, theirs.data).all()
    np.testing.assert_array_equal(mine.pixeldq, theirs.pixeldq)


def shortened(path, folder, keep, **keywords):
    """A dark with its first groups only, and other keywords."""
    with fits.open(path, memmap=False) as hdus:
        hdus["SCI"].data = hdus["SCI"].data[:keep]
        if "ERR" in hdus:
            hdus["ERR"].data = hdus["ERR"].data[:keep]
        hdus[0].header["NGROUPS"] = keep
        hdus[0].header.update(keywords)
        hdus.writeto(folder / path.name, overwrite=True)
    return folder / path.name
