"""Dark current: subtract the dark of the same group [DN] (jwst 3.0 / stcal 1.20 ``dark_current``).

Reference: dark (groups, y, x); NaN counts as 0, its flags go to ``pixeldq``. If the science has more groups, the dark
goes on along its last step, as the field's does (in float64: what is subtracted is rounded once, at the end).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsoar.blocks import F32, F64, U32, Ramps, Readout, Reference
from tsoar.errors import ReferenceFileError
from tsoar.jit import kernel
from tsoar.params import Annotated, Literal, doc


@dataclass(frozen=True, slots=True)
class DarkParams:
    """What happens with darks that do not fit."""

    misfit: Annotated[
        Literal["refuse", "skip"],
        doc("a dark of averaged frames or with gaps; skip: the field's way, no dark, and its flags are lost"),
    ] = "refuse"


def prepare(reference: Reference | None, readout: Readout, params: DarkParams = DarkParams()) -> tuple[F32 | F64, U32]:
    """Dark (y, g, x) [DN] for all groups of the science, without NaN, and flags (y, x).

    float32 as the reference, float64 where it had to be continued.

    Raises
    ------
    ReferenceFileError
        For a dark averaged from several frames (NFRAMES other than 1) or with gaps.
    """
    nothing = np.zeros((readout.shape[0], readout.n_groups, readout.shape[1]), np.float32), np.zeros(readout.shape, np.uint32)
    if reference is None:
        return nothing
    cut = reference.cut(readout)
    assert cut.data is not None
    for key, expected in (("nframes", readout.nframes), ("groupgap", readout.groupgap)):
        found = cut.keywords.get(key)
        if found is not None and int(found) > expected and params.misfit == "skip":
            return nothing
        if found is not None and int(found) != expected:
            raise ReferenceFileError(
                f"reference {cut.name} (dark): {key.upper()} = {int(found)}, the exposure has {expected}; "
                "give another with --ref dark=FILE"
            )
    dark = cut.data[: readout.n_groups]
    missing = readout.n_groups - dark.shape[0]
    if missing > 0:
        step = dark[-1] - dark[-2] if dark.shape[0] > 1 else np.zeros_like(dark[-1])
        dark = np.concatenate([dark, np.arange(1, missing + 1)[:, None, None] * step + dark[-1]])  # float64
    planes = dark.transpose(1, 0, 2).copy()
    planes[np.isnan(planes)] = 0
    dq = np.zeros(readout.shape, np.uint32) if cut.dq is None else cut.dq
    return planes, dq


@kernel
def subtract_row(data, y, dark):
    """data[g, y] -= dark[y, g]; data (g, y, x) of one integration, dark (y, g, x)."""
    for g in range(data.shape[0]):
        row, d = data[g, y], dark[y, g]
        for x in range(row.size):
            row[x] -= d[x]


@kernel
def _frame(data, dark):
    for y in range(data.shape[1]):
        subtract_row(data, y, dark)


def dark_current(ramps: Ramps, reference: Reference, params: DarkParams = DarkParams()) -> Ramps:
    """Subtract the dark from every group; data (i, g, y, x) [DN]."""
    dark, dq = prepare(reference, ramps.readout, params)
    data = ramps.data.copy()
    for i in range(data.shape[0]):
        _frame(data[i], dark)
    return ramps.with_(data=data, pixeldq=ramps.pixeldq | dq)
