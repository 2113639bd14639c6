"""tsoar inspect on a real (tiny) exposure, end to end: what it prints and what it leaves."""

import pytest
from click.testing import CliRunner

from tests.make import tiny_exposure
from tsoar.cli import cli


def call(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_exposure(tmp_path_factory.mktemp("inspected"), n_int=3, n_groups=4, segments=1)


@pytest.fixture(scope="module")
def walked(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("figures")
    return call("inspect", *tiny.uncal, "--refs", tiny.refs, "--integration", 2, "--out", out, "--only-through", "refpix"), out


def test_the_walk_says_what_changed_and_saves_figures(walked):
    done, out = walked
    assert done.exit_code == 0, done.output
    steps = [line.split()[0] for line in done.stdout.splitlines()]
    assert steps[:5] == ["counts", "dq_init", "saturation", "superbias", "refpix"]
    assert steps[5:] == ["figures:"]
    files = sorted(p.name for p in out.iterdir())
    assert files[-1] == "captions.txt"
    assert f"({len(files) - 1}, with captions.txt)" in done.stdout
    assert [f[:3] for f in files[:3]] == ["01_", "02_", "03_"]
    assert any("superbias_before_after" in f for f in files)
    assert all((out / f).read_bytes()[:4] == b"\x89PNG" for f in files[:-1])
    captions = (out / "captions.txt").read_text("utf-8")
    assert captions.count("Wrong:") == len(files) - 1
    assert all(f in captions for f in files[:-1])


def test_single_looks(tiny, tmp_path):
    """With too few integrations for a deep stack the field's methods are walked; pixel, flags and sweep in one call."""
    done = call(
        *(
            "inspect",
            *tiny.uncal,
            "--refs",
            tiny.refs,
            "--integration",
            1,
            "--out",
            tmp_path / "o",
            "--set",
            "jump.threshold=6",
        ),
        *("--pixel", "30,500", "--pixel", "40,100", "--dq", "DO_NOT_USE,REFERENCE_PIXEL", "--sweep", "5:6:1", "--quiet"),
    )
    assert done.exit_code == 0, done.output
    assert "row 30, column 500, integration 1; groups counted from 0" in done.stdout
    assert "pixel: DO_NOT_USE, not used" in done.stdout
    assert "cosmic rays are expected in" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.split()[:1] in (["5"], ["6"])]
    assert len(rows) == 2
    assert all(len(row) == 5 for row in rows if row[0] == "5")
    assert sorted(p.name for p in (tmp_path / "o").glob("*.png")) == [
        "01_pixel_30_500.png",
        "02_pixel_40_100.png",
        "03_flags_of_groups.png",
        "04_flags_of_pixels.png",
        "05_jump_sweep.png",
    ]


def test_the_folder_is_named_after_exposure_and_integration(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call("inspect", *tiny.uncal, "--refs", tiny.refs, "--dq", "all", "--only-through", "saturation")
    assert done.exit_code == 0, done.output
    assert [p.name for p in tmp_path.iterdir()] == ["jw00001001001_04101_00001_integration0"]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (("--pixel", "96,0"), "expected a row of 0 to 95"),
        (("--sweep", "15"), "expected LOW:HIGH"),
        (("--dq", "SATURTED"), "did you mean SATURATED"),
        (("--column", "2048"), "has 0 to 2047"),
        (("--only-through", "jmup"), "did you mean jump"),
    ],
)
def test_what_is_not_there_is_refused(tiny, tmp_path, asked, answer):
    done = call("inspect", *tiny.uncal, "--refs", tiny.refs, *asked, "--out", tmp_path)
    assert done.exit_code == 2
    assert answer in done.stderr
    assert not list(tmp_path.glob("*.png"))
