"""Depths, their changes and the answers follow what was put in."""

import numpy as np
import pytest

from tests.studies.make import CLOCK, TIME, outcome
from tsoar.config import load
from tsoar.errors import ConfigError, InputError
from tsoar.plots import CAPTIONS, study_part, study_ranking
from tsoar.studies.answers import answer_all
from tsoar.studies.grid import read_grid
from tsoar.studies.judge import Outcome, bin_edges
from tsoar.studies.planet import depths, event_change, hold
from tsoar.studies.table import COLUMNS, make_dataset, make_table, mean_square, ratio_of, read_truth

CONFIG = load(overrides=["fit.period=0.38", "fit.a_over_r=4.86", "fit.inclination=82.1"])


@pytest.fixture(scope="module")
def reference():
    return outcome(1)


@pytest.fixture(scope="module")
def held(reference):
    return hold(reference, CLOCK, "", CONFIG)


def found(one, reference, held):
    return depths(one, reference, held, CLOCK, CONFIG)


def test_depths_come_back(reference, held):
    d = found(reference, reference, held)
    pull = (d.bins[..., 0] - 0.0255) / d.bins[..., 1]
    assert np.isfinite(pull).all()
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert np.mean(pull**2) == pytest.approx(1, abs=4 * np.sqrt(2 / pull.size))
    np.testing.assert_array_equal(d.change, 0)
    np.testing.assert_array_equal(d.bin_change, 0)


def test_a_change_is_found_far_better_than_the_depth(reference, held):
    d = found(outcome(2, common=1, noise=1.02, deeper=1e-4), reference, held)
    assert np.all(d.change[:, 1] < 0.4 * d.white[:, 1])
    assert np.all(np.abs(d.change[:, 0] - 1e-4) < 4 * d.change[:, 1])
    assert d.change[0, 0] > 3 * d.change[0, 1]
    pull = (d.bin_change[..., 0] - 1e-4) / d.bin_change[..., 1]
    assert np.mean(pull**2) == pytest.approx(1, abs=4 * np.sqrt(2 / pull.size))


def test_the_error_of_a_change_holds():
    rng = np.random.default_rng(3)
    from tests.studies.make import curve

    shape = np.tile(curve(0.02), (2000, 1))
    change = event_change(rng.normal(0, 1e-4, shape.shape), shape, np.full(2000, 0.02), TIME)
    pull = change[:, 0] / change[:, 1]
    assert abs(pull.mean()) < 4 / np.sqrt(2000)
    assert pull.std() == pytest.approx(1, abs=0.07)


def test_without_an_orbit_or_an_event_there_are_no_depths(reference):
    with pytest.raises(ConfigError, match="orbit"):
        hold(reference, CLOCK, "", load())
    flat = Outcome(reference.arrays | {"white": np.ones_like(reference.arrays["white"])}, reference.numbers)
    with pytest.raises(ConfigError):
        hold(flat, CLOCK, "", CONFIG)


def test_noise_ratio_and_its_error():
    rng = np.random.default_rng(4)
    ratios = []
    for _ in range(300):
        base = rng.chisquare(60, 200)
        ratio, error = ratio_of(np.sqrt(base * 1.1**2 + rng.normal(0, 1, 200)), np.sqrt(base))
        ratios.append((ratio, error))
    values, errors = np.array(ratios).T
    assert values.mean() == pytest.approx(1.1, abs=1e-3)
    assert errors.mean() == pytest.approx(values.std(), rel=0.2)
    assert np.isnan(ratio_of(np.array([np.nan]), np.array([1.0]))[0])


def test_mean_square():
    assert mean_square(np.array([2.0, np.nan]), np.array([1.0, 1.0])) == 4
    assert mean_square(np.zeros(3), np.zeros(3)) == 0
    assert np.isnan(mean_square(np.full(2, np.nan), np.ones(2)))


def studied(tree, outcomes, reference, held, truth=None):
    grid = read_grid(tree)
    everything = [reference, *outcomes]
    assert len(grid.settings) == len(everything)
    fitted = [found(one, reference, held) for one in everything]
    table = make_table(grid, everything, fitted, TIME, truth)
    data = make_dataset(grid, table, everything, fitted, TIME, truth, ["x"] * len(everything))
    return grid, table, data


def said(tree, outcomes, reference, held):
    grid, table, _ = studied(tree, outcomes, reference, held)
    return " ".join(answer_all(grid, table, groups=6, pixels=2048 * 256, tgroup=5.494)[0].sentences)


APERTURES = {"part": [{"name": "apertures", "grid": {"extract.radius": [8, 15, 30]}}]}


def test_the_best_aperture_is_the_one_with_the_least_noise(reference, held):
    text = said(APERTURES, [outcome(2, noise=1.3, common=1), outcome(3, noise=1.1, common=1)], reference, held)
    assert "a radius of 15 px" in text and "every other one is noisier" in text
    low = Outcome(outcome(1, noise=0.8).arrays, reference.numbers)
    assert "a radius of 30 px" in said(APERTURES, [outcome(2, noise=1.3, common=1), low], reference, held)
    same = [outcome(2, noise=1.003, common=1), outcome(3, noise=1.002, common=1)]
    assert "8 to 30 px cannot be told" in said(APERTURES, same, reference, held)


STEPS = {"part": [{"name": "steps", "grid": {"skip": ["superbias", "jump", "refpix"]}}]}


def test_the_step_that_matters_most_is_named(reference, held):
    noisy, deep, same = outcome(2, noise=1.4, common=1), outcome(3, deeper=3e-4, noise=1.001, common=1), outcome(1)
    text = said(STEPS, [noisy, deep, same], reference, held)
    assert "For the scatter the superbias matters most" in text
    assert "For the shape of the light curve the search for jumps matters most" in text
    assert "half a per cent: the search for jumps and the reference pixels" in text
    quiet = said(STEPS, [outcome(4, noise=1.001, common=1), outcome(1), outcome(1)], reference, held)
    assert "No step makes the bins of the spectrum noisier" in quiet
    assert "No step left out changes the depth" in quiet


def test_thresholds(reference, held):
    tree = {"part": [{"name": "jumps", "grid": {"jump.threshold": [3, 4.75, 8]}}]}
    text = said(tree, [outcome(2, noise=1.1, common=1, jumps=15000), outcome(1, jumps=5000)], reference, held)
    assert "3 sigma 15000 (7077)" in text
    assert "4.75 sigma 8000 (5)" in text
    assert "From 4.75 sigma on" in text


def test_every_part_of_the_tutorial_has_an_answer(reference, held):
    grid = read_grid("tutorial")
    outcomes = [outcome(k, noise=1 + 0.02 * (k % 7), common=1, jumps=9000 - 10 * k) for k in range(1, len(grid.settings))]
    _, table, _ = studied_grid(grid, outcomes, reference, held)
    answers = answer_all(grid, table, 6, 5e5, 5.5)
    assert [a.part for a in answers] == [p.name for p in grid.parts]
    assert all(len(a.sentences) >= 2 for a in answers)
    text = " ".join(s for a in answers for s in a.sentences)
    assert "nan" not in text and "not measured" not in text


def studied_grid(grid, outcomes, reference, held):
    everything = [reference, *outcomes]
    fitted = [found(one, reference, held) for one in everything]
    table = make_table(grid, everything, fitted, TIME, None)
    return grid, table, None


def test_an_answer_without_depths(reference):
    grid = read_grid(STEPS)
    outcomes = [reference, outcome(2, noise=1.2, common=1), outcome(3, common=1), outcome(4, common=1)]
    table = make_table(grid, outcomes, None, TIME, None)
    assert "change_1" not in table.colnames
    text = " ".join(answer_all(grid, table, 6, 5e5, 5.5)[0].sentences)
    assert "the superbias matters most" in text
    assert "depth" not in text


def test_a_part_of_ones_own(reference, held):
    tree = {"grid": {"clean.threshold": [5, 20]}}
    text = said(tree, [outcome(2, noise=1.2, common=1), outcome(3, deeper=5e-4, common=1)], reference, held)
    assert "Noisier than the reference: clean.threshold=5 (1.2" in text
    assert "is another: clean.threshold=20 (+" in text


def test_table_and_truth(reference, held):
    truth = np.full((2, 30), 0.0255)
    grid, table, data = studied(STEPS, [outcome(2, common=1), outcome(3, deeper=5e-4), outcome(1)], reference, held, truth)
    assert list(table["setting"]) == [s.name for s in grid.settings]
    assert set(table.colnames) - {"setting", "part"} <= set(COLUMNS)
    assert table["noise"][0] == 1 and table["change_1"][0] == 0
    away, error = (np.asarray(table[n], float) for n in ("truth_1", "truth_err_1"))
    assert abs(away[0]) < 4 * error[0]
    assert away[2] == pytest.approx(500, abs=4 * error[2])
    assert data["white"].sizes == {"setting": 4, "order": 2, "integration": 120}


def test_figures(reference, held):
    *_, data = studied(APERTURES, [outcome(2, noise=1.3, common=1), outcome(3, common=1)], reference, held)
    assert len(study_ranking(data).axes) == 2
    figure = study_part(data, [1, 0, 2], ["8 px", "15 px", "30 px"], [8.0, 15.0, 30.0], "px")
    figure.draw_without_rendering()
    assert [len(ax.get_lines()) > 0 for ax in figure.axes] == [True, True, True]
    assert {"study_ranking", "study_part"} <= set(CAPTIONS)
    many = list(range(3)) * 4
    study_part(data, many, [str(k) for k in range(12)], [float(k) for k in range(12)], "px").draw_without_rendering()


def test_bins_are_the_same_for_every_setting():
    edges = bin_edges(np.array([0.6, np.nan, 2.85]), 100)
    assert edges[0] == 0.6 and edges[-1] > 2.85
    np.testing.assert_allclose(edges[1:-1] / (edges[1:-1] - edges[:-2]), 100, rtol=0.02)


def test_a_truth_that_is_none(tmp_path):
    (tmp_path / "truth.nc").write_bytes(b"nothing")
    with pytest.raises(InputError, match="truth"):
        read_truth(tmp_path / "truth.nc")
