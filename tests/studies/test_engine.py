"""Sharing changes no number: every setting is bit for bit what a run of its own gives."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import tsoar
from tsoar.reduce.finish import spectra_dataset
from tsoar.reduce.plan import make_plan
from tsoar.reduce.run import Job
from tsoar.reduce.stream import Scratch
from tsoar.studies import engine
from tsoar.studies.engine import Wanted, passes, reduce_group
from tsoar.studies.grid import read_grid
from tsoar.studies.run import in_groups
from tsoar.studies.sharing import branches, slope_key, survey_key

SETTINGS = [
    {"name": "narrow", "extract.radius": 9},
    {"name": "weighted", "extract.method": "optimal", "extract.radius": 12},
    {"name": "still", "motion.follow": False},
    {"name": "other windows", "extract.blank_rows": 15},
    {"name": "sharp", "jump.threshold": 3, "jump.tolerance": 0.2},
    {"name": "up the ramp", "jump.method": "two_point", "ramp_fit.method": "ols"},
    {"name": "slopes", "one_over_f.level": "slope"},
    {"name": "medians", "one_over_f.method": "median"},
    {"name": "bare", "skip": "one_over_f, jump"},
    {"name": "as it comes", "skip": "clean"},
    {"name": "no bias", "skip": "superbias", "extract.radius": 12},
]


def opened(tiny):
    return tsoar.open(tiny.uncal), tsoar.references(tiny.refs)


@pytest.fixture(scope="module")
def plans(tiny):
    exposure, refs = opened(tiny)
    return {k: make_plan(exposure, refs, s.config) for k, s in enumerate(read_grid({"setting": SETTINGS}).settings)}


def alone(tiny, plan):
    """spectra.nc of a run of its own (without the files)."""
    exposure, refs = opened(tiny)
    with ThreadPoolExecutor(1) as pool:
        job = Job(exposure, refs, plan, Path(), {"products": "spectra"}, 1, False, lambda *a: None)
        job.keep_segment = lambda *a: None
        calibration, scratch = job.calibration(), Scratch(exposure.readout)
        recipe = job.recipe(calibration, scratch, pool)
        series, _ = job.stream(recipe, scratch, pool)
    return spectra_dataset(recipe, series, exposure.time, plan.config, plan.digest)


def together(tiny, plans, monkeypatch, workers=2, most=12):
    """The same from the shared passes."""
    seen = {}

    def capture(spectra, limit, outside, edges):
        seen[spectra.attrs["settings"]] = spectra
        return engine.Outcome({"outside": np.ones(spectra.sizes["integration"], bool)}, {})

    monkeypatch.setattr(engine, "judge", capture)
    monkeypatch.setattr(engine, "PASS_BRANCHES", most)
    exposure, refs = opened(tiny)
    wanted = Wanted(None, 50.0, np.ones(exposure.n_integrations, bool))
    found = {}
    for group in in_groups(plans):
        for some in reduce_group(exposure, refs, group, wanted, workers):
            found |= some
    assert sorted(found) == sorted(plans)
    return seen


@pytest.mark.parametrize("some", [(0, 2, 5, 7, 10), pytest.param(tuple(range(12)), marks=pytest.mark.slow)])
def test_every_setting_is_bit_for_bit_a_run_of_its_own(tiny, plans, monkeypatch, some):
    plans = {k: plans[k] for k in some}
    seen = together(tiny, plans, monkeypatch)
    assert len(seen) == len(plans)
    for plan in plans.values():
        one = alone(tiny, plan)
        assert seen[plan.digest].identical(one), plan.config


def test_neither_workers_nor_passes_change_anything(tiny, plans, monkeypatch):
    some = {k: plans[k] for k in (0, 1, 8)}
    first, second = together(tiny, some, monkeypatch), together(tiny, some, monkeypatch, workers=1, most=1)
    assert first.keys() == second.keys()
    assert all(first[k].identical(second[k]) for k in first)


def test_settings_differ(tiny, plans, monkeypatch):
    some = {k: plans[k] for k in (0, 5)}
    seen = list(together(tiny, some, monkeypatch).values())
    for k, one in enumerate(seen):
        assert not any(np.array_equal(one["flux"], other["flux"], equal_nan=True) for other in seen[k + 1 :])


def test_what_is_shared(plans):
    assert len({survey_key(p) for p in plans.values()}) == 2  # only without superbias it is another
    assert slope_key(plans[1]) == slope_key(plans[0]) == slope_key(plans[2]) == slope_key(plans[3]) == slope_key(plans[10])
    assert len({slope_key(plans[k]) for k in (0, 4, 5, 6, 7, 8, 9, 11)}) == 8


def test_a_setting_that_is_not_known_here_is_shared_by_none(plans, tiny):
    exposure, refs = opened(tiny)
    for key, value in (("background.away", 30.0), ("survey.odd", 9.0), ("motion.radius", 20.0), ("refpix.odd_even", False)):
        config = read_grid({"grid": {key: [value]}}).settings[1].config
        assert survey_key(make_plan(exposure, refs, config)) != survey_key(plans[0])


def test_passes_hold_what_memory_allows(plans, tiny, monkeypatch):
    exposure, _ = opened(tiny)
    assert len(list(passes(plans, exposure))) == 1
    size = engine.VALUE_BYTES * 12 * 3 * 2048
    monkeypatch.setattr(engine, "PASS_BYTES", 2.5 * size)
    cut = list(passes(plans, exposure))
    assert all(len(some) <= 2 for some in cut)
    assert sorted(k for some in cut for k in some) == sorted(plans)


def test_varied_recipes_share_planes(tiny, plans):
    exposure, refs = opened(tiny)
    with ThreadPoolExecutor(1) as pool:
        job = Job(exposure, refs, plans[0], Path(), {}, 1, False, lambda *a: None)
        base = job.recipe(job.calibration(), Scratch(exposure.readout), pool)
    tree = branches(base, {k: plans[k] for k in (0, 1, 8)})
    assert len(tree) == 2
    assert tree[0].leaves[1].recipe.templates is base.templates
    assert tree[0].leaves[1].recipe.own_light is not base.own_light
