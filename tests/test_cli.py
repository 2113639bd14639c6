"""The command line: what is asked arrives at the library, and whatever happens ends in one line and an exit code."""

import errno
import json
import logging
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from tsoar.blocks import Ramps, Readout, Reference
from tsoar.cli import cli
from tsoar.cli.outcome import disk_full, plain
from tsoar.cli.progress import left, lines
from tsoar.config import load, to_dict
from tsoar.errors import ExposureError

READOUT = Readout("SUBSTRIP96", (4, 5), (1, 1803), 3, 2.2, 2.2)


class Exposure:
    """Two integrations of three groups, one saturated pixel."""

    kind, stem, n_integrations, n_groups, readout, repairs = "uncal", "jw1", 2, 3, READOUT, ()
    segments = (SimpleNamespace(path=Path("jw1-seg001_nis_uncal.fits"), size=10, first=0, n=2),)

    def ramps(self, integrations):
        first, last, _ = integrations.indices(2)
        n = last - first
        data = np.full((n, 3, 4, 5), 100, np.float32)
        data[:, 1:, 2, 3] = 60000
        return Ramps(data, np.zeros(data.shape, np.uint8), np.zeros((4, 5), np.uint32), READOUT, first)


class References:
    def have(self, kind):
        return kind == "saturation"

    def cut(self, kind, readout):
        return Reference(kind, np.full((4, 5), 50000, np.float32), None, readout.corner)


@pytest.fixture
def library(monkeypatch):
    """A library that only notes what it was asked."""
    asked = {}

    def module(name, **names):
        made = ModuleType(name)
        made.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, made)

    def open_exposure(paths):
        asked["paths"] = paths
        if paths == ["broken"]:
            raise ExposureError("broken: not FITS\x1b[2J, expected an uncal file")
        return Exposure()

    def references(path, *, crds, exposure, **single):
        asked.update(refs=path, crds=crds, ref=single)
        return References()

    def run(exposure, references, **options):
        asked.update(options, exposure=exposure, references=references)
        if "raises" in asked:
            raise asked["raises"]
        if options["progress"]:
            options["progress"]("survey", 0, 4)
            options["progress"]("survey", 4, 4)
        logging.getLogger("tsoar.x").warning("odd keyword")
        logging.getLogger("tsoar.x").info("details")
        return SimpleNamespace(summary=lambda: ["sensitivity: 1.0", "report: out/report.html"])

    def make_plan(exposure, references, config, **options):
        asked.update(options, config=config, references=references)
        row = {"step": "jump", "parameters": "threshold=5", "references": "[gain]", "reads": "a", "writes": "b"}
        return SimpleNamespace(rows=lambda: [row], notes=("few groups",))

    module("tsoar.io.exposure", open_exposure=open_exposure)
    module("tsoar.io.references", references=references, KINDS=("gain", "saturation"))
    module("tsoar.reduce.run", run=run)
    module("tsoar.reduce.plan", make_plan=make_plan)
    return asked


def call(*arguments):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


# -- run --------------------------------------------------------------------------------------------------------------


def test_run_hands_everything_on(library):
    done = call(
        *("run", "a.fits", "b.fits", "--refs", "refs", "--ref", "GAIN=g.fits", "--out", "o", "--set", "jump.threshold=10"),
        *("--skip", "clean", "--only-through", "ramp_fit", "--save", "jump", "--save", "superbias"),
        *("--baseline", "0:50,70:", "--products", "spectra", "--workers", "3", "--resume"),
    )
    assert done.exit_code == 0, done.output
    assert library["paths"] == ["a.fits", "b.fits"]
    assert (library["refs"], library["ref"]) == ("refs", {"gain": "g.fits"})
    assert library["config"] == load(overrides=["jump.threshold=10"], skip=["clean"])
    expected = {
        "out": "o",
        "only_through": "ramp_fit",
        "save": ("jump", "superbias"),
        "baseline": "0:50,70:",
        "products": "spectra",
        "workers": 3,
        "resume": True,
    }
    assert {name: library[name] for name in expected} == expected
    assert done.stdout.splitlines() == ["sensitivity: 1.0", "report: out/report.html"]


def test_run_by_default(library):
    assert call("run", "a", "--out", "o", "--refs", "crds").exit_code == 0
    assert (library["refs"], library["crds"]) == (None, True), "asked for by name only"
    library.clear()
    assert call("run", "a", "--out", "o").exit_code == 0
    assert library["references"] is None
    assert library["config"] == load()
    expected = {"save": (), "only_through": None, "baseline": None, "products": "all", "workers": None, "resume": False}
    assert {name: library[name] for name in expected} == expected


def test_a_run_is_repeated_with_everything_it_was_asked(library, tmp_path):
    options = {"baseline": "0:5", "products": "spectra", "save": ["jump"], "only_through": "extract"}
    config = to_dict(load(overrides=["jump.threshold=9"]))
    inputs = [{"name": "jw1-seg001_nis_uncal.fits", "bytes": 10}]
    run = {"tsoar": "0.0.1", "config": config, "options": options, "inputs": inputs}
    (tmp_path / "run.json").write_text(json.dumps(run))
    done = call("run", "a", "--out", "o", "--like", tmp_path / "run.json", "--products", "all")
    assert done.exit_code == 0, done.output
    assert library["config"].jump.threshold == 9
    assert (library["baseline"], library["save"], library["only_through"]) == ("0:5", ("jump",), "extract")
    assert library["products"] == "all", "what is said now wins"
    assert "note: that run was made with tsoar 0.0.1" in done.stderr
    assert "other input" not in done.stderr
    (tmp_path / "run.json").write_text(json.dumps(run | {"inputs": []}))
    assert "note: other input" in call("run", "a", "--out", "o", "--like", tmp_path).stderr


def test_progress_and_warnings_are_lines_where_there_is_no_terminal(library):
    done = call("run", "a", "--out", "o")
    assert done.stderr.splitlines() == ["tsoar: survey 0/4", "tsoar: survey 4/4", "tsoar: warning: odd keyword"]


def test_quiet_and_verbose(library):
    done = call("run", "a", "--out", "o", "--quiet")
    assert done.output == ""
    assert "tsoar: details" in call("run", "a", "--out", "o", "--verbose").stderr
    assert not logging.getLogger("tsoar").handlers, "nothing of it stays behind"


# -- how things end ---------------------------------------------------------------------------------------------------


def test_what_the_user_can_mend_is_one_harmless_line(library):
    done = call("run", "broken", "--out", "o")
    assert done.exit_code == 2
    assert done.stderr == "tsoar: broken: not FITS\\x1b[2J, expected an uncal file\n"


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "tsoar: interrupted; `tsoar run --resume` goes on"),
        (OSError(errno.ENOSPC, "No space left on device", "o/spectra.nc"), 2, "tsoar: disk full: "),
        (MemoryError(), 2, "tsoar: out of memory; try fewer --workers"),
    ],
)
def test_what_is_nobodys_fault(library, raised, code, said):
    library["raises"] = raised
    done = call("run", "a", "--out", "o")
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_a_bug_asks_for_a_report_and_keeps_the_traceback(library):
    library["raises"] = KeyError("no\nsuch thing")
    done = call("run", "a", "--out", "o")
    assert done.exit_code == 1
    (line,) = (text for text in done.stderr.splitlines() if "bug" in text)
    assert line.startswith("tsoar: this is a bug in tsoar, please report: KeyError: ")
    file = Path(line.partition("(traceback in ")[2].rstrip(")"))
    assert "Traceback" in file.read_text()
    file.unlink()
    assert "Traceback" not in done.output
    verbose = call("run", "a", "--out", "o", "--verbose")
    assert "Traceback" in verbose.stderr
    Path(verbose.stderr.partition("(traceback in ")[2].rstrip(")\n")).unlink()


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "a"],
        ["run", "--out", "o"],
        ["run", "a", "--out", "o", "--workers", "0"],
        ["run", "a", "--out", "o", "--products", "none"],
        ["run", "a", "--out", "o", "--ref", "gain"],
        ["run", "a", "--out", "o", "--ref", "path=x"],
        ["run", "a", "--out", "o", "--set", "jump.treshold=3"],
        ["run", "a", "--out", "o", "--config", "/nowhere/x.toml"],
        ["run", "a", "--out", "o", "--like", "nobody"],
        ["inspect", "a", "--integration", "2"],
        ["inspect", "a", "--saturated"],
        ["inspect", "a", "--flags", "SATURTED"],
        ["inspect", "a", "--pixel", "45;1500"],
        ["inspect", "a", "--pixel", "45"],
        ["inspect", "a", "--out", "o"],
        ["inspect", "a", "--sweep", "3:15"],
        ["inspect", "a", "--refs", "r", "--run", "/nowhere"],
        ["report", "/nowhere"],
        ["nosuch"],
    ],
)
def test_wrong_use_is_exit_2(library, arguments):
    done = call(*arguments)
    assert done.exit_code == 2
    assert done.stderr
    assert "Traceback" not in done.output


def test_a_full_disk_is_known_by_its_words_too():
    assert disk_full(OSError(errno.EDQUOT, "Disk quota exceeded"))
    assert disk_full(OSError("Not enough space on disk: requested 5, available 3. Fits file not written."))
    assert disk_full(RuntimeError("file write failed: errno = 28, error message = 'No space left on device'"))
    behind = RuntimeError("closing failed")
    behind.__cause__ = OSError(errno.ENOSPC, "full")
    assert disk_full(behind)
    assert not disk_full(OSError(errno.EACCES, "Permission denied"))


def test_control_characters_do_no_harm():
    assert plain("a\x1b[31m\u202eb\nc\rd") == "a\\x1b[31m\\u202eb c\\rd"
    assert plain("Größe 5 µm") == "Größe 5 µm"


# -- the other commands -----------------------------------------------------------------------------------------------


def test_config_prints_what_load_reads(tmp_path):
    done = call("config", "--set", "jump.threshold=10", "--skip", "clean", "--like", "tutorial")
    assert done.exit_code == 0
    (tmp_path / "my.toml").write_text(done.stdout)
    assert load(tmp_path / "my.toml") == load(like="tutorial", overrides=["jump.threshold=10"], skip=["clean"])


def test_plan_prints_its_rows(library):
    done = call("plan", "a", "--refs", "r", "--only-through", "jump", "--save", "jump")
    assert done.exit_code == 0, done.output
    header, row, note = done.stdout.splitlines()
    assert header.split() == ["step", "parameters", "references", "reads", "writes"]
    assert row.split() == ["jump", "threshold=5", "[gain]", "a", "b"]
    assert note == "note: few groups"
    assert (library["only_through"], library["save"]) == ("jump", ("jump",))


def test_inspect_says_what_an_exposure_is(library):
    done = call("inspect", "a")
    assert "jw1-seg001_nis_uncal.fits: integrations 0 to 1" in done.stdout
    assert "SUBSTRIP96, 4 rows x 5 columns" in done.stdout


def test_inspect_lists_saturated_pixels_beside_the_limit(library):
    done = call("inspect", "a", "--refs", "r", "--saturated", "--integration", "1", "--limit", "4")
    assert done.exit_code == 0, done.output
    text = done.stdout.splitlines()
    assert text[0] == "integration 1: 9 pixels flagged SATURATED, 1 of them at or above their limit"
    assert text[2].split() == ["1", "2", "1", "100", "50000"]
    assert text[-1] == "... and 5 more (--limit 9 shows all)"
    assert ["2", "3", "1", "60000", "50000"] in [
        t.split() for t in call("inspect", "a", "--refs", "r", "--saturated").stdout.splitlines()
    ]


def test_inspect_counts_flags_by_name(library):
    done = call("inspect", "a", "--refs", "r", "--flags", "saturated|DEAD")
    assert done.exit_code == 0, done.output
    counted = dict(line.rsplit(maxsplit=1) for line in done.stdout.splitlines() if line.strip()[:1] in "SDa")
    # 9 pixels saturated in the last two of three groups
    assert {k.strip(): v for k, v in counted.items()}["SATURATED"] == "18"
    assert "groupdq of integration 0, 60 values" in done.stdout
    assert "SATURATED" in call("inspect", "a", "--refs", "r", "--flags", "all").stdout


def test_report_prints_numbers_with_verdict(tmp_path):
    numbers = {"scatter": {"value": 1.5, "unit": "ppm", "criterion": "<= 1", "verdict": "bad"}}
    (tmp_path / "diagnostics.json").write_text(json.dumps({"numbers": numbers, "notes": ["x\x1by"]}))
    done = call("report", tmp_path)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[1].split() == ["scatter", "1.5", "ppm", "<=", "1", "bad"]
    assert "note: x\\x1by" in done.stdout


def test_help_names_the_commands_and_loads_nothing_slow():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from tsoar.cli import main; main()", "--help"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0
    for heavy in ("numpy", "numba", "rich", "pydantic", "astropy"):
        assert f" {heavy}\n" not in done.stderr
    for name in cli.commands:
        assert f"\n  {name} " in done.stdout


# -- progress ---------------------------------------------------------------------------------------------------------


def test_lines_come_at_intervals_and_tell_the_time_left():
    now, said = [0.0], []
    progress = lines(said.append, lambda: now[0], 5)
    for second in range(13):
        now[0] = float(second)
        progress("integrations", second, 12)
    progress("writing products", 0, 1)
    progress("writing products", 1, 1)
    assert said == [
        "integrations 0/12",
        "integrations 5/12, 0:07 left",
        "integrations 10/12, 0:02 left",
        "integrations 12/12",
        "writing products",
    ]


def test_time_left_in_words():
    assert [left(s) for s in (4, 75, 3661)] == ["0:04 left", "1:15 left", "1:01:01 left"]
