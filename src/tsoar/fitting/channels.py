"""Every wavelength bin at once: depth, baseline and limb darkening for the orbit of the white light.

The model of a bin is (sum of b_k x regressor_k) x light curve(depth, u1, u2). Gauss-Newton steps are taken for all bins
together with arrays (bin, integration, parameter). With smooth limb darkening, u1 and u2 are polynomials of 1 / wavelength
shared by all bins; normal equations then have the shape of an arrow, and the bins' own parameters are eliminated
(Schur complement), so that the common coefficients, and what their uncertainty adds to each depth, come out exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.fitting.limbdark import smooth_basis
from tsoar.fitting.transit import Shapes
from tsoar.fitting.white import outliers

AT_ONCE = 512
"""Bins whose Jacobian is in memory at a time."""
STEPS = 30
LEVEL_SLOPE, CURVED = 1.0, 0.3
"""Sigmas of the prior on the smooth curve's coefficients: level and slope about white light's u1, u2 and 0, wide enough to say
nothing; the curved terms about 0. With 0.3 on the slope too, u1 was held too flat: depths 33 ppm too small at 0.6 um and
40 ppm too large at 2.8 um on a curve from 0.55 to 0.12 (50 integrations of WASP-43)."""
CHANCE = 3.0
"""Sigma by which chi2 must exceed its degrees of freedom before jitter is added to a bin: for a good bin an average of half
the upward fluctuations would make all errors too large."""


@dataclass(frozen=True)
class Channels:
    """Light curves (c, i) of bins, normalised to about 1 outside the event; NaN where there is no value."""

    flux: F64
    error: F64
    wavelength: F64
    """(c,) [um]"""
    order: NDArray[np.int64]
    """(c,)"""
    designs: dict[int, F64]
    """of each order: (i, n) columns of the baseline, the first of them 1"""
    delay: F64 | None = None
    """(c,) [d] by how much later than the clock says a bin's light is collected; None: all at once"""


@dataclass(frozen=True)
class ChannelFit:
    """What was found; NaN where a bin could not be fitted."""

    depth: F64
    """(c,)"""
    depth_err: F64
    """(c,) with what limb darkening adds; the orbit is held"""
    limb_err: F64
    """(c,) the part of depth_err that smooth limb darkening adds, common to neighbouring bins"""
    u: F64
    """(c, 2)"""
    u_err: F64
    """(c, 2); 0 where held"""
    coefficients: F64
    """(c, n) of the baseline"""
    model: F64
    """(c, i)"""
    chi2: F64
    """(c,) with the claimed errors, over the values kept"""
    freedom: NDArray[np.int64]
    """(c,)"""
    jitter: F64
    """(c,) added in quadrature to the claimed errors"""
    clipped: NDArray[np.int64]
    """(c,) values left out"""
    parameters: int
    """of one bin"""


@dataclass
class _State:
    depth: F64
    coefficients: F64
    u: F64
    shared: F64
    """(2, m) coefficients of the smooth curve"""


@dataclass(frozen=True)
class _Law:
    """How limb darkening enters: held (no basis, no width), smooth (basis), each bin's own (width)."""

    basis: F64 | None
    centre: F64 | None
    """(2, m) mean of the prior on the smooth curve, or (c, 2) on each bin's own"""
    width: float | None


@dataclass(frozen=True)
class _Normal:
    """Normal equations of all bins with the shared part eliminated."""

    step: F64
    """(c, p) of the bins' own parameters for no step of the shared"""
    coupling: F64
    """(c, p, g)"""
    shared_step: F64
    shared_cov: F64
    variance: F64
    """(c, p) of the bins' own parameters, shared ones held"""


def fit_channels(
    shapes: Shapes,
    channels: Channels,
    start_depth: F64,
    start_u: F64,
    *,
    law: str = "smooth",
    degree: int = 3,
    width: float = 0.1,
    jitter: bool = True,
    clip: float = np.inf,
) -> ChannelFit:
    """Fit all bins.

    Parameters
    ----------
    shapes : light curves of the orbit, from `make_shapes`.
    start_depth, start_u : (c,), (c, 2): where to start; with ``law`` "held" u stays.
    law : "held"; "smooth": u1, u2 polynomials of ``degree`` in 1 / wavelength, of all bins together; "free": smooth first,
        then each bin its own, within ``width`` (sigma) of the smooth curve.
    jitter : bins whose chi2 is more than 3 sigma of chance too large get their errors enlarged to chi2 = freedom.
    clip : values further off [sigma] are left out.
    """
    flux = np.asarray(channels.flux, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(np.isfinite(flux) & (channels.error > 0), channels.error**-2.0, 0.0)
    weight = np.where(np.isfinite(weight), weight, 0.0)
    claimed = weight.copy()
    n_base = next(iter(channels.designs.values())).shape[1]
    eclipse = shapes.parts is None
    if eclipse:
        law = "held"
    m = degree + 1
    mean_u = np.average(start_u, axis=0) if len(start_u) else np.zeros(2)
    shared = np.zeros((2, m))
    shared[:, 0] = mean_u
    state = _State(start_depth.astype(np.float64).copy(), np.zeros((len(flux), n_base)), start_u.astype(np.float64), shared)
    state.coefficients[:, 0] = _level(flux)
    basis = smooth_basis(channels.wavelength, degree)
    held, smooth = _Law(None, None, None), _Law(basis, shared.copy(), None)
    ok = (weight > 0).sum(axis=1) >= n_base + 4
    current = held if law == "held" else smooth
    if law != "held":
        state.u = basis @ state.shared.T
    normal = _iterate(shapes, channels, flux, weight, state, current, ok)
    model, residual = _residuals(shapes, channels, flux, state)
    off = np.stack([outliers(r, np.sqrt(w), clip) for r, w in zip(residual, weight, strict=True)])
    weight[off] = 0
    ok &= (weight > 0).sum(axis=1) >= n_base + 4
    own = n_base + 1 + (2 if law == "free" else 0)
    added = np.zeros(len(flux))
    if jitter:
        added = _jitter(residual, weight, own)
        with np.errstate(divide="ignore"):
            weight = np.where(weight > 0, 1 / (1 / np.maximum(weight, 1e-300) + added[:, None] ** 2), 0.0)
    if off.any() or added.any():
        normal = _iterate(shapes, channels, flux, weight, state, current, ok)
    if law == "free":
        normal = _iterate(shapes, channels, flux, weight, state, _Law(None, state.u.copy(), width), ok)
    model, residual = _residuals(shapes, channels, flux, state)
    limb = np.einsum("cg,gh,ch->c", normal.coupling[:, 0], normal.shared_cov, normal.coupling[:, 0])
    error = np.sqrt(normal.variance[:, 0] + limb)
    kept = weight > 0
    chi2 = np.where(kept, residual**2 * claimed, 0.0).sum(axis=1)
    ok &= np.isfinite(error) & (error < 1)
    u_err = np.zeros((len(flux), 2))
    if law == "smooth":
        for k in (0, 1):
            block = normal.shared_cov[k * m : (k + 1) * m, k * m : (k + 1) * m]
            u_err[:, k] = np.sqrt(np.einsum("cg,gh,ch->c", basis, block, basis))
    elif law == "free":
        u_err = np.sqrt(normal.variance[:, 1 + n_base :])

    def found(values: F64) -> F64:
        return np.where(ok.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)

    return ChannelFit(
        depth=found(state.depth),
        depth_err=found(error),
        limb_err=found(np.sqrt(limb)),
        u=found(state.u),
        u_err=found(u_err),
        coefficients=found(state.coefficients),
        model=found(model),
        chi2=found(chi2),
        freedom=np.where(ok, kept.sum(axis=1) - own, 0),
        jitter=found(added),
        clipped=off.sum(axis=1),
        parameters=own,
    )


def _level(flux: F64) -> F64:
    good = np.isfinite(flux)
    count = np.maximum(good.sum(axis=1), 1)
    level = np.where(good, flux, 0.0).sum(axis=1) / count
    return np.where(level > 0, level, 1.0)


def _residuals(shapes: Shapes, channels: Channels, flux: F64, state: _State) -> tuple[F64, F64]:
    """Model and flux - model (c, i); residuals are 0 where there is no flux."""
    model = np.empty(flux.shape)
    for some in _pieces(len(flux)):
        curve = shapes.curves(state.depth[some], state.u[some], _delay(channels, some))[0]
        model[some] = curve * np.einsum("cin,cn->ci", _design(channels, some), state.coefficients[some])
    return model, np.where(np.isfinite(flux), flux - model, 0.0)


def _jitter(residual: F64, weight: F64, parameters: int) -> F64:
    """What to add in quadrature (c,), 0 where chance explains chi2."""
    n = (weight > 0).sum(axis=1)
    freedom = np.maximum(n - parameters, 1)
    ratio = (residual**2 * weight).sum(axis=1) / freedom
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.where(n > 0, n / weight.sum(axis=1), 0.0)
    excess = np.where(ratio > 1 + CHANCE * np.sqrt(2 / freedom), ratio - 1, 0.0)
    return np.sqrt(excess * variance)


def _pieces(n: int) -> list[slice]:
    return [slice(first, min(first + AT_ONCE, n)) for first in range(0, n, AT_ONCE)]


def _delay(channels: Channels, some: slice) -> F64 | None:
    return None if channels.delay is None else channels.delay[some]


def _design(channels: Channels, some: slice) -> F64:
    return np.stack([channels.designs[int(o)] for o in channels.order[some]])


def _iterate(
    shapes: Shapes, channels: Channels, flux: F64, weight: F64, state: _State, law: _Law, ok: NDArray[np.bool_]
) -> _Normal:
    """Steps until no depth moves by more than a thousandth of its error."""
    n_base = state.coefficients.shape[1]
    reach = 2 * max(float(np.median(np.abs(state.depth))) if state.depth.size else 0.0, 1e-4)
    for _ in range(STEPS):
        normal = _normal(shapes, channels, flux, weight, state, law, ok)
        step = normal.step - normal.coupling @ normal.shared_step
        step[:, 0] = np.clip(step[:, 0], -reach, reach)
        step[~ok] = 0
        state.depth += step[:, 0]
        state.coefficients += step[:, 1 : 1 + n_base]
        if law.basis is not None:
            state.shared += normal.shared_step.reshape(2, -1)
            state.u = law.basis @ state.shared.T
        elif law.width is not None:
            state.u = state.u + np.clip(step[:, 1 + n_base :], -0.5, 0.5)
        small = np.abs(step[:, 0]) <= 1e-3 * np.sqrt(normal.variance[:, 0])
        if small[ok].all():
            break
    return normal


def _normal(
    shapes: Shapes, channels: Channels, flux: F64, weight: F64, state: _State, law: _Law, ok: NDArray[np.bool_]
) -> _Normal:
    """Normal equations at the present state, each bin's solved, the shared ones gathered and solved."""
    n = len(flux)
    n_base = state.coefficients.shape[1]
    own = 1 + n_base + (2 if law.width is not None else 0)
    shared = 0 if law.basis is None else 2 * law.basis.shape[1]
    step, variance, coupling = np.zeros((n, own)), np.zeros((n, own)), np.zeros((n, own, shared))
    matrix, right = np.zeros((shared, shared)), np.zeros(shared)
    if law.basis is not None and law.centre is not None:
        sigma = np.tile(np.where(np.arange(shared // 2) < 2, LEVEL_SLOPE, CURVED), 2)
        matrix += np.diag(sigma**-2.0)
        right += (law.centre - state.shared).ravel() / sigma**2
    for some in _pieces(n):
        curve, to_depth, to_u1, to_u2 = shapes.curves(state.depth[some], state.u[some], _delay(channels, some))
        design, w = _design(channels, some), weight[some] * ok[some, None]
        base = np.einsum("cin,cn->ci", design, state.coefficients[some])
        residual = np.where(w > 0, flux[some] - base * curve, 0.0)
        limb = np.stack([base * to_u1, base * to_u2], -1)
        parts = [(base * to_depth)[..., None], design * curve[..., None]] + ([limb] if law.width is not None else [])
        jacobian = np.concatenate(parts, -1)
        weighted = np.swapaxes(jacobian * w[..., None], 1, 2)
        normal, gradient = weighted @ jacobian, (weighted @ residual[..., None])[..., 0]
        if law.width is not None and law.centre is not None:
            two = np.arange(own - 2, own)
            normal[:, two, two] += law.width**-2.0
            gradient[:, two] += (law.centre[some] - state.u[some]) * law.width**-2.0
        diagonal = np.einsum("cpp->cp", normal)
        diagonal += np.where(diagonal > 0, 1e-12 * diagonal, 1.0)  # columns without any data stay where they are
        scale = 1 / np.sqrt(diagonal)
        inverse = np.linalg.inv(normal * scale[:, :, None] * scale[:, None, :]) * scale[:, :, None] * scale[:, None, :]
        step[some] = (inverse @ gradient[..., None])[..., 0]
        variance[some] = np.einsum("cpp->cp", inverse)
        if law.basis is None:
            continue
        basis = law.basis[some]
        cross = np.einsum("cpk,cm->cpkm", weighted @ limb, basis).reshape(len(basis), own, shared)
        coupling[some] = inverse @ cross
        limb_w = np.swapaxes(limb * w[..., None], 1, 2)
        matrix += np.einsum("ckl,cm,cn->kmln", limb_w @ limb, basis, basis).reshape(shared, shared)
        matrix -= np.einsum("cpg,cph->gh", cross, coupling[some])
        right += np.einsum("ck,cm->km", (limb_w @ residual[..., None])[..., 0], basis).ravel()
        right -= np.einsum("cpg,cp->g", cross, step[some])
    covariance = np.linalg.inv(matrix) if shared else np.zeros((0, 0))
    return _Normal(step, coupling, covariance @ right, covariance, variance)
