"""Whole exposures: files as the observatory writes them, the same bytes every time, and nothing half-written."""

import errno
import hashlib
import json
import os
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from astropy.time import Time

import tsoar
from tsoar.errors import ConfigError, OutputError
from tsoar.sim import files, scenario, simulate
from tsoar.sim.exposure import prepare
from tsoar.sim.parameters import to_dict
from tsoar.sim.scene import make_scene

from .conftest import SMALL


@pytest.fixture(scope="module")
def made(tmp_path_factory, small):
    return simulate(small, tmp_path_factory.mktemp("exposure"), workers=1)


def digests(folder):
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest()
        for f in sorted(folder.rglob("*"))
        if f.suffix in (".fits",)
    }


def test_the_same_bytes_whoever_makes_them(made, small, tmp_path):
    again = simulate(small, tmp_path, workers=3)
    assert digests(again.folder) == digests(made.folder)
    assert len(digests(made.folder)) == 2 + 7
    with xr.open_dataset(again.truth) as one, xr.open_dataset(made.truth) as other:
        xr.testing.assert_identical(one, other)


def test_another_seed_gives_other_counts_but_the_same_star(made, small, tmp_path):
    other = simulate(replace(small, seed=2), tmp_path)
    assert not set(digests(other.folder).values()) & set(digests(made.folder).values()) - {
        digests(made.folder)["refs/jwst_niriss_gain_9900.fits"]
    }
    with xr.open_dataset(other.truth) as one, xr.open_dataset(made.truth) as first:
        assert np.array_equal(one.star_image, first.star_image)


def test_a_longer_exposure_begins_like_a_shorter_one(small):
    """Integrations draw from their own streams."""
    one = prepare(replace(small, planet=replace(small.planet, event="none")))
    two = prepare(replace(small, exposure=replace(small.exposure, nints=5), planet=replace(small.planet, event="none")))
    assert np.array_equal(one.detector.bias, two.detector.bias)
    assert np.abs(one.integration(1)[0].astype(int) - two.integration(1)[0]).max() < 1500  # but for motion and the slow track
    assert np.array_equal(one.integration(1)[1].electrons, two.integration(1)[1].electrons)


def test_segments_are_valid_and_open_as_one_exposure(made, small):
    exposure = tsoar.open(made.segments)
    assert (exposure.n_integrations, exposure.n_groups) == (3, 4)
    for path, (first, last) in zip(made.segments, ((1, 2), (3, 3)), strict=True):
        with fits.open(path) as hdus:
            hdus.verify("exception")
            assert [h.name for h in hdus] == ["PRIMARY", "SCI", "GROUP", "INT_TIMES", "ASDF"]
            assert hdus["SCI"].data.dtype == np.uint16
            assert hdus["SCI"].data.shape == (last - first + 1, 4, 96, 2048)
            assert (hdus[0].header["INTSTART"], hdus[0].header["INTEND"]) == (first, last)
            assert list(hdus["INT_TIMES"].data["integration_number"]) == list(range(first, last + 1))
            assert len(hdus["GROUP"].data) == 4 * (last - first + 1)
            assert hdus[0].header["PWCPOS"] == small.exposure.pwcpos
        assert path.stat().st_size % 2880 == 0


def test_counts_in_the_file_are_those_that_were_drawn(made, small):
    counts, _ = prepare(small).integration(2)
    with fits.open(made.segments[1]) as hdus:
        assert np.array_equal(hdus["SCI"].data[0], counts)


def test_times_are_evenly_spaced_and_barycentric(made):
    tables = [fits.getdata(path, "INT_TIMES") for path in made.segments]
    start, mid, end = (np.concatenate([t[f"int_{w}_MJD_UTC"] for t in tables]) * 86400 for w in ("start", "mid", "end"))
    assert end - start == pytest.approx(np.full(3, 4 * 2.214), abs=2e-5)
    assert np.diff(mid) == pytest.approx(np.full(2, 5 * 2.214), abs=2e-5)
    bjd = np.concatenate([t["int_mid_BJD_TDB"] for t in tables]) * 86400
    assert np.all(np.abs(bjd - mid - 69.184) < 505)  # light crosses the Earth's orbit
    with xr.open_dataset(made.truth) as truth:
        assert truth.time.values * 86400 == pytest.approx(bjd, abs=1e-4)


def test_light_travel_time_is_astropys():
    """With the observatory's path by astropy from the Earth's centre: L2 is at most 5 s of light away from it."""
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.utils import iers

    s = scenario(target="wasp-39")
    times = prepare(replace(s, exposure=replace(s.exposure, nints=2), planet=replace(s.planet, event="none"))).times
    with iers.conf.set_temp("auto_download", False):
        when = Time(times.utc[0, 1], format="mjd", scale="utc", location=EarthLocation.from_geocentric(0, 0, 0, unit="m"))
        target = SkyCoord(s.star.ra, s.star.dec, unit="deg")
        expected = (when.tdb + when.light_travel_time(target)).mjd
    assert abs(times.bjd[0, 1] - expected) * 86400 < 6


def test_references_are_known_by_their_headers_and_hold_the_truth(made, small):
    detector = prepare(small).detector
    refs = tsoar.references(made.references)
    exposure = tsoar.open(made.segments)
    for kind in ("mask", "saturation", "superbias", "linearity", "dark", "gain", "readnoise"):
        assert refs.cut(kind, exposure.readout) is not None
    bias = fits.getdata(made.references / "jwst_niriss_superbias_9900.fits", "SCI")
    assert np.array_equal(bias, detector.bias)
    full = fits.getdata(made.references / "jwst_niriss_mask_9900.fits", "DQ")
    assert full.shape == (2048, 2048)
    assert np.array_equal(full[1802:1898], detector.mask)
    dark = fits.getdata(made.references / "jwst_niriss_dark_9900.fits", "SCI")
    assert dark[3] - dark[2] == pytest.approx(detector.dark / detector.gain * 2.214, rel=1e-4)


def test_truth_says_what_is_in_it(made, small):
    with xr.open_dataset(made.truth) as truth:
        assert json.loads(truth.attrs["scenario"]) == to_dict(small)
        for name, variable in truth.data_vars.items():
            assert "units" in variable.attrs, name
        assert truth.light_curve.shape == (3, 3, 2048)
        assert truth.hit_row.size == truth.hit_dn.size
        assert truth.rate.sel(order=1).sum() > 1e6
        inside = slice(4, 2044)
        assert np.abs(truth.centroid.values[0, inside] - truth.trace.values[0, inside]).max() < 2


def test_moving_the_image_moves_its_centre_and_keeps_its_light():
    scene = make_scene(scenario(overrides=["sky.scale=0"]))
    light = np.ones((3, 2048))
    rows = np.arange(256)[:, None]
    rest, moved, wide = (scene.image(light, *how, 1.0).astype(float)[:, 1500] for how in ((0, 0, 1), (0.1, 0, 1), (0, 0, 1.01)))
    near = np.abs(rows[:, 0] - scene.trace[0, 1500]) < 38
    centre = [(part * rows[:, 0])[near].sum() / part[near].sum() for part in (rest, moved)]
    assert centre[1] - centre[0] == pytest.approx(0.1, abs=0.004)
    assert moved.sum() == pytest.approx(rest.sum(), rel=1e-3)
    width = [np.sqrt((part * (rows[:, 0] - centre[0]) ** 2)[near].sum() / part[near].sum()) for part in (rest, wide)]
    assert width[1] / width[0] == pytest.approx(1.01, abs=0.004)


def test_moving_along_dispersion_moves_the_lines():
    scene = make_scene(scenario(overrides=["sky.scale=0"]))
    light = np.ones((3, 2048))
    rest, moved = (scene.image(light, 0, x, 1, 1).astype(float).sum(0) for x in (0, 0.02))
    here = slice(800, 1500)
    slope = np.gradient(rest)[here]
    assert -np.polyfit(slope, (moved - rest)[here], 1)[0] == pytest.approx(0.02, rel=0.01)


def test_saturation_is_announced(caplog, small):
    bright = replace(small, star=replace(small.star, jmag=4.0))
    notes = prepare(bright).notes
    assert len(notes) == 1
    assert "the whole trace saturates" in notes[0] or "columns saturate" in notes[0]
    assert "fit" in notes[0]
    assert prepare(small).notes == []
    edge = replace(small, star=replace(small.star, jmag=8.0), exposure=replace(small.exposure, ngroups=20))
    (note,) = prepare(edge).notes
    groups = int(note.split(";")[1].split()[0])
    assert 2 <= groups < 20
    fits_now = replace(edge, exposure=replace(edge.exposure, ngroups=groups))
    assert prepare(fits_now).notes == []
    assert "fainter star" in prepare(bright).notes[0] and "SUBSTRIP96" not in prepare(bright).notes[0]
    large = replace(small, star=replace(small.star, jmag=8.2), exposure=replace(small.exposure, subarray="SUBSTRIP256"))
    (note,) = prepare(large).notes  # a frame takes 5.5 s there, 2.2 s in SUBSTRIP96
    assert note.endswith("only 1 group fits (no slope), 4 in SUBSTRIP96")


def test_a_killed_simulation_leaves_no_file_that_looks_whole(tmp_path, small, monkeypatch):
    def fail(*_):
        raise RuntimeError("killed")

    monkeypatch.setattr(files.Segment, "put", fail)
    with pytest.raises(RuntimeError):
        simulate(small, tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_a_disk_without_room(tmp_path, small, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10_000_000})())
    with pytest.raises(OutputError, match=r"GB are needed, 0.0 GB are free"):
        simulate(small, tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.undo()
    monkeypatch.setattr(files.os, "posix_fallocate", full)
    with pytest.raises(OutputError, match=r"No space left on device.*make room"):
        simulate(small, tmp_path)
    assert list(tmp_path.glob("*.part")) == []


def test_an_exposure_too_long_for_the_disk_is_refused_before_anything_is_made(tmp_path):
    endless = scenario(values={"exposure.nints": 10**9})
    with pytest.raises(OutputError, match="GB are needed"):
        simulate(endless, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_a_killed_simulation_left_is_swept_away(tmp_path, small):
    left = tmp_path / "jw08888001001_04101_00001-seg007_nis_uncal.fits.part"
    left.touch()
    simulate(small, tmp_path)
    assert not left.exists() and list(tmp_path.rglob("*.part")) == []


def test_folders_that_cannot_be_used(tmp_path, small):
    (tmp_path / "jw00001001001_04101_00001-seg001_nis_uncal.fits").touch()
    with pytest.raises(OutputError, match="of another exposure"):
        simulate(small, tmp_path)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError, match="cannot be made"):
        simulate(small, file / "sub")
    with pytest.raises(ConfigError, match="workers = 0"):
        simulate(small, tmp_path / "new", workers=0)


def test_one_integration_of_one_group(tmp_path):
    s = scenario(values=SMALL | {"exposure.nints": 1, "exposure.ngroups": 1, "exposure.segments": 1, "planet.event": "eclipse"})
    made = simulate(s, tmp_path)
    assert fits.getdata(made.segments[0], "SCI").shape == (1, 1, 96, 2048)


def test_progress_is_told(tmp_path, small):
    told = []
    simulate(small, tmp_path, workers=2, progress=lambda *a: told.append(a))
    assert ("simulating", 3, 3) in told
    assert next(stage for stage, _, _ in told) == "preparing"
