"""The commands `tsoar export` and `tsoar cite`."""

import json

from click.testing import CliRunner

from tests.ecosystem.conftest import record, write_run
from tests.synthetic import make_spectra
from tsoar.cli import cli


def call(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


def test_export_says_what_it_wrote(tmp_path):
    out = write_run(tmp_path / "out", make_spectra(n=12))
    done = call("export", out, "--to", "juliet", "--resolution", "20", "--order", "1", "--out", tmp_path / "there")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == str(tmp_path / "there" / "white" / "lc.dat") and lines[-1].startswith("and ")
    assert call("export", out, "--to", "eureka", "--quiet").output == ""
    assert sorted(p.name for p in (out / "export" / "eureka").iterdir()) == ["order1", "order2"]


def test_cite_prints(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(record(target="WASP-39 b\x1b[2J")))
    done = call("cite", tmp_path)
    assert done.exit_code == 0 and "Brandt, T. D. (2024)" in done.output and "\x1b" not in done.output
    assert "@article{brandt2024," in call("cite", tmp_path, "--bibtex").output


def test_refusals_are_one_line(tmp_path):
    for arguments in (
        ("cite", tmp_path),
        ("export", tmp_path, "--to", "chromatic"),
        ("export", tmp_path, "--to", "excel"),
        ("export", tmp_path),
        ("export", tmp_path, "--to", "x1dints", "--order", "1"),
        ("export", tmp_path, "--to", "eureka", "--resolution", "0"),
    ):
        done = call(*arguments)
        assert done.exit_code == 2, arguments
        assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("tsoar: "), arguments
