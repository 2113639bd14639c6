"""Pass 2: every integration, block by block over a pool of threads, slopes straight to spectra.

The unit of work is a block of some consecutive integrations of one segment, always cut the same way: sums inside a block
and the order in which blocks are merged do not depend on the number of workers, so neither does a single byte. Slope
files are written by the threads into disjoint places; everything else comes back small and is merged in order.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsoar.blocks import F64, Readout
from tsoar.jit import kernel
from tsoar.reduce.chain import Buffers, Integration, Recipe, detector_stage, spectra_stage

BLOCK = 8
"""integrations in a block"""
SMALL = 2
"""the same where no averaged image is wanted, whose planes cost each block something: no thread waits long for the last"""


@dataclass(frozen=True, slots=True)
class Block:
    """Integrations ``first`` to ``first + count`` of the exposure, all of one segment."""

    segment: int
    first: int
    count: int
    within: int
    """number of the first one inside its segment"""


def blocks_of(segments: list[tuple[int, int]], size: int = BLOCK) -> list[Block]:
    """Cut segments, given as (first integration, count), into blocks.

    >>> [(b.first, b.count) for b in blocks_of([(0, 10), (10, 3)], 8)]
    [(0, 8), (8, 2), (10, 3)]
    """
    return [
        Block(s, first + k, min(size, count - k), k) for s, (first, count) in enumerate(segments) for k in range(0, count, size)
    ]


@dataclass(slots=True)
class RateSums:
    """What the averaged slope image is made of; float64, merged in block order."""

    weight: F64
    total: F64
    inverse_p: F64
    inverse_r: F64
    any_flag: NDArray[np.uint32]
    all_flag: NDArray[np.uint32]

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> RateSums:
        """Nothing summed yet."""
        none, every = np.zeros(shape, np.uint32), np.full(shape, 0xFFFFFFFF, np.uint32)
        return cls(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape), none, every)

    def merge(self, other: RateSums) -> None:
        """Add the sums of the next block."""
        for name in ("weight", "total", "inverse_p", "inverse_r"):
            getattr(self, name)[...] += getattr(other, name)
        self.any_flag |= other.any_flag
        self.all_flag &= other.all_flag


@kernel
def add_rate(slope, var_p, var_r, flag, weight, total, inverse_p, inverse_r, any_flag, all_flag):
    """One integration into the sums of the averaged slope image; pixels without a slope do not count."""
    for y in range(slope.shape[0]):
        s, p, r, f = slope[y], var_p[y], var_r[y], flag[y]
        w, t, ip, ir, a, b = weight[y], total[y], inverse_p[y], inverse_r[y], any_flag[y], all_flag[y]
        for x in range(s.size):
            variance = p[x] + r[x]
            good = s[x] == s[x] and variance > 0
            one = 1.0 / variance if good else 0.0
            w[x] += one
            t[x] += one * s[x] if good else 0.0
            ip[x] += 1.0 / p[x] if good and p[x] > 0 else 0.0
            ir[x] += 1.0 / r[x] if good and r[x] > 0 else 0.0
            a[x] |= f[x]
            b[x] &= f[x]


@dataclass(slots=True)
class BlockResult:
    """Spectra and series of one block, first axis = integration."""

    series: dict[str, NDArray[Any]]
    rate: RateSums | None


def collect(items: list[Integration]) -> dict[str, NDArray[Any]]:
    """Integrations -> arrays with integration as the first axis; no more precision than the numbers have."""
    series: dict[str, NDArray[Any]] = {
        "flux": np.array([i.flux for i in items], np.float32),
        "variance": np.array([i.variance for i in items], np.float32),
        "filled": np.array([i.filled for i in items], np.float16),
        "y_raw": np.array([i.y_raw for i in items], np.float32),
        "blank": np.array([i.blank for i in items], np.float32),
    }
    for name in ("scale", "shift", "width", "scale_err", "shift_err", "width_err"):
        series[name] = np.array([getattr(i.shape, name) for i in items])
    for name in items[0].facts:
        series[name] = np.array([i.facts[name] for i in items])
    return series


def place(series: dict[str, NDArray[Any]], part: dict[str, NDArray[Any]], first: int, n: int) -> None:
    """Put the series of some integrations where they belong among all ``n``; arrays are made with the first part."""
    for name, values in part.items():
        if name not in series:
            series[name] = np.empty((n, *values.shape[1:]), values.dtype)
        series[name][first : first + len(values)] = values


class Scratch(threading.local):
    """Every thread's own `Buffers`, made on first use."""

    def __init__(self, readout: Readout) -> None:
        self._readout = readout
        self._buffers: Buffers | None = None

    def __call__(self) -> Buffers:
        """This thread's buffers."""
        if self._buffers is None:
            self._buffers = Buffers.make(self._readout)
        return self._buffers


Fetch = Callable[[int, Buffers], None]
"""Fills ``raw`` (a start from counts) or the slope planes (a start from slopes) with one integration."""
Write = Callable[[Block, int, Buffers], None]
"""Takes the finished slope planes of integration k of a block."""


def reduce_block(
    recipe: Recipe, block: Block, fetch: Fetch, write: Write | None, scratch: Callable[[], Buffers], want_rate: bool
) -> BlockResult:
    """All integrations of one block, in order."""
    b = scratch()
    items = []
    rate = RateSums.empty(recipe.readout.shape) if want_rate else None
    for k in range(block.count):
        fetch(block.first + k, b)
        facts = detector_stage(recipe, b) if recipe.calibration is not None else {}
        items.append(spectra_stage(recipe, b, facts))
        if rate is not None:
            add_rate(
                b.slope,
                b.var_p,
                b.var_r,
                b.flag,
                rate.weight,
                rate.total,
                rate.inverse_p,
                rate.inverse_r,
                rate.any_flag,
                rate.all_flag,
            )
        if write is not None:
            write(block, k, b)
    return BlockResult(collect(items), rate)


def in_order(pool: Executor, jobs: Iterable[Callable[[], Any]], ahead: int) -> Generator[Any]:
    """Results of ``jobs`` in their order, never more than ``ahead`` of them under way."""
    waiting: deque[Future[Any]] = deque()
    todo = iter(jobs)
    try:
        for job in todo:
            waiting.append(pool.submit(job))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:  # whoever closes files next must not have a thread still writing to them
        for future in waiting:
            future.cancel()
        wait(waiting)
