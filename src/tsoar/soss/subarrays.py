"""The subarrays of SOSS in numbers: where they lie, how they are clocked, which pixels see no light.

Sources: headers of the reference files superbias_0111, dark_0111 and dark_0114; frame times as mirage's
``calc_frame_time``; reference pixels as seen (~0 DN/s) in WASP-39 and BD+60 1753.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar.blocks import F64, Readout

PIXEL_CLOCK = 10e-6
"""time of a pixel's read [s]"""
OVERHEAD = 12
"""pixel times between two columns"""
DETECTOR = 2048
"""rows and columns of the detector"""
REFERENCE_EDGE = 4
"""rows and columns at each side of the detector that see no light"""


@dataclass(frozen=True, slots=True)
class Subarray:
    """Size and place of a subarray on the detector."""

    shape: tuple[int, int]
    corner: tuple[int, int]
    """SUBSTRT1, SUBSTRT2"""
    tframe: float
    """[s]"""
    outputs: int
    """amplifiers, which read as many stripes of rows at the same time"""
    reference_rows: tuple[int, ...]
    """rows that see no light; the columns are 0-3 and 2044-2047 everywhere"""
    row_offset: int
    """rows of SUBSTRIP256 below its row 0"""


SUBARRAYS = {
    "SUBSTRIP256": Subarray((256, 2048), (1, 1793), 5.494, 1, (252, 253, 254, 255), 0),
    "SUBSTRIP96": Subarray((96, 2048), (1, 1803), 2.214, 1, (), 10),
    "FULL": Subarray((2048, 2048), (1, 1), 10.73677, 4, (0, 1, 2, 3, 2044, 2045, 2046, 2047), -1792),
}


def reference_pixels(readout: Readout) -> NDArray[np.bool_]:
    """(y, x) True where pixels see no light: 4 at each side of the *detector*, so SUBSTRIP96 has no reference rows."""
    sides = []
    for first, n in zip(readout.corner[::-1], readout.shape, strict=True):
        place = np.arange(first - 1, first - 1 + n)
        sides.append((place < REFERENCE_EDGE) | (place >= DETECTOR - REFERENCE_EDGE))
    dark: NDArray[np.bool_] = sides[0][:, None] | sides[1][None, :]
    return dark


def row_offset(subarray: str) -> int:
    """Rows by which a subarray lies above SUBSTRIP256's row 0."""
    return SUBARRAYS[subarray].row_offset


def pixel_time(readout: Readout) -> F64:
    """(y, x) time of every pixel's read after the frame's first [s].

    Columns are read from high x to low, pixels of a column from high y to low (FASTAXIS -2, SLOWAXIS -1), 10 us a pixel
    and 12 pixels between columns (taken to come after a column; not documented). FULL is read by four amplifiers, 512
    rows each; that they all run the same way is an assumption.
    """
    nx = readout.shape[1]
    ny = readout.shape[0] // SUBARRAYS[readout.subarray].outputs
    x, y = np.arange(nx), np.arange(readout.shape[0])[:, None] % ny
    clock: F64 = (((nx - 1 - x) * (ny + OVERHEAD) + (ny - 1 - y)) * PIXEL_CLOCK).astype(np.float64)
    return clock


def column_time(readout: Readout) -> F64:
    """(x,) [s] by how much later than the middle of a frame each column is read: what to add to an integration's mid-time."""
    return np.asarray(pixel_time(readout).mean(axis=0) - 0.5 * readout.tframe)
