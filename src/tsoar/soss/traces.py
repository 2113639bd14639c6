"""Where the orders are expected, from the pupil-wheel angle (row C2).

Reference traces at 245.76 deg rotated about a pivot by the wheel's offset (PASTASOSS, Baines et al. 2023, arXiv
2311.07769, good to 0.1 px); order 3 turns about order 1's pivot within the errors.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline

from tsoar.blocks import F64, Readout
from tsoar.errors import InputError
from tsoar.soss.subarrays import row_offset
from tsoar.soss.tables import of_order

REFERENCE_ANGLE = 245.76
"""pupil-wheel angle of the reference traces [deg]"""
PIVOTS = ((1887.0, 54.0), (1677.0, 200.0), (1887.0, 54.0))
"""(column, row) about which each order's trace turns"""
ANGLE_LIMIT = 0.25
"""wheel angles further than this from the reference are outside the model [deg]"""
ORDER_3_END = 850
"""columns from here on order 3 is known no better than to a pixel, and faint"""


@lru_cache(32)
def published_traces(angle: float) -> F64:
    """(3, 2048) rows of the orders on SUBSTRIP256 [px] at wheel ``angle`` [deg]; NaN where they are not known.

    Rows above the subarray and the faint end of order 3 are kept: they send wings to where other things are measured.
    """
    x = np.arange(2048, dtype=np.float64)
    turn = np.deg2rad(angle - REFERENCE_ANGLE)
    c, s = np.cos(turn), np.sin(turn)
    out = np.full((3, x.size), np.nan)
    for o in range(3):
        part = of_order("soss_traces", o + 1)
        dense = np.arange(part["x"][0], part["x"][-1] + 1)
        dx, dy = dense - PIVOTS[o][0], CubicSpline(part["x"], part["y"])(dense) - PIVOTS[o][1]
        turned = CubicSpline(c * dx - s * dy + PIVOTS[o][0], s * dx + c * dy + PIVOTS[o][1])(x)
        out[o] = np.where((x >= dense[0]) & (x <= dense[-1]), turned, np.nan)
    out.setflags(write=False)
    return out


def expected_traces(readout: Readout, pwcpos: float | None = None) -> F64:
    """(3, x) rows of orders 1, 2, 3 on the subarray [px]; NaN where an order is not on it, or not known.

    Raises
    ------
    InputError
        For a wheel angle outside the model (245.76 +- 0.25 deg).
    """
    angle = readout.pwcpos if pwcpos is None else pwcpos
    if not abs(angle - REFERENCE_ANGLE) <= ANGLE_LIMIT:
        raise InputError(
            f"pupil-wheel angle PWCPOS = {angle} deg: expected {REFERENCE_ANGLE} +- {ANGLE_LIMIT}; is this a SOSS exposure?"
        )
    out = published_traces(float(angle))[:, : readout.shape[1]] - row_offset(readout.subarray)
    out[2, ORDER_3_END:] = np.nan
    out[(out < -0.5) | (out > readout.shape[0] - 0.5)] = np.nan
    return out
