"""Brightness, trace motion and width of every integration, by least squares with templates of the deep star.

Per order the residual image is held against three templates: the star itself (brightness), its change with trace row
(motion) and with profile width. On a whole order this measures motion to 0.3 mpx, where centroids reach 10 to 20
on simulated exposures. The width is only used when it is significant in an integration (a mirror tilt): always fitting it makes
the motion noisier. Robust in two stages: first every column alone, medians over columns (a cosmic ray spoils one column
only, a wrong start does not matter); then all pixels together, outliers against the first answer left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tsoar.blocks import F32, F64, Deep
from tsoar.jit import kernel
from tsoar.medians import middle
from tsoar.params import Annotated, Gt, Unit, doc
from tsoar.soss.masks import near_trace

N_TEMPLATES = 3  # brightness, motion, width
CORE = 12.0  # [px] about a trace; an order cut off within this says nothing reliable about its brightness
WHOLE_COLUMNS = 200


@dataclass(frozen=True, slots=True)
class MotionParams:
    """How brightness, motion and width are fitted."""

    radius: Annotated[float, Gt(0), Unit("px"), doc("rows this close to a trace carry motion and width")] = 22.0
    clip: Annotated[float, Gt(1), Unit("sigma"), doc("pixels further from the model are left out of the fit")] = 5.0
    width_above: Annotated[float, Gt(0), Unit("sigma"), doc("width is fitted in integrations where it is this significant")] = (
        5.0
    )
    follow: Annotated[bool, doc("move model and aperture with the trace; off: both stay where the deep trace is")] = True


@dataclass(frozen=True, slots=True)
class Shape:
    """How one integration differs from the deep stack, per order (3,)."""

    scale: F64
    """brightness over the deep star's"""
    shift: F64
    """[px] up is positive"""
    width: F64
    """relative width - 1"""
    scale_err: F64
    shift_err: F64
    width_err: F64


@dataclass(frozen=True, slots=True)
class Templates:
    """Weighted templates near the traces, and their normal matrices."""

    spans: tuple[NDArray[np.int32], ...]
    """per order (n, 3): row, first and last + 1 column of stretches near its trace"""
    weighted: tuple[F32, ...]
    """per order (3, y, x): inverse variance x (star, gradient, stretch) [1/DN]"""
    with_width: F64
    """(orders x 3, orders x 3) covariance of the fit"""
    without_width: F64
    """the same with the widths held; their rows and columns are 0"""
    column_normal: F64
    """(orders, 3, 3, x): of each order by itself and column"""
    columns: tuple[NDArray[np.int64], ...]
    """per order, columns that tell its motion best"""
    limit: F32
    """(y, x) variance [DN^2] that outliers are judged by; NaN = not used"""
    orders: tuple[int, ...]
    """indices of the orders fitted"""
    beside: F32 | None = None
    """(3, x) see `with_normals`"""


def spans_of(mask: NDArray[np.bool_], first_row: int = 0) -> NDArray[np.int32]:
    """Stretches (n, 3) = row, first, last + 1 in which ``mask`` (y, x), whose rows count from ``first_row``, is True.

    >>> spans_of(np.array([[False, True, True, False, True]])).tolist()
    [[0, 1, 3], [0, 4, 5]]
    """
    width = mask.shape[1] + 1
    padded = np.zeros((mask.shape[0], width), bool)  # a column that is not in it parts the rows
    padded[:, 1:] = mask
    flat = padded.ravel()
    edges = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)  # into a stretch, out of it, into the next ...
    first, last = edges[: edges.size // 2 * 2].reshape(-1, 2).T
    return np.stack([first_row + first // width, first % width - 1, first % width - 1 + last - first], axis=1).astype(np.int32)


def joined(spans: NDArray[np.int32], gap: int) -> NDArray[np.int32]:
    """Stretches (n, 3) of `spans_of` with holes of up to ``gap`` columns closed.

    >>> joined(np.array([[0, 1, 3], [0, 5, 6], [0, 9, 12], [1, 0, 4]], np.int32), 2).tolist()
    [[0, 1, 6], [0, 9, 12], [1, 0, 4]]
    """
    apart = (spans[1:, 0] != spans[:-1, 0]) | (spans[1:, 1] - spans[:-1, 2] > gap)
    first, last = np.append(True, apart)[: len(spans)], np.append(apart, True)[: len(spans)]
    return np.column_stack([spans[first, :2], spans[last, 2]]).astype(np.int32)


def make_templates(deep: Deep, variance: F32, usable: NDArray[np.bool_], tgroup: float, params: MotionParams) -> Templates:
    """Templates in DN per difference for images with ``variance`` (y, x) [DN^2]; ``usable`` (y, x) pixels that count.

    An order takes part if its core is on the subarray in enough columns (SUBSTRIP96 cuts order 2) and, for order 3, if its
    light is bright enough to be seen in one integration; else it follows order 1.
    """
    ny = deep.sky.shape[0]
    known = usable & ~deep.odd & np.isfinite(variance) & (variance > 0)
    weight = np.where(known, 1 / np.where(known, variance, 1), 0).astype(np.float32)
    orders, spans, weighted = [], [], []
    for o in range(3):
        near, part = near_trace(deep.trace[o], ny, params.radius)
        with np.errstate(invalid="ignore"):
            inside = (deep.trace[o] >= CORE - 0.5) & (deep.trace[o] <= ny - CORE - 0.5)
        if inside.sum() < WHOLE_COLUMNS:
            continue
        here = np.where(near, weight[part] * np.float32(tgroup), np.float32(0))
        star = deep.star[o, part]
        # order 3 only if its brightness is known to 1 % at least
        if o == 2 and np.sum(here * np.square(star), dtype=np.float64) * tgroup < 100**2:
            continue
        orders.append(o)
        spans.append(spans_of(near, part.start))
        weighted.append(np.zeros((N_TEMPLATES, *deep.sky.shape), np.float32))
        weighted[-1][:, part] = star * here, deep.gradient[o, part] * here, deep.stretch[o, part] * here
    limit = np.where(known, variance, np.nan).astype(np.float32)
    blank = np.zeros((len(orders) * N_TEMPLATES,) * 2)
    own = np.stack([_column_normal(w, s, deep, o, tgroup) for w, s, o in zip(weighted, spans, orders, strict=True)])
    best = tuple(_informed(c) for c in own)
    free = Templates(tuple(spans), tuple(weighted), blank, blank, own, best, limit, tuple(orders))
    return with_normals(free, deep, tgroup)


def _column_normal(weighted: F32, spans: NDArray[np.int32], deep: Deep, order: int, tgroup: float) -> F64:
    """Sums down the columns (3, 3, x) of weighted templates (3, y, x) near one order's trace x templates of ``order``."""
    out = np.zeros((N_TEMPLATES, N_TEMPLATES, weighted.shape[2]))
    _add_products(weighted, deep.star[order], deep.gradient[order], deep.stretch[order], spans, out)
    return out * tgroup


@kernel
def _add_products(weighted, star, gradient, stretch, spans, out):
    for i in range(spans.shape[0]):
        y, left, right = spans[i, 0], spans[i, 1], spans[i, 2]
        t0, t1, t2 = star[y, left:right], gradient[y, left:right], stretch[y, left:right]
        for j in range(3):
            w = weighted[j, y, left:right]
            o0, o1, o2 = out[j, 0, left:right], out[j, 1, left:right], out[j, 2, left:right]
            for x in range(w.size):
                o0[x] += w[x] * t0[x]
                o1[x] += w[x] * t1[x]
                o2[x] += w[x] * t2[x]


def with_normals(t: Templates, deep: Deep, tgroup: float, beside: F32 | None = None) -> Templates:
    """The templates with the normal matrices of an image whose column offsets are right, or were measured too early.

    ``beside`` (3, x) [DN/s]: light of each order in the rows that measure column offsets. An offset against the deep
    stack *as it is* takes the change of that light with it: brighter by d, the image after the offset is d (star -
    beside). Without this an order as faint as the third comes out a per cent too bright in transit, the model with it,
    and depths at 2.4 um 100 ppm too small.
    """
    n = len(t.orders) * N_TEMPLATES
    normal = np.zeros((n, n))
    columns = t.column_normal.copy()
    for a, (w, spans) in enumerate(zip(t.weighted, t.spans, strict=True)):
        for b, o in enumerate(t.orders):
            # light of another order in this band: its brightness acts here everywhere, its motion near its own trace
            products = t.column_normal[a] if a == b else _column_normal(w, spans, deep, o, tgroup)
            normal[3 * a : 3 * a + 3, 3 * b : 3 * b + 3] = products.sum(axis=2)
        if beside is None:
            continue
        lost = w.sum(axis=1, dtype=np.float64) * np.float32(tgroup)
        columns[a][:, 0] -= lost * beside[t.orders[a]]
        for b, o in enumerate(t.orders):
            normal[3 * a : 3 * a + 3, 3 * b] -= (lost * beside[o]).sum(axis=1)
    narrow = np.flatnonzero(np.arange(n) % N_TEMPLATES != 2)
    held = np.zeros((n, n))
    held[np.ix_(narrow, narrow)] = np.linalg.pinv(normal[np.ix_(narrow, narrow)])
    return replace(
        t, with_width=np.asarray(np.linalg.pinv(normal), np.float64), without_width=held, column_normal=columns, beside=beside
    )


@kernel
def _project(image, model, weighted, spans, limit, clip2, out):
    """Sums over rows of weighted template x residual: out (3, x) float32; pixels beyond the clip count as on the model."""
    out[:] = np.float32(0)
    b0, b1, b2 = out[0], out[1], out[2]
    for i in range(spans.shape[0]):
        y, left, right = spans[i, 0], spans[i, 1], spans[i, 2]
        a, m, v = image[y, left:right], model[y, left:right], limit[y, left:right]
        w0, w1, w2 = weighted[0, y, left:right], weighted[1, y, left:right], weighted[2, y, left:right]
        o0, o1, o2 = b0[left:right], b1[left:right], b2[left:right]
        for x in range(a.size):
            r = a[x] - m[x]
            r = r if r * r < clip2 * v[x] else np.float32(0)
            o0[x] += w0[x] * r
            o1[x] += w1[x] * r
            o2[x] += w2[x] * r


@kernel
def compose(sky, total, star, gradient, curvature, stretch, spans, scale, shift, width, factor, out):
    """Model image (y, x) of one integration: sky + brightness x star, moved and widened near the traces; x factor.

    total (y, x): all light of the star, taken to change like order 1; the orders' own brightness acts near their traces
    (further out the difference, 1e-3 of a wing, is nothing), where spans (n, 4) = order, row, first, last + 1 say.
    """
    s, f = np.float32(scale[0]), np.float32(factor)
    for y in range(sky.shape[0]):
        b, p, o = sky[y], total[y], out[y]
        for x in range(o.size):
            o[x] = f * (b[x] + s * p[x])
    for i in range(spans.shape[0]):
        k, y, left, right = spans[i, 0], spans[i, 1], spans[i, 2], spans[i, 3]
        more = np.float32(factor * (scale[k] - scale[0]))
        move, wide = np.float32(factor * shift[k] * scale[k]), np.float32(factor * width[k] * scale[k])
        bend = np.float32(factor * shift[k] ** 2 * scale[k])
        p, g, c, o = star[k, y, left:right], gradient[k, y, left:right], curvature[k, y, left:right], out[y, left:right]
        for x in range(o.size):
            o[x] += more * p[x] + move * g[x] + bend * c[x]
        if wide != np.float32(0):
            t = stretch[k, y, left:right]
            for x in range(o.size):
                o[x] += wide * t[x]


def moving_spans(deep: Deep, radius: float) -> NDArray[np.int32]:
    """(n, 4) = order, row, first, last + 1 column of the stretches in which motion and width act."""
    parts = []
    for o in range(3):
        near, part = near_trace(deep.trace[o], deep.sky.shape[0], radius)
        s = spans_of(near, part.start)
        parts.append(np.column_stack([np.full(len(s), o, np.int32), s]))
    return np.ascontiguousarray(np.concatenate(parts), np.int32)


def model_image(deep: Deep, spans: NDArray[np.int32], shape: Shape | None, factor: float, out: F32) -> F32:
    """The image (y, x) expected of an integration of this ``shape`` (None: the deep stack itself), times ``factor``."""
    one, zero = np.ones(3), np.zeros(3)
    scale, shift, width = (one, zero, zero) if shape is None else (shape.scale, shape.shift, shape.width)
    compose(
        deep.sky, deep.light, deep.star, deep.gradient, deep.curvature, deep.stretch, spans, scale, shift, width, factor, out
    )
    return out


def _project_all(image: F32, model: F32, t: Templates, clip: float) -> F64:
    sums = np.empty((len(t.orders), N_TEMPLATES, image.shape[1]), np.float32)
    for a in range(len(t.orders)):
        _project(image, model, t.weighted[a], t.spans[a], t.limit, np.float32(clip * clip), sums[a])
    return sums.astype(np.float64)


def _column_start(sums: F64, t: Templates) -> F64:
    """Brightness and motion of each order from its columns one by one: medians over the half that knows most."""
    start = np.zeros(len(t.orders) * N_TEMPLATES)
    for a in range(len(t.orders)):
        known = t.columns[a]
        n, b = t.column_normal[a][:2, :2, known], sums[a][:2, known]
        det = n[0, 0] * n[1, 1] - n[0, 1] * n[1, 0]
        start[3 * a] = middle((n[1, 1] * b[0] - n[0, 1] * b[1]) / det)
        start[3 * a + 1] = middle((n[0, 0] * b[1] - n[1, 0] * b[0]) / det)
    return start


def _informed(normal: F64) -> NDArray[np.int64]:
    """Columns (of normal (3, 3, x)) whose own motion is better known than the median column's."""
    det = normal[0, 0] * normal[1, 1] - normal[0, 1] ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        know = np.where((det > 0) & (normal[0, 0] > 0), det / normal[0, 0], 0)
    return np.flatnonzero((know > 0) & (know >= np.median(know[know > 0]))) if (know > 0).any() else np.empty(0, np.int64)


def weighted_median(values: F64, weights: F64) -> float:
    """Median of ``values`` counted with ``weights``; values that are not finite do not count; 0 if none is."""
    good = np.isfinite(values) & np.isfinite(weights) & (weights > 0)
    if not good.any():
        return 0.0
    order = np.argsort(values[good], kind="stable")
    total = np.cumsum(weights[good][order])
    return float(values[good][order][np.searchsorted(total, 0.5 * total[-1])])


def fit_shape(
    image: F32,
    deep: Deep,
    t: Templates,
    spans: NDArray[np.int32],
    factor: float,
    params: MotionParams,
    model: F32,
    start: Shape | None = None,
    plain: F32 | None = None,
) -> Shape:
    """Brightness, motion and width of one integration.

    Parameters
    ----------
    image : (y, x) float32, column offsets removed, in units of the templates (DN per difference); NaN = not known. With
        templates that know what is ``beside``, what the offsets took of the star is put back, in place.
    factor : from the deep stack's DN/s to those units (tgroup).
    model : (y, x) float32; with ``start`` it holds the model of that shape, else it is scratch.
    start : what is known of the shape already; without it the columns are asked one by one first.
    plain : (y, x) the deep stack's own image in the same units, if it is at hand.
    """
    if start is None:
        plain = model_image(deep, spans, None, factor, model) if plain is None else plain
        x = _column_start(_project_all(image, plain, t, np.inf), t)
        if t.beside is not None:  # what the early offsets took of this integration's change of brightness
            taken = sum(x[3 * a] * t.beside[o] for a, o in enumerate(t.orders))
            image += np.float32(factor) * np.asarray(taken, np.float32)
        model_image(deep, spans, _shape(x, t.without_width, t), factor, model)
    else:
        x = np.ravel([[start.scale[o] - 1, start.shift[o], start.width[o]] for o in t.orders]).astype(np.float64)
    wide = np.arange(x.size) % N_TEMPLATES == 2
    b = _project_all(image, model, t, params.clip).sum(axis=2).ravel()
    narrow = x + _per_scale(t.without_width @ b, x)
    full = x + _per_scale(t.with_width @ b, x)
    if not _significant(full, t, params) and not x[wide].any():
        return _shape(narrow, t.without_width, t)
    model_image(deep, spans, _shape(full, t.with_width, t), factor, model)  # a wider profile: once more from there
    b = _project_all(image, model, t, params.clip).sum(axis=2).ravel()
    full = full + _per_scale(t.with_width @ b, full)
    return _shape(full, t.with_width, t) if _significant(full, t, params) else _shape(narrow * ~wide, t.without_width, t)


def _significant(x: F64, t: Templates, params: MotionParams) -> bool:
    """Whether order 1 or 2 is wider than its error allows (order 3 is too faint to say)."""
    err = np.sqrt(np.abs(np.diag(t.with_width)))
    judged = (np.arange(x.size) % N_TEMPLATES == 2) & (np.repeat(t.orders, N_TEMPLATES) < 2)
    return bool(np.any(np.abs(x[judged]) > params.width_above * np.maximum(err[judged], 1e-12)))


def _per_scale(change: F64, x: F64) -> F64:
    """Templates are those of the deep star; motion and width of a star ``scale`` times as bright act that much more."""
    out = change.copy()
    for a in range(0, x.size, 3):
        out[a + 1 : a + 3] /= max(1 + x[a], 0.1)
    return out


def _shape(x: F64, covariance: F64, t: Templates) -> Shape:
    err = np.sqrt(np.abs(np.diag(covariance)))
    scale, shift, width = np.ones(3), np.zeros(3), np.zeros(3)
    errs = np.full((3, 3), np.nan)
    for a, o in enumerate(t.orders):
        scale[o], shift[o], width[o] = 1 + x[3 * a], x[3 * a + 1], x[3 * a + 2]
        errs[:, o] = err[3 * a : 3 * a + 3]
    for o in range(3):  # an order that cannot be measured follows the brightest
        if o not in t.orders and t.orders:
            scale[o], shift[o], width[o] = scale[t.orders[0]], shift[t.orders[0]], width[t.orders[0]]
    return Shape(scale, shift, width, errs[0], errs[1], errs[2])
