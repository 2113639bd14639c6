"""`--like jwst`: a run a file at a time is its steps one after the other; resume, strips, refusals."""

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tsoar import detector
from tsoar.errors import ConfigError
from tsoar.io.rateints import segment_path
from tsoar.reduce import field, products
from tsoar.reduce.plan import make_plan
from tsoar.reduce.save import calibrated

PLANES = {"SCI": "slope", "ERR": "err", "DQ": "dq", "VAR_POISSON": "var_poisson", "VAR_RNOISE": "var_rnoise"}


@pytest.fixture(scope="module")
def done(tiny, tmp_path_factory):
    exposure, refs = tsoar.open(tiny.uncal), tsoar.references(tiny.refs)
    out = tmp_path_factory.mktemp("like") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "figures", lambda *args: [])
        return tsoar.run(exposure, refs, out=out, config=tsoar.load_config(like="jwst")), exposure, refs


def test_files_are_the_steps_one_by_one(done):
    result, exposure, refs = done
    plan = result.plan
    assert plan.by_file
    gain, readnoise = (refs.cut(k, exposure.readout) for k in ("gain", "readnoise"))
    jumps = []
    for number, segment in enumerate(exposure.segments):
        ramps = exposure.ramps(slice(segment.first, segment.first + segment.n))
        ramps = calibrated(ramps, refs, plan)["dark_current"]
        ramps = detector.jump_by_file(ramps, gain, readnoise, 4.0, 10.0)
        slopes, image = detector.ramp_fit_by_file(ramps, gain, readnoise)
        folder = result.out / "rateints"
        with (
            fits.open(segment_path(exposure, number, folder)) as a,
            fits.open(segment_path(exposure, number, folder, "rate")) as b,
        ):
            for name, attribute in PLANES.items():
                np.testing.assert_array_equal(a[name].data, getattr(slopes, attribute), name)
                np.testing.assert_array_equal(b[name].data, image[attribute], name)
            assert a[0].header["S_JUMP"] == "COMPLETE" and a[0].header["S_CLNFNS"] == "SKIPPED"
        jumps += list((ramps.groupdq & 4 > 0).sum(axis=(1, 2, 3)))
    np.testing.assert_array_equal(result.spectra["n_jumps"], jumps)
    assert sum(jumps) > 50
    assert (result.out / "rate.fits").exists() and not (result.out / ".partial").exists()
    assert result.diagnostics["numbers"]["reads flagged as jumps"]["value"] == pytest.approx(
        100 * np.mean(jumps) / ((result.deep["noisy"].size - 768 - 1) * 3), rel=0.01
    )


def test_resume_takes_over_finished_files(tiny, done, tmp_path, monkeypatch):
    result, exposure, refs = done
    monkeypatch.setattr(products, "figures", lambda *args: [])
    config, calls = tsoar.load_config(like="jwst"), []
    real = field.reduce_segment

    def second_fails(d, number, *args):
        calls.append(number)
        if number == 1 and calls.count(1) == 1:
            raise KeyboardInterrupt
        return real(d, number, *args)

    monkeypatch.setattr(field, "reduce_segment", second_fails)
    monkeypatch.setattr(field, "BUDGET", 10**6)  # strips of other heights on the way: the same bytes
    with pytest.raises(KeyboardInterrupt):
        tsoar.run(exposure, refs, out=tmp_path, config=config, workers=1)
    assert not list((tmp_path / "rateints").glob("*seg002*"))
    tsoar.run(exposure, refs, out=tmp_path, config=config, resume=True)
    assert calls == [0, 1, 1]
    for name in (
        "rate.fits",
        "spectra.nc",
        "diagnostics.json",
        *(f"rateints/{p.name}" for p in (result.out / "rateints").iterdir()),
    ):
        assert (tmp_path / name).read_bytes() == (result.out / name).read_bytes(), name


def test_spectra_only_keeps_no_cubes(done, tmp_path, monkeypatch):
    result, exposure, refs = done
    monkeypatch.setattr(products, "figures", lambda *args: [])
    tsoar.run(exposure, refs, out=tmp_path, config=tsoar.load_config(like="jwst"), products="spectra")
    assert not (tmp_path / "rateints").exists() and not (tmp_path / "rate.fits").exists()
    assert (tmp_path / "spectra.nc").read_bytes() == (result.out / "spectra.nc").read_bytes()


def test_half_of_it_is_refused(done):
    _, exposure, refs = done
    for text in ("jump.method=two_point_file", "ramp_fit.method=ols_file"):
        with pytest.raises(ConfigError, match="--like jwst sets both"):
            make_plan(exposure, refs, tsoar.load_config(overrides=[text]))
    plan = make_plan(exposure, refs, tsoar.load_config(overrides=["ramp_fit.method=ols_file"], skip=["jump"]))
    assert plan.by_file and plan.config.one_over_f.level == "slope"


@pytest.mark.parametrize(("n", "workers"), [(1, 1), (20, 2), (300, 2), (3000, 8)])
def test_strips_keep_within_their_budget(n, workers):
    rows = field.strip_height(n, 6, 2048, workers, 256)
    assert 1 <= rows <= 256
    assert rows == 1 or n * 6 * 2048 * 6 * (rows + 2) * workers <= field.BUDGET
