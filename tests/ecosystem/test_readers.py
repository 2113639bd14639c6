"""Exported files, opened by the other side's own readers (dependency groups ``export`` and ``parity``)."""

import warnings

import numpy as np
import pytest

import tsoar
from tsoar.ecosystem import lightcurves
from tsoar.units import MJD_OFFSET

pytestmark = pytest.mark.slow
R = 100


@pytest.fixture(scope="module")
def read_rainbow():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("chromatic").read_rainbow


@pytest.fixture(scope="module")
def one(finished):
    return lightcurves.read(finished, (1,), R).orders[0]


@pytest.mark.filterwarnings("ignore")  # chromatic speaks in warnings
def test_chromatic_reads_its_files(finished, tmp_path, read_rainbow, one):
    star, curves = (read_rainbow(str(p)) for p in tsoar.export(finished, "chromatic", out=tmp_path, resolution=R, orders=[1]))
    for rainbow, level in ((star, 1), (curves, one.level[:, None])):
        assert rainbow.shape == one.flux.shape
        np.testing.assert_allclose(rainbow.wavelength.to_value("um"), one.wavelength)
        np.testing.assert_allclose(rainbow.time.to_value("d"), one.time + MJD_OFFSET, rtol=0, atol=1e-9)
        np.testing.assert_allclose(np.asarray(rainbow.flux), one.flux / level)
        np.testing.assert_allclose(np.asarray(rainbow.uncertainty), one.error / level)
        np.testing.assert_array_equal(rainbow.ok, one.valid)
        np.testing.assert_allclose(rainbow.wavelength_upper.to_value("um"), one.longer)
        assert rainbow.metadata["code"] == f"tsoar {tsoar.__version__}"
        assert rainbow.bin(R=20).nwave < rainbow.nwave  # it can work with it


@pytest.mark.filterwarnings("ignore")
def test_astraeus_and_chromatic_read_the_files_for_eureka(finished, tmp_path, read_rainbow, one):
    xrio = pytest.importorskip("astraeus.xarrayIO")
    spec, lc = tsoar.export(finished, "eureka", out=tmp_path, resolution=R, orders=[1])
    opened = xrio.readXR(str(spec), verbose=False)
    np.testing.assert_allclose(opened.optspec.values, one.flux.T)
    assert opened.optmask.dtype == bool and opened.optspec.attrs["flux_units"] == "DN/s"
    opened = xrio.readXR(str(lc), verbose=False)
    theirs = xrio.makeDataset({"data": xrio.makeLCDA(one.flux, one.wavelength, one.time, "DN/s", "microns", "BMJD_TDB")})
    assert opened["data"].identical(theirs["data"])  # as Eureka! itself makes it
    for path in (spec, lc):
        rainbow = read_rainbow(str(path))
        np.testing.assert_allclose(np.asarray(rainbow.flux), one.flux)
        np.testing.assert_allclose(np.asarray(rainbow.uncertainty), one.error)


@pytest.mark.filterwarnings("ignore")
def test_juliet_reads_its_files(finished, tmp_path, one):
    """Where somebody installed it: it wants a compiler, so it is in no group."""
    juliet = pytest.importorskip("juliet")
    tsoar.export(finished, "juliet", out=tmp_path, resolution=R)
    fixed = {"P_p1": 4.0, "t0_p1": 2460649.7, "p_p1": 0.1, "b_p1": 0.0, "a_p1": 9.0, "ecc_p1": 0.0, "omega_p1": 90.0}
    for name in ("SOSS1", "SOSS2"):
        fixed |= {f"q1_{name}": 0.3, f"q2_{name}": 0.3, f"mdilution_{name}": 1.0, f"sigma_w_{name}": 1.0}
    priors = {k: {"distribution": "fixed", "hyperparameters": v} for k, v in fixed.items()}
    priors |= {f"mflux_{n}": {"distribution": "normal", "hyperparameters": [0.0, 0.1]} for n in ("SOSS1", "SOSS2")}
    data = juliet.load(priors=priors, lcfilename=str(tmp_path / "white" / "lc.dat"), out_folder=str(tmp_path / "fit"))
    assert sorted(data.inames_lc) == ["SOSS1", "SOSS2"]
    np.testing.assert_allclose(data.times_lc["SOSS1"], one.time + MJD_OFFSET, rtol=0, atol=1e-9)


def test_the_observatorys_models_read_x1dints(finished, tmp_path):
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    (path,) = tsoar.export(finished, "x1dints", out=tmp_path)
    with datamodels.open(path) as model:
        model.validate()
        assert type(model).__name__ == "TSOMultiSpecModel"
        assert [s.spectral_order for s in model.spec] == [1, 2, 3]
        assert model.spec[0].spec_table["FLUX"].shape == (12, 2048) and len(model.int_times) == 12
