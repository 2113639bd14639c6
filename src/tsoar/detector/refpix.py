"""Drifts of the whole frame, followed by the pixels that see no light (jwst 3.0 ``refpix``, single-output subarrays).

Per integration, group and parity of the row: the sigma-clipped mean of the reference pixels of that parity is subtracted
from all rows of it. Parity is that of the *detector's* column, which on the DMS image is the row; what other instruments
call odd/even columns are odd/even rows here. SUBSTRIP256 has four reference rows at the top and four columns on each
side, SUBSTRIP96 the columns only. Group flags are not consulted, DO_NOT_USE pixels are left out.

Different from the field: means in float64 (theirs in float32, pairwise), the same to 1e-3 DN; a NaN among the reference
pixels is left out (theirs makes half of the plane NaN); a parity without reference pixels is left as it is (theirs stops).
``mean = "float32"`` takes the field's means to the bit, by numpy's own sums over the pixels in the order of the detector,
and its way with NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, U32, Ramps
from tsoar.jit import kernel
from tsoar.params import Annotated, Gt, Literal, Unit, doc


@dataclass(frozen=True, slots=True)
class RefpixParams:
    """How reference pixels are averaged."""

    odd_even: Annotated[bool, doc("odd and even rows by themselves; off: all rows together")] = True
    siglimit: Annotated[float, Gt(0), Unit("sigma"), doc("reference pixels further from their mean are left out")] = 3.0
    mean: Annotated[
        Literal["float64", "float32"], doc("precision of the means; float32: the field's, to the bit, NaN spoils them")
    ] = "float64"


def prepare(pixeldq: U32, params: RefpixParams) -> NDArray[np.int32]:
    """Reference pixels that can be used, (n, 3) = parity, row, column; parity 0 for even rows (all, without odd_even)."""
    use = (pixeldq & np.uint32(flags.REFERENCE_PIXEL) != 0) & (pixeldq & np.uint32(flags.DO_NOT_USE) == 0)
    y, x = np.nonzero(use)
    parity = y % 2 if params.odd_even else np.zeros_like(y)
    # within a parity as the detector counts: its rows are the columns from the right, its columns the rows from the top
    order = np.lexsort((-y, -x, parity)) if params.mean == "float32" else np.argsort(parity, kind="stable")
    return np.stack([parity[order], y[order], x[order]], axis=1).astype(np.int32)


@kernel
def clipped_mean(values, n, limit):
    """Mean of values[:n] within ``limit`` sigma of itself, repeated until nothing changes; NaN without a value."""
    low, high, zero = -np.inf, np.inf, 0.0
    count = -1
    mean = np.nan
    for _ in range(100):
        kept, total, square = 0, 0.0, 0.0
        for i in range(n):  # sums about the mean before: one pass is then as exact as two
            v = values[i]
            inside = low <= v <= high
            d = v - zero if inside else 0.0
            kept += 1 if inside else 0
            total += d
            square += d * d
        if kept == 0 or kept == count:
            break
        count = kept
        mean = zero + total / kept
        spread = np.sqrt(max(square / kept - (mean - zero) ** 2, 0.0))
        if spread == 0.0:
            break
        low, high, zero = mean - limit * spread, mean + limit * spread, mean
    return mean


def clipped_mean_float32(values: F32, limit: float) -> np.float32:
    """`clipped_mean` as the field has it: scipy's ``sigmaclip`` on float32 with numpy's pairwise sums; NaN with a NaN."""
    if np.isnan(values).any():
        return np.float32(np.nan)
    if np.std(values, dtype=np.float64) == 0:
        return np.float32(values.mean(dtype=np.float64))
    while True:
        spread, mean = values.std(), values.mean()
        kept = values[(values >= mean - spread * limit) & (values <= mean + spread * limit)]
        if kept.size == values.size:
            return np.float32(kept.mean())
        values = kept


def measure_float32(values: F32, where: NDArray[np.int32], params: RefpixParams) -> F32:
    """`measure` with the field's means: values (g, n) [DN] at the pixels ``where`` (n, 3); table (g, 2)."""
    table = np.zeros((values.shape[0], 2), np.float32)
    for parity in range(2):
        chosen = np.ascontiguousarray(values[:, where[:, 0] == parity])
        for g in range(values.shape[0] if chosen.shape[1] else 0):
            table[g, parity] = clipped_mean_float32(chosen[g], params.siglimit)
    if not params.odd_even:
        table[:, 1] = table[:, 0]
    return table


@kernel
def measure(data, where, limit, odd_even, table):
    """Levels of one integration, data (g, y, x) [DN]: table (g, 2) by row parity; 0 where there is nothing to measure."""
    values = np.empty(where.shape[0], np.float64)
    for g in range(data.shape[0]):
        plane = data[g]
        for parity in range(2):
            n = np.int64(0)
            for i in range(where.shape[0]):
                if where[i, 0] == parity:
                    values[n] = plane[where[i, 1], where[i, 2]]
                    n += 1
            mean = clipped_mean(values, n, limit) if n else np.nan
            table[g, parity] = np.float32(mean) if mean == mean else np.float32(0)
        if not odd_even:
            table[g, 1] = table[g, 0]


@kernel
def subtract_row(data, y, table):
    """data[g, y] -= table[g, parity of y]; data (g, y, x) of one integration."""
    for g in range(data.shape[0]):
        row = data[g, y]
        level = table[g, y % 2]
        for x in range(row.size):
            row[x] -= level


@kernel
def _frame(data, table):
    for y in range(data.shape[1]):
        subtract_row(data, y, table)


def refpix(ramps: Ramps, params: RefpixParams = RefpixParams()) -> Ramps:
    """Subtract the reference pixels' level from every group; data (i, g, y, x) [DN], best after `superbias`.

    Which pixels are reference pixels is known from ``pixeldq`` (`dq_init`); without any the data stay as they are. The
    levels are left in ``facts["reference_level"]`` (i, g, 2) [DN], even and odd rows.
    """
    where = prepare(ramps.pixeldq, params)
    data = ramps.data.copy()
    tables = np.zeros((data.shape[0], data.shape[1], 2), np.float32)
    for i in range(data.shape[0]):
        if params.mean == "float32":
            tables[i] = measure_float32(data[i][:, where[:, 1], where[:, 2]], where, params)
        else:
            measure(data[i], where, params.siglimit, params.odd_even, tables[i])
        _frame(data[i], tables[i])
    return ramps.with_(data=data, facts={"reference_level": tables})
