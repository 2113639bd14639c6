"""Bias level of every pixel: subtract the superbias [DN] (jwst 3.0 ``superbias``).

Reference: superbias; a NaN counts as 0, its flags go to ``pixeldq``. The reference's errors are not used: a bias error
is the same in all groups and drops out of slopes.
"""

from __future__ import annotations

import numpy as np

from tsoar.blocks import F32, U32, Ramps, Readout, Reference
from tsoar.jit import kernel


def prepare(reference: Reference | None, readout: Readout) -> tuple[F32, U32]:
    """Bias [DN] and flags (y, x), cut, without NaN; zeros without a reference."""
    if reference is None:
        return np.zeros(readout.shape, np.float32), np.zeros(readout.shape, np.uint32)
    cut = reference.cut(readout)
    assert cut.data is not None
    return np.nan_to_num(cut.data, nan=0.0), np.zeros(readout.shape, np.uint32) if cut.dq is None else cut.dq


@kernel
def subtract_row(data, y, bias):
    """data[g, y] -= bias[y] for every group; data (g, y, x) of one integration."""
    b = bias[y]
    for g in range(data.shape[0]):
        row = data[g, y]
        for x in range(row.size):
            row[x] -= b[x]


@kernel
def _frame(data, bias):
    for y in range(data.shape[1]):
        subtract_row(data, y, bias)


def superbias(ramps: Ramps, reference: Reference) -> Ramps:
    """Subtract the bias from every group; data (i, g, y, x) [DN]."""
    bias, dq = prepare(reference, ramps.readout)
    data = ramps.data.copy()
    for i in range(data.shape[0]):
        _frame(data[i], bias)
    return ramps.with_(data=data, pixeldq=ramps.pixeldq | dq)
