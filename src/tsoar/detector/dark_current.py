"""Dark current: subtract the dark of the same group [DN] (jwst 3.0 / stcal 1.20 ``dark_current``).

Reference: dark (groups, y, x); NaN counts as 0, its flags go to ``pixeldq``. If the science has more groups, the dark
goes on along its last step, as the field's does.
"""

from __future__ import annotations

import numpy as np

from tsoar.blocks import F32, U32, Ramps, Readout, Reference
from tsoar.errors import ReferenceFileError
from tsoar.jit import kernel


def prepare(reference: Reference | None, readout: Readout) -> tuple[F32, U32]:
    """Dark (y, g, x) [DN] for all groups of the science, without NaN, and flags (y, x).

    Raises
    ------
    ReferenceFileError
        For a dark averaged from several frames (NFRAMES other than 1) or with gaps.
    """
    if reference is None:
        return np.zeros((readout.shape[0], readout.n_groups, readout.shape[1]), np.float32), np.zeros(readout.shape, np.uint32)
    cut = reference.cut(readout)
    assert cut.data is not None
    for key, expected in (("nframes", readout.nframes), ("groupgap", readout.groupgap)):
        found = cut.keywords.get(key)
        if found is not None and int(found) != expected:
            raise ReferenceFileError(
                f"reference {cut.name} (dark): {key.upper()} = {int(found)}, the exposure has {expected}; "
                "give another with --ref dark=FILE"
            )
    dark = cut.data[: readout.n_groups].astype(np.float64)
    missing = readout.n_groups - dark.shape[0]
    if missing > 0:
        step = dark[-1] - dark[-2] if dark.shape[0] > 1 else np.zeros(dark.shape[1:])
        dark = np.concatenate([dark, dark[-1] + step * np.arange(1, missing + 1)[:, None, None]])
    planes = np.nan_to_num(dark, nan=0.0).astype(np.float32)
    dq = np.zeros(readout.shape, np.uint32) if cut.dq is None else cut.dq
    return np.ascontiguousarray(planes.transpose(1, 0, 2)), dq


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


def dark_current(ramps: Ramps, reference: Reference) -> Ramps:
    """Subtract the dark from every group; data (i, g, y, x) [DN]."""
    dark, dq = prepare(reference, ramps.readout)
    data = ramps.data.copy()
    for i in range(data.shape[0]):
        _frame(data[i], dark)
    return ramps.with_(data=data, pixeldq=ramps.pixeldq | dq)
