"""Which pixels lie near a trace. Rows are compared, never indexed with a negative number: nothing wraps round row 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tsoar.blocks import F32, F64


def distance(traces: F64, shape: tuple[int, int]) -> F32:
    """(orders, y, x) |row - trace| [px] for traces (orders, x); inf where there is no trace."""
    rows = np.arange(shape[0], dtype=np.float64)[:, None]
    away: F32 = np.abs(rows - np.where(np.isfinite(traces), traces, np.inf)[:, None, :]).astype(np.float32)
    return away


def trace_mask(traces: F64, shape: tuple[int, int], radius: float, orders: Sequence[int] = (1, 2)) -> NDArray[np.bool_]:
    """(y, x) True within ``radius`` [px] of the traces (3, x) of the given orders.

    >>> trace_mask(np.array([[1.0, np.nan]]), (4, 2), 1.0, orders=(1,)).astype(int).tolist()
    [[1, 0], [1, 0], [1, 0], [0, 0]]
    """
    chosen = traces[[order - 1 for order in orders]]
    near: NDArray[np.bool_] = np.any(distance(chosen, shape) <= radius, axis=0)
    return near


def near_trace(trace: F64, ny: int, radius: float) -> tuple[NDArray[np.bool_], slice]:
    """Which pixels (rows, x) lie within ``radius`` of a trace (x,), and the rows of a frame of ``ny`` that hold them all."""
    with np.errstate(invalid="ignore"):
        known = trace[np.isfinite(trace)]
        ends = (known.min() - radius, known.max() + radius + 1) if known.size else (0, 0)
        part = slice(*(int(np.clip(np.ceil(end), 0, ny)) for end in ends))
        return np.abs(np.arange(part.start, part.stop)[:, None] - trace) <= radius, part
