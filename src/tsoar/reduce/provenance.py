"""What was run on what: everything needed to repeat a run and to believe it (row G11)."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import resource
import sys
from pathlib import Path
from typing import Any

import tsoar
from tsoar.config import to_dict
from tsoar.io.exposure import Exposure, Segment
from tsoar.io.references import References
from tsoar.reduce.plan import Plan

PACKAGES = ("numpy", "scipy", "numba", "astropy", "xarray", "h5netcdf", "matplotlib")


def file_hash(path: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as f:
        while piece := f.read(1 << 22):
            digest.update(piece)
    return digest.hexdigest()


def input_hash(exposure: Exposure, segment: Segment) -> str:
    """SHA-256 of a segment's file, or of the array that was given instead."""
    if exposure.arrays is not None:
        return hashlib.sha256(exposure.arrays.slope.tobytes()).hexdigest()
    return file_hash(segment.path)


def versions() -> dict[str, str]:
    """Versions of tsoar, Python and the packages that make the numbers."""
    out = {"tsoar": tsoar.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        out[name] = importlib.metadata.version(name)
    return out


def peak_memory() -> float:
    """Largest resident memory of this process so far [MiB]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024


def record(plan: Plan, exposure: Exposure, references: References | None, options: dict[str, Any]) -> dict[str, Any]:
    """The part of run.json that is the same whenever the run is repeated."""
    return {
        "tsoar": tsoar.__version__,
        "exposure": exposure.stem,
        "target": str(exposure.header.get("TARGPROP") or exposure.header.get("TARGNAME") or ""),
        "kind": exposure.kind,
        "inputs": [{"name": s.path.name, "bytes": s.size, "sha256": input_hash(exposure, s)} for s in exposure.segments],
        "references": references.record() if references is not None else [],
        "config": to_dict(plan.config),
        "options": options,
        "steps": list(plan.steps),
        "settings": plan.digest,
        "notes": list(plan.notes),
        "repairs": list(exposure.repairs),
        "versions": versions(),
    }


def performance(seconds: dict[str, float], n_integrations: int, workers: int) -> dict[str, Any]:
    """The part of run.json that differs from run to run: machine, seconds, memory."""
    return {
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.system()},
        "workers": workers,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "seconds_per_integration": round(seconds.get("stream", 0.0) / max(n_integrations, 1), 5),
        "peak_memory_mib": round(peak_memory(), 1),
    }


def processor() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
