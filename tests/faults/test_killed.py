"""Killed with SIGKILL at any moment: no half product under a final name, and `--resume` gives the bytes of an uninterrupted run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

import tsoar
from tests.faults.nursery import finished
from tsoar.reduce import products

SEED = 30
PROGRAM = "from tsoar.cli import main; main()"


def check_killed(out, whole):
    """What a killed run leaves: every file under a final name is the final one."""
    left = finished(out)
    assert left.keys() <= whole.keys(), left.keys() - whole.keys()
    assert [name for name in left if left[name] != whole[name]] == [], "half a product under a final name"
    return len(left)


def check_resumed(out, whole):
    """Everything as if nothing had happened, and nothing else."""
    assert finished(out) == whole
    assert not list(out.rglob("*.part"))
    assert not (out / ".partial").exists()


def test_a_few_kills_one_after_the_other(nursery, command, whole, tmp_path):
    """Without figures. Killed when the second segment is done, resumed, killed while products are written, resumed."""
    out = tmp_path / "out"
    for name, segments in (("seg002_nis_rateints.fits.part", 1), ("lightcurves.nc.part", 2)):
        ended = nursery.run(*command(out), "--resume", figures=False, watch=out, die_at=name)
        assert ended.signal == signal.SIGKILL, ended
        check_killed(out, whole)
        assert len(list(out.glob("rateints/*.fits"))) == segments
    assert (out / "traces.nc").exists()
    ended = nursery.run(*command(out), "--resume", figures=False)
    assert (ended.code, ended.err) == (0, "")
    check_resumed(out, whole)


@pytest.mark.slow
def test_thirty_kills_and_resumes(nursery, command, tmp_path):
    """12 by the clock, 16 at a file that is opened, renamed or removed, 2 on the program itself, started anew.

    Moments are drawn evenly over the whole duration: one random moment in each of as many equal parts.
    """
    start = nursery.run(*command(tmp_path / "whole"), watch=tmp_path / "whole")
    assert (start.code, start.err) == (0, "")
    expected = finished(tmp_path / "whole")
    rng = np.random.default_rng(SEED)
    moments = [{"kill_after": float((k + rng.random()) / 12 * start.seconds)} for k in range(12)]
    moments += [{"die_at": 1 + int((k + rng.random()) / 16 * start.events)} for k in range(16)]
    count, files = Counter(), Counter()
    for number, moment in enumerate(moments):
        out = tmp_path / f"out{number}"
        ended = nursery.run(*command(out), watch=out, timeout=120, **moment)
        count["killed" if ended.signal == signal.SIGKILL else "done before the kill"] += 1
        assert ended.code == 0 or ended.signal == signal.SIGKILL, (moment, ended)
        files["none" if not out.exists() else check_killed(out, expected)] += 1
        again = nursery.run(*command(out), "--resume", timeout=120)
        assert (again.code, again.err) == (0, ""), (moment, again)
        check_resumed(out, expected)
        count["resumed to the same bytes"] += 1
    for number in (1, 2):
        out = tmp_path / f"program{number}"
        arguments = [sys.executable, "-c", PROGRAM, *map(str, command(out))]
        with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 120
            while not (out / (".partial", "spectra.nc")[number - 1]).exists():  # the run is under way
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(0.5 * rng.random() * start.seconds)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        count["killed" if process.returncode == -signal.SIGKILL else "done before the kill"] += 1
        check_killed(out, expected)
        assert nursery.run(*command(out), "--resume", timeout=120).code == 0
        check_resumed(out, expected)
        count["resumed to the same bytes"] += 1
    print(f"\nkills: {dict(count)}; files under a final name after a kill, and how often: {dict(files)}")
    assert count["resumed to the same bytes"] == 30
    assert count["killed"] >= 24, count
    assert len(files) >= 8, "the moments are spread over the whole duration"


@pytest.fixture
def cut_off(small, tmp_path, monkeypatch):
    """Runs (without figures) that are interrupted when the first segment is done; returns the settings' bytes."""
    monkeypatch.setattr(products, "figures", lambda *args: [])

    def run(out, threshold, through=False, resume=False, refs=None):
        def stop(stage, done, total):
            if stage == "integrations" and done > 5 and not through:
                raise KeyboardInterrupt

        config = tsoar.load_config(overrides=[f"jump.threshold={threshold}"])
        arguments = tsoar.open(small.uncal), tsoar.references(refs or small.refs)
        try:
            tsoar.run(*arguments, out=out, config=config, resume=resume, progress=stop)
        except KeyboardInterrupt:
            assert not through
        return finished(out)

    return run


@pytest.mark.slow
def test_what_another_run_has_overwritten_is_not_taken_over(cut_off, tmp_path):
    """Run, cut off; a run with other settings into the same folder, cut off too; then the first one is resumed."""
    expected = cut_off(tmp_path / "whole", 5, through=True)
    cut_off(tmp_path / "out", 5)
    other = cut_off(tmp_path / "out", 4)
    (name,) = (n for n in other if n.startswith("rateints/"))
    assert other[name] != expected[name], "the settings matter"
    assert cut_off(tmp_path / "out", 5, through=True, resume=True) == expected


def test_files_that_have_changed_meanwhile_are_not_taken_over(small, tmp_path):
    """What is kept of a segment is known by settings, version and every file's name, size and time."""
    from tsoar.reduce.plan import make_plan
    from tsoar.reduce.provenance import fingerprint

    refs = tmp_path / "refs"
    shutil.copytree(small.refs, refs)

    def now(*overrides, **single):
        exposure, references = tsoar.open(small.uncal), tsoar.references(refs, **single)
        return fingerprint(make_plan(exposure, references, tsoar.load_config(overrides=overrides)), exposure, references)

    first = now()
    assert now() == first
    gain = np.full((96, 2048), 1.6, np.float32)
    others = [now("jump.threshold=4"), now(gain=gain), now(gain=gain + np.float32(0.1))]
    os.utime(refs / "file_readnoise.fits", ns=(1, 1))
    others.append(now())
    assert len({first, *others}) == 5
