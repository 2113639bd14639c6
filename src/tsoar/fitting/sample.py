"""Posterior of the white light by nested sampling (dynesty, Speagle 2020, MNRAS 493, 3132; extra ``fit``).

Orbit, depths, limb darkening and jitter are sampled; the baseline's coefficients enter linearly and are integrated out
exactly (flat priors). Priors are uniform: q1, q2 between 0 and 1 (Kipping 2013), orbit and depths within 8 sigma of the least
squares, jitter in its logarithm from a twentieth to five times the claimed error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tsoar.blocks import F64
from tsoar.errors import ConfigError
from tsoar.fitting.limbdark import to_u
from tsoar.fitting.transit import Clock, Orbit, light_curves
from tsoar.fitting.white import WhiteCurve, WhiteFit

WIDE = 8.0
"""Half width of the priors on orbit and depths, in sigmas of the least squares."""
LARGEST = 4000
"""Samples kept, with equal weights."""


@dataclass(frozen=True)
class Posterior:
    """Equally likely sets of parameters, and the evidence."""

    names: list[str]
    samples: F64
    """(s, p)"""
    log_evidence: float
    log_evidence_err: float
    calls: int


def sample_white(
    clock: Clock, curves: list[WhiteCurve], event: str, fit: WhiteFit, *, live_points: int = 300, seed: int = 0
) -> Posterior:
    """Sample what `fit_white` fitted; the same seed gives the same samples.

    Raises
    ------
    ConfigError
        When dynesty is not installed.
    """
    try:
        import dynesty
    except ImportError as error:
        raise ConfigError("--sample needs dynesty: pip install 'tsoar[fit]'") from error
    base_orbit = fit.orbit
    geometry = [n for n in fit.names if n in ("t0", "period", "a_over_r", "inclination")]
    spread = np.sqrt(np.diag(fit.covariance))
    low, high = fit.values - WIDE * spread, fit.values + WIDE * spread
    for k, name in enumerate(fit.names):
        if name.startswith("q"):
            low[k], high[k] = 1e-6, 1.0
        elif name.startswith("depth") and event == "transit":
            low[k] = max(low[k], 1e-7)
        elif name == "inclination":
            high[k] = min(high[k], 90.0)
        elif name == "a_over_r":
            low[k] = max(low[k], 1.01)
        elif name == "period":
            low[k] = max(low[k], 0.02 * fit.values[k])
    data = []
    for curve in curves:
        kept = np.isfinite(fit.orders[curve.order].residual)
        data.append((curve, kept, curve.flux[kept], curve.error[kept], curve.design[kept]))
    noise = [float(np.median(d[3])) for d in data]
    low = np.concatenate([low, [np.log(0.05 * s) for s in noise]])
    high = np.concatenate([high, [np.log(5 * s) for s in noise]])
    index = {name: k for k, name in enumerate(fit.names)}
    jitter_at = len(fit.names)

    delay = float(np.mean([c.delay for c in curves]))  # those of the orders are alike to tenths of a second

    def orbit_of(v: F64) -> Orbit:
        return replace(base_orbit, **{n: float(v[index[n]]) for n in geometry})

    def log_likelihood(v: F64) -> float:
        depths = np.array([v[index[f"depth_{c.order}"]] for c in curves])
        q = [index.get(f"q1_{c.order}") for c in curves]
        u = [np.array(to_u(v[k], v[k + 1])) if k is not None else fit.orders[c.order].u for k, c in zip(q, curves, strict=True)]
        orbit = orbit_of(v)
        orbit = replace(orbit, t0=orbit.t0 - delay)
        shapes = light_curves(clock, orbit, event, depths, np.array(u), fit.radius_ratio)
        total = 0.0
        for k, (_, kept, flux, error, design) in enumerate(data):
            sigma = np.sqrt(error**2 + np.exp(2 * v[jitter_at + k]))
            columns = design * (shapes[k][kept] / sigma)[:, None]
            basis, r = np.linalg.qr(columns)
            y = flux / sigma
            left = y - basis @ (basis.T @ y)
            total += float(-0.5 * left @ left - np.log(sigma).sum() - np.log(np.abs(np.diag(r))).sum())
        return total if np.isfinite(total) else -1e300

    sampler = dynesty.NestedSampler(
        log_likelihood,
        lambda unit: low + unit * (high - low),
        low.size,
        nlive=max(live_points, 2 * low.size),
        rstate=np.random.default_rng(seed),
    )
    sampler.run_nested(dlogz=0.1, print_progress=False)
    results = sampler.results
    samples = results.samples_equal(rstate=np.random.default_rng(seed))
    if len(samples) > LARGEST:
        samples = samples[np.random.default_rng(seed).choice(len(samples), LARGEST, replace=False)]
    names = [*fit.names, *(f"ln_jitter_{c.order}" for c in curves)]
    return Posterior(names, samples, float(results.logz[-1]), float(results.logzerr[-1]), int(np.sum(results.ncall)))
