"""What is measured: one function a part, each giving a dictionary for results.json.

Competitors run in turn, each in a process of its own, on the same files, which are in the system's cache. Times are
seconds of wall clock or CPU; "per integration" divides by the number of integrations, surveys and headers included.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import alone, exposures, machine
from benchmarks.clock import spread


@dataclass
class Asked:
    """How much of it."""

    data: Path
    """exposures, kept for the next time"""
    work: Path
    """products that a later part may use, gone in the end"""
    quick: bool = False
    long: bool = False
    exotedrf: str | None = None
    """the Python of an environment that has exotedrf"""
    say: Callable[[str], None] = field(default=lambda text: None)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Integrations of tsoar's exposures."""
        return (4, 8) if self.quick else (20, 100, 300)

    @property
    def subarray(self) -> str:
        """The small one when it is only about whether everything runs."""
        return "SUBSTRIP96" if self.quick else "SUBSTRIP256"

    def exposure(self, n: int, groups: int = 6) -> exposures.Made:
        """Simulated, or kept from before."""
        return exposures.simulated(self.data, n, groups, self.subarray)

    @property
    def field_lengths(self) -> tuple[int, ...]:
        """Integrations of the field's: its cost grows with the square of a file's length, its memory by 160 MiB each."""
        return (4,) if self.quick else (10, 20, 60) if self.long else (10, 20)

    @property
    def repeats(self) -> int:
        """Of what is quick to repeat."""
        return 2 if self.quick else 3

    @property
    def cores(self) -> int:
        """At most two: what the issue asks for, and what most have."""
        return min(2, len(os.sched_getaffinity(0)))


def summary(seconds: dict[str, list[float]], n: int) -> dict[str, Any]:
    """Every named time per integration."""
    return {name: spread(values, n) for name, values in seconds.items()}


def detector(asked: Asked) -> dict[str, Any]:
    """Counts in files to slopes in memory, and to rateints files."""
    rows = []
    for n in asked.lengths:
        made = asked.exposure(n)
        for files in (False, True):
            for workers in range(1, asked.cores + 1):
                asked.say(f"tsoar, {n} integrations, {workers} worker(s){', files' if files else ''}")
                repeats = asked.repeats if n <= 100 else 2
                got = alone.call(
                    "benchmarks.stage:slopes", uncal=made.uncal, refs=made.refs, workers=workers, files=files, repeats=repeats
                )
                rows.append(
                    {"who": "tsoar", "n": n, "workers": workers, "files": files}
                    | {"per_integration": summary(got["seconds"], n), "peak_mib": got["process"]["peak_mib"]}
                )
    for n in asked.field_lengths:
        rows += field_rows(asked, n)
    return {"rows": rows} | compared(rows, asked.cores)


def field_rows(asked: Asked, n: int, flicker: bool = False) -> list[dict[str, Any]]:
    """The field's detector stage on one file of ``n`` integrations: as it comes, and with its steps on all cores."""
    made = asked.exposure(n)
    rows = []
    for cores in ("1",) if asked.quick or n > 20 else ("1", str(asked.cores)):
        seconds: dict[str, list[float]] = {}
        written: dict[str, list[float]] = {}
        steps: dict[str, list[float]] = {}
        peak = 0.0
        for _ in range(1 if asked.quick or n > 20 or flicker or cores != "1" else 3 if n <= 10 else 2):
            asked.say(f"jwst, {n} integrations, {cores} core(s){', 1/f' if flicker else ''}")
            out = products_of(asked, made, "jwst, clean_flicker_noise" if flicker else "jwst")
            got = alone.call(
                "benchmarks.field:detector1", uncal=made.uncal[0], refs=made.refs, flicker=flicker, out=str(out), cores=cores
            )
            for into, part in ((seconds, "seconds"), (written, "written"), (steps, "steps")):
                for name, values in got[part].items():
                    into.setdefault(name, []).extend(values)
            peak = max(peak, got["process"]["peak_mib"])
        for files in (False, True):
            times = {k: [a + b for a, b in zip(v, written[k], strict=True)] if files else v for k, v in seconds.items()}
            rows.append(
                {"who": "jwst", "n": n, "workers": int(cores), "files": files, "per_integration": summary(times, n)}
                | {"peak_mib": peak, "steps": summary(steps, n), "one_over_f": flicker}
            )
    return rows


def compared(rows: list[dict[str, Any]], cores: int) -> dict[str, Any]:
    """Ratios against the field's best length: wall on all cores, CPU of one worker, in memory and to files."""

    def wall(row: dict[str, Any], what: str = "wall") -> float:
        return float(row["per_integration"][what]["median"])

    out: dict[str, Any] = {"ratios": []}
    for files in (False, True):
        field_ = [r for r in rows if r["who"] == "jwst" and r["files"] == files]
        if not field_:
            continue
        best = min(field_, key=wall)
        thrifty = min((r for r in field_ if r["workers"] == 1), key=lambda r: wall(r, "cpu"))
        for row in rows:
            if row["who"] == "tsoar" and row["files"] == files and row["workers"] in (1, cores):
                one = row["workers"] == 1
                theirs = thrifty if one else best
                what = "cpu" if one else "wall"
                out["ratios"].append(
                    {
                        "files": files,
                        "n": row["n"],
                        "workers": row["workers"],
                        "what": what,
                        "ratio": wall(theirs, what) / wall(row, what),
                        "stream_ratio": wall(theirs, what) / wall(row, f"stream {what}"),
                        "best_n": theirs["n"],
                        "best_workers": theirs["workers"],
                    }
                )
    return out


def one_over_f(asked: Asked) -> dict[str, Any]:
    """The detector stage with a group-level 1/f correction in both: tsoar always has it, jwst's clean_flicker_noise is on."""
    n = asked.field_lengths[0]
    rows = field_rows(asked, n, flicker=True)
    if not asked.quick:
        rows += field_rows(asked, asked.field_lengths[1], flicker=True)
    for n in asked.lengths[1:]:
        made = asked.exposure(n)
        for workers in range(1, asked.cores + 1):
            got = alone.call(
                "benchmarks.stage:slopes", uncal=made.uncal, refs=made.refs, workers=workers, files=False, repeats=2
            )
            rows.append(
                {"who": "tsoar", "n": n, "workers": workers, "files": False}
                | {"per_integration": summary(got["seconds"], n), "peak_mib": got["process"]["peak_mib"]}
            )
    return {"rows": rows, "settings": "median_image, mask_science_regions, n_sigma 0"} | compared(rows, asked.cores)


def products_of(asked: Asked, made: exposures.Made, who: str) -> Path:
    """Where a chain's products of an exposure are kept for the parts that come later."""
    return asked.work / f"{who.replace(', ', '-').replace(' ', '-')}-{made.folder.name}"


def reduced(asked: Asked, made: exposures.Made, who: str) -> Path:
    """A chain's products, made when no part before has made them."""
    out = products_of(asked, made, who)
    if not (out / "run.json").exists():
        asked.say(f"{who}, {made.n} integrations")
        target = "benchmarks.quality:reduce"
        alone.call(target, who=who, uncal=made.uncal, refs=made.refs, folder=str(out), workers=asked.cores)
    return out


def slopes_of(asked: Asked, n: int) -> list[str]:
    """Slope files of tsoar's default run, on the subarray that the tutorial is about."""
    made = exposures.simulated(asked.data, n)
    return [str(p) for p in sorted((reduced(asked, made, "tsoar") / "rateints").glob("*.fits"))]


def spectra(asked: Asked) -> dict[str, Any]:
    """Slopes to spectra and light curves: tsoar, and the tutorial's algorithms in plain Python."""
    n = asked.lengths[0] if asked.quick else 20
    rows = []
    asked.say(f"tutorial, {n} integrations")
    limit = 2 if asked.quick else n
    got = alone.call("benchmarks.tutorial:all_of_it", paths=slopes_of(asked, n), limit=limit)
    rows.append({"who": "tutorial", "n": limit, "workers": 1, "per_integration": summary(got["seconds"], limit)})
    for length in asked.lengths:
        for workers in range(1, asked.cores + 1):
            asked.say(f"tsoar, slopes of {length} integrations, {workers} worker(s)")
            paths = slopes_of(asked, length)
            mine = alone.call(
                "benchmarks.stage:spectra", slopes=paths, workers=workers, repeats=asked.repeats if length <= 100 else 2
            )
            rows.append({"who": "tsoar", "n": length, "workers": workers, "per_integration": summary(mine["seconds"], length)})
    plain = rows[0]["per_integration"]["wall"]["median"]
    for row in rows[1:]:
        row["ratio"] = plain / row["per_integration"]["wall"]["median"]
        row["stream_ratio"] = plain / row["per_integration"]["stream wall"]["median"]
    return {"rows": rows}


def exotedrf(asked: Asked) -> dict[str, Any]:
    """exoTEDRF's steps on the same calibrated ramps: seconds, and the scatter of what comes out."""
    if asked.exotedrf is None:
        return {"skipped": "exotedrf needs an environment of its own (Python 3.12); give its Python with --exotedrf"}
    from benchmarks import quality

    n = 12 if asked.quick else 20  # its bad-pixel step reads integration 10
    made = exposures.simulated(asked.data, n)
    with tempfile.TemporaryDirectory(dir=asked.work) as folder:
        alone.call("benchmarks.quality:for_exotedrf", uncal=made.uncal, refs=made.refs, folder=folder)
        asked.say(f"exotedrf, {n} integrations")
        script = str(Path(__file__).with_name("exo.py"))
        done = subprocess.run([asked.exotedrf, "-P", script, folder], capture_output=True, text=True, timeout=1800)
        if done.returncode != 0:
            return {"skipped": f"exotedrf failed: {(done.stderr.strip().splitlines() or ['?'])[-1]}"}
        found = alone.call("benchmarks.quality:of_exotedrf", folder=folder, truth=made.truth)
    mine = quality_row(asked, "tsoar", made)
    return {"n": n, "steps": found["steps"], "rows": {"exotedrf": found["rows"], "tsoar": mine["rows"]}} | {
        "labels": dict(quality.ROWS)
    }


def quality_row(asked: Asked, who: str, made: exposures.Made) -> dict[str, Any]:
    """Numbers of one chain on one exposure."""
    folder = reduced(asked, made, who)
    got = alone.call("benchmarks.quality:score", folder=str(folder), truth=made.truth)
    return {"who": who, "n": made.n, "rows": got["rows"]}


def quality(asked: Asked) -> dict[str, Any]:
    """Completeness, false alarms, scatter and sensitivity of every chain, held against the truth by `tsoar.score`."""
    from benchmarks import quality as q
    from tsoar.config import presets

    rows, missing = [], []
    for n in (8,) if asked.quick else asked.lengths:
        for who in q.CHAINS:
            if who.startswith("jwst") and n > 20:  # its cost and memory grow with the square of the length
                continue
            if who.startswith("tsoar --like ") and who.split()[-1] not in presets():
                missing.append(who)
                continue
            made = asked.exposure(n)
            rows.append(quality_row(asked, who, made))
            shutil.rmtree(products_of(asked, made, who))
    return {"rows": rows, "labels": dict(q.ROWS), "missing": sorted(set(missing))}


def job(asked: Asked) -> dict[str, Any]:
    """The whole of `tsoar run`: wall, and what it says of its own parts."""
    rows = []
    for n in asked.lengths:
        made = asked.exposure(n)
        for products in ("all", "spectra"):
            walls, peak, performance = [], 0.0, {}
            for _ in range(2 if n <= 100 and not asked.quick else 1):
                asked.say(f"whole job, {n} integrations, products {products}")
                with tempfile.TemporaryDirectory(dir=asked.work) as out:
                    got = alone.call(
                        "benchmarks.stage:run",
                        uncal=made.uncal,
                        refs=made.refs,
                        out=out,
                        workers=asked.cores,
                        products=products,
                    )
                walls.append(got["process"]["wall"])
                peak, performance = max(peak, got["process"]["peak_mib"]), got["performance"]
            rows.append(
                {"n": n, "products": products, "wall": spread(walls), "peak_mib": peak, "seconds": performance["seconds"]}
            )
    return {"rows": rows}


def kernels(asked: Asked) -> dict[str, Any]:
    """Every kernel beside its NumPy twin, one integration, one thread."""
    size = {"groups": 5, "ny": 64, "nx": 512} if asked.quick else {}
    got = alone.call("benchmarks.kernels:table", repeats=3 * asked.repeats, **size)
    rows = []
    for row in got["rows"]:
        mine, plain = spread(row["kernel_ms"]), spread(row["twin_ms"])
        named = {"name": row["name"], "what": row["what"], "kernel_ms": mine, "twin_ms": plain}
        rows.append(named | {"ratio": plain["median"] / mine["median"]})
    return {"rows": rows}


BYTES_IN, BYTES_OUT = 2, 4 * 5
"""per pixel and group (counts), per pixel (slope, error, flags, two variances)"""


def limit(asked: Asked) -> dict[str, Any]:
    """How far from what this machine could do at best: bytes that must move over measured bandwidths."""
    mib = 16 if asked.quick else 256
    got = {
        "memory_gb_s": {str(t): machine.memory_bandwidth(mib, t) for t in range(1, asked.cores + 1)},
        "disk_gb_s": machine.disk_bandwidth(asked.data, 32 if asked.quick else 1024),
    }
    made = asked.exposure(asked.lengths[1])
    pixels, groups = (96 if asked.quick else 256) * 2048, 6
    moved = pixels * (BYTES_IN * groups + 2 * BYTES_OUT)  # what is written is fetched first
    rows = []
    for workers in range(1, asked.cores + 1):
        for files in (False, True):
            mine = alone.call(
                "benchmarks.stage:slopes", uncal=made.uncal, refs=made.refs, workers=workers, files=files, repeats=2
            )
            ms = 1e3 * min(mine["seconds"]["stream wall"]) / made.n
            best = moved / max(got["memory_gb_s"][str(workers)].values()) / 1e6
            if files:
                best = max(best, pixels * BYTES_OUT / got["disk_gb_s"]["write"] / 1e6)
            rows.append({"workers": workers, "files": files, "ms": ms, "best_ms": best, "fraction": best / ms})
    return got | {"moved_mb": moved / 1e6, "rows": rows}


def memory(asked: Asked) -> dict[str, Any]:
    """Peak memory against length; time against length, groups, subarray and workers. Whole jobs without slope files."""
    by_length = []
    source = asked.exposure(asked.lengths[1])
    for n in (*asked.lengths, *((1000,) if asked.long and not asked.quick else ())):
        made = asked.exposure(n) if n <= 300 else exposures.repeated(asked.data, source, n // source.n)
        asked.say(f"memory, {n} integrations")
        with tempfile.TemporaryDirectory(dir=asked.work) as out:
            got = alone.call(
                "benchmarks.stage:run", uncal=made.uncal, refs=made.refs, out=out, workers=asked.cores, products="all"
            )
        seconds = got["performance"]["seconds"]
        by_length.append({"n": n, "peak_mib": got["process"]["peak_mib"], "seconds": seconds, "wall": got["process"]["wall"]})
        if n > 300:
            shutil.rmtree(made.folder)
    n = asked.lengths[0]
    by_groups = [stream_row(asked, n, groups, asked.subarray, asked.cores) for groups in (4, 6, 9)]
    by_pixels = [stream_row(asked, n, 6, subarray, asked.cores) for subarray in ("SUBSTRIP96", "SUBSTRIP256")]
    by_workers = [stream_row(asked, asked.lengths[1], 6, asked.subarray, w) for w in range(1, asked.cores + 1)]
    return {"by_length": by_length, "by_groups": by_groups, "by_pixels": by_pixels, "by_workers": by_workers}


def stream_row(asked: Asked, n: int, groups: int, subarray: str, workers: int) -> dict[str, Any]:
    """The detector stage in memory: seconds per integration of its stream, and of everything."""
    made = exposures.simulated(asked.data, n, groups, subarray)
    asked.say(f"{subarray}, {n} integrations of {groups} groups, {workers} worker(s)")
    got = alone.call(
        "benchmarks.stage:slopes", uncal=made.uncal, refs=made.refs, workers=workers, files=False, repeats=asked.repeats
    )
    named = {"subarray": subarray, "groups": groups, "n": n, "workers": workers}
    return named | {"per_integration": summary(got["seconds"], n), "peak_mib": got["process"]["peak_mib"]}


def start(asked: Asked) -> dict[str, Any]:
    """The first run in a fresh cache of compiled kernels against the second."""
    made = asked.exposure(asked.lengths[0])
    walls: list[list[float]] = [[], []]
    for _ in range(1 if asked.quick else 2):
        with tempfile.TemporaryDirectory(dir=asked.work) as cache:
            env = {"XDG_CACHE_HOME": cache, "NUMBA_CACHE_DIR": None}
            for k in range(2):
                asked.say(f"{('first', 'second')[k]} run in a fresh cache")
                with tempfile.TemporaryDirectory(dir=asked.work) as out:
                    got = alone.call(
                        "benchmarks.stage:run",
                        env=env,
                        uncal=made.uncal,
                        refs=made.refs,
                        out=out,
                        workers=asked.cores,
                        products="spectra",
                    )
                walls[k].append(got["process"]["wall"])
    first, second = spread(walls[0]), spread(walls[1])
    return {"n": made.n, "first": first, "second": second, "more_s": first["median"] - second["median"]}


PARTS: dict[str, Callable[[Asked], dict[str, Any]]] = {
    "detector": detector,
    "one_over_f": one_over_f,
    "spectra": spectra,
    "exotedrf": exotedrf,
    "job": job,
    "kernels": kernels,
    "limit": limit,
    "memory": memory,
    "start": start,
    "quality": quality,
}


def run(name: str, asked: Asked) -> dict[str, Any]:
    """One part; what cannot run says why and is left out."""
    try:
        return PARTS[name](asked)
    except alone.Failed as why:
        if "No module named 'jwst'" in str(why) or "No module named 'stdatamodels'" in str(why):
            return {"skipped": "jwst is not installed (uv sync --group parity)"}
        return {"skipped": f"failed: {why}", "failed": True}


def finite(tree: Any) -> Any:
    """What JSON can hold: numbers that are not finite become None."""
    if isinstance(tree, dict):
        return {k: finite(v) for k, v in tree.items()}
    if isinstance(tree, list | tuple):
        return [finite(v) for v in tree]
    if isinstance(tree, float | np.floating):
        return float(f"{tree:.6g}") if np.isfinite(tree) else None
    return tree
