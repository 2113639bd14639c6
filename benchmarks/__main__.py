"""python -m benchmarks [PART ...]: measure, and write results.json, results.md, the figure and the README's table."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import alone, machine, pages
from benchmarks.parts import PARTS, Asked, finite, run


def main(arguments: list[str] | None = None) -> None:
    """Run the parts asked for; parts measured earlier with the same versions and sizes stay in results.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="a few integrations only: whether it runs, not how fast")
    parser.add_argument("--long", action="store_true", help="jwst with 60 integrations as well, tsoar with 1000")
    parser.add_argument("--data", type=Path, help="folder for the exposures, kept for the next time (25 GB with --long)")
    parser.add_argument("--out", type=Path, default=alone.ROOT / "benchmarks", help="folder for results.json and results.md")
    parser.add_argument("--exotedrf", metavar="PYTHON", help="the Python of an environment that has exotedrf 2.5.0")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.parts if name not in PARTS]
    if unknown:
        parser.error(f"no part {unknown[0]}; there are {', '.join(PARTS)}")
    asked.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        data = (asked.data or Path(temporary)).resolve()
        data.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data) as work:
            wanted = Asked(data, Path(work), asked.quick, asked.long, asked.exotedrf, lambda text: say(f"    {text}"))
            failed = measure(
                [name for name in PARTS if not asked.parts or name in asked.parts], wanted, asked.out / "results.json"
            )
    own = asked.out.resolve() == (alone.ROOT / "benchmarks").resolve()
    for path in pages.write(asked.out, readme=own and not asked.quick):
        say(f"written: {path}")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def measure(names: list[str], asked: Asked, path: Path) -> list[str]:
    """Parts into results.json, each as soon as it is there; the names of those that failed."""
    sizes = {"quick": asked.quick, "long": asked.long}
    results = {"machine": machine.machine(), "versions": machine.versions(), "sizes": sizes, "seconds": {}, "parts": {}}
    if path.exists():
        before = json.loads(path.read_text("utf-8"))
        same = all(before.get(key) == results[key] for key in ("versions", "sizes"))
        if same and before["machine"]["processor"] == results["machine"]["processor"]:
            results["seconds"], results["parts"] = before["seconds"], before["parts"]
    for name in names:
        say(f"{name} ...")
        start = time.perf_counter()
        results["parts"][name] = finite(run(name, asked))
        results["seconds"][name] = round(time.perf_counter() - start, 1)
        if skipped := results["parts"][name].get("skipped"):
            say(f"    left out: {skipped}")
        results["parts"] = {part: results["parts"][part] for part in PARTS if part in results["parts"]}
        path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    say(f"{sum(results['seconds'][name] for name in names):.0f} s in all")
    return [name for name in names if results["parts"][name].get("failed")]


def say(text: str) -> None:
    """To whoever waits."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
