"""Killed with SIGKILL at any moment: no half product under a final name, `--resume` gives the bytes of a whole run."""

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

    Moments are drawn evenly over the whole duration: one random moment in each of as many equal parts. Every third run
    draws the figures too, which take most of its time.
    """
    starts = [nursery.run(*command(tmp_path / f"whole{k}"), watch=tmp_path / f"whole{k}", figures=k > 0) for k in (0, 1)]
    assert [(s.code, s.err) for s in starts] == [(0, "")] * 2
    expected = [finished(tmp_path / f"whole{k}") for k in (0, 1)]
    rng = np.random.default_rng(SEED)
    count, files, number = Counter(), Counter(), 0
    for what, parts in (("kill_after", 12), ("die_at", 16)):
        for k in range(parts):
            number += 1
            drawn, out = number % 3 == 0, tmp_path / f"out{number}"
            share = (k + float(rng.random())) / parts
            moment = share * starts[drawn].seconds if what == "kill_after" else 1 + int(share * starts[drawn].events)
            ended = nursery.run(*command(out), watch=out, timeout=120, figures=drawn, **{what: moment})
            assert ended.code == 0 or ended.signal == signal.SIGKILL, (what, moment, ended)
            count["killed" if ended.signal == signal.SIGKILL else "done before the kill"] += 1
            files[check_killed(out, expected[drawn]) if out.exists() else 0] += 1
            again = nursery.run(*command(out), "--resume", timeout=120, figures=drawn)
            assert (again.code, again.err) == (0, ""), (what, moment, again)
            check_resumed(out, expected[drawn])
            count["resumed to the same bytes"] += 1
            shutil.rmtree(out)
    for under_way in (".partial", "spectra.nc"):
        out = tmp_path / f"program{under_way}"
        arguments = [sys.executable, "-c", PROGRAM, *map(str, command(out))]
        with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            deadline = time.monotonic() + 240
            while not (out / under_way).exists():
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(0.5 * rng.random() * starts[0].seconds)
            process.kill()
        count["killed" if process.returncode == -signal.SIGKILL else "done before the kill"] += 1
        files[check_killed(out, expected[1])] += 1
        assert nursery.run(*command(out), "--resume", timeout=120).code == 0
        check_resumed(out, expected[1])
        count["resumed to the same bytes"] += 1
    summary = f"kills: {dict(count)}; whole files under final names after a kill, and how often: {dict(sorted(files.items()))}"
    sys.stdout.write(f"\n{summary}\n")
    assert count["resumed to the same bytes"] == 30
    assert count["killed"] >= 24, summary
    assert len(files) >= 5, f"the moments are spread over the whole duration; {summary}"


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
