"""White light of all orders at once: one orbit, and depth, limb darkening, baseline and jitter of each order.

Least squares (scipy, trust region with bounds) with the covariance from the Jacobian. Limb darkening is fitted as q1, q2 of
Kipping (2013, MNRAS 435, 2152), each between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, least_squares

from tsoar.blocks import F64
from tsoar.fitting.limbdark import derivatives, to_q, to_u
from tsoar.fitting.transit import Clock, Orbit, darkened, duration, still_seen, taken_away

ROUNDS = 4
"""Fits at most, while clipping and jitter settle."""


@dataclass(frozen=True)
class WhiteCurve:
    """White light of one order."""

    order: int
    flux: F64
    """(i,) about 1 outside the event; NaN: no value"""
    error: F64
    design: F64
    """(i, n) columns of the baseline, the first of them 1"""
    u: F64 | None = None
    """(2,) limb darkening that is held; None: fitted"""
    delay: float = 0.0
    """[d] by how much later than the clock says the order's light is collected"""


@dataclass(frozen=True)
class OrderFit:
    """What was found of one order."""

    order: int
    depth: float
    depth_err: float
    u: F64
    q: F64
    coefficients: F64
    curve: F64
    """(i,) of the event alone"""
    model: F64
    """(i,) with the baseline"""
    residual: F64
    """(i,) NaN where there is no value or it was clipped"""
    jitter: float
    chi2: float
    """with the claimed errors"""
    freedom: int
    clipped: int
    at_bound: tuple[str, ...]


@dataclass(frozen=True)
class WhiteFit:
    """Orbit, orders, and all parameters with their covariance."""

    orbit: Orbit
    radius_ratio: float
    """of an eclipse's planet; of a transit the root of the first order's depth"""
    orders: dict[int, OrderFit]
    names: list[str]
    """t0, period ..., depth_1, q1_1, q2_1, depth_2 ..."""
    values: F64
    covariance: F64
    """of the parameters in ``names``, others marginalised"""


@dataclass(frozen=True)
class _Layout:
    """Where each parameter stands in the vector."""

    geometry: tuple[str, ...]
    limb: tuple[bool, ...]
    """of each order: fitted"""
    base: tuple[int, ...]

    def starts(self) -> list[int]:
        sizes = [1 + 2 * limb + base for limb, base in zip(self.limb, self.base, strict=True)]
        return [len(self.geometry) + sum(sizes[:k]) for k in range(len(sizes) + 1)]


@dataclass(frozen=True)
class _Problem:
    clock: Clock
    orbit: Orbit
    event: str
    radius_ratio: float
    curves: list[WhiteCurve]
    layout: _Layout
    steps: dict[str, float]
    """of the numerical derivatives to the orbit"""

    def orbit_of(self, p: F64) -> Orbit:
        given = {n: float(v) for n, v in zip(self.layout.geometry, p, strict=False)}
        if "t0" in given:
            given["t0"] += self.orbit.t0  # an offset: of a date the digits that matter would be lost
        return replace(self.orbit, **given)

    def event_curve(self, orbit: Orbit, depth: float, u: F64) -> tuple[F64, F64, F64]:
        """Light curve (i,) and its derivatives to u1, u2."""
        if self.event == "eclipse":
            seen = still_seen(self.clock, orbit, self.radius_ratio)
            return 1 + depth * seen, 0 * seen, 0 * seen
        return darkened(taken_away(self.clock, orbit, np.array([np.sqrt(max(depth, 1e-12))]))[0], u)

    def evaluate(self, p: F64, jacobian: bool) -> tuple[list[F64], list[F64], F64 | None]:
        """Models and event curves of all orders, and the Jacobian (orders * i, p)."""
        orbit = self.orbit_of(p)
        n, starts = self.clock.time.size, self.layout.starts()
        models, events = [], []
        out = np.zeros((len(self.curves) * n, p.size)) if jacobian else None
        for k, curve in enumerate(self.curves):
            at, limb = starts[k], self.layout.limb[k]
            depth = float(p[at])
            q = p[at + 1 : at + 3]
            u = np.array(to_u(*q)) if limb else np.zeros(2) if curve.u is None else curve.u
            first = at + 1 + 2 * limb
            coefficients = p[first : first + self.layout.base[k]]
            base = curve.design @ coefficients
            own = replace(orbit, t0=orbit.t0 - curve.delay)
            event, to_u1, to_u2 = self.event_curve(own, depth, u)
            models.append(base * event)
            events.append(event)
            if out is None:
                continue
            rows = slice(k * n, (k + 1) * n)
            h = 1e-4 * max(abs(depth), 1e-5)
            up, down = (self.event_curve(own, depth + s * h, u)[0] for s in (1, -1))
            out[rows, at] = base * (up - down) / (2 * h)
            if limb:
                out[rows, at + 1 : at + 3] = base[:, None] * (np.stack([to_u1, to_u2], 1) @ derivatives(*q))
            out[rows, first : first + self.layout.base[k]] = curve.design * event[:, None]
            for g, name in enumerate(self.layout.geometry):
                h, value = self.steps[name], getattr(own, name)
                sides = [self.event_curve(replace(own, **{name: value + s * h}), depth, u)[0] for s in (1, -1)]
                out[rows, g] = base * (sides[0] - sides[1]) / (2 * h)
        return models, events, out


def fit_white(
    clock: Clock,
    curves: list[WhiteCurve],
    orbit: Orbit,
    event: str,
    radius_ratio: float,
    *,
    free: tuple[str, ...] = ("t0",),
    jitter: bool = True,
    clip: float = np.inf,
    start_depth: float | None = None,
) -> WhiteFit:
    """Fit the white light of all orders together.

    Parameters
    ----------
    clock : times of the integrations.
    curves : one for each order; all (i,).
    orbit : where to start; what is not in ``free`` stays.
    radius_ratio : of the planet: a transit starts at its square, an eclipse has its ingress.
    jitter : what each order's scatter has beyond the claimed errors is added to them, until chi2 is the degrees of freedom.
    clip : values further off [sigma] are left out.
    """
    layout = _Layout(
        tuple(dict.fromkeys(free)),
        tuple(c.u is None and event == "transit" for c in curves),
        tuple(c.design.shape[1] for c in curves),
    )
    lasts = duration(orbit, radius_ratio, event)
    problem = _Problem(clock, orbit, event, radius_ratio, curves, layout, _steps(orbit, radius_ratio, event))
    depth = start_depth if start_depth is not None else radius_ratio**2
    p, low, high = _start(problem, depth, lasts)
    n = clock.time.size
    flux, claimed = np.concatenate([c.flux for c in curves]), np.concatenate([c.error for c in curves])
    good = np.isfinite(flux) & np.isfinite(claimed) & (claimed > 0)
    weight = np.where(good, 1 / np.where(good, claimed, 1.0), 0.0)
    added = np.zeros(len(curves))
    y = np.where(good, flux, 0.0)
    for _ in range(ROUNDS):
        sigma = weight / np.sqrt(1 + (weight * np.repeat(added, n)) ** 2)

        def residual(v: F64, s: F64 = sigma) -> F64:
            return (np.concatenate(problem.evaluate(v, False)[0]) - y) * s

        def jac(v: F64, s: F64 = sigma) -> F64:
            matrix = problem.evaluate(v, True)[2]
            assert matrix is not None
            return matrix * s[:, None]

        found = least_squares(residual, p, jac, bounds=(low, high), x_scale="jac", xtol=1e-12, ftol=1e-12, gtol=1e-12)
        p = np.clip(found.x, low, high)
        left = (y - np.concatenate(problem.evaluate(p, False)[0])).reshape(len(curves), n)
        off = np.concatenate([outliers(left[k], sigma[k * n : (k + 1) * n], clip) for k in range(len(curves))])
        weight[off] = 0
        before = added.copy()
        if jitter:
            w = weight.reshape(len(curves), n)
            added = np.array([_jitter(left[k], w[k], _own(layout, k)) for k in range(len(curves))])
        if not off.any() and np.allclose(added, before, rtol=0.01, atol=1e-9):
            break
    return _result(
        problem, p, found.jac, found.active_mask, weight.reshape(len(curves), n), good.reshape(len(curves), n), added
    )


def event_derivatives(clock: Clock, curves: list[WhiteCurve], white: WhiteFit, event: str) -> F64:
    """(order, i, p) derivatives of a fit's model to the event's parameters: orbit, depths and limb darkening of all orders."""
    geometry = tuple(n for n in white.names if not n.startswith(("depth", "q1", "q2")))
    layout = _Layout(
        geometry,
        tuple(c.u is None and event == "transit" for c in curves),
        tuple(c.design.shape[1] for c in curves),
    )
    problem = _Problem(
        clock, white.orbit, event, white.radius_ratio, curves, layout, _steps(white.orbit, white.radius_ratio, event)
    )
    p = [0.0 if n == "t0" else getattr(white.orbit, n) for n in geometry]
    of_event = [True] * len(geometry)
    for curve, limb in zip(curves, layout.limb, strict=True):
        one = white.orders[curve.order]
        own = [one.depth, *(one.q if limb else ())]
        p += [*own, *one.coefficients]
        of_event += [True] * len(own) + [False] * one.coefficients.size
    matrix = problem.evaluate(np.array(p, np.float64), True)[2]
    assert matrix is not None
    return np.asarray(matrix[:, of_event].reshape(len(curves), clock.time.size, -1))


def _steps(orbit: Orbit, radius_ratio: float, event: str) -> dict[str, float]:
    """Of the numerical derivatives to the orbit."""
    return {
        "t0": 1e-3 * duration(orbit, radius_ratio, event),
        "period": 1e-4 * orbit.period,
        "a_over_r": 1e-4 * orbit.a_over_r,
        "inclination": 1e-3,
    }


def _start(problem: _Problem, depth: float, lasts: float) -> tuple[F64, F64, F64]:
    orbit, transit = problem.orbit, problem.event == "transit"
    begin = {
        "t0": (0.0, -lasts, lasts),
        "period": (orbit.period, 0.02 * orbit.period, 50 * orbit.period),
        "a_over_r": (orbit.a_over_r, 1.01, 50 * orbit.a_over_r),
        "inclination": (min(orbit.inclination, 89.99), 0.0, 90.0),
    }
    rows = [begin[name] for name in problem.layout.geometry]
    for curve, limb in zip(problem.curves, problem.layout.limb, strict=True):
        rows.append((depth, 1e-7 if transit else -1.0, 0.8 if transit else 1.0))
        rows += [(0.25, 1e-6, 1.0), (0.35, 0.0, 1.0)] if limb else []
        finite = curve.flux[np.isfinite(curve.flux)]
        rows.append((float(np.percentile(finite, 75)) if finite.size else 1.0, -np.inf, np.inf))
        rows += [(0.0, -np.inf, np.inf)] * (curve.design.shape[1] - 1)
    p, low, high = (np.array(column, np.float64) for column in zip(*rows, strict=True))
    return p, low, high


def _own(layout: _Layout, k: int) -> float:
    """Parameters of an order: its own, and its share of the orbit's."""
    return 1 + 2 * layout.limb[k] + layout.base[k] + len(layout.geometry) / len(layout.base)


def outliers(left: F64, inverse: F64, clip: float) -> NDArray[np.bool_]:
    """Residuals (i,) more than ``clip`` sigma off, with the scatter found where it is larger than the claimed errors.

    ``inverse`` (i,) are the claimed errors' inverses, 0 for values that do not count. The scatter is a median, which the
    outliers hardly move; without it a model that does not fit would throw the data out.
    """
    sigmas = np.abs(left * inverse)
    use = inverse > 0
    scatter = max(1.0, 1.4826 * float(np.median(sigmas[use]))) if use.any() else 1.0
    return np.asarray(use & (sigmas > clip * scatter))


def _jitter(left: F64, weight: F64, parameters: float) -> float:
    """What to add in quadrature so that chi2 is the degrees of freedom; 0 when it is no larger already."""
    use = weight > 0
    freedom = max(float(use.sum()) - parameters, 1.0)
    square, variance = left[use] ** 2, weight[use] ** -2.0

    def excess(j: float) -> float:
        return float(np.sum(square / (variance + j * j))) - freedom

    if not use.any() or excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, np.sqrt(square.sum() / freedom) + 1e-12, xtol=1e-9))


def _result(
    problem: _Problem, p: F64, jacobian: F64, active: NDArray[np.int64], weight: F64, good: NDArray[np.bool_], added: F64
) -> WhiteFit:
    layout, starts = problem.layout, problem.layout.starts()
    moving = np.flatnonzero(active == 0)
    covariance = np.zeros((p.size, p.size))
    j = jacobian[:, moving]
    scale = np.sqrt((j**2).sum(axis=0))
    scale[scale == 0] = 1.0
    covariance[np.ix_(moving, moving)] = np.linalg.pinv((j / scale).T @ (j / scale), hermitian=True) / np.outer(scale, scale)
    models, events, _ = problem.evaluate(p, False)
    orders = {}
    names, where = list(layout.geometry), list(range(len(layout.geometry)))
    for k, curve in enumerate(problem.curves):
        at = starts[k]
        limb = layout.limb[k]
        q = p[at + 1 : at + 3] if limb else np.array(to_q(*(curve.u if curve.u is not None else np.zeros(2))))
        names += [f"depth_{curve.order}"] + ([f"q1_{curve.order}", f"q2_{curve.order}"] if limb else [])
        where += range(at, at + 1 + 2 * limb)
        kept = weight[k] > 0
        residual = np.where(kept, curve.flux - models[k], np.nan)
        at_bound = [
            name for name, index in zip(("depth", "q1", "q2"), range(at, at + 1 + 2 * limb), strict=False) if active[index]
        ]
        orders[curve.order] = OrderFit(
            order=curve.order,
            depth=float(p[at]),
            depth_err=float(np.sqrt(covariance[at, at])),
            u=np.array(to_u(*q)),
            q=np.asarray(q, np.float64),
            coefficients=p[at + 1 + 2 * limb : starts[k + 1]].copy(),
            curve=events[k],
            model=models[k],
            residual=residual,
            jitter=float(added[k]),
            chi2=float(np.nansum((residual * weight[k]) ** 2)),
            freedom=round(float(kept.sum()) - _own(layout, k)),
            clipped=int((good[k] & ~kept).sum()),
            at_bound=tuple(at_bound),
        )
    orbit = problem.orbit_of(p)
    values = p[where].copy()
    if "t0" in names:
        values[names.index("t0")] = orbit.t0
    first = next(iter(orders.values()))
    ratio = problem.radius_ratio if problem.event == "eclipse" else float(np.sqrt(max(first.depth, 1e-8)))
    return WhiteFit(orbit, ratio, orders, names, values, covariance[np.ix_(where, where)])
