"""Measured times: taken, and summed up as a median with its spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def timed(into: dict[str, list[float]], name: str = "") -> Iterator[None]:
    """Append wall and CPU seconds (all threads) of the block to ``into[name + "wall"]`` and ``into[name + "cpu"]``."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    into.setdefault(f"{name}wall", []).append(time.perf_counter() - wall)
    into.setdefault(f"{name}cpu", []).append(time.process_time() - cpu)


def spread(values: Iterable[float], per: float = 1.0) -> dict[str, Any]:
    """Median, lowest, highest and count of ``values / per``.

    >>> spread([3.0, 1.0, 2.0], per=2)
    {'median': 1.0, 'low': 0.5, 'high': 1.5, 'n': 3}
    """
    scaled = [v / per for v in values]
    return {"median": statistics.median(scaled), "low": min(scaled), "high": max(scaled), "n": len(scaled)}
