"""Non-linearity: the pixel's polynomial makes counts proportional to charge (jwst 3.0 / stcal 1.20 ``linearity``).

corrected = c0 + c1 v + c2 v^2 + ..., by Horner's rule in float32. SATURATED groups keep their value. Pixels flagged
NO_LIN_CORR, with a NaN coefficient or with c1 = 0 are left alone; the last two get NO_LIN_CORR.

Reference: linearity, COEFFS (n, y, x), constant first.
"""

from __future__ import annotations

import numpy as np

from tsoar import flags
from tsoar.blocks import F32, U32, Ramps, Readout, Reference
from tsoar.jit import kernel

SAT = np.uint8(flags.SATURATED)


def prepare(reference: Reference | None, readout: Readout) -> tuple[F32, U32]:
    """Coefficients (y, n, x) with the constant first, and flags (y, x), cut; what must not be corrected has c1 = 1, rest 0."""
    if reference is None:
        coeffs = np.zeros((readout.shape[0], 2, readout.shape[1]), np.float32)
        coeffs[:, 1] = 1
        return coeffs, np.zeros(readout.shape, np.uint32)
    cut = reference.cut(readout)
    assert cut.data is not None
    dq = np.zeros(readout.shape, np.uint32) if cut.dq is None else cut.dq.copy()
    no_correction = np.uint32(flags.NO_LIN_CORR)
    broken = np.isnan(cut.data).any(axis=0) | (cut.data[1] == 0)
    flagged = (dq & no_correction) != 0
    dq[broken & ~flagged] |= no_correction
    coeffs = np.ascontiguousarray(cut.data.transpose(1, 0, 2))
    y, x = np.nonzero(broken | flagged)
    coeffs[y, :, x] = 0
    coeffs[y, 1, x] = 1
    return coeffs, dq


# Each loop is a function of its own: LLVM vectorises few arrays at a time (one loop over everything is 4 times slower).


@kernel
def five_terms(v, q, c0, c1, c2, c3, c4):
    """One group of one pixel by five coefficients; ``q`` its flags."""
    w = (((c4 * v + c3) * v + c2) * v + c1) * v + c0
    return v if q & SAT else w


@kernel
def _row_of_five(v, q, c0, c1, c2, c3, c4):
    for x in range(v.size):
        v[x] = five_terms(v[x], q[x], c0[x], c1[x], c2[x], c3[x], c4[x])


@kernel
def _first_term(v, c, out):
    for x in range(v.size):
        out[x] = c[x] * v[x]


@kernel
def _next_term(v, c, out):
    for x in range(v.size):
        out[x] = (out[x] + c[x]) * v[x]


@kernel
def _last_term(v, c, q, out):
    for x in range(v.size):
        v[x] = v[x] if q[x] & SAT else out[x] + c[x]


@kernel
def correct_row(data, dq, y, coeffs, work):
    """Correct row ``y`` of every group; data, dq (g, y, x), coeffs (y, n, x), work (x,) scratch.

    The reference files have five terms; other numbers take the same operations one term at a time.
    """
    n = coeffs.shape[1]
    c = coeffs[y]
    for g in range(data.shape[0]):
        if n == 5:
            _row_of_five(data[g, y], dq[g, y], c[0], c[1], c[2], c[3], c[4])
            continue
        _first_term(data[g, y], c[n - 1], work)
        for k in range(n - 2, 0, -1):
            _next_term(data[g, y], c[k], work)
        _last_term(data[g, y], c[0], dq[g, y], work)


@kernel
def _frame(data, dq, coeffs):
    work = np.empty(data.shape[2], np.float32)
    for y in range(data.shape[1]):
        correct_row(data, dq, y, coeffs, work)


def linearity(ramps: Ramps, reference: Reference) -> Ramps:
    """Correct every unsaturated group; data (i, g, y, x) [DN], bias removed."""
    coeffs, dq = prepare(reference, ramps.readout)
    data = ramps.data.copy()
    for i in range(data.shape[0]):
        _frame(data[i], np.ascontiguousarray(ramps.groupdq[i]), coeffs)
    return ramps.with_(data=data, pixeldq=ramps.pixeldq | dq)
