"""Saturated groups (jwst 3.0 / stcal 1.20 ``flag_saturated_pixels``, NFRAMES = 1).

A group at or above the pixel's limit [raw DN] is SATURATED, and so are all later groups of the ramp, whatever they read.
Charge spills over: the 8 neighbours are flagged with it (``grow``). Counts of 0 and below are at the floor of the A/D
converter: AD_FLOOR | DO_NOT_USE in that group only. As saturation never ends inside a ramp, the first saturated group of
a pixel says it all; growth is a minimum over neighbours.

Reference: saturation (limits; NaN or NO_SAT_CHECK = not checked). Not judged here: frames averaged into groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsoar import flags
from tsoar.blocks import F32, U32, Ramps, Readout, Reference
from tsoar.errors import InputError
from tsoar.jit import kernel
from tsoar.params import Annotated, Gt, Interval, Unit, doc

SAT = np.uint8(flags.SATURATED)
FLOOR = np.uint8(flags.AD_FLOOR | flags.DO_NOT_USE)
NEVER, NONE = np.uint8(255), np.uint8(0)
UNCHECKED = np.float32(65536)  # above anything a 16-bit converter gives


@dataclass(frozen=True, slots=True)
class SaturationParams:
    """What counts as saturated."""

    grow: Annotated[int, Interval(ge=0, le=10), Unit("px"), doc("neighbours flagged around a saturated pixel")] = 1
    factor: Annotated[float, Gt(0), doc("factor on the reference's limits: below 1 for a limit of one's own")] = 1.0


def prepare(reference: Reference | None, readout: Readout, params: SaturationParams) -> tuple[F32, U32]:
    """Limits [raw DN] and flags (y, x), cut; what is not checked lies above all counts."""
    if reference is None:
        return np.full(readout.shape, np.inf, np.float32), np.zeros(readout.shape, np.uint32)
    cut = reference.cut(readout)
    assert cut.data is not None
    dq = np.zeros(readout.shape, np.uint32) if cut.dq is None else cut.dq.copy()
    unknown = np.isnan(cut.data)
    dq[unknown] |= np.uint32(flags.NO_SAT_CHECK)
    off = unknown | ((dq & np.uint32(flags.NO_SAT_CHECK)) != 0)
    return np.where(off, UNCHECKED, cut.data * np.float32(params.factor)).astype(np.float32), dq


@kernel
def _reached(row, limit, group, first):
    for x in range(row.size):
        first[x] = group if row[x] >= limit[x] else first[x]


@kernel
def _at_floor(row, q):
    for x in range(row.size):
        q[x] |= FLOOR if row[x] <= np.float32(0) else NONE


@kernel
def flag_row(data, dq, y, limit, first):
    """Row ``y`` of raw counts data (g, y, x): A/D floor into dq, first saturated group into first (y, x)."""
    first[y, :] = NEVER
    for g in range(data.shape[0] - 1, -1, -1):
        _reached(data[g, y], limit[y], np.uint8(g), first[y])
        _at_floor(data[g, y], dq[g, y])


@kernel
def spread_row(first, dq, y, grow, grown):
    """SATURATED into row ``y`` of dq (g, y, x) from the first saturated group within ``grow`` px; whether there is any."""
    ny, nx = first.shape
    low, high = max(0, y - grow), min(ny, y + grow + 1)
    least = NEVER
    for r in range(low, high):
        row = first[r]
        for x in range(nx):
            least = min(least, row[x])
    if least == NEVER:
        return False
    grown[:] = NEVER
    for r in range(low, high):
        row = first[r]
        for shift in range(-grow, grow + 1):
            for x in range(max(0, -shift), min(nx, nx - shift)):
                grown[x] = min(grown[x], row[x + shift])
    for g in range(dq.shape[0]):
        q = dq[g, y]
        for x in range(nx):
            q[x] |= SAT if grown[x] <= g else NONE
    return True


@kernel
def _frame(data, dq, limit, grow, first):
    grown = np.empty(data.shape[2], np.uint8)
    for y in range(data.shape[1]):
        flag_row(data, dq, y, limit, first)
    for y in range(data.shape[1]):
        spread_row(first, dq, y, grow, grown)


def saturation(ramps: Ramps, reference: Reference, params: SaturationParams = SaturationParams()) -> Ramps:
    """Flag saturated groups of raw counts.

    Parameters
    ----------
    ramps : data (i, g, y, x) raw counts [DN].
    reference : saturation limits [raw DN].

    Raises
    ------
    InputError
        For groups averaged from several frames (NFRAMES other than 1): saturation inside a group is not treated.
    """
    if ramps.readout.nframes != 1:
        raise InputError(
            f"saturation: NFRAMES = {ramps.readout.nframes}, expected 1 (NISRAPID); averaged groups are not supported"
        )
    limit, dq = prepare(reference, ramps.readout, params)
    groupdq = ramps.groupdq.copy()
    first = np.empty(ramps.readout.shape, np.uint8)
    for i in range(ramps.data.shape[0]):
        by_hand = (ramps.groupdq[i] & SAT) != 0
        _frame(np.ascontiguousarray(ramps.data[i]), groupdq[i], limit, params.grow, first)
        for g in np.flatnonzero(by_hand.any(axis=(1, 2))):  # flags set by hand grow in their own group
            groupdq[i, g] |= np.where(_dilated(by_hand[g], params.grow), SAT, np.uint8(0))
    return ramps.with_(groupdq=groupdq, pixeldq=ramps.pixeldq | dq)


def _dilated(mask: np.ndarray, n: int) -> np.ndarray:
    out = np.zeros_like(mask)
    ny, nx = mask.shape
    for y, x in np.argwhere(mask):
        out[max(0, y - n) : min(ny, y + n + 1), max(0, x - n) : min(nx, x + n + 1)] = True
    return out
