"""The first six steps of the detector stage in one pass over an integration, row by row while it is in cache.

A row is visited twice: its raw counts say what is saturated, and when the rows around it have said so too, one loop takes
them from the file's bytes to calibrated groups (a loop a step, each through the cache, takes twice as long). The operations
are those of `tsoar.detector` in the same order: step by step or fused, the bits are the same. A step that is left out
gets a reference that does nothing (bias 0, identity polynomial, limits above all counts), which is exact in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, F64, U8, U32, Readout, Reference
from tsoar.detector.dark_current import DarkParams
from tsoar.detector.dark_current import prepare as prepare_dark
from tsoar.detector.dark_current import subtract_row as dark_row
from tsoar.detector.dq_init import prepare as prepare_mask
from tsoar.detector.linearity import correct_row as linearity_row
from tsoar.detector.linearity import five_terms
from tsoar.detector.linearity import prepare as prepare_linearity
from tsoar.detector.refpix import RefpixParams, measure_float32
from tsoar.detector.refpix import measure as measure_refpix
from tsoar.detector.refpix import prepare as prepare_refpix
from tsoar.detector.refpix import subtract_row as refpix_row
from tsoar.detector.saturation import FLOOR, NEVER, NONE, SaturationParams, spread_row
from tsoar.detector.saturation import prepare as prepare_saturation
from tsoar.detector.superbias import prepare as prepare_bias
from tsoar.detector.superbias import subtract_row as bias_row
from tsoar.jit import kernel
from tsoar.reduce.placed import restart


@dataclass(frozen=True, slots=True)
class Calibration:
    """References of the first six steps, cut, without NaN, in the layout the kernels want."""

    pixeldq: U32
    """(y, x) after all six steps"""
    bad: U8
    """(y, x) DO_NOT_USE of the mask: flagged in every group"""
    limit: F32
    bias: F32
    coeffs: F32
    """(y, n, x)"""
    dark: F32 | F64
    """(y, g, x)"""
    reference_pixels: NDArray[np.int32]
    grow: int
    refpix: RefpixParams


def prepare_calibration(
    references: dict[str, Reference],
    readout: Readout,
    skip: frozenset[str] = frozenset(),
    saturation: SaturationParams = SaturationParams(),  # noqa: B008  (frozen)
    refpix: RefpixParams = RefpixParams(),  # noqa: B008
    dark_params: DarkParams = DarkParams(),  # noqa: B008
) -> Calibration:
    """All planes from ``references`` by type; steps named in ``skip`` do nothing and set no flags.

    The mask also says which pixels are reference pixels; with dq_init left out there are none, as in the field's pipeline.
    """

    def get(kind: str, step: str) -> Reference | None:
        return None if step in skip else references[kind]

    mask = prepare_mask(get("mask", "dq_init"), readout)
    limit, limit_dq = prepare_saturation(get("saturation", "saturation"), readout, saturation)
    bias, bias_dq = prepare_bias(get("superbias", "superbias"), readout)
    coeffs, coeffs_dq = prepare_linearity(get("linearity", "linearity"), readout)
    dark, dark_dq = prepare_dark(get("dark", "dark_current"), readout, dark_params)
    before_refpix = mask | limit_dq | bias_dq
    where = np.empty((0, 3), np.int32) if "refpix" in skip else prepare_refpix(before_refpix, refpix)
    return Calibration(
        before_refpix | coeffs_dq | dark_dq,
        (mask & np.uint32(flags.DO_NOT_USE)).astype(np.uint8),
        restart(limit, 1),
        restart(bias, 2),
        restart(coeffs, 3),
        restart(dark, 4),
        where,
        saturation.grow if "saturation" not in skip else -1,
        refpix,
    )


@kernel
def counts_of(v):
    """Big-endian int16 with BZERO 32768, seen as native uint16, to float32 counts."""
    return np.float32(np.uint16(((v >> np.uint16(8)) | (v << np.uint16(8))) ^ np.uint16(0x8000)))


@kernel
def decode_row(raw, y, data):
    """Row ``y`` of counts as the file has them, raw (g, y, x), into float32 data."""
    for g in range(raw.shape[0]):
        a, b = raw[g, y], data[g, y]
        for x in range(a.size):
            b[x] = counts_of(a[x])


@kernel
def _look_at_counts(raw, bad, floor, limit, group, first, q):
    """One row of one group: first saturated group so far (groups come last to first); flags: ``bad``, ``floor`` at 0 counts."""
    for x in range(q.size):
        v = counts_of(raw[x])
        first[x] = group if v >= limit[x] else first[x]
        q[x] = bad[x] | (floor if v <= np.float32(0) else NONE)


@kernel
def _calibrated(v, q, bias, level, c0, c1, c2, c3, c4, dark):
    """One group of one pixel from the file's bytes to calibrated data."""
    return five_terms((counts_of(v) - bias) - level, q, c0, c1, c2, c3, c4) - dark


@kernel
def _calibrate_group(raw, q, bias, level, c0, c1, c2, c3, c4, dark, out):
    for x in range(out.size):
        out[x] = _calibrated(raw[x], q[x], bias[x], level, c0[x], c1[x], c2[x], c3[x], c4[x], dark[x])


@kernel
def _calibrate_two(raw_a, raw_b, q_a, q_b, bias, level_a, level_b, c0, c1, c2, c3, c4, dark_a, dark_b, a, b):
    """Two groups at a time fetch bias and coefficients, more than the nearest cache holds, half as often."""
    for x in range(a.size):
        a[x] = _calibrated(raw_a[x], q_a[x], bias[x], level_a, c0[x], c1[x], c2[x], c3[x], c4[x], dark_a[x])
        b[x] = _calibrated(raw_b[x], q_b[x], bias[x], level_b, c0[x], c1[x], c2[x], c3[x], c4[x], dark_b[x])


@kernel
def _calibrate_row(raw, data, dq, y, bias, coeffs, dark, table):
    """Row ``y`` of all groups, with polynomials of five terms; planes as in `calibrate_rows`."""
    ng = raw.shape[0]
    p, c, d = bias[y], coeffs[y], dark[y]
    for g in range(0, ng - 1, 2):
        h = g + 1
        _calibrate_two(
            raw[g, y], raw[h, y], dq[g, y], dq[h, y], p, table[g, y % 2], table[h, y % 2],
            c[0], c[1], c[2], c[3], c[4], d[g], d[h], data[g, y], data[h, y],
        )  # fmt: skip
    if ng % 2:
        g = ng - 1
        _calibrate_group(raw[g, y], dq[g, y], p, table[g, y % 2], c[0], c[1], c[2], c[3], c[4], d[g], data[g, y])


@kernel
def _reference_counts(raw, where, bias, values):
    """Counts - bias at the reference pixels (n, 3) into values (g, n); the same bits as on calibrated data."""
    for i in range(where.shape[0]):
        y, x = where[i, 1], where[i, 2]
        for g in range(raw.shape[0]):
            values[g, i] = counts_of(raw[g, y, x]) - bias[y, x]


def reference_levels(raw: NDArray[np.uint16], c: Calibration) -> F32:
    """Levels (g, 2) [DN] of the reference pixels of one integration, by row parity, as the refpix step measures them."""
    where = c.reference_pixels
    values = np.empty((raw.shape[0], where.shape[0]), np.float32)
    _reference_counts(raw, where, c.bias, values)
    if c.refpix.mean == "float32":
        return measure_float32(values, where, c.refpix)
    index = np.zeros_like(where)
    index[:, 0], index[:, 2] = where[:, 0], np.arange(where.shape[0])
    table = np.zeros((raw.shape[0], 2), np.float32)
    measure_refpix(values[:, None], index, c.refpix.siglimit, c.refpix.odd_even, table)
    return table


@kernel
def calibrate_rows(raw, data, dq, first, bad, limit, bias, coeffs, dark, grow, table):
    """All six steps on the rows (g, y, x) given, planes and table (g, 2) of the same rows; how many groups are saturated.

    Saturation grows from rows that are there: of a part of a frame, ``grow`` rows at its cut edges are not to be used.
    """
    ng, ny, nx = data.shape
    work = np.empty(nx, np.float32)
    grown = np.empty(nx, np.uint8)
    ahead = max(grow, 0)  # rows whose saturation must be known before a row is finished
    floor = FLOOR if grow >= 0 else NONE
    saturated = 0
    for step in range(ny + ahead):
        if step < ny:
            first[step, :] = NEVER
            for g in range(ng - 1, -1, -1):
                _look_at_counts(raw[g, step], bad[step], floor, limit[step], np.uint8(g), first[step], dq[g, step])
        y = step - ahead
        if y < 0:
            continue
        if grow >= 0 and spread_row(first, dq, y, grow, grown):
            for x in range(nx):
                saturated += ng - grown[x] if grown[x] < ng else 0
        if coeffs.shape[1] == 5:
            _calibrate_row(raw, data, dq, y, bias, coeffs, dark, table)
        else:
            decode_row(raw, y, data)
            bias_row(data, y, bias)
            refpix_row(data, y, table)
            linearity_row(data, dq, y, coeffs, work)
            dark_row(data, y, dark)
    return saturated


def calibrate(raw: NDArray[np.uint16], data: F32, dq: U8, c: Calibration) -> tuple[F32, int]:
    """One integration: raw (g, y, x) as `Exposure.read_raw` fills it -> data [DN] and dq, in the caller's buffers.

    Returns the reference pixels' levels (g, 2) [DN] and how many groups of pixels are saturated.
    """
    table = reference_levels(raw, c)
    first = np.empty(raw.shape[1:], np.uint8)
    n = calibrate_rows(raw, data, dq, first, c.bad, c.limit, c.bias, c.coeffs, c.dark, c.grow, table)
    return table, int(n)
