"""simulate, score and demo as they are used: on the command line, one after the other."""

import json

import pytest
from click.testing import CliRunner

from tsoar.cli import cli
from tsoar.scoring.rows import KEY


def call(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small exposure, simulated and reduced by commands."""
    folder = tmp_path_factory.mktemp("way")
    small = ["--nints", 30, "--ngroups", 4, "--subarray", "SUBSTRIP96", "--seed", 11]
    made = call("simulate", "--out", folder / "exposure", *small)
    assert made.exit_code == 0, made.output
    assert "truth: " in made.output and "and 1 more" in made.output
    run = call("run", folder / "exposure", "--refs", folder / "exposure/refs", "--out", folder / "run", "--quiet")
    assert run.exit_code == 0, run.output
    return folder


def test_a_simulated_exposure_is_reduced_to_its_truth(folder):
    done = call("score", folder / "run", "--truth", folder / "exposure/truth.nc", "--json", folder / "score.json")
    assert done.exit_code == 0, done.output
    assert "perfect" in done.output.splitlines()[0]
    sections = json.loads((folder / "score.json").read_text())["sections"]
    value = {f"{section}: {name}": row["value"] for section, rows in sections.items() for name, row in rows.items()}
    assert abs(value["slopes: bias, bright (>100 DN/s)"]) < 0.2
    assert value["slopes: chi2/dof, bright (>100 DN/s)"] == pytest.approx(1, abs=0.1)
    assert value["jumps: found, above 10 sigma"] > 98
    assert value["jumps: false flags"] < 0.02
    assert value["traces: order 1: rms"] < 0.15
    assert value["wavelength: order 1: rms"] < 0.3
    assert value["wavelength: time, largest error"] < 0.01
    assert value["sensitivity: order 1"] == pytest.approx(1, abs=0.06)
    assert value["planet: order 1: chi2/N"] == pytest.approx(1, abs=0.2)


def test_json_alone(folder):
    done = call("score", folder / "run", "--truth", folder / "exposure/truth.nc", "--json", "-")
    assert done.exit_code == 0
    assert {"sections", "spectrum", "missing"} == set(json.loads(done.stdout))


def test_refused(folder, tmp_path):
    for arguments, said in (
        (["score", tmp_path, "--truth", folder / "exposure/truth.nc"], "no products"),
        (["score", folder / "run", "--truth", folder / "run/run.json"], "truth"),
        (["score", folder / "run", "--truth", folder / "exposure/truth.nc", "--json", tmp_path], "cannot be written"),
        (["simulate", "--out", tmp_path / "x", "--ngroups", -3], "exposure.ngroups = -3: expected a whole number >= 1"),
        (["simulate", "--out", tmp_path / "x", "--target", "wasp-12"], "target 'wasp-12' is not known"),
        (["simulate", "--out", tmp_path / "x", "--set", "star.jmag"], "expected KEY=VALUE"),
        (["simulate", "--out", folder, "--config", folder], "cannot be read"),
        (["simulate"], "--out"),
        (["simulate", "--out", tmp_path / "x", "--workers", 0], "--workers"),
        (["simulate", "--out", tmp_path / "x", "--nints", "2.5"], "'2.5' is not a valid integer"),
        (["simulate", "--out", tmp_path / "x", "--nints", 10**9], "GB are needed"),
        (["score", folder / "run"], "--truth"),
        (["score", folder / "run", "--truth", "a.nc", "--jsn", "b"], "--jsn"),
    ):
        done = call(*arguments)
        assert done.exit_code == 2, arguments
        assert said in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "x").exists()


def test_the_settings_are_printed_and_read_back(tmp_path):
    printed = call("simulate", "--target", "wasp-39", "--print-config", "--nints", 7)
    assert printed.exit_code == 0
    (tmp_path / "mine.toml").write_text(printed.output)
    again = call("simulate", "--config", tmp_path / "mine.toml", "--print-config")
    assert again.output == printed.output
    assert call("simulate").exit_code == 2  # no --out


@pytest.mark.slow
def test_demo(tmp_path):
    done = call("demo", "--out", tmp_path / "demo", "--nints", 40)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "demo/run/report.html").is_file()
    assert (tmp_path / "demo/planet_spectrum.png").stat().st_size > 10_000
    assert "depth of order 1: 2" in done.output
    assert "ppm injected" in done.output
    shown = {line.split("  ")[0] for line in done.output.splitlines()}
    assert set(KEY) <= shown
