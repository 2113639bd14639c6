"""Medians of many short columns at once, by sorting networks.

A network sorts n rows with a fixed list of compare-and-exchange steps; each step is one vectorised minimum and maximum
over a row, so thousands of columns are sorted side by side without a branch (Batcher 1968, odd-even merge sort).
Used for the deep stack (integrations as rows, pixels as columns) and for column offsets (detector rows as rows).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from tsoar.jit import kernel

TILE = 256  # columns sorted at a time: 32 rows of 256 float32 stay in the first-level cache


@cache
def network(n: int) -> NDArray[np.int32]:
    """Pairs (low, high) of Batcher's odd-even merge sort for ``n`` rows, int32 (steps, 2)."""
    steps = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        steps.append((i + j, i + j + k))
            k //= 2
        p *= 2
    return np.array(steps, np.int32).reshape(-1, 2)


@kernel
def sort_few(values, n):
    """The first ``n`` values in rising order, in place: by insertion, which is fastest for the few differences of a ramp."""
    for i in range(1, n):
        v = values[i]
        j = i - 1
        while j >= 0 and values[j] > v:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = v


@kernel
def _sort_tile(tile, steps):
    for s in range(steps.shape[0]):
        a, b = tile[steps[s, 0]], tile[steps[s, 1]]
        for x in range(a.size):
            u, v = a[x], b[x]
            a[x] = u if u < v else v
            b[x] = v if u < v else u


@kernel
def _medians(values, steps, out):
    """values (n, m) float32, +inf or NaN = absent; out (m,): median of what is present, NaN where nothing is."""
    n, m = values.shape
    tile = np.empty((n, TILE), np.float32)
    count = np.empty(TILE, np.int64)
    for left in range(0, m, TILE):
        size = min(TILE, m - left)
        count[:] = 0
        for i in range(n):
            row, to = values[i, left : left + size], tile[i]
            for x in range(size):
                present = abs(row[x]) < np.inf
                to[x] = row[x] if present else np.float32(np.inf)
                count[x] += 1 if present else 0
        _sort_tile(tile, steps)
        for x in range(size):
            c = count[x]
            if c == 0:
                out[left + x] = np.nan
            else:
                out[left + x] = np.float32(0.5) * (tile[(c - 1) // 2, x] + tile[c // 2, x])


def column_medians(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median over the first axis of float32 ``values`` (n, ...); NaN and inf are left out; NaN where nothing is left.

    Like ``np.nanmedian(values, axis=0)``, ten times faster for n up to some tens.
    """
    flat = np.ascontiguousarray(values, np.float32).reshape(values.shape[0], -1)
    out = np.empty(flat.shape[1], np.float32)
    _medians(flat, network(flat.shape[0]), out)
    return out.reshape(values.shape[1:])


def middle(values: NDArray[np.float64]) -> float:
    """Median of finite ``values`` (n,); NaN without any. `np.median`, which for a thousand takes five times as long."""
    n = values.size
    if not n:
        return float("nan")
    part = np.partition(values, ((n - 1) // 2, n // 2))
    return float(0.5 * (part[(n - 1) // 2] + part[n // 2]))
