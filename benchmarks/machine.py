"""What was measured on: processor, cores, versions, and how fast its memory and disk are."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from tsoar.jit import kernel

PACKAGES = ("tsoar", "jwst", "stcal", "numpy", "numba", "scipy", "astropy")


def machine() -> dict[str, Any]:
    """Name, cores, memory, how busy it was when asked."""
    from tsoar.reduce.provenance import processor

    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / (1 << 30), 1),
        "system": platform.system(),
        "load": round(os.getloadavg()[0], 1),
    }


def versions() -> dict[str, str]:
    """Of Python and the packages that matter; those that are not there are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@kernel
def triad(a, b, c, s):
    """a = b + s c, as STREAM has it: three arrays move, and a is fetched before it is overwritten."""
    for i in range(a.size):
        a[i] = b[i] + s * c[i]


def memory_bandwidth(mib: int, threads: int, repeats: int = 5) -> dict[str, float]:
    """Best GB/s of a copy (3 moves: read, fetch, write) and a triad (4) over arrays of ``mib`` MiB each."""
    n = mib * (1 << 18)
    arrays = [np.ones(n, np.float32) for _ in range(3)]
    parts = np.array_split(np.arange(n), threads)
    cut = [slice(int(p[0]), int(p[-1]) + 1) for p in parts]
    triad(*(x[:16] for x in arrays), np.float32(2))

    def best(work: Any, moved: int) -> float:
        times = []
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(repeats):
                start = time.perf_counter()
                list(pool.map(work, cut))
                times.append(time.perf_counter() - start)
        return moved * 4 * n / min(times) / 1e9

    a, b, c = arrays
    return {
        "copy": best(lambda s: np.copyto(a[s], b[s]), 3),
        "triad": best(lambda s: triad(a[s], b[s], c[s], np.float32(2)), 4),
    }


def disk_bandwidth(folder: Path, mib: int) -> dict[str, float]:
    """GB/s of writing a file down to the disk, and of reading it when the system has forgotten it."""
    data = np.random.default_rng(1).bytes(1 << 22)
    with tempfile.NamedTemporaryFile(dir=folder) as f:
        start = time.perf_counter()
        for _ in range(mib // 4):
            f.write(data)
        f.flush()
        os.fsync(f.fileno())
        write = time.perf_counter() - start
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        f.seek(0)
        start = time.perf_counter()
        while f.read(1 << 22):
            pass
        read = time.perf_counter() - start
    size = (mib // 4) * 4 * (1 << 20) / 1e9
    return {"write": size / write, "read": size / read}
