"""The mask reference becomes ``pixeldq``; DO_NOT_USE pixels are flagged in every group (jwst 3.0 ``dq_init``).

Only DO_NOT_USE goes to ``groupdq``, every bit to ``pixeldq``.
"""

from __future__ import annotations

import numpy as np

from tsoar import flags
from tsoar.blocks import U32, Ramps, Readout, Reference


def prepare(reference: Reference | None, readout: Readout) -> U32:
    """Flags (y, x) of the mask, cut to the subarray; zeros without a mask."""
    if reference is None:
        return np.zeros(readout.shape, np.uint32)
    dq = reference.cut(readout).dq
    return np.zeros(readout.shape, np.uint32) if dq is None else dq


def dq_init(ramps: Ramps, reference: Reference) -> Ramps:
    """Flag known bad pixels.

    Parameters
    ----------
    ramps : any; flags already set are kept.
    reference : mask, uint32 (y, x), full frame or cut.
    """
    mask = prepare(reference, ramps.readout)
    bad = (mask & np.uint32(flags.DO_NOT_USE)).astype(np.uint8)
    return ramps.with_(pixeldq=ramps.pixeldq | mask, groupdq=ramps.groupdq | bad)
