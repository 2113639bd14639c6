"""Segments with something put in: still the same exposure, changed where and by how much was asked; and what is refused."""

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

import tsoar
from tsoar.cli import cli
from tsoar.errors import ConfigError, InputError, TsoarError
from tsoar.fitting.transit import Clock, duration
from tsoar.io import datasets
from tsoar.proof.inject import copy_with_history, inject
from tsoar.proof.put_in import Transit, draw_hits, everywhere, orbit_of, read_spectrum

HITS = 40


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    exposure, refs = tsoar.open(tiny.uncal), tsoar.references(tiny.refs)
    out = tmp_path_factory.mktemp("injected")
    return exposure, inject(exposure, refs, out, transit=Transit(0.05), hits=HITS, charge=8000, seed=2, workers=1)


def test_the_segments_are_valid_and_the_rest_is_untouched(tiny, made):
    exposure, found = made
    again = tsoar.open(found.segments)
    np.testing.assert_array_equal(again.time, exposure.time)
    assert [p.name for p in found.segments] == [p.name for p in tiny.uncal]
    for old, new in zip(tiny.uncal, found.segments, strict=True):
        with fits.open(old) as a, fits.open(new) as b:
            b.verify("exception")
            assert [h.name for h in a] == [h.name for h in b]
            assert "transit of depth 0.05" in " ".join(str(b[0].header["HISTORY"]).split("\n"))
            left = b[0].header.copy()
            del left["HISTORY"]
            assert left.tostring() == a[0].header.tostring()
            assert a["SCI"].header.tostring() == b["SCI"].header.tostring()
            assert a["INT_TIMES"].data.tobytes() == b["INT_TIMES"].data.tobytes()


def test_light_goes_in_the_event_alone(tiny, made):
    exposure, found = made
    with datasets.open_dataset(found.truth) as truth:
        curves = truth["light_curve"].values.astype(float)
        hits = np.column_stack([truth[f"hit_{n}"].values for n in ("integration", "group", "row", "column")])
    change = tsoar.open(found.segments).counts().astype(int) - exposure.counts()
    hit = np.zeros(change.shape, bool)
    for i, g, y, x in hits:
        assert (change[i, g:, y, x] > 2000).all()
        hit[i, :, y, x] = True
    assert len(hits) == HITS
    change[hit] = 0
    light = tiny.star.sum(axis=1) * exposure.readout.tgroup  # columns are read one after the other: each has a curve of its own
    share = ((1 - curves) * light).sum(axis=(1, 2)) / light.sum()
    for i in range(len(curves)):
        if (curves[i] == 1).all():
            assert not change[i].any()
            continue
        # between first and last read; the tiny exposure has a transit of its own, of which a share goes as well
        gone = -(change[i, -1].sum() - change[i, 0].sum()) / (change.shape[1] - 1)
        assert gone == pytest.approx(share[i] * light.sum() * tiny.light[i], rel=0.01, abs=2e-4 * light.sum())
    assert (share > 0.01).sum() >= 3


def test_a_header_without_room_for_history(tmp_path):
    """The first header grows by a block; what follows is where the new offset says."""
    path = tmp_path / "a.fits"
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI")])
    while len(hdus[0].header.tostring()) == 2880 and len(hdus[0].header) < 35:
        hdus[0].header[f"KEY{len(hdus[0].header)}"] = 1
    hdus.writeto(path)
    moved = copy_with_history(path, tmp_path / "b.fits", ["a" * 100, "b"])
    assert moved == 2880
    with fits.open(tmp_path / "b.fits") as b:
        b.verify("exception")
        np.testing.assert_array_equal(b["SCI"].data, data)
        assert len(b[0].header["HISTORY"]) == 3


def test_orbits():
    clock = Clock(60000 + np.arange(100) * 4e-4, 3e-4)
    plain = orbit_of(Transit(0.01), clock, 0.01)
    assert plain.t0 == pytest.approx(clock.time.mean())
    assert duration(plain, 0.1) == pytest.approx(0.4 * np.ptp(clock.time))
    named = orbit_of(Transit(0.01, planet="WASP-43 b", duration=0.3, t_mid=60000.02), clock, 0.01)
    assert duration(named, 0.1) * 24 == pytest.approx(0.3)
    assert named.a_over_r == pytest.approx(4.859, abs=0.1)
    with pytest.raises(ConfigError, match="0 of 100 integrations lie in it"):
        orbit_of(Transit(0.01, t_mid=60001.0), clock, 0.01)
    with pytest.raises(ConfigError, match="100 of 100 integrations lie in it"):
        orbit_of(Transit(0.01, planet="WASP-39 b"), clock, 0.01)


def test_spectra_are_read(tmp_path):
    path = tmp_path / "s.txt"
    path.write_text("# wavelength depth\nwave, depth\n2.5, 0.012\n0.8, 0.010  # blue\n")
    wave, depth = read_spectrum(path)
    assert wave.tolist() == [0.8, 2.5]
    assert depth.tolist() == [0.010, 0.012]
    for text, match in (
        ("0.8 0.01\n1.0 1.2\n", "depths from 0.01 to 1.2"),
        ("8000 0.01\n", "wavelengths from 8000"),
        ("0.8\n", "not a table of depths"),
        ("1 nan\n", "holds NaN"),
        ("", "is empty"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=match):
            read_spectrum(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_spectrum(tmp_path / "none")


def test_wavelengths_everywhere():
    wave = np.array([[np.nan, 2.0, 1.0, np.nan], [np.nan] * 4])
    assert everywhere(wave).tolist() == [[2.0, 2.0, 1.0, 1.0], [1.5] * 4]


def test_hits_are_drawn_where_they_can_be_seen(tiny):
    exposure = tsoar.open(tiny.uncal)
    hits = draw_hits(2000, 500, exposure, 3)
    assert hits.place[:, 0].min() == 0
    assert hits.place[:, 0].max() == 11
    assert hits.place[:, 1].min() == 1
    assert hits.place[:, 3].min() >= 4
    np.testing.assert_array_equal(hits.place, draw_hits(2000, 500, exposure, 3).place)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "nothing to inject"),
        ({"drift": 3.0}, "at most 1 px"),
        ({"transit": Transit(0.4)}, "between 0 and 0.25"),
        ({"transit": Transit(0.01, limb=(0.9, 0.9))}, "--limb 0.9,0.9"),
        ({"transit": Transit(0.01, planet="Vulcan")}, "not in the table"),
        ({"hits": 5, "charge": 0.0}, "electrons > 0"),
        ({"hits": 5, "out": "its own"}, "holds the exposure itself"),
    ],
)
def test_refusals(tiny, tmp_path, given, match):
    out = tiny.folder if given.pop("out", None) else tmp_path
    with pytest.raises(TsoarError, match=match):
        inject(tsoar.open(tiny.uncal), tsoar.references(tiny.refs), out, **given)


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("X --depth 0.01", "Missing option '--out'"),
        ("X --out o --depth 0.01 --spectrum s", "give one of them"),
        ("X --out o --t-mid 60000", "shape a transit"),
        ("X --check", "takes two folders"),
        ("X --out o --depth 0.01", "counts need reference files"),
        ("X --out o --depth 0.01 --limb 1 --refs R", "expected two numbers"),
    ],
)
def test_the_command_refuses_in_one_line(tiny, tmp_path, line, match):
    words = [{"X": str(tiny.folder), "o": str(tmp_path / "o"), "R": str(tiny.refs)}.get(w, w) for w in line.split()]
    result = CliRunner().invoke(cli, ["inject", *words])
    assert result.exit_code == 2
    assert match in result.output
    assert len(result.output.strip().splitlines()) == 1
