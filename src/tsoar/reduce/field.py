"""Counts to slopes as the field's pipeline does it: a segment file at a time, in constant memory.

Its jumps and Poisson variances are judged over all integrations of a file. So a file is taken in strips of detector rows,
with all its integrations: counts, calibrated, jumps, slopes, written into the slope file, and the strip is forgotten. A row
more on either side gives the neighbours of jumps, ``saturation.grow`` more the neighbours of saturated pixels. What is the
same for whole planes is measured first (reference pixels, planes that are DO_NOT_USE all over).

What comes after the slopes is the way of any start from slopes.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, F64, U8, Reference
from tsoar.detector import field_fit, field_jump
from tsoar.detector.field_fit import Sums
from tsoar.detector.field_jump import Settings
from tsoar.io import rateints
from tsoar.io.exposure import Exposure
from tsoar.jit import kernel
from tsoar.reduce.calibrate import Calibration, calibrate_rows, reference_levels
from tsoar.reduce.plan import Plan
from tsoar.reduce.stream import in_order

BUDGET = 400_000_000
"""bytes of ramps that strips under way hold together"""
HALO = 1
"""rows about a strip whose jumps flag pixels in it"""

Progress = Callable[[int, int], None]
Facts = dict[str, NDArray[Any]]
Planes = tuple[F32, F32, F32, F32, NDArray[np.uint32]]


@dataclass(frozen=True, slots=True)
class Detector:
    """What is the same for all files of an exposure."""

    exposure: Exposure
    plan: Plan
    calibration: Calibration
    gain: F32
    cds: F32
    pixels: field_fit.Pixels
    weights: F64
    factor: float
    """GAINFACT: a factor on slopes and errors, 1 without"""
    workers: int


def make_detector(
    exposure: Exposure, plan: Plan, calibration: Calibration, references: dict[str, Reference], workers: int
) -> Detector:
    """References of the jump step and of the ramp fit in the layout of the kernels; ``references`` by type, cut."""
    gain, cds = references["gain"].data, references["readnoise"].data
    assert gain is not None and cds is not None
    pixeldq = calibration.pixeldq
    if "jump" in plan.steps and exposure.readout.n_groups >= field_jump.MINIMUM_GROUPS:
        pixeldq = pixeldq | field_jump.no_gain(gain)
    dark = references.get("dark")
    dark_current = dark.keywords.get("avdrkcur", 0.0) if dark is not None else 0.0
    factor = references["gain"].keywords.get("gainfact", exposure.header.get("GAINFACT", 1.0))
    return Detector(
        exposure,
        plan,
        calibration,
        gain,
        cds,
        field_fit.pixels(gain, cds, pixeldq, dark_current),
        field_fit.weights(exposure.readout.n_groups),
        float(factor),
        workers,
    )


@dataclass(frozen=True, slots=True)
class Look:
    """What is measured on whole planes of one integration before its rows are taken apart."""

    levels: F32
    """(g, 2) reference pixels [DN] by row parity"""
    unusable: int
    """groups that are DO_NOT_USE all over"""


@kernel
def _unusable_groups(raw, bad):
    """Groups of raw (g, y, x) in which every pixel is bad (y, x) or at the floor of the converter (counts of 0)."""
    zero = np.uint16(0x0080)  # big-endian int16 of counts - 32768
    total = 0
    for g in range(raw.shape[0]):
        all_bad = True
        for y in range(raw.shape[1]):
            for x in range(raw.shape[2]):
                if bad[y, x] == 0 and raw[g, y, x] != zero:
                    all_bad = False
                    break
            if not all_bad:
                break
        total += 1 if all_bad else 0
    return total


def look(d: Detector, i: int) -> Look:
    """One integration as a whole."""
    readout = d.exposure.readout
    raw = np.empty((readout.n_groups, *readout.shape), np.uint16)
    d.exposure.read_raw(i, raw)
    if d.calibration.grow < 0:  # without the saturation step nothing is at the floor
        unusable = readout.n_groups if d.calibration.bad.all() else 0
    else:
        unusable = int(_unusable_groups(raw, d.calibration.bad))
    return Look(reference_levels(raw, d.calibration), unusable)


def strip_height(n_integrations: int, n_groups: int, n_columns: int, workers: int, n_rows: int) -> int:
    """Rows of a strip such that all strips under way keep within BUDGET, at least one each.

    >>> strip_height(300, 6, 2048, 2, 256), strip_height(20, 6, 2048, 2, 256)
    (7, 128)
    """
    per_row = n_integrations * n_groups * n_columns * 6  # data, flags, marks of neighbours
    rows = max(BUDGET // (per_row * workers) - 2 * HALO, 1)
    return int(min(rows, max(n_rows // workers, 1)))


def calibrated_rows(d: Detector, number: int, looks: list[Look], low: int, high: int) -> tuple[F32, U8]:
    """Rows [low, high) of every integration of a segment after the first six steps: data [DN], flags (i, g, y, x)."""
    c, segment = d.calibration, d.exposure.segments[number]
    ng, (ny, nx) = d.exposure.readout.n_groups, d.exposure.readout.shape
    data, dq = np.empty((segment.n, ng, high - low, nx), np.float32), np.empty((segment.n, ng, high - low, nx), np.uint8)
    around = max(c.grow, 0)
    top, bottom = max(low - around, 0), min(high + around, ny)
    rows = slice(top, bottom)
    planes = (c.bad[rows], c.limit[rows], c.bias[rows], c.coeffs[rows], c.dark[rows])
    raw = np.empty((ng, bottom - top, nx), np.uint16)
    work, marks = np.empty(raw.shape, np.float32), np.empty(raw.shape, np.uint8)
    first = np.empty(raw.shape[1:], np.uint8)
    for k in range(segment.n):
        d.exposure.read_rows(segment.first + k, top, raw)
        table = np.ascontiguousarray(looks[k].levels[:, ::-1]) if top % 2 else looks[k].levels
        calibrate_rows(raw, work, marks, first, *planes, c.grow, table)
        data[k], dq[k] = work[:, low - top : high - top], marks[:, low - top : high - top]
    return data, dq


def do_strip(
    d: Detector,
    number: int,
    looks: list[Look],
    s: Settings | None,
    closed: NDArray[np.bool_],
    writers: Writers,
    sums: Sums,
    span: tuple[int, int],
) -> tuple[Facts, U8]:
    """Rows ``span`` of a segment from counts to the slope file. Returns counts of flags (i,) and planes (i, g) left open."""
    ny = d.exposure.readout.shape[0]
    low, high = max(span[0] - HALO, 0), min(span[1] + HALO, ny)
    data, dq = calibrated_rows(d, number, looks, low, high)
    inner = (span[0] - low, span[1] - low)
    gain, cds = d.gain[low:high], d.cds[low:high]
    open_planes = np.zeros(data.shape[:2], np.uint8)
    if s is not None:
        first = field_jump.judge(data, dq, gain, cds, s, open_planes)
        field_jump.follow(data, dq, gain, s, first, closed, inner)
        del first
    own = slice(*inner)
    if writers.ramps is not None:
        for k in range(data.shape[0]):
            writers.ramps.write_rows(k, span[0], data[k, :, own], dq[k, :, own], d.pixels.pixeldq[slice(*span)])
    if writers.slopes is not None:
        fit_strip(d, data[:, :, own], dq[:, :, own], span, writers.slopes, sums.rows(*span))
    count = partial(count_flagged, dq[:, :, own])
    return {"n_jumps": count(np.uint8(flags.JUMP_DET)), "n_saturated": count(np.uint8(flags.SATURATED))}, open_planes


@kernel
def count_flagged(dq, bit):
    """Values of each integration (i,) with this bit; dq (i, g, y, x)."""
    out = np.zeros(dq.shape[0], np.int64)
    for i in range(dq.shape[0]):
        for g in range(dq.shape[1]):
            for y in range(dq.shape[2]):
                row = dq[i, g, y]
                n = 0
                for x in range(row.size):
                    n += 1 if row[x] & bit else 0
                out[i] += n
    return out


def fit_strip(d: Detector, data: F32, dq: U8, span: tuple[int, int], writer: rateints.SlopeWriter, sums: Sums) -> None:
    """Slopes of all integrations of a strip, data, dq (i, g, y, x), into the slope file."""
    p, tgroup = d.pixels.rows(*span), field_fit.group_time(d.exposure.readout)
    rate = field_fit.mean_rate(data, dq, tgroup)
    shape = data.shape[2:]
    slope, var_p, var_r, err = (np.empty(shape, np.float32) for _ in range(4))
    flag = np.empty(shape, np.uint32)
    for k in range(data.shape[0]):
        field_fit.fit(data[k], dq[k], p, rate, d.weights, tgroup, (slope, var_p, var_r, err, flag), sums)
        scale((slope, var_p, var_r, err, flag), d.factor)
        writer.write_rows(k, span[0], slope, err, flag, var_p, var_r)


def scale(planes: Planes, factor: float) -> None:
    """GAINFACT onto slope and error, its square onto the variances, in place (the field's gain_scale)."""
    if factor != 1.0:
        slope, var_p, var_r, err, _ = planes
        slope *= factor
        err *= factor
        var_p *= factor**2
        var_r *= factor**2


@dataclass(frozen=True, slots=True)
class Writers:
    """Files of a segment under way."""

    slopes: rateints.SlopeWriter | None
    ramps: rateints.RampWriter | None

    def close(self) -> None:
        """Complete."""
        for w in (self.slopes, self.ramps):
            if w is not None:
                w.close()

    def abort(self) -> None:
        """Leave nothing behind."""
        for w in (self.slopes, self.ramps):
            if w is not None:
                w.abort()


def reduce_segment(
    d: Detector, number: int, writers: Writers, pool: Executor, progress: Progress = lambda done, total: None
) -> tuple[Facts, Sums]:
    """One segment from counts into its files. Returns series (i, ...) and the sums of its averaged image."""
    segment, readout = d.exposure.segments[number], d.exposure.readout
    shape, ng = readout.shape, readout.n_groups
    height = strip_height(segment.n, ng, shape[1], d.workers, shape[0])
    spans = [(y, min(y + height, shape[0])) for y in range(0, shape[0], height)]
    total = segment.n + shape[0]
    looks: list[Look] = []
    jobs = [partial(look, d, segment.first + k) for k in range(segment.n)]
    with closing(in_order(pool, jobs, d.workers + 1)) as results:
        for result in results:
            looks.append(result)
            progress(len(looks), total)
    config = d.plan.config
    s = None
    if "jump" in d.plan.steps and ng >= field_jump.MINIMUM_GROUPS:
        usable = ng - max(item.unusable for item in looks)
        j = config.jump
        s = field_jump.settings(segment.n, usable, d.gain, readout, j.threshold, j.neighbours, config.field_jump)
    closed = np.zeros((segment.n, ng), bool)
    for _ in range(2):
        sums, open_planes = Sums.empty(shape), np.zeros((segment.n, ng), np.uint8)
        counts: Facts = {name: np.zeros(segment.n, np.int64) for name in ("n_jumps", "n_saturated")}
        work = [partial(do_strip, d, number, looks, s, closed, writers, sums, span) for span in spans]
        with closing(in_order(pool, work, d.workers)) as results:
            for span, (found, left_open) in zip(spans, results, strict=True):
                for name in counts:
                    counts[name] += found[name]
                open_planes |= left_open
                progress(segment.n + span[1], total)
        # planes in which every pixel is a jump lose these flags: known only now, and so rare that doing it again is fine
        if s is None or s.branch != field_jump.SIGMA_CLIP or open_planes.all():
            break
        closed = open_planes == 0
    facts = counts | {"reference_level": np.array([item.levels for item in looks])}
    return facts, sums


def rate_planes(sums: Sums, factor: float) -> dict[str, NDArray[Any]]:
    """The averaged image's planes, with GAINFACT."""
    out = field_fit.rate_image(sums)
    scale((out["slope"], out["var_poisson"], out["var_rnoise"], out["err"], out["dq"]), factor)
    return out


def segment_files(d: Detector, number: int, slopes: Path | None, ramps: Path | None, notes: dict[str, str]) -> Writers:
    """Slope file and ramps of a segment, as asked for."""
    return Writers(
        None if slopes is None else rateints.open_segment(d.exposure, number, slopes, notes),
        None if ramps is None else rateints.open_ramps(d.exposure, number, "jump", ramps),
    )
