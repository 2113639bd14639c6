"""Where arrays start in memory that the stream goes through again and again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LINE, PAGE = 64, 4096  # bytes


def staggered(shape: tuple[int, ...], dtype: DTypeLike, number: int) -> NDArray[Any]:
    """Empty array that starts at a cache line, for each ``number`` at another one of a page.

    As the system hands them out, vectors of 64 bytes straddle two lines (calibration takes a tenth longer), and all planes
    start at the same place of a page: read down a column, four of them push each other out of the nearest cache
    (extraction takes three times as long).
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    room = np.empty(size + 2 * PAGE, np.uint8)
    start = -room.ctypes.data % PAGE + number * 7 * LINE % PAGE
    return room[start : start + size].view(dtype).reshape(shape)


def restart(array: NDArray[Any], number: int) -> NDArray[Any]:
    """A copy of ``array``, `staggered`."""
    out = staggered(array.shape, array.dtype, number)
    out[...] = array
    return out
