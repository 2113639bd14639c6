"""The subarrays of SOSS in numbers (instrument.md 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar.blocks import F64, Readout

PIXEL_TIME = 10e-6
"""time of a pixel's read [s]"""
OVERHEAD = 12
"""pixel times between two columns"""


@dataclass(frozen=True, slots=True)
class Subarray:
    """Size and place of a subarray on the detector."""

    shape: tuple[int, int]
    corner: tuple[int, int]
    """SUBSTRT1, SUBSTRT2"""
    tframe: float
    """[s]"""
    reference_rows: slice
    """rows that see no light"""
    row_offset: int
    """rows of SUBSTRIP256 below its row 0"""


SUBARRAYS = {
    "SUBSTRIP256": Subarray((256, 2048), (1, 1793), 5.494, slice(252, 256), 0),
    "SUBSTRIP96": Subarray((96, 2048), (1, 1803), 2.214, slice(0, 0), 10),
}


def reference_pixels(readout: Readout) -> NDArray[np.bool_]:
    """(y, x) True where pixels see no light: 4 columns on each side, and in SUBSTRIP256 the 4 top rows."""
    out = np.zeros(readout.shape, bool)
    out[:, :4] = out[:, -4:] = True
    out[SUBARRAYS[readout.subarray].reference_rows] = True
    return out


def row_offset(subarray: str) -> int:
    """Rows by which a subarray lies above SUBSTRIP256's row 0."""
    return SUBARRAYS[subarray].row_offset


def pixel_clock(readout: Readout) -> F64:
    """(y, x) time of every pixel's read after the frame's first [s].

    Columns are read from high x to low, pixels of a column from high y to low (FASTAXIS -2, SLOWAXIS -1), 10 us a pixel
    and 12 pixels between columns.
    """
    ny, nx = readout.shape
    x, y = np.arange(nx), np.arange(ny)[:, None]
    clock: F64 = ((nx - 1 - x) * (ny + OVERHEAD) + (ny - 1 - y)) * PIXEL_TIME
    return clock
