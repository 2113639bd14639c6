"""300 mutated FITS inputs: each ends in a result or in one clear line, soon, in little memory, with nothing half-written.

What is done to them: `tests.faults.mutations`. Every case runs through the command line in a process of its own, with a
time limit and a limit on memory. Run one case by itself: ``python -m tests.faults.test_fuzz 123``.
"""

import shutil
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest
import xarray as xr

from tests.faults.mutations import KINDS, REFERENCES, Good, make_case
from tests.faults.nursery import Nursery

pytestmark = pytest.mark.filterwarnings("ignore")  # astropy's and numpy's, while files are spoilt
CASES = 300
QUICK = (0, 6, 8, 15, 18, 24, 27, 31, 33, 35, 44, 46, 48, 58, 66, 68, 72, 77, 86, 100)
"""a subset of many kinds, mostly such that are refused"""
FIGURES = 10
"""every so many cases figures and report are drawn too: they take most of the time of a run"""
TIME, MEMORY = 90.0, 1536.0
"""limits of a case [s], [MiB]"""
CLEAR = ("starlight", "saturated", "usable pixel")
"""lines about the whole exposure, where no single file can be blamed"""


def judge(case, ended, out):
    """What is wrong with how a case ended; empty when nothing is."""
    left = [p.name for p in out.rglob("*") if p.is_file()]
    wrong = []
    if ended.code not in (0, 2):
        wrong.append(f"exit code {ended.code}, signal {ended.signal}")
    if "Traceback" in ended.err + ended.out or "bug" in ended.err:
        wrong.append("traceback or bug")
    if ended.peak > MEMORY:
        wrong.append(f"{ended.peak:.0f} MiB")
    if any(not c.isprintable() for c in ended.err.replace("\n", "")):
        wrong.append("control characters on the terminal")
    if ended.code == 2:
        if len(ended.lines) != 1 or not ended.err.startswith("tsoar: ") or "out of memory" in ended.err:
            wrong.append("not one clear line")
        if left:
            wrong.append(f"left behind: {left}")
        named = [p.name.encode("unicode_escape").decode() for p in case.touched] + [k for k in REFERENCES if k in case.what]
        if not any(n in ended.err or n[:40] in ended.err for n in named) and not any(w in ended.err for w in CLEAR):
            wrong.append("the line does not name the file")
    if ended.code == 0 and (ended.err or any(name.endswith(".part") for name in left)):
        wrong.append("not a clean result")
    elif ended.code == 0 and not case.whole:
        if sum(name.endswith("_dark_current.fits") for name in left) != len(case.uncal):
            wrong.append(f"not a complete result: {left}")
    elif ended.code == 0:
        if not {"run.json", "spectra.nc", "diagnostics.json"} <= set(left):
            wrong.append(f"not a complete result: {left}")
        else:
            with xr.open_dataset(out / "spectra.nc", engine="h5netcdf", decode_times=False) as spectra:
                if spectra["flux"].dims != ("integration", "order", "column"):
                    wrong.append("odd spectra")
    return wrong


def face(nursery, number, good, folder):
    """Make a case, run it, judge it, throw it away."""
    case = make_case(number, good, folder / f"case{number}")
    out = case.folder / "out"
    figures = number % FIGURES == 0
    ended = nursery.run(*case.arguments(out), "--quiet", figures=figures, timeout=TIME, memory=3000)
    wrong = judge(case, ended, out)
    shutil.rmtree(case.folder)
    return case, ended, wrong


def told(case, ended, wrong):
    return f"case {case.number} ({case.kind}): {case.what}: {'; '.join(wrong)}\n    {ended.err.strip()[:600]}"


@pytest.fixture(scope="session")
def good(small, done):
    """What is mutated: counts, their references, slopes."""
    return Good(small.uncal, small.refs, sorted((done / "rateints").glob("*.fits")), done / "rate.fits")


def test_some_mutated_files(nursery, good, tmp_path):
    found = [face(nursery, number, good, tmp_path) for number in QUICK]
    failed = [told(*one) for one in found if one[2]]
    assert not failed, "\n" + "\n".join(failed)
    assert Counter(ended.code for _, ended, _ in found)[2] >= 12, "most are refused"


@pytest.mark.slow
def test_300_mutated_files(good, tmp_path):
    assert len(KINDS) >= 40, "every kind at least six times"
    free = SimpleQueue()
    with Nursery() as first, Nursery() as second, ThreadPoolExecutor(2) as pool:
        free.put(first)
        free.put(second)

        def one(number):
            nursery = free.get()
            try:
                return face(nursery, number, good, tmp_path)
            finally:
                free.put(nursery)

        found = list(pool.map(one, range(CASES)))
    outcome, by_kind = Counter(), Counter()
    for case, ended, wrong in found:
        how = "wrong" if wrong else "result" if ended.code == 0 else "one line"
        outcome[how] += 1
        by_kind[case.kind, how] += 1
    summary = (
        f"{CASES} cases: {dict(outcome)}; most memory {max(e.peak for _, e, _ in found):.0f} MiB, longest "
        f"{max(e.seconds for _, e, _ in found):.1f} s, CPU {sum(e.cpu for _, e, _ in found):.0f} s\n"
        + "\n".join(f"  {kind}: {how} {n}" for (kind, how), n in sorted(by_kind.items()))
    )
    sys.stdout.write(f"\n{summary}\n")
    failed = [told(*one) for one in found if one[2]]
    assert not failed, summary + "\n" + "\n".join(failed)
    assert outcome["result"] >= 60 and outcome["one line"] >= 100, summary


if __name__ == "__main__":
    import tempfile
    from pathlib import Path

    from tests.make import tiny_exposure

    with tempfile.TemporaryDirectory() as name, Nursery() as alone:
        tiny = tiny_exposure(Path(name) / "small", n_int=9, n_groups=3, segments=2)
        alone.run("run", *tiny.uncal, "--refs", tiny.refs, "--out", Path(name) / "done", "--quiet", figures=False)
        slopes = sorted((Path(name) / "done" / "rateints").glob("*.fits"))
        from_these = Good(tiny.uncal, tiny.refs, slopes, Path(name) / "done" / "rate.fits")
        for which in map(int, sys.argv[1:]):
            sys.stdout.write(told(*face(alone, which, from_these, Path(name))) + "\n")
