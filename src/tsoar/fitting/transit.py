"""Light curves of transits and eclipses: batman (Kreidberg 2015, PASP 127, 1161), and fast ones for thousands of channels.

For a fixed orbit the light a planet of radius ratio k takes away is linear in functions of limb darkening (Mandel & Agol
2002, ApJ 580, L171, section 4):

    1 - F = [(1 - u1 - 2 u2) A(k, t) + (u1 + 2 u2) B(k, t) + u2 C(k, t)] / (1 - u1/3 - u2/6)

so three batman curves give A, B and C, and splines in k give them for every channel at once, with exact derivatives.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from tsoar.blocks import F64

SAMPLES = 5
"""Of the light curve within an integration."""
NODES = 300
"""Radius ratios of the splines, from a twentieth of the largest to the largest."""
APART = 2.0 / 86400
"""Of two curves whose difference is a curve's change with time [d]: as far apart as columns of SUBSTRIP256 are delayed."""


@dataclass(frozen=True, slots=True)
class Orbit:
    """What makes the shape of a light curve."""

    t0: float
    """middle of the event that is fitted, transit or eclipse [d]"""
    period: float
    """[d]"""
    a_over_r: float
    inclination: float
    """[deg]"""
    eccentricity: float = 0.0
    omega: float = 90.0
    """[deg]"""


@dataclass(frozen=True, slots=True)
class Clock:
    """When light is collected."""

    time: F64
    """(i,) middle of each integration [d]"""
    length: float
    """from the first to the last read of an integration [d]"""

    @property
    def fine(self) -> F64:
        """(i * SAMPLES,) times within the integrations."""
        share = (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5
        return np.asarray((self.time[:, None] + self.length * share).ravel())


def duration(orbit: Orbit, radius_ratio: float, event: str = "transit") -> float:
    """First to fourth contact [d]; NaN when nothing is covered (Winn 2010, arXiv:1001.2010, equations 14 to 16)."""
    sign = 1 if event == "transit" else -1
    i, w, e = math.radians(orbit.inclination), math.radians(orbit.omega), orbit.eccentricity
    stretch = 1 + sign * e * math.sin(w)
    b = orbit.a_over_r * math.cos(i) * (1 - e * e) / stretch
    chord = (1 + radius_ratio) ** 2 - b * b
    if chord <= 0:
        return math.nan
    sine = min(math.sqrt(chord) / (orbit.a_over_r * math.sin(i)), 1.0)
    return orbit.period / math.pi * math.asin(sine) * math.sqrt(1 - e * e) / stretch


def scaled_to(orbit: Orbit, radius_ratio: float, event: str, lasts: float) -> Orbit:
    """The same orbit with the period for which the event lasts ``lasts`` [d]."""
    return replace(orbit, period=orbit.period * lasts / duration(orbit, radius_ratio, event))


def _batman(clock: Clock, orbit: Orbit, event: str) -> tuple[Any, Any]:
    with warnings.catch_warnings():  # its sources have escapes that newer Pythons frown at
        warnings.simplefilter("ignore")
        import batman
    q = batman.TransitParams()
    q.per, q.a, q.inc, q.ecc, q.w = orbit.period, orbit.a_over_r, orbit.inclination, orbit.eccentricity, orbit.omega
    q.t0, q.rp, q.u, q.limb_dark = orbit.t0, 0.1, [0.0, 0.0], "quadratic"
    if event == "eclipse":
        q.fp, q.t_secondary = 1.0, orbit.t0
    return q, batman.TransitModel(q, clock.fine, transittype="secondary" if event == "eclipse" else "primary")


def taken_away(clock: Clock, orbit: Orbit, ratios: F64) -> F64:
    """A, B and C (k, 3, i) of a transit for radius ratios (k,), mean over each integration."""
    q, model = _batman(clock, orbit, "transit")
    out = np.empty((len(ratios), 3, clock.time.size))
    for n, k in enumerate(ratios):
        q.rp = float(k)
        dark = []
        for u in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)):
            q.u = list(u)
            dark.append(1 - model.light_curve(q).reshape(-1, SAMPLES).mean(1))
        a, b = dark[0], dark[1] * 2 / 3
        out[n] = a, b, 5 / 6 * dark[2] + a - 2 * b
    return out


def still_seen(clock: Clock, orbit: Orbit, radius_ratio: float) -> F64:
    """Share (i,) of the planet's disc that is not behind the star."""
    q, model = _batman(clock, orbit, "eclipse")
    q.rp = radius_ratio
    return np.asarray(model.light_curve(q).reshape(-1, SAMPLES).mean(1)) - 1


def darkened(parts: F64, u: F64) -> tuple[F64, F64, F64]:
    """Flux and its derivatives to u1 and u2 from A, B, C (..., 3, i) and u (..., 2)."""
    u1, u2 = u[..., 0, None], u[..., 1, None]
    a, b, c = parts[..., 0, :], parts[..., 1, :], parts[..., 2, :]
    norm = 1 - u1 / 3 - u2 / 6
    dark = (a * (1 - u1 - 2 * u2) + b * (u1 + 2 * u2) + c * u2) / norm
    return 1 - dark, -(b - a + dark / 3) / norm, -(2 * b - 2 * a + c + dark / 6) / norm


@dataclass(frozen=True)
class Shapes:
    """Light curves of one orbit for any depth and limb darkening."""

    event: str
    parts: CubicSpline | None
    """A, B, C (3, i) over the radius ratio; None for an eclipse"""
    seen: F64 | None
    """(i,) share of the planet seen, of an eclipse"""
    rate: F64
    """change with time [1/d] of A, B, C (3, i) for a depth of 1, or of the share seen (i,)"""

    def curves(self, depth: F64, u: F64, delay: F64 | None = None) -> tuple[F64, F64, F64, F64]:
        """Flux (c, i) and its derivatives to depth, u1 and u2, for depths (c,) and limb darkening (c, 2).

        A depth is (Rp/R*)^2, or Fp/F* of an eclipse. Beyond the splines (a depth of noise may be negative) curves go on in
        proportion to the depth. ``delay`` (c,) [d]: by how much later than the clock says a channel collects its light, a
        few seconds; to first order in it, the change with time taken in proportion to the depth.
        """
        if self.parts is None:
            assert self.seen is not None
            seen = np.broadcast_to(self.seen, (depth.size, np.size(self.seen)))
            if delay is not None:
                seen = seen + delay[:, None] * self.rate
            nothing = np.zeros_like(seen)
            return 1 + depth[:, None] * seen, seen, nothing, nothing
        low, high = self.parts.x[0], self.parts.x[-1]
        k = np.sqrt(np.clip(depth, low**2, high**2))
        parts = self.parts(k)
        slope = self.parts(k, 1) / (2 * k[:, None, None])
        below = depth < low**2
        slope[below] = parts[below] / low**2
        parts = parts + slope * (depth - k**2)[:, None, None]
        if delay is not None:
            later = delay[:, None, None] * self.rate
            parts, slope = parts + depth[:, None, None] * later, slope + later
        flux, to_u1, to_u2 = darkened(parts, u)
        to_depth = darkened(slope, u)[0] - 1  # 1 - flux is linear in the parts
        return flux, to_depth, to_u1, to_u2


def make_shapes(clock: Clock, orbit: Orbit, event: str, radius_ratio: float) -> Shapes:
    """Curves around a radius ratio: up to 2.5 times as large."""
    ends = [replace(clock, time=clock.time + 0.5 * s * APART) for s in (-1, 1)]
    if event == "eclipse":
        before, after = (still_seen(c, orbit, radius_ratio) for c in ends)
        return Shapes(event, None, still_seen(clock, orbit, radius_ratio), (after - before) / APART)
    before, after = (taken_away(c, orbit, np.array([radius_ratio]))[0] for c in ends)
    rate = (after - before) / (APART * radius_ratio**2)
    largest = min(2.5 * radius_ratio, 0.95)
    ratios = np.linspace(0.05 * largest, largest, NODES)
    return Shapes(event, CubicSpline(ratios, taken_away(clock, orbit, ratios), axis=0), None, rate)


def light_curves(clock: Clock, orbit: Orbit, event: str, depths: F64, u: F64, radius_ratio: float = 0.1) -> F64:
    """Relative flux (c, i) of a few channels, straight from batman; depths (c,), u (c, 2)."""
    depths = np.asarray(depths, np.float64)
    if event == "eclipse":
        return np.asarray(1 + depths[:, None] * still_seen(clock, orbit, radius_ratio))
    q, model = _batman(clock, orbit, event)
    out = np.empty((depths.size, clock.time.size))
    for n, (depth, pair) in enumerate(zip(depths, u, strict=True)):
        q.rp, q.u = math.sqrt(max(depth, 1e-12)), [float(v) for v in pair]
        out[n] = model.light_curve(q).reshape(-1, SAMPLES).mean(1)
    return out
