"""A disk that is really full (a small tmpfs), folders that cannot be written: one line, exit 2, nothing half-written."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tsoar
from tests.faults.nursery import finished

MIB = 1 << 20
NO_CHECK = """
import shutil
from types import SimpleNamespace
real, called = shutil.disk_usage, []
shutil.disk_usage = lambda p: called.append(p) or (real(p) if len(called) > 1 else SimpleNamespace(free=1 << 50))
"""
"""the simulator looks for room at first; told that there is plenty it meets the full disk while it writes"""


@pytest.fixture
def disk(tmp_path):
    """Makes small file systems, given their size [bytes]."""
    if os.geteuid() != 0:
        pytest.skip("needs root to mount a small tmpfs")
    mounted = []

    def make(size, *options):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], capture_output=True, text=True
        )
        if done.returncode != 0:
            pytest.skip(f"mount does not work here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def read_only(folder):
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def one_line(ended, *words):
    """One line on stderr, exit code 2."""
    assert ended.code == 2, ended
    assert len(ended.lines) == 1 and ended.err.startswith("tsoar: "), ended.err
    assert "Traceback" not in ended.err and "bug" not in ended.err, ended.err
    for word in words:
        assert word in ended.err, ended.err


def nothing_half(out, whole):
    """Whole files only, none under way."""
    left = finished(out)
    assert [name for name in left if left[name] != whole.get(name)] == []
    assert not list(out.rglob("*.part"))
    return left


# -- run --------------------------------------------------------------------------------------------------------------


def full_at(nursery, command, whole, folder, size):
    ended = nursery.run(*command(folder / "out"), figures=False)
    one_line(ended, "No space left" if "No space" in ended.err else "disk full", str(folder))
    left = nothing_half(folder / "out", whole)
    assert "run.json" not in left, "written last: its absence says that the run is not complete"
    return len(left)


def test_a_run_on_a_full_disk(nursery, command, whole, disk):
    """Room for one of two segments."""
    folder = disk(20 * MIB)
    assert full_at(nursery, command, whole, folder, 20 * MIB) == 1


@pytest.mark.slow
def test_a_run_on_disks_of_every_size(nursery, command, whole, disk):
    """From no room at all to room for everything but the last files; then there is room, and the run is resumed."""
    total = sum(map(len, whole.values()))
    slopes = sum(len(v) for k, v in whole.items() if "rateints" in k)
    kept = 2 * 40 * 96 * 2048 + 3 * MIB  # of finished segments, until the run is complete: sums of the mean image, series
    sizes = [0.2, 2, slopes / MIB / 2 + 1, slopes / MIB + 1]
    # with more than 0.8 all fits: what resume keeps goes before the last files come
    sizes += [(slopes + kept + share * (total - slopes)) / MIB for share in (0, 0.2, 0.4, 0.6)]
    left = {}
    for size in sizes:
        folder = disk(int(size * MIB) // 4096 * 4096)
        left[f"{size:.1f} MiB"] = full_at(nursery, command, whole, folder, size)
    sys.stdout.write(f"\nwhole files left on a full disk of: {left}\n")
    assert max(left.values()) >= 4
    subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)
    assert nursery.run(*command(folder / "out"), "--resume", figures=False).code == 0
    assert finished(folder / "out") == whole


def test_folders_that_cannot_be_written(nursery, command, disk, tmp_path):
    (tmp_path / "file").write_text("")
    one_line(nursery.run(*command(tmp_path / "file" / "out")), "cannot write", "--out")
    one_line(nursery.run(*command(tmp_path / "file")), "cannot write", "--out")
    folder = disk(MIB)
    (folder / "there").mkdir()
    read_only(folder)
    for out in (folder, folder / "new", folder / "there"):
        one_line(nursery.run(*command(out)), "Read-only file system", "--out")
    assert os.listdir(folder) == ["there"] and os.listdir(folder / "there") == []


@pytest.mark.slow
def test_a_home_that_cannot_be_written(done, disk, tmp_path):
    """No place for compiled kernels and caches, the package itself read-only: every module still loads, a run is read."""
    folder = disk(MIB)
    source = folder / "src"
    source.mkdir()
    subprocess.run(["mount", "--bind", str(Path(tsoar.__file__).parents[1]), str(source)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(source)], check=True)
        read_only(folder)
        home = {"HOME": folder, "XDG_CACHE_HOME": folder / "cache", "XDG_CONFIG_HOME": folder / "config", "PYTHONPATH": source}
        env = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")}
        env |= {k: str(v) for k, v in home.items()}
        code = "import tsoar.reduce.run; from tsoar.medians import network; from tsoar.cli import main; main()"
        ended = subprocess.run(
            [sys.executable, "-c", code, "report", str(done)], env=env, capture_output=True, text=True, timeout=120
        )
    finally:
        subprocess.run(["umount", "-l", str(source)], check=True)
    assert ended.returncode == 0, ended.stderr
    assert "report.html" in ended.stdout


# -- report -----------------------------------------------------------------------------------------------------------


def test_report_where_nothing_can_be_written(nursery, done, disk, tmp_path):
    """A run on a read-only disk can be looked at; a full disk under the output is said in one line."""
    folder = disk(100 * MIB)
    for name in ("diagnostics.json", "run.json", "report.html"):
        shutil.copy(done / name, folder / name)
    read_only(folder)
    ended = nursery.run("report", folder)
    assert (ended.code, ended.err) == (0, "")
    assert "report.html" in ended.out
    full = nursery.run("report", done, patch="import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1)")
    one_line(full, "disk full")


# -- simulate ---------------------------------------------------------------------------------------------------------

TWO = ("--nints", "2", "--ngroups", "2", "--subarray", "SUBSTRIP96", "--segments", "2", "--seed", "5", "--quiet")


@pytest.mark.slow
def test_simulate_looks_for_room_and_rights_first(nursery, disk, tmp_path):
    folder = disk(8 * MIB)
    one_line(nursery.run("simulate", "--out", folder / "out", *TWO), "are needed")
    (tmp_path / "file").write_text("")
    one_line(nursery.run("simulate", "--out", tmp_path / "file" / "out", *TWO), "--out")
    roomy = disk(1024 * MIB)
    read_only(roomy)
    one_line(nursery.run("simulate", "--out", roomy / "new", *TWO), "Read-only file system")
    one_line(nursery.run("simulate", "--out", folder, *TWO), str(folder))
    assert [p for p in folder.rglob("*") if p.is_file()] == []


@pytest.mark.slow
def test_simulate_on_a_disk_that_fills_up(nursery, disk, tmp_path):
    """Full while segments, reference files, truth are written."""
    assert nursery.run("simulate", "--out", tmp_path / "whole", *TWO).code == 0
    whole = finished(tmp_path / "whole")
    total = sum(map(len, whole.values())) / MIB
    left = {}
    for size in (0.2, 1.0, 2.5, 8, 30, 0.5 * total, 0.9 * total, total - 0.02):
        folder = disk(int(size * MIB) // 4096 * 4096)
        one_line(nursery.run("simulate", "--out", folder / "out", *TWO, patch=NO_CHECK), str(folder))
        left[f"{size:.1f} MiB"] = len(nothing_half(folder / "out", whole))
    sys.stdout.write(f"\nwhole files left on a full disk of: {left}\n")
    assert max(left.values()) >= 5
