"""One integration from raw counts to spectra: the only place that knows the order of the steps.

`Recipe` holds everything that is the same for all integrations, settled before data flow; `Buffers` one thread's
scratch; `detector_stage` and `spectra_stage` are the order of calls. The arithmetic is that of the steps themselves
(`tsoar.detector.*`): a block taken through the public functions one by one gives the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, F64, U8, U32, Deep, Readout
from tsoar.detector.jump import (
    JumpParams,
    count_listed,
    difference_variance,
    find_frame,
    flag_two_point,
    found,
    judge_found,
    seen_row,
)
from tsoar.detector.one_over_f import (
    OneOverFParams,
    cumulate,
    deep_level,
    deep_offsets,
    difference_offset,
    median_offsets,
    near_traces,
    offset_weight,
    slope_offset,
    slope_weight,
    subtract,
    subtract_listed,
)
from tsoar.detector.ramp_fit import (
    NoiseModel,
    RampFitParams,
    finish,
    finish_listed,
    fit_every,
    flagged,
    gls_weights,
    per_second,
    refit_flagged,
    slope_frame,
)
from tsoar.jit import kernel
from tsoar.reduce.calibrate import Calibration, calibrate
from tsoar.reduce.placed import staggered
from tsoar.spectra.centroids import CentroidParams, walked_centroids
from tsoar.spectra.extract import (
    ExtractParams,
    blank_sums,
    blank_windows,
    extract_box,
    mean_group_weights,
)
from tsoar.spectra.motion import (
    MotionParams,
    Shape,
    Templates,
    fit_shape,
    joined,
    make_templates,
    model_image,
    moving_spans,
    spans_of,
    with_normals,
)
from tsoar.spectra.optimal import box_light, effective_rows, extract_optimal

BAD = np.uint32(flags.DO_NOT_USE | flags.REFERENCE_PIXEL)


@dataclass(slots=True)
class Buffers:
    """Scratch of one thread: about 40 MB for 6 groups of SUBSTRIP256, whatever the exposure's length."""

    raw: NDArray[np.uint16]
    data: F32
    dq: U8
    model: F32
    work: F32
    image: F32
    slope: F32
    var_p: F32
    var_r: F32
    err: F32
    flag: U32
    candidate: U8
    touched: NDArray[np.int32] | None = None
    """pixels (n, 2) in which variances, errors and flags differ from those of unflagged ramps; None: everywhere"""

    @classmethod
    def make(cls, readout: Readout) -> Buffers:
        """Buffers for integrations of this readout."""
        plane, cube = readout.shape, (readout.n_groups, *readout.shape)

        f32 = np.float32
        return cls(
            raw=staggered(cube, np.uint16, 5),
            data=staggered(cube, f32, 6),
            dq=staggered(cube, np.uint8, 7),
            model=staggered(plane, f32, 8),
            work=staggered(plane, f32, 0),
            image=staggered(plane, f32, 1),
            slope=staggered(plane, f32, 2),
            var_p=staggered(plane, f32, 3),
            var_r=staggered(plane, f32, 4),
            err=staggered(plane, f32, 5),
            flag=staggered(plane, np.uint32, 6),
            candidate=staggered(plane, np.uint8, 7),
        )

    def start_from(self, unflagged: Unflagged, pixels: NDArray[np.int32]) -> None:
        """Variances, errors and flags of unflagged ramps everywhere; ``pixels`` are going to differ.

        These planes are the same in every integration but for some thousand pixels, so only those are put back.
        """
        own = (self.var_p, self.var_r, self.err, self.flag)
        if self.touched is None:
            for mine, theirs in zip(own, unflagged, strict=True):
                mine[:] = theirs
        else:
            restore(*own, *unflagged, self.touched)
        self.touched = pixels


@kernel
def restore(var_p, var_r, err, flag, from_p, from_r, from_err, from_flag, pixels):
    """Listed pixels (n, 2) of four planes back to what they are without flags."""
    for i in range(pixels.shape[0]):
        y, x = pixels[i, 0], pixels[i, 1]
        var_p[y, x], var_r[y, x], err[y, x], flag[y, x] = from_p[y, x], from_r[y, x], from_err[y, x], from_flag[y, x]


Unflagged = tuple[F32, F32, F32, U32]
"""Poisson and read-noise variance [(DN/s)^2], error [DN/s] and flags (y, x) of ramps without a flag"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is settled for all integrations of an exposure before any of them is reduced."""

    readout: Readout
    calibration: Calibration | None
    """None: a start from slopes"""
    pixeldq: U32
    deep: Deep
    noise: NoiseModel
    weights: F32
    unflagged: Unflagged
    offset_weight: F32
    image_weight: F32
    """(y, x) 1/variance [DN^-2] of the last unsaturated group minus the first"""
    sigma2: F32
    deep_image: F32
    """(y, x) the deep stack as it is [DN per difference]"""
    near: NDArray[np.bool_]
    put_back: F32 | None
    templates: Templates
    first_templates: Templates
    """the same for an image whose column offsets were measured against the unscaled deep stack"""
    spans: NDArray[np.int32]
    blank: F32
    blank_spans: NDArray[np.int32]
    order3: F32
    """(y, x) weights that order 3's own rows have in the column offsets; 0 elsewhere"""
    order3_spans: NDArray[np.int32]
    group_weights: F64
    own_light: F64
    """(3, x) light of each order by itself in its box [DN/s]"""
    aperture_rows: F64
    """(3, x) rows that a constant under a column's pixels counts as in the flux"""
    has_deep: bool
    """False: too few integrations for a deep stack; its images serve geometry only"""
    skip: frozenset[str]
    one_over_f: OneOverFParams
    jump: JumpParams
    ramp_fit: RampFitParams
    motion: MotionParams
    extract: ExtractParams
    centroids: CentroidParams


def make_recipe(
    readout: Readout,
    calibration: Calibration | None,
    pixeldq: U32,
    deep: Deep,
    noise: NoiseModel,
    *,
    has_deep: bool,
    skip: frozenset[str],
    one_over_f: OneOverFParams,
    jump: JumpParams,
    ramp_fit: RampFitParams,
    motion: MotionParams,
    extract: ExtractParams,
    centroid: CentroidParams,
    pool: Executor,
) -> Recipe:
    """Planes of weights, variances, templates and windows for the stream."""
    n, tgroup = max(readout.n_groups - 1, 1), readout.tgroup
    fit_planes = pool.submit(unflagged_planes, noise, pixeldq, n, tgroup)
    near = near_traces(deep.trace_all, readout.shape, one_over_f.mask_radius)
    weight = offset_weight(deep, noise.read2, noise.gain, noise.usable, near, tgroup)
    usable = (noise.usable > 0) & ~deep.odd
    # variance of the mean difference (last - first) / n, up to which the brightness and motion fits need no better
    with np.errstate(invalid="ignore"):
        image_variance = noise.rate / noise.gain / n + 2 * noise.read2 / n**2
        everywhere = np.where((noise.usable > 0) & ~near & ~deep.odd & np.isfinite(image_variance), 1 / image_variance, 0)
    templates = make_templates(deep, image_variance.astype(np.float32), usable, tgroup, motion)
    blank, blank_spans = blank_planes(deep, noise, weight, extract)
    order3 = np.where(near_traces(deep.trace_all, readout.shape, one_over_f.mask_radius, orders=(3,)), weight, np.float32(0))
    weights, unflagged = fit_planes.result()
    group_weights, own_light, rows = aperture_planes(deep, noise, weights, unflagged[0] + unflagged[1], n, extract)
    return Recipe(
        readout,
        calibration,
        pixeldq,
        deep,
        noise,
        weights,
        unflagged,
        weight,
        (everywhere / deep.last_group**2).astype(np.float32),
        difference_variance(deep, noise.rate, noise.gain, noise.read2, noise.usable, tgroup, n, jump.tolerance),
        deep.total * np.float32(tgroup),
        near,
        put_back_columns(deep, pixeldq, near, one_over_f, tgroup) if has_deep else None,
        templates,
        with_normals(templates, deep, tgroup, light_beside(deep, everywhere)),
        moving_spans(deep, motion.radius),
        blank,
        blank_spans,
        order3,
        spans_of(order3 > 0),
        group_weights,
        own_light,
        rows,
        has_deep,
        skip,
        one_over_f,
        jump,
        ramp_fit,
        motion,
        extract,
        centroid,
    )


def unflagged_planes(noise: NoiseModel, pixeldq: U32, n: int, tgroup: float) -> tuple[F32, Unflagged]:
    """Weights of the n differences of a ramp without flags, and what its fit gives besides the slope."""
    weights, var_p, var_r = gls_weights(noise.rate, noise.gain, noise.read2, noise.usable, n)
    err, flag = np.empty_like(var_p), np.empty(pixeldq.shape, np.uint32)
    finish(var_p.copy(), var_p, var_r, np.zeros((1, *pixeldq.shape), np.uint8), pixeldq, tgroup, err, flag)
    return weights, (var_p, var_r, err, flag)


def put_back_columns(deep: Deep, pixeldq: U32, near: NDArray[np.bool_], params: OneOverFParams, tgroup: float) -> F32 | None:
    """Sky and star (x,) [DN per difference] in the column medians of ``params``."""
    bad = (pixeldq & BAD) != 0
    return deep_level(deep, bad | near if params.method == "masked" else bad, tgroup)


def blank_planes(deep: Deep, noise: NoiseModel, weight: F32, params: ExtractParams) -> tuple[F32, NDArray[np.int32]]:
    """The star-free windows (y, x), and stretches that hold them.

    Every column has its own window, so the stretches of a row are many and short; with the gaps between them, which weigh
    nothing, their sums take a third of the time.
    """
    blank = blank_windows(deep, (noise.usable > 0) & ~deep.odd & (weight > 0), params.blank_rows)
    return blank, joined(spans_of(blank > 0), 64)


def aperture_planes(
    deep: Deep, noise: NoiseModel, weights: F32, variance: F32, n: int, params: ExtractParams
) -> tuple[F64, F64, F64]:
    """What follows from the aperture: `Recipe.group_weights`, ``own_light`` and ``aperture_rows``."""
    own_light = box_light(deep, params.radius)
    rows = np.full(own_light.shape, 2 * params.radius)
    if params.method == "optimal":
        rows = effective_rows(deep, variance, noise.usable > 0, params.radius, own_light)
    return mean_group_weights(weights, deep, params.radius, n), own_light, rows


def vary_recipe(
    r: Recipe,
    *,
    skip: frozenset[str],
    one_over_f: OneOverFParams,
    jump: JumpParams,
    ramp_fit: RampFitParams,
    motion: MotionParams,
    extract: ExtractParams,
) -> Recipe:
    """The recipe of the same survey with other settings of later steps; planes that stay the same are shared.

    For `tsoar.study`: ``one_over_f.mask_radius`` and ``clip``, and of ``motion`` all but ``follow``, enter the survey and
    must be those of ``r``.
    """
    deep, noise, tgroup = r.deep, r.noise, r.readout.tgroup
    n = max(r.readout.n_groups - 1, 1)
    new: dict[str, Any] = {}
    if jump.tolerance != r.jump.tolerance:
        new["sigma2"] = difference_variance(deep, noise.rate, noise.gain, noise.read2, noise.usable, tgroup, n, jump.tolerance)
    if r.has_deep and one_over_f.method != r.one_over_f.method:
        new["put_back"] = put_back_columns(deep, r.pixeldq, r.near, one_over_f, tgroup)
    if extract.blank_rows != r.extract.blank_rows:
        new["blank"], new["blank_spans"] = blank_planes(deep, noise, r.offset_weight, extract)
    if (extract.radius, extract.method) != (r.extract.radius, r.extract.method):
        variance = r.unflagged[0] + r.unflagged[1]
        planes = aperture_planes(deep, noise, r.weights, variance, n, extract)
        new["group_weights"], new["own_light"], new["aperture_rows"] = planes
    return replace(r, skip=skip, one_over_f=one_over_f, jump=jump, ramp_fit=ramp_fit, motion=motion, extract=extract, **new)


def light_beside(deep: Deep, weight: NDArray[np.floating]) -> F32:
    """(3, x) light of each order [DN/s] in the rows that measure column offsets, with their weights (y, x)."""
    norm = weight.sum(0)
    light = np.einsum("oyx,yx->ox", deep.star, weight)
    return np.where(norm > 0, light / np.where(norm > 0, norm, 1), 0).astype(np.float32)


@dataclass(slots=True)
class Integration:
    """What one integration leaves behind (besides the slope planes in the buffers)."""

    flux: F64
    variance: F64
    filled: F64
    y_raw: F32
    shape: Shape
    blank: F64
    """(3, x) star-free sums with each order's group weights [DN/s]"""
    facts: dict[str, Any] = field(default_factory=dict)


@kernel
def mean_difference(data, dq, last, bad_bits, out):
    """(data[last] - data[0]) / last into out (y, x); NaN where a group up to ``last`` carries ``bad_bits``."""
    ng, ny, nx = data.shape
    per = np.float32(1.0 / last)
    seen = np.empty(nx, np.uint8)
    for y in range(ny):
        seen[:] = 0
        for g in range(last + 1):
            row = dq[g, y]
            for x in range(nx):
                seen[x] |= row[x]
        a, b, o = data[0, y], data[last, y], out[y]
        for x in range(nx):
            o[x] = (b[x] - a[x]) * per if (seen[x] & bad_bits) == 0 else np.float32(np.nan)


@kernel
def subtract_columns(image, offset):
    """image (y, x) -= offset (x,), in place."""
    for y in range(image.shape[0]):
        row = image[y]
        for x in range(row.size):
            row[x] -= offset[x]


SPOILT = np.uint8(flags.DO_NOT_USE | flags.SATURATED | flags.AD_FLOOR)


def detector_stage(r: Recipe, b: Buffers, after: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Raw counts in ``b.raw`` to slopes, variances, errors and flags in the buffers [DN/s]. Returns facts.

    ``after`` is called with the step's name when data and flags in the buffers are as they are after it. With nobody to
    look, the data never get that far: column offsets are taken out on the way to the slopes, to the same bits.
    """
    return slope_stage(r, b, calibration_stage(r, b), after)


def calibration_stage(r: Recipe, b: Buffers) -> dict[str, Any]:
    """Raw counts in ``b.raw`` to calibrated groups and their flags in ``b.data`` [DN], ``b.dq``. Returns facts."""
    assert r.calibration is not None
    table, n_saturated = calibrate(b.raw, b.data, b.dq, r.calibration)
    return {"reference_level": table, "n_saturated": n_saturated}


def slope_stage(r: Recipe, b: Buffers, facts: dict[str, Any], after: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Calibrated groups in the buffers (they are used up) to slopes; ``facts`` with what is learned on the way."""
    n, tgroup = r.readout.n_groups - 1, r.readout.tgroup
    shape = None

    # 1. what this integration should look like: brightness, motion, width from its mean difference
    if r.has_deep:
        last = r.deep.last_group
        mean_difference(b.data, b.dq, last, SPOILT, b.image)
        early = difference_offset(b.data, 0, last, r.deep_image, last, r.image_weight, r.one_over_f.clip)
        subtract_columns(b.image, early / np.float32(last))
        shape = fit_shape(b.image, r.deep, r.first_templates, r.spans, tgroup, r.motion, b.work, plain=r.deep_image)
        model_image(r.deep, r.spans, shape, tgroup, b.model)

    # 2. column offsets of every difference
    norm = np.empty((n, r.readout.shape[1]), np.float32)
    if r.has_deep and r.one_over_f.method == "deep":
        offsets = deep_offsets(b.data, b.model, r.offset_weight, r.one_over_f.clip, norm)
    else:
        bad = (r.pixeldq & BAD) != 0
        mask = bad if r.one_over_f.method == "median" else bad | r.near
        offsets = median_offsets(b.data, b.dq, mask, r.put_back, r.one_over_f.smooth)
        norm[:] = np.nan
    cumulative = cumulate(offsets)
    facts["offset_rms"] = offsets.std(axis=1)
    deep_jump = r.has_deep and r.jump.method == "deep" and "jump" not in r.skip
    gls = r.has_deep and r.ramp_fit.method == "gls"
    stripes_stay = "one_over_f" in r.skip or r.one_over_f.level == "slope"
    in_one_pass = deep_jump and gls and not stripes_stay and after is None
    columns = np.zeros((n + 1, r.readout.shape[1]), np.float32)  # what is still to be taken out of each group
    if in_one_pass:
        columns[1:] = cumulative
        rows = 4 if r.readout.shape[0] % 4 == 0 else 1
        cut = (strips(p, rows) for p in (b.data, b.dq, b.model, r.sigma2, r.weights, b.candidate, b.slope))
        one_pass(np.tile(columns, rows), r.jump.threshold, tgroup, *cut)
    else:
        subtract(b.data, cumulative)
        if after is not None:
            after("one_over_f")
        if deep_jump:
            find_frame(b.data, b.dq, b.model, r.sigma2, r.jump.threshold, b.candidate)
    # the star-free windows tell what 1/f noise is left inside columns (needs group-level offsets)
    blank = _blank(r, b, columns, norm)
    order3 = None if stripes_stay else _order3_offset(r, b, columns, norm)

    # 3. jumps, judged with the column offsets out of the way
    pixels = None
    if deep_jump:
        looked_at = found(b.candidate)
        if in_one_pass:
            subtract_listed(b.data, cumulative, looked_at)
        pixels = judge_found(b.data, b.dq, b.model, r.sigma2, r.noise.usable, r.jump, b.candidate, looked_at, columns)
        if in_one_pass:
            subtract_listed(b.data, cumulative, pixels[len(looked_at) :])
    elif "jump" not in r.skip and n >= 3:
        flag_two_point(b.data, b.dq, r.noise.gain, r.noise.read2, r.noise.usable, r.jump)
    if pixels is None:
        pixels = flagged(b.dq, r.noise.usable)
    facts["n_jumps"] = count_listed(b.dq, pixels)
    facts["shape"], facts["blank"], facts["order3_offset"] = shape, blank, order3
    if stripes_stay:
        subtract(b.data, -cumulative)
    if after is not None:
        after("jump")

    # 4. slopes: constant weights and errors, flagged ramps one by one
    noise = r.noise
    planes = (noise.rate, noise.gain, noise.read2, noise.usable, b.slope, b.var_p, b.var_r)
    last_planes = (b.slope, b.var_p, b.var_r, b.dq, r.pixeldq, tgroup, b.err, b.flag)
    if gls:
        if not in_one_pass:
            slope_frame(b.data, r.weights, b.slope)
            per_second(b.slope, tgroup)
        b.start_from(r.unflagged, pixels)
        refit_flagged(b.data, b.dq, pixels, *planes)
        finish_listed(*last_planes, pixels)
    else:
        fit_every(b.data, b.dq, *planes[:4], r.ramp_fit.method == "ols", b.slope, b.var_p, b.var_r)
        finish(*last_planes)
        b.touched = None
    return facts


# The hot loops of `one_pass`. Differences are taken in pairs, from the ends of the ramp inwards: they share their weight,
# and a loop over two of them fetches and stores half as much as two loops would.


@kernel
def _whole(first, last, columns, model, count, scale, worst):
    """Squared residual of last - first, scaled to the limit of a single difference; see `find_row`."""
    for x in range(worst.size):
        r = ((last[x] - columns[x]) - first[x]) - count * model[x]
        worst[x] = r * r * scale


@kernel
def _pair(a, b, c, d, ca, cb, cc, cd, model, weight, worst, slope):
    """Differences b - a and d - c without their columns' offsets: the worse residual, and their share of the slope."""
    for x in range(worst.size):
        early, late = (b[x] - cb[x]) - (a[x] - ca[x]), (d[x] - cd[x]) - (c[x] - cc[x])
        r, s = early - model[x], late - model[x]
        r2, s2 = r * r, s * s
        far = worst[x]
        far = r2 if r2 > far else far
        worst[x] = s2 if s2 > far else far
        slope[x] += weight[x] * (early + late)


@kernel
def _middle(a, b, ca, cb, model, weight, worst, slope):
    """`_pair` for the difference in the middle of an odd number."""
    for x in range(worst.size):
        difference = (b[x] - cb[x]) - (a[x] - ca[x])
        r = difference - model[x]
        r2 = r * r
        worst[x] = r2 if r2 > worst[x] else worst[x]
        slope[x] += weight[x] * difference


@kernel
def _mark(worst, sigma2, limit, seen, seconds, candidate, slope):
    """Pixels of one row that need a closer look; slopes to DN/s."""
    for x in range(slope.size):
        far, usable = worst[x] > limit * sigma2[x], sigma2[x] > np.float32(0)
        candidate[x] = np.uint8(1) if (far or seen[x] != 0) and usable else np.uint8(0)
        slope[x] /= seconds


@kernel
def one_pass(columns, threshold, tgroup, data, dq, model, sigma2, weights, candidate, slope):
    """Pixels that need a closer look and the slopes of all others, from data (g, y, x) less columns (g, x).

    `subtract`, `find_frame`, `slope_frame` and `per_second` row by row, to the same bits, while the data stay as they
    are: writing them back takes as long as all of this.
    """
    ng, ny, nx = data.shape
    n, half = ng - 1, (ng - 1) // 2
    limit, seconds, count = np.float32(threshold * threshold), np.float32(tgroup), np.float32(n)
    scale = limit / (np.float32(16) * count)
    seen, worst = np.empty(nx, np.uint8), np.empty(nx, np.float32)
    c = columns
    for y in range(ny):
        seen_row(dq, y, seen)
        _whole(data[0, y], data[n, y], c[n], model[y], count, scale, worst)
        slope[y, :] = np.float32(0)
        for k in range(half):
            j = n - 1 - k
            _pair(
                data[k, y], data[k + 1, y], data[j, y], data[j + 1, y], c[k], c[k + 1], c[j], c[j + 1],
                model[y], weights[k, y], worst, slope[y],
            )  # fmt: skip
        if n % 2:
            _middle(data[half, y], data[half + 1, y], c[half], c[half + 1], model[y], weights[half, y], worst, slope[y])
        _mark(worst, sigma2[y], limit, seen, seconds, candidate[y], slope[y])


def strips(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """Array (..., y, x) with ``rows`` rows as one: the same memory in longer loops, which fetch it a sixth faster."""
    return array.reshape(*array.shape[:-2], array.shape[-2] // rows, rows * array.shape[-1])


def _blank(r: Recipe, b: Buffers, columns: F32, norm: F32) -> tuple[F64, NDArray[np.bool_]]:
    """(K, x) sums of the differences over the star-free windows [DN], offsets measured without them; (x,) where there is one.

    The offset of a difference is S/W over all rows outside the traces; without the window's own rows it is
    (S - S_b)/(W - W_b), and as the data have S/W removed already, only -S_b/(W - W_b) is left to take out.
    """
    n, nx = norm.shape
    sums, counts, inner = np.empty((n, nx), np.float32), np.empty(nx, np.float32), np.empty(nx, np.float32)
    blank_sums(b.data, columns, r.offset_weight, b.model, r.blank, r.blank_spans, r.sigma2, sums, counts, inner)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_weight = inner / counts
        others = norm - inner
        free = sums + counts * (mean_weight * sums) / others
    return free.astype(np.float64), counts >= 0.6 * counts.max(initial=1)


def _order3_offset(r: Recipe, b: Buffers, columns: F32, norm: F32) -> F64:
    """(K, x) offsets [DN] still to be taken out of order 3: those measured without its own rows, less those taken out.

    Orders 1 and 2 are masked when offsets are measured. Order 3 is not: where it has light it lies between the rows that
    know the offset best, and masking it would cost order 1 a per cent of noise. But then a column's offset takes a sixth of
    what is order 3's own (a chromatic depth, its noise) along. With S the weighted sum of residuals over its rows and W
    their weights, as in `_blank`: the offset over all other rows is -S/(sum(W) - W) from the one taken out.
    """
    n, nx = norm.shape
    sums, weights, squares = np.empty((n, nx), np.float32), np.empty(nx, np.float32), np.empty(nx, np.float32)
    blank_sums(b.data, columns, r.offset_weight, b.model, r.order3, r.order3_spans, r.sigma2, sums, weights, squares)
    others = norm - weights
    with np.errstate(invalid="ignore", divide="ignore"):
        out: F64 = np.where(others > 0.1 * norm, -sums / others, 0).astype(np.float64)
    return out


def blank_light(r: Recipe, windows: tuple[F64, NDArray[np.bool_]] | None) -> F64:
    """(3, x) sums over the star-free windows with each order's group weights [DN/s], NaN where there is no window."""
    if windows is None:
        return np.full((3, r.readout.shape[1]), np.nan)
    free, there = windows
    with np.errstate(invalid="ignore"):
        out: F64 = np.einsum("okx,kx->ox", r.group_weights, free) / r.readout.tgroup
    out[:, ~there] = np.nan
    return out


def spectra_stage(r: Recipe, b: Buffers, facts: dict[str, Any]) -> Integration:
    """Slopes in the buffers [DN/s] to the spectra of one integration."""
    seen = shape_stage(r, b, facts)
    flux, variance, filled = extract_stage(r, b, seen)
    np.subtract(b.slope, r.deep.sky, out=b.image)
    y_raw, _ = walked_centroids(b.image, np.isfinite(b.image), r.deep.trace, r.centroids)
    blank = blank_light(r, facts.pop("blank", None))
    return Integration(flux, variance, filled, y_raw.astype(np.float32), seen.shape, blank, facts)


@dataclass(frozen=True, slots=True)
class Seen:
    """An integration ready for extraction, with the model in ``Buffers.model``; its planes may be the buffers' own."""

    shape: Shape
    light: F32
    """(y, x) slopes, light that a wider profile carries away put back [DN/s]"""
    variance: F32
    """(y, x) [(DN/s)^2]"""
    order3_offset: F64 | None = None
    """(K, x) see `_order3_offset`"""


def shape_stage(r: Recipe, b: Buffers, facts: dict[str, Any]) -> Seen:
    """Slopes in the buffers [DN/s] to brightness, motion and width of one integration, and its model."""
    tgroup = r.readout.tgroup
    if r.one_over_f.level == "slope" and "one_over_f" not in r.skip:
        facts["shape"] = _slope_offsets(r, b)
    np.multiply(b.slope, np.float32(tgroup), out=b.image)
    known = facts.pop("shape", None)  # from the mean difference, and b.model with it; now from the clean slopes
    shape = fit_shape(b.image, r.deep, r.templates, r.spans, tgroup, r.motion, b.model, known)
    model_image(r.deep, r.spans, shape, 1.0, b.model)
    light = b.slope
    if shape.width.any():  # light that a wider profile carries out of the box is put back, as motion is by the box itself
        narrow = model_image(r.deep, r.spans, replace(shape, width=np.zeros(3)), 1.0, b.work)
        light = b.slope - (b.model - narrow)
        b.model[:] = narrow
    return Seen(shape, light, np.add(b.var_p, b.var_r, out=b.work), facts.pop("order3_offset", None))


def extract_stage(r: Recipe, b: Buffers, seen: Seen) -> tuple[F64, F64, F64]:
    """Flux [DN/s], variance and filled share (3, x) of one integration; changes nothing that a second aperture needs."""
    flux, var, filled = (np.empty((3, r.readout.shape[1])) for _ in range(3))
    shape, light, variance = seen.shape, seen.light, seen.variance
    follow = shape.shift if r.motion.follow else np.zeros(3)
    if r.extract.method == "optimal":
        d, out = r.deep, (flux, var, filled)
        templates = (d.star, d.gradient, d.curvature, d.odd, d.trace)
        extract_optimal(light, variance, b.model, *templates, shape.scale, follow, r.extract.radius, r.own_light, *out)
    else:
        for o in range(3):
            out = (flux[o], var[o], filled[o])
            extract_box(light, variance, r.deep.sky, b.model, r.deep.trace[o], float(follow[o]), r.extract.radius, *out)
    if seen.order3_offset is not None:
        flux[2] -= r.aperture_rows[2] * np.einsum("kx,kx->x", r.group_weights[2], seen.order3_offset) / r.readout.tgroup
    return flux, var, filled


def _slope_offsets(r: Recipe, b: Buffers) -> Shape | None:
    """Column offsets of the slope image, in place (row E3; the only 1/f correction a start from slopes can have).

    Against the deep stack the shape of the integration is found on the way: it is returned, with its model in ``b.model``.
    """
    bad = ~np.isfinite(b.slope) | ((r.pixeldq & BAD) != 0)
    tgroup = r.readout.tgroup
    if not (r.one_over_f.method == "deep" and r.has_deep):
        put_back = None if r.put_back is None else r.put_back / np.float32(tgroup)
        left_out = bad | r.deep.odd
        subtract_columns(b.slope, slope_offset(b.slope, b.var_p + b.var_r, left_out, r.near, None, put_back, r.one_over_f))
        return None
    weight = slope_weight(b.var_p + b.var_r, bad | r.near | r.deep.odd)
    pair = np.zeros((2, *b.slope.shape), np.float32)
    model_image(r.deep, r.spans, None, 1.0, b.model)
    for last in (False, True):  # the second time against this integration's own brightness and motion
        pair[1] = b.slope
        subtract_columns(b.slope, difference_offset(pair, 0, 1, b.model, 1.0, weight, r.one_over_f.clip))
        np.multiply(b.slope, np.float32(tgroup), out=b.image)
        shape = fit_shape(b.image, r.deep, r.templates, r.spans, tgroup, r.motion, b.work)
        model_image(r.deep, r.spans, shape, tgroup if last else 1.0, b.model)
    return shape
