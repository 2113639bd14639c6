"""Whole studies on a small exposure: files, going on after a break, other executors, the command."""

import json
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table
from click.testing import CliRunner

import tsoar
from tsoar.cli import cli
from tsoar.errors import ConfigError, TsoarError
from tsoar.reduce import run as reduce
from tsoar.studies import engine, run

TREE = {
    "title": "Small",
    "part": [
        {"name": "radius", "question": "Which radius?", "grid": {"extract.radius": [10, 15]}},
        {"name": "steps", "grid": {"skip": ["jump"]}},
    ],
}


def opened(tiny):
    return tsoar.open(tiny.uncal), tsoar.references(tiny.refs)


@pytest.fixture(scope="module")
def one_survey():
    """Surveys once: all settings here share theirs."""
    known = []

    def survey(*args):
        if not known:
            known.append(real(*args))
        return known[0]

    with pytest.MonkeyPatch.context() as patch:
        real = reduce.survey
        patch.setattr(reduce, "survey", survey)
        yield


@pytest.fixture(scope="module")
def done(tiny, tmp_path_factory, one_survey):
    return tsoar.study(*opened(tiny), TREE, out=tmp_path_factory.mktemp("study"))


@pytest.fixture
def quick(monkeypatch):
    """Studies without the page: its figures take most of the time."""
    monkeypatch.setattr("tsoar.studies.page.write_page", lambda *args: None)


def rows(folder):
    table = Table.read(folder / "study.ecsv")
    table.remove_column("seconds")
    return [tuple(row) for row in table]


def same(one, other):
    """Tables of two studies, but for the seconds."""
    for a, b in zip(rows(one), rows(other), strict=True):
        for x, y in zip(a, b, strict=True):
            assert x == y or (x != x and y != y)
    first, second = (xr.load_dataset(p / "study.nc", decode_times=False).drop_vars("seconds") for p in (one, other))
    assert first.identical(second)


def test_everything_is_there(done):
    assert {"study.ecsv", "study.nc", "study.html", "study.json"} <= {p.name for p in done.out.iterdir()}
    assert list(done.table["setting"]) == ["reference", "extract.radius=10", "without jump"]
    assert done.reduced == 3
    assert np.isfinite(done.table["noise"]).all()
    assert done.table["noise"][0] == 1
    assert (np.asarray(done.table["seconds"]) > 0).all()
    assert done.table["jumps"][0] > done.table["jumps"][2] == 0
    assert [a.question for a in done.answers] == ["Which radius?", "steps"]
    record = json.loads((done.out / "study.json").read_text())
    assert record["grid"] == done.grid.digest
    assert record["settings"][1]["changes"] == "extract.radius = 10.0"
    page = (done.out / "study.html").read_text()
    assert page.index("Which radius?") < page.index('<section id="ranking">')
    assert "http://" not in page and "https://" not in page
    assert done.summary()[0] == "Which radius?"
    assert any(text.startswith("no depths") for text in done.notes)  # 12 integrations hold no event that could be found
    assert list(done.out.rglob("*.part")) == []


def test_a_study_cut_off_goes_on(tiny, done, tmp_path, monkeypatch, quick):
    monkeypatch.setattr(engine, "PASS_BRANCHES", 1)

    def cut(stage, n, total):
        if stage == "settings" and n >= 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tsoar.study(*opened(tiny), TREE, out=tmp_path, progress=cut)
    kept = len(list((tmp_path / "settings").glob("*.npz")))
    assert kept == 2
    assert not (tmp_path / "study.ecsv").exists()
    again = tsoar.study(*opened(tiny), TREE, out=tmp_path)
    assert again.reduced == 1
    same(tmp_path, done.out)
    whole = tsoar.study(*opened(tiny), TREE, out=tmp_path)
    assert whole.reduced == 0
    same(tmp_path, done.out)


def test_more_settings_cost_only_what_is_new(tiny, done, monkeypatch, tmp_path, quick):
    (tmp_path / "settings").symlink_to(done.out / "settings")
    seen = []
    real = run.reduce_group
    monkeypatch.setattr(run, "reduce_group", lambda e, r, plans, *rest: (seen.append(list(plans)), real(e, r, plans, *rest))[1])
    more = {"part": [*TREE["part"], {"name": "new", "grid": {"extract.radius": [20]}}]}
    assert tsoar.study(*opened(tiny), more, out=tmp_path).reduced == 1
    assert seen == [[3]]


def test_a_kept_setting_that_is_damaged_is_made_again(tiny, done, tmp_path, quick):
    (tmp_path / "settings").mkdir()
    files = sorted((done.out / "settings").iterdir())
    for k, file in enumerate(files):
        (tmp_path / "settings" / file.name).write_bytes(file.read_bytes()[: 2000 if k == 0 else None])
    assert tsoar.study(*opened(tiny), TREE, out=tmp_path).reduced == 1
    same(tmp_path, done.out)


def test_another_baseline_is_another_study(tiny, done):
    exposure, refs = opened(tiny)
    plans = run.plans_of(exposure, refs, done.grid)
    keys = [run.keys_of(exposure, plans, b, 100.0) for b in ("0:4,8:", None)]
    assert not set(keys[0].values()) & set(keys[1].values())


def test_an_executor_gives_the_same_numbers(tiny, done, tmp_path, quick):
    with ThreadPoolExecutor(2) as pool:
        there = tsoar.study(*opened(tiny), TREE, out=tmp_path, executor=pool)
    assert there.reduced == 3
    same(tmp_path, done.out)


def test_workers_that_die_are_told_of(tiny, tmp_path):
    class KilledWorker(Exception):
        pass

    class Dying:
        def submit(self, *args):
            future = Future()
            future.set_exception(KilledWorker())
            return future

    with pytest.raises(TsoarError, match="the same command goes on"):
        tsoar.study(*opened(tiny), TREE, out=tmp_path, executor=Dying())


def test_what_cannot_be_is_refused(tiny, tmp_path):
    exposure, refs = opened(tiny)
    with pytest.raises(ConfigError, match="setting 'without ramp_fit'"):
        tsoar.study(exposure, refs, {"grid": {"skip": ["ramp_fit"]}}, out=tmp_path)
    with pytest.raises(ConfigError, match="workers 0"):
        tsoar.study(exposure, refs, TREE, out=tmp_path, workers=0)
    slopes = tsoar.from_array(np.ones((12, 96, 2048), np.float32), np.ones((12, 96, 2048), np.float32))
    with pytest.raises(ConfigError, match="made from arrays"):
        run.paths_of(slopes)
    assert list(tmp_path.iterdir()) == []


def test_the_command(tiny, done, tmp_path, quick):
    grid = tmp_path / "mine.toml"
    grid.write_text('title = "Small"\n[grid]\n"extract.radius" = [10]\n')
    arguments = ["study", *map(str, tiny.uncal), "--refs", str(tiny.refs), "--grid", str(grid), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "page: " in result.output
    table = Table.read(tmp_path / "out" / "study.ecsv")
    assert table["over_limit_1"][1] == done.table["over_limit_1"][1]
    wrong = CliRunner().invoke(cli, [*arguments[:-4], "--study", "tutorail", "--out", str(tmp_path / "x")])
    assert wrong.exit_code == 2 and "tutorial" in wrong.output
    neither = CliRunner().invoke(cli, [*arguments[:-4], "--out", str(tmp_path / "x")])
    assert neither.exit_code == 2 and "--grid" in neither.output
