"""Which files a page is opened on, and what is said when they are not where they were."""

import json
import shutil
from types import SimpleNamespace

import pytest

import tsoar
from tsoar.cli import cli
from tsoar.errors import InputError
from tsoar.explorer.notebook import Explorer
from tsoar.explorer.opening import explore, open_run


@pytest.fixture
def no_survey(monkeypatch):
    """Sessions that only say what they were opened on: the survey is not what is tested here."""

    def opened(exposure, references, config, *, result=None, progress=None):
        return SimpleNamespace(exposure=exposure, references=references, config=config, result=result)

    monkeypatch.setattr("tsoar.explorer.opening.open_session", opened)
    monkeypatch.setattr("tsoar.explorer.session.open_session", opened)


def call(*arguments):
    from click.testing import CliRunner

    return CliRunner().invoke(cli, ["explore", *(str(a) for a in arguments)])


def rewritten(run, folder, change):
    """A copy of the run's run.json with something changed."""
    folder.mkdir()
    record = json.loads((run.out / "run.json").read_text())
    change(record)
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def test_a_run_knows_where_its_files_are(explored_run, tiny):
    files = json.loads((explored_run.out / "run.json").read_text())["performance"]["files"]
    assert files["inputs"] == [str(p) for p in tiny.uncal]
    assert set(files["references"]) == {"mask", "saturation", "superbias", "linearity", "dark", "gain", "readnoise"}


def test_explore_takes_a_result_a_folder_an_exposure(explored_run, tiny, no_survey):
    for what in (explored_run, explored_run.out, str(explored_run.out)):
        opened = tsoar.explore(what)
        assert isinstance(opened, Explorer)
        assert opened.session.config == explored_run.plan.config
        assert opened.session.result.out == explored_run.out
        assert [s.path for s in opened.session.exposure.segments] == tiny.uncal
        assert set(opened.session.references.sources) >= {"superbias", "gain"}
    assert opened._repr_html_() is None, "outside a notebook nothing is served unasked"
    other = explore(tsoar.open(tiny.uncal), tiny.refs, config=tsoar.load_config(overrides=["jump.threshold=9"]))
    assert other.session.config.jump.threshold == 9
    assert other.session.result is None


def test_everything_moved_together_is_found(explored_run, tiny, tmp_path, no_survey):
    """Exposure, references and run in one folder, and that folder elsewhere."""
    was, now = tmp_path / "was", tmp_path / "now"
    shutil.copytree(tiny.folder, now / "data")
    out = rewritten(explored_run, now / "out", lambda r: None)
    record = json.loads((out / "run.json").read_text())
    files = record["performance"]["files"]
    files["out"] = str(was / "out")
    files["inputs"] = [p.replace(str(tiny.folder), str(was / "data")) for p in files["inputs"]]
    files["references"] = {k: p.replace(str(tiny.folder), str(was / "data")) for k, p in files["references"].items()}
    (out / "run.json").write_text(json.dumps(record))
    found = open_run(out)
    assert found.exposure.segments[0].path.parent == now / "data"
    assert found.references.sources["dark"].path.parent == now / "data" / "refs"


def test_what_has_moved_is_named_with_what_to_do(explored_run, tiny, tmp_path, no_survey):
    def lose(record, what):
        files = record["performance"]["files"]
        if what == "inputs":
            files["inputs"][0] = "/gone/seg001.fits"
        else:
            files["references"]["dark"] = "/gone/dark.fits"

    out = rewritten(explored_run, tmp_path / "a", lambda r: lose(r, "inputs"))
    done = call(out, "--no-browser")
    assert done.exit_code == 2
    assert "/gone/seg001.fits: no longer there" in done.stderr and "UNCAL... --refs DIR" in done.stderr
    out = rewritten(explored_run, tmp_path / "b", lambda r: lose(r, "references"))
    with pytest.raises(InputError, match=r"/gone/dark\.fits: no longer there .* --refs DIR"):
        open_run(out)
    said = []
    assert open_run(out, refs=tsoar.references(tiny.refs), note=said.append).exposure.n_integrations == 12
    assert said == []


def test_a_run_without_places_says_so(explored_run, tmp_path):
    out = rewritten(explored_run, tmp_path / "old", lambda r: r["performance"].pop("files"))
    done = call(out)
    assert done.exit_code == 2
    assert "does not say where the exposure's files are" in done.stderr


def test_other_files_than_the_run_had_are_told(explored_run, tmp_path, no_survey):
    out = rewritten(explored_run, tmp_path / "o", lambda r: r["inputs"][0].update(bytes=1))
    said = []
    open_run(out, note=said.append)
    assert len(said) == 1 and "the run was made of other files" in said[0]


@pytest.mark.parametrize(
    ("name", "said"),
    [("nowhere", "no such file or folder"), ("empty", "no run.json in this folder")],
)
def test_wrong_folders_are_one_line(tmp_path, name, said):
    (tmp_path / "empty").mkdir()
    done = call(tmp_path / name)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_counts_need_references(tiny):
    done = call(tiny.folder)
    assert done.exit_code == 2
    assert "--refs DIR" in done.stderr


def test_a_run_has_its_settings_already(explored_run):
    done = call(explored_run.out, "--set", "jump.threshold=3")
    assert done.exit_code == 2
    assert "change them on the page" in done.stderr
