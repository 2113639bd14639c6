"""The benchmark runs end to end with few integrations, and what is shown is what was measured."""

import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from astropy.io import fits
from benchmarks.__main__ import main
from benchmarks.clock import spread
from benchmarks.parts import Asked, compared, finite

from benchmarks import alone, exposures, pages, parts, stage, tutorial
from tsoar.reduce.stream import Scratch

RESULTS = alone.ROOT / "benchmarks" / "results.json"
README = (alone.ROOT / "README.md").read_text("utf-8")


# -- what is shown ---------------------------------------------------------------------------------------------------


def test_the_readme_shows_what_was_measured():
    if not RESULTS.exists():  # nothing measured, nothing shown
        assert f"{pages.BEGIN}\n{pages.END}" in README
        return
    results = json.loads(RESULTS.read_text("utf-8"))
    assert not results["sizes"]["quick"]
    assert pages.with_table(README, pages.readme_table(results)) == README


@pytest.mark.skipif(not RESULTS.exists(), reason="no results are committed")
def test_the_page_is_that_of_the_results():
    results = json.loads(RESULTS.read_text("utf-8"))
    assert RESULTS.with_suffix(".md").read_text("utf-8") == pages.markdown(results)
    assert set(results["parts"]) <= set(parts.PARTS)


def test_every_part_has_its_page():
    assert set(parts.PARTS) == set(pages.SECTIONS) == set(pages.TITLES)


def row(who, n, workers, wall, cpu):
    one = lambda v: spread([v])  # noqa: E731
    times = {"wall": one(wall), "cpu": one(cpu), "stream wall": one(wall / 2), "stream cpu": one(cpu / 2)}
    return {"who": who, "n": n, "workers": workers, "files": False, "per_integration": times, "peak_mib": 1.0}


def test_ratios_are_against_the_best_length():
    rows = [row("jwst", 10, 1, 2.0, 1.9), row("jwst", 20, 1, 3.0, 2.9), row("jwst", 10, 2, 1.5, 2.5)]
    rows += [row("tsoar", 100, 1, 0.03, 0.02), row("tsoar", 100, 2, 0.015, 0.03)]
    one, two = compared(rows, 2)["ratios"]
    assert (one["what"], one["best_n"], one["ratio"]) == ("cpu", 10, pytest.approx(1.9 / 0.02))
    assert (two["what"], two["best_workers"], two["ratio"]) == ("wall", 2, pytest.approx(1.5 / 0.015))
    assert two["stream_ratio"] == pytest.approx(2 * two["ratio"])


def test_what_json_cannot_hold_is_none():
    assert finite({"a": [np.float64(np.nan), 1.23456789, "x"], "b": None}) == {"a": [None, 1.23457, "x"], "b": None}


def test_a_child_that_fails_says_why():
    with pytest.raises(alone.Failed, match="no_such"):
        alone.call("benchmarks.clock:no_such")


def test_a_part_without_jwst_is_left_out(monkeypatch):
    def fails(asked):
        raise alone.Failed("benchmarks.field:detector1: ModuleNotFoundError: No module named 'jwst'")

    monkeypatch.setitem(parts.PARTS, "detector", fails)
    assert "parity" in parts.run("detector", Asked(".", "."))["skipped"]


# -- what is measured ------------------------------------------------------------------------------------------------


def test_a_file_repeated_is_one_long_exposure(tmp_path):
    import tsoar
    from tests.make import tiny_exposure

    one = tiny_exposure(tmp_path / "one", n_int=3, n_groups=2, segments=1)
    made = exposures.repeated(tmp_path, exposures.Made(one.folder, 3), 3)
    exposure = tsoar.open(made.uncal)
    assert exposure.n_integrations == 9
    steps = np.diff(exposure.time)
    assert steps.max() == pytest.approx(steps.min(), rel=1e-3)
    np.testing.assert_array_equal(exposure.counts(7), exposure.counts(1))
    exposure.close()


def test_the_stage_alone_gives_the_slopes_of_a_run(tiny, tmp_path):
    seconds = {}
    uncal = [str(p) for p in tiny.uncal]
    stage.one_pass_over(uncal, str(tiny.refs), 2, tmp_path / "alone", tmp_path, seconds)
    assert set(seconds) == {f"{part}{what}" for part in ("", "survey ", "stream ") for what in ("wall", "cpu")}
    job = stage.job_of(uncal, str(tiny.refs), tmp_path / "run", 2)
    with ThreadPoolExecutor(2) as pool:  # as `tsoar.run` goes on from there
        scratch = Scratch(job.exposure.readout)
        job.stream(job.recipe(job.calibration(), scratch, pool), scratch, pool)
    made = sorted((tmp_path / "alone" / "rateints").glob("*.fits"))
    assert len(made) == 2
    for mine in made:
        with fits.open(mine) as a, fits.open(tmp_path / "run" / "rateints" / mine.name) as b:
            for name in ("SCI", "ERR", "DQ", "VAR_POISSON", "VAR_RNOISE"):
                np.testing.assert_array_equal(a[name].data, b[name].data)


def test_the_tutorials_steps():
    rng = np.random.default_rng(1)
    x = np.arange(120)
    true = 60 + 8 * np.sin(x / 40)
    y = np.arange(110)[:, None]
    star = 500 * np.exp(-0.5 * ((y - true) / 6) ** 2)
    slopes = np.repeat(star[None], 3, axis=0) + rng.normal(0, 1, (3, *star.shape))
    stripes = rng.normal(0, 20, (3, 1, x.size))
    near = np.abs(y - true) < 30
    clean = tutorial.one_over_f(slopes + stripes, near)
    assert np.abs(clean - slopes).max() < 2
    columns, rows = tutorial.trace(clean[0], np.ones(star.shape, bool), 119, -1, 60)
    assert np.abs(rows - true[columns]).max() <= 1
    where, smooth = tutorial.spline(columns, rows)
    assert np.abs(smooth - true[where]).max() < 1
    flux = tutorial.aperture(star, where, true[where])
    share = np.clip(np.minimum(y + 0.5, true + 15) - np.maximum(y - 0.5, true - 15), 0, 1)
    np.testing.assert_allclose(flux, (share * star).sum(0)[where])
    spectra = np.array([flux, 0.98 * flux, flux])
    hit = spectra + rng.normal(0, 1, spectra.shape)
    hit[1, 40] += 1e4
    mended = tutorial.replace_outliers(hit)
    assert mended[1, 40] == pytest.approx(spectra[1, 40], rel=0.05)
    _, white = tutorial.light_curves(spectra)
    np.testing.assert_allclose(white, [1, 0.98, 1])


# -- end to end --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


def measured(names, data, out):
    main([*names, "--quick", "--data", str(data), "--out", str(out)])
    assert (out / "benchmarks.png").stat().st_size > 10_000
    page = (out / "results.md").read_text("utf-8")
    assert "Quick sizes" in page
    assert README == (alone.ROOT / "README.md").read_text("utf-8")  # quick numbers stay out of it
    return json.loads((out / "results.json").read_text("utf-8"))["parts"], page


@pytest.mark.slow
def test_quick_parts_of_tsoar_alone(data, tmp_path):
    names = ["spectra", "exotedrf", "job", "kernels", "limit", "memory", "start"]
    found, page = measured(names, data, tmp_path)
    assert list(found) == names
    assert found["exotedrf"]["skipped"]
    assert found["spectra"]["rows"][-1]["ratio"] > 0
    assert found["start"]["more_s"] > 0
    assert [r["n"] for r in found["memory"]["by_length"]] == [4, 8]
    assert all(0 < r["fraction"] < 1 for r in found["limit"]["rows"])
    again, _ = measured(["kernels"], data, tmp_path)
    assert list(again) == names  # what was measured before stays


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jwst") is None, reason="jwst is not installed")
def test_quick_parts_beside_the_fields_pipeline(data, tmp_path):
    found, _ = measured(["detector", "one_over_f", "quality"], data, tmp_path)
    for part in ("detector", "one_over_f"):
        assert {r["who"] for r in found[part]["rows"]} == {"tsoar", "jwst"}
        assert all(r["ratio"] > 0 for r in found[part]["ratios"])  # how much is not a matter of tests
    (mine,) = (r["rows"] for r in found["quality"]["rows"] if r["who"] == "tsoar")
    (theirs,) = (r["rows"] for r in found["quality"]["rows"] if r["who"] == "jwst")
    assert mine["jumps: found, above 10 sigma"] > 95
    assert theirs["jumps: found, above 10 sigma"] > 95
