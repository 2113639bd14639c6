"""Pass 1: a sample of integrations, spread over the exposure, becomes the deep stack (row G1).

What must not fool it, and why it does not: a transit in the sample (each integration is divided by its own brightness
per order before the median), trace drift and tilt (fitted per integration and taken out), bursts of cosmic rays (medians
over the sample), a field star on the trace (it is part of the deep image, constant, and only the star is scaled).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, F64, U8, U32, Deep, Readout
from tsoar.detector.one_over_f import (
    bridge,
    deep_offsets,
    difference_offset,
    near_traces,
)
from tsoar.detector.ramp_fit import NoiseModel
from tsoar.errors import InputError
from tsoar.jit import kernel
from tsoar.medians import column_medians
from tsoar.reduce.chain import BAD, SPOILT, Buffers, light_beside, mean_difference, subtract_columns
from tsoar.soss.background import Background, BackgroundParams, fit_background
from tsoar.soss.profiles import full_traces, profile_images, split_orders
from tsoar.soss.traces import expected_traces
from tsoar.soss.wavelength import wavelengths
from tsoar.spectra.deep import SurveyParams, motion_templates, noisy_pixels, odd_pixels, sample_of
from tsoar.spectra.motion import (
    MotionParams,
    Shape,
    fit_shape,
    make_templates,
    model_image,
    moving_spans,
    weighted_median,
    with_normals,
)
from tsoar.spectra.still import still_light
from tsoar.spectra.trace import TraceParams, measure_traces

log = logging.getLogger(__name__)

CORE = 12  # rows about a trace that hold most of its light: brightness of an integration is measured there
ROWS = 16  # of all images are held in the median at a time
FEW = np.s_[..., ::7, ::7]  # of the dark pixels these are asked how noisy they are: what all say, to 0.3 per cent
SPARSE = 4  # of the rows every fourth says where a column's level lies, of the columns how bright an order is, to begin with
SATURATED_SHARE = 0.01  # a group counts as unsaturated while fewer of the traces' pixels than this are saturated


@dataclass(frozen=True, slots=True)
class SurveySettings:
    """Parameters of everything the survey does."""

    survey: SurveyParams
    background: BackgroundParams
    traces: TraceParams
    motion: MotionParams
    mask_radius: float
    clip: float


Load = Callable[[int, Buffers], None]
"""Fills ``data`` and ``dq`` of the buffers with a calibrated integration (a start from slopes: 2 groups, 0 and slope)."""


def survey(
    readout: Readout,
    n_integrations: int,
    load: Load,
    pixeldq: U32,
    noise: NoiseModel,
    settings: SurveySettings,
    pool: Executor,
    buffers: Callable[[], Buffers],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Deep:
    """The deep stack of an exposure.

    Raises
    ------
    InputError
        When every pixel of the traces is saturated before a slope can be formed, or no usable light is found.
    """
    sample = sample_of(n_integrations, settings.survey.integrations)
    usable = ((pixeldq & BAD) == 0) & (noise.usable > 0)
    n_groups, tgroup = readout.n_groups, readout.tgroup
    expected = expected_traces(readout)
    beside = ~near_traces(full_traces(expected), readout.shape, settings.mask_radius)
    steps = sample.size + 4

    # -- images of the sample, each column's level beside the traces taken out, and how bright the orders are in it; on the
    # way, as it is all gone through only once, the noise inside its ramps: of all pixels, and differences of some ---------
    images = np.empty((sample.size, *readout.shape), np.float32)
    level = np.empty((sample.size, readout.shape[1]), np.float32)
    light = np.empty((sample.size, 2, readout.shape[1]))
    saturated = np.zeros((sample.size, n_groups))
    look_inside = n_groups > 2 and sample.size > 1
    scatter = np.empty_like(images) if look_inside else images[:0]
    inside = np.empty((sample.size if look_inside else 0, n_groups - 1, *usable[FEW].shape), np.float32)
    band, beside = ~beside & usable, beside & usable
    n_band, bad, bright = max(np.count_nonzero(band), 1), ~usable, ~beside[::SPARSE]
    per_gain, read = 1 / noise.gain, np.where(beside & (noise.read2 > 0), 2 * noise.read2, np.float32(np.inf))

    def first_look(j: int) -> None:
        b, image = buffers(), images[j]
        load(int(sample[j]), b)
        count_flag(b.dq, band, np.uint8(flags.SATURATED), saturated[j])
        saturated[j] /= n_band
        mean_difference(b.data, b.dq, last_group(saturated[j : j + 1]), SPOILT, image)
        if look_inside:  # about its own mean a ramp holds neither star nor sky
            np.multiply(np.maximum(image, 0, out=b.work), per_gain, out=b.work)
            weight = np.reciprocal(np.add(b.work, read, out=b.work), out=b.work)
            offsets = deep_offsets(b.data, image, weight, settings.clip)
            ramp_scatter(b.data, b.dq, offsets, SPOILT, scatter[j])
            inside[j] = some_differences(b.data, b.dq, offsets) - image[FEW]
        np.copyto(image, np.float32(np.nan), where=bad)
        few = image[::SPARSE].copy()
        np.copyto(few, np.float32(np.nan), where=bright)
        level[j] = bridge(column_medians(few))
        subtract_columns(image, level[j])
        band_sums(image, expected, light[j])

    for done, _ in enumerate(pool.map(first_look, range(sample.size))):
        progress(done + 1, steps)
    last = last_group(saturated)
    if saturated[:, 1:].mean(axis=0)[0] > 0.9:
        raise InputError(
            f"{100 * saturated[:, 1].mean():.0f} % of the traces' pixels are saturated by the second group: no slope can be "
            "formed; such an exposure needs a fainter star or a shorter frame time"
        )
    image = _median_image(images, brightness(light[..., ::SPARSE]).mean(axis=1), pool)
    image = (image + column_medians(level)) / np.float32(tgroup)
    error = np.sqrt(np.where(usable, 2 * noise.read2, 1)) * np.float32(1 / (tgroup * np.sqrt(sample.size)))
    progress(sample.size + 1, steps)

    # -- stars and sky apart; then again on what is left over, with each integration's own brightness and motion --------
    first, models = first_deep(image, error, readout, usable, sample, last, settings, pool)
    progress(sample.size + 2, steps)
    good = usable & np.isfinite(image) & ~first.odd
    sky = pool.submit(fit_background, image, good, first.trace, params=settings.background)
    spans = moving_spans(first, settings.motion.radius)
    near = near_traces(first.trace_all, readout.shape, settings.mask_radius)
    variance = _image_variance(noise, first, n_groups)
    quiet = usable & ~near & ~first.odd & (variance > 0)
    image_weight = np.where(quiet, 1 / np.where(quiet, variance, 1), 0).astype(np.float32)
    templates = make_templates(first, variance, usable, tgroup, settings.motion)
    templates = with_normals(templates, first, tgroup, light_beside(first, image_weight))
    plain = first.total * np.float32(tgroup)
    spread = np.empty(sample.size)

    def residual(j: int) -> Shape:
        b = buffers()
        pair = b.data[:2] if n_groups > 2 else np.empty((2, *readout.shape), np.float32)
        pair[0], pair[1] = 0, images[j]
        subtract_columns(pair[1], -level[j])
        early = difference_offset(pair, 0, 1, plain, 1.0, image_weight, settings.clip)
        np.subtract(pair[1], early, out=b.image)
        shape = fit_shape(b.image, first, templates, spans, tgroup, settings.motion, b.work, plain=plain)
        model = model_image(first, spans, shape, tgroup, b.model)
        level[j] = difference_offset(pair, 0, 1, model, 1.0, image_weight, settings.clip)
        np.subtract(np.subtract(pair[1], level[j], out=pair[1]), model, out=images[j])
        if look_inside:
            spread[j] = dark_spread(inside[j] + images[j][FEW], quiet[FEW])
        return shape

    shapes = list(pool.map(residual, range(sample.size)))
    still = pool.submit(_still, images, image_weight, first, ~near, shapes, tgroup)
    image = (plain + _median_image(images, None, pool) + column_medians(level)) / np.float32(tgroup)
    inner_noise = _begun(scatter, None, pool) if look_inside else None
    deep = second_deep(image, error, usable, readout, settings, first, sky.result(), still.result(), models)
    progress(sample.size + 3, steps)
    if inner_noise is not None:
        deep = _with_noise(deep, inner_noise(), spread, quiet[FEW], n_groups - 1, usable, noise, settings.survey)
    progress(steps, steps)
    return deep


def _still(images: F32, weight: F32, deep: Deep, beside: NDArray[np.bool_], shapes: list[Shape], tgroup: float) -> F32:
    """Light (y, x) beside the traces [DN/s] that stays when the star's changes, from residuals ``images`` [DN]."""
    others = np.array([[s.shift[0], s.width[0]] for s in shapes])
    star = deep.star.sum(axis=0, dtype=np.float32) * np.float32(tgroup)
    found = still_light(images, weight, star, beside, deep.trace_all[0], np.array([s.scale[0] for s in shapes]), others)
    if found.any():
        log.info("field stars beside the traces: %.0f DN/s stay when the star changes", found.sum() / tgroup)
    return found / np.float32(tgroup)


def last_group(saturated: F64) -> int:
    """Last group, at least 1, up to which fewer than a per cent of the traces' pixels are saturated; shares (n, g)."""
    fine = np.flatnonzero(np.median(saturated, axis=0) <= SATURATED_SHARE)
    return int(max(fine[-1] if fine.size else 1, 1))


def _median_image(images: F32, scale: F64 | None, pool: Executor) -> F32:
    """Median (y, x) of images (n, y, x), each divided by its ``scale`` (n,)."""
    return _begun(images, scale, pool)()


def _begun(images: F32, scale: F64 | None, pool: Executor) -> Callable[[], F32]:
    """The same on its way, some rows at a time: to be called when it is needed."""
    out = np.empty(images.shape[1:], np.float32)
    by = None if scale is None else scale.astype(np.float32)[:, None, None]

    def some(first: int) -> None:
        rows = slice(first, first + ROWS)
        out[rows] = column_medians(images[:, rows] if by is None else images[:, rows] / by)

    parts = pool.map(some, range(0, len(out), ROWS))

    def whole() -> F32:
        for _ in parts:
            pass
        return out

    return whole


@kernel
def count_flag(dq, where, bit, out):
    """How many pixels of dq (g, y, x) carry ``bit`` in every group, where (y, x) is True: out (g,)."""
    for g in range(dq.shape[0]):
        n = 0
        for y in range(dq.shape[1]):
            a, b = dq[g, y], where[y]
            for x in range(a.size):
                n += 1 if b[x] and a[x] & bit else 0
        out[g] = n


@kernel
def band_sums(image, trace, out):
    """Light of an image (y, x) within CORE rows of the traces (o, x) of the first orders: out (o, x); NaN counts as 0."""
    out[:] = 0
    for o in range(out.shape[0]):
        first, last = np.inf, -np.inf
        for x in range(trace.shape[1]):
            if trace[o, x] == trace[o, x]:
                first, last = min(first, trace[o, x]), max(last, trace[o, x])
        if first > last:
            continue
        for y in range(int(max(first - CORE, 0)), int(min(last + CORE + 1, image.shape[0]))):
            for x in range(image.shape[1]):
                if abs(y - trace[o, x]) <= CORE and image[y, x] == image[y, x]:
                    out[o, x] += image[y, x]


def brightness(light: F64) -> F64:
    """Brightness of every integration per order (n, 2), relative to the median one, from its `band_sums` (n, 2, x)."""
    out = np.ones(light.shape[:2])
    for o in range(2):
        typical = np.median(light[:, o], axis=0)
        bright = typical > 0.1 * np.nanmax(typical, initial=0)
        if bright.sum() < 50:
            out[:, o] = out[:, 0]
            continue
        for j in range(len(light)):
            out[j, o] = weighted_median(light[j, o, bright] / typical[bright], np.sqrt(typical[bright]))
    return np.where(np.isfinite(out) & (out > 0.05), out, 1.0)


def _image_variance(noise: NoiseModel, deep: Deep, n_groups: int) -> F32:
    """Variance (y, x) of the mean difference [DN^2], by the deep image's brightness."""
    n = max(n_groups - 1, 1)
    rate = np.maximum(deep.total, 0) * np.float32(noise.tgroup)
    variance: F32 = (rate / noise.gain / n + 2 * noise.read2 / n**2).astype(np.float32)
    return variance


def first_deep(
    image: F32,
    error: F32,
    readout: Readout,
    usable: NDArray[np.bool_],
    sample: NDArray[np.int64],
    last: int,
    settings: SurveySettings,
    pool: Executor,
) -> tuple[Deep, F32]:
    """Traces, star and templates from a deep image (y, x) with its ``error`` [DN/s]; its sky is rough, but will do for that.

    With it come the orders' `profile_images`.
    """
    good = usable & np.isfinite(image)
    if not good.any():
        raise InputError("no usable pixel in the surveyed integrations: all are flagged or saturated")
    image = np.where(good, image, 0).astype(np.float32)
    once = replace(settings.background, iterations=1)
    rough = pool.submit(fit_background, image, good, expected_traces(readout), params=once, step=0.0)
    odd, repaired = odd_pixels(image, good, error, settings.survey.odd)
    sky = rough.result().sky
    traces = measure_traces(repaired - sky, good & ~odd, readout, settings.traces, pool.map)
    trace = traces.y
    star = repaired - sky
    with np.errstate(invalid="ignore"):
        core = np.abs(np.arange(readout.shape[0])[:, None] - trace[0]) <= CORE
    light, noise_of_it = np.where(core & good, star, 0).sum(axis=0), np.sqrt(np.where(core, error**2, 0).sum(axis=0))
    if not np.median(light) > 3 * np.median(noise_of_it):
        raise InputError("no starlight where order 1 is expected; is there a star in this exposure, and PWCPOS right?")
    models = profile_images(full_traces(trace), wavelengths(readout), readout.shape, each=pool.map)
    orders = split_orders(star, good & ~odd, trace, wavelengths(readout), models)
    # a wider profile is one about the published centre, from which edge midpoints lie a constant away
    centre = trace - np.nan_to_num(np.asarray(traces.offset_fit, np.float64))[:, None]
    gradient, stretch, curvature = motion_templates(orders, trace, settings.motion.radius, centre, each=pool.map)
    facts = {
        "pwcpos_fitted": traces.pwcpos_fit,
        "trace_offset": traces.offset_fit,
        "trace_rms": traces.rms,
        "trace_method": traces.method,
    }
    nothing, everywhere = np.zeros(readout.shape, bool), full_traces(trace)
    deep = Deep(
        orders, gradient, curvature, stretch, sky, nothing, odd, trace, everywhere, traces.y_raw, traces.valid,
        1.0, sample, last, facts,
    )  # fmt: skip
    return deep, models


def second_deep(
    image: F32,
    error: F32,
    usable: NDArray[np.bool_],
    readout: Readout,
    settings: SurveySettings,
    first: Deep,
    background: Background,
    still: F32,
    models: F32,
) -> Deep:
    """Star and odd pixels from a better deep image (y, x) [DN/s]; traces and their templates stay what they are.

    ``still`` (y, x) [DN/s]: light beside the traces that is not the star's; it counts as sky.
    """
    good = usable & np.isfinite(image)
    odd, repaired = odd_pixels(np.where(good, image, np.float32(0)), good, error, settings.survey.odd)
    facts = first.facts | {
        "sky_left": background.scale_left,
        "sky_right": background.scale_right,
        "sky_method": background.method,
        "halo": background.halo_amplitude,
        "n_odd": int((odd & usable).sum()),
        "still_light": float(still.sum(dtype=np.float64)),
    }
    sky = background.sky + still
    star = split_orders(repaired - sky, good & ~odd, first.trace, wavelengths(readout), models)
    return replace(first, star=star, sky=sky, odd=odd, facts=facts)


def _with_noise(
    deep: Deep,
    scatter: F32,
    spread: F64,
    asked: NDArray[np.bool_],
    n: int,
    usable: NDArray[np.bool_],
    noise: NoiseModel,
    params: SurveyParams,
) -> Deep:
    """Noisy pixels and the read-noise factor, from differences inside ramps.

    scatter (y, x): medians over the sample of `ramp_scatter`, of n differences; spread (integrations,): `dark_spread` of the
    pixels ``asked``.
    """
    poisson = np.maximum(deep.total, 0) * np.float32(noise.tgroup) / noise.gain
    white, light = (float(np.median(v[FEW][asked])) if asked.any() else np.nan for v in (2 * noise.read2, poisson))
    factor2 = (np.median(spread) ** 2 - light) / white
    factor = float(np.sqrt(np.clip(factor2, 1.0, 9.0))) if np.isfinite(factor2) else 1.0
    expected = mean_deviation(poisson, noise.read2 * np.float32(factor**2), n)
    noisy = noisy_pixels(scatter, expected, usable, spread.size, n, params.noisy)
    facts = deep.facts | {"n_noisy": int(noisy.sum()), "read_noise_factor": factor}
    return replace(deep, noisy=noisy, read_noise_factor=factor, facts=facts)


def some_differences(data: F32, dq: U8, offsets: F32) -> F32:
    """Differences (g - 1, y, x) [DN] of the FEW pixels of an integration, columns' offsets (g - 1, x) out; NaN: spoilt."""
    d = np.diff(data[FEW], axis=0) - offsets[:, None, FEW[-1]]
    spoilt = (dq[FEW] & SPOILT) != 0
    d[spoilt[1:] | spoilt[:-1]] = np.nan
    return d


def dark_spread(residuals: F32, asked: NDArray[np.bool_]) -> float:
    """Robust scatter [DN] of `some_differences` about a model, of the pixels ``asked`` (y, x); NaN if there is none."""
    d = residuals[:, asked]
    fine = np.abs(d[np.isfinite(d)])
    return 1.4826 * float(np.median(fine)) if fine.size else np.nan


@kernel
def ramp_scatter(data, dq, offsets, bad_bits, out):
    """Mean of |d_k - mean(d)| over the differences of each ramp into out (y, x); NaN where a group carries ``bad_bits``.

    data, dq (g, y, x); offsets (g - 1, x) of the columns are taken out of the differences. What the model expects is the
    same in all differences of a ramp and drops out.
    """
    ng, ny, nx = data.shape
    n = np.float32(ng - 1)
    mean_offset = np.zeros(nx, np.float32)
    for g in range(ng - 1):  # a sum over an axis takes a second to compile
        for x in range(nx):
            mean_offset[x] += offsets[g, x]
    for x in range(nx):
        mean_offset[x] /= n
    for y in range(ny):
        a, b, o = data[0, y], data[ng - 1, y], out[y]
        mean, total, seen = np.empty(nx, np.float32), np.zeros(nx, np.float32), np.zeros(nx, np.uint8)
        for x in range(nx):
            mean[x] = (b[x] - a[x]) / n - mean_offset[x]
        for g in range(ng):
            row = dq[g, y]
            for x in range(nx):
                seen[x] |= row[x]
        for g in range(ng - 1):
            u, v, c = data[g, y], data[g + 1, y], offsets[g]
            for x in range(nx):
                total[x] += abs((v[x] - u[x] - c[x]) - mean[x])
        for x in range(nx):
            o[x] = total[x] / n if (seen[x] & bad_bits) == 0 else np.float32(np.nan)


def mean_deviation(poisson: F32, read2: F32, n: int) -> F32:
    """Expected mean of |d_k - mean(d)| over the n differences of a ramp with this noise (Gaussian)."""
    total = np.zeros_like(poisson)
    ends = min(n, 2)
    for count, edge in ((ends, read2), (n - ends, 0)):
        row = poisson + edge  # row sum of the covariance: read noise cancels inside a ramp
        variance = poisson + 2 * read2 - 2 / n * row + (n * poisson + 2 * read2) / n**2
        total += count * np.sqrt(np.maximum(variance, 0))
    deviation: F32 = (total * np.sqrt(2 / np.pi) / n).astype(np.float32)
    return deviation
