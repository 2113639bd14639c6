"""A function in a process of its own, so that its time and memory are its own: `call`, and the child's side of it.

python -m benchmarks.alone module:function arguments.json result.json
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class Failed(Exception):
    """A child that did not end well; the last thing it said."""


def call(
    target: str, /, *, env: dict[str, str | None] | None = None, timeout: float = 3600, **arguments: Any
) -> dict[str, Any]:
    """Run ``module:function(**arguments)`` in a new process; ``env`` changes its environment (None: not set).

    Returns
    -------
    What the function returned (a dictionary that JSON can hold), with ``process``: wall [s] from start to end, imports
    included, cpu [s] and peak memory [MiB] of the process.

    Raises
    ------
    Failed
        With the last line of what it wrote.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, given = Path(folder) / "arguments.json", Path(folder) / "result.json"
        asked.write_text(json.dumps(arguments, default=str))
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-m", "benchmarks.alone", target, str(asked), str(given)]
        start = time.perf_counter()
        around = {**os.environ, "PYTHONPATH": path, **(env or {})}
        around = {name: value for name, value in around.items() if value is not None}
        done = subprocess.run(command, env=around, capture_output=True, text=True, timeout=timeout)
        wall = time.perf_counter() - start
        if done.returncode != 0 or not given.exists():
            lines = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
            raise Failed(f"{target}: {lines[-1]}")
        result: dict[str, Any] = json.loads(given.read_text())
    result["process"]["wall"] = wall
    return result


def peak_mib(maxrss: int) -> float:
    """Peak memory of this process [MiB]; on Linux ``maxrss`` counts what the parent held when it started this one."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) / 1024
    return maxrss / (1 << 20 if sys.platform == "darwin" else 1024)


def main(target: str, asked: str, given: str) -> None:
    """The child's side."""
    module, _, name = target.partition(":")
    result = getattr(importlib.import_module(module), name)(**json.loads(Path(asked).read_text())) or {}
    own = resource.getrusage(resource.RUSAGE_SELF)
    result["process"] = {"cpu": own.ru_utime + own.ru_stime, "peak_mib": peak_mib(own.ru_maxrss)}
    Path(given).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
