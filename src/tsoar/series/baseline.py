"""Which integrations lie outside the event: given by the user, or found in the white light.

The search tries every box of at least five integrations below a straight line, then fits a trapezoid (first to fourth
contact) to the best; the straight line, with an exponential settling at the start where that helps, is solved for along
with it. What counts is how much better this is than the best smooth curve without an event (line or parabola, settling
or not), with the scatter and its correlation in time taken from the residuals: neither a ramp nor a slow star makes an
event. Box search as in Kovacs, Zucker & Mazeh (2002, A&A 391, 369), for one event instead of a period; correlated noise as
in Pont, Zucker & Queloz (2006, MNRAS 373, 231).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.optimize import least_squares

from tsoar.blocks import F64
from tsoar.errors import ConfigError
from tsoar.params import Annotated, Ge, Gt, Interval, Unit, doc
from tsoar.units import PPM

Bool = NDArray[np.bool_]
LEAST = 10
"""Fewer integrations are not searched."""
SHORTEST = 5
"""Integrations of the shortest event; shorter ones are outliers."""
SEARCHED = 200
"""Points of the box search at most; longer exposures are averaged first."""
SETTLING = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15)
"""Time scales of a settling at the start that are tried, as shares of the exposure."""

SLOW = (0.8, 1.0, 1.3)
"""Periods of a slow star that are tried, as shares of the exposure; longer ones are polynomials."""


@dataclass(frozen=True, slots=True)
class BaselineParams:
    """When a dip in the white light is an event, and how far from it the baseline begins.

    6 sigma: in 300 curves of white noise the surest dip had 3.8, in slow stars, ramps and tilts of 500 ppm 4.7. 3 % of the
    duration: a trapezoid fitted to a limb-darkened transit puts first and fourth contact up to 1 % of it too far in.
    """

    significance: Annotated[float, Gt(0), Unit("sigma"), doc("a dip in the white light must be this sure")] = 6.0
    margin: Annotated[float, Interval(ge=0, le=1), Unit("event durations"), doc("left out on either side of the event")] = 0.03
    fewest: Annotated[int, Ge(2), Unit("integrations"), doc("with fewer outside the event, all integrations count instead")] = 5


@dataclass(frozen=True, slots=True)
class Baseline:
    """Integrations outside the event, the event's contacts, and how they were found."""

    mask: Bool
    """(i,) True outside the event"""
    event: tuple[float, float, float, float] | None
    """first to fourth contact, in the units of time [d]; may lie before or after the exposure"""
    how: str
    """one sentence for people"""

    @property
    def mid(self) -> float | None:
        """Middle of the event [d]."""
        return None if self.event is None else 0.25 * sum(self.event)


def find_baseline(
    time: F64,
    white: NDArray[np.floating],
    white_err: NDArray[np.floating],
    params: BaselineParams = BaselineParams(),
) -> Baseline:
    """Look for a transit or eclipse in a normalised white light curve (i,).

    Integrations that are NaN or stand alone (5 sigma off the median of five) are not looked at, but belong to the baseline
    like their neighbours. Without an event every integration does, and ``how`` says so.
    """
    time, curve = np.asarray(time, np.float64), np.asarray(white, np.float64)
    everything = np.ones(time.size, bool)
    use = np.isfinite(time) & np.isfinite(curve)
    if use.sum() < LEAST:
        return Baseline(everything, None, f"{use.sum()} integrations: too few to look for an event; all count as outside")
    t, f = time[use], curve[use]
    away = f - median_filter(f, 5, mode="nearest")
    kept = np.abs(away) <= 5 * 1.4826 * np.median(np.abs(away)) + 1e-12
    t, f = t[kept], f[kept]
    claimed = np.asarray(white_err, np.float64)[use]
    sigma = max(_step_noise(f), float(np.median(claimed[np.isfinite(claimed)])) if np.isfinite(claimed).any() else 0.0)
    if f.size < LEAST or not sigma > 0:
        return Baseline(everything, None, "white light without noise: no event looked for; all integrations count as outside")
    start, length = float(t[0]), float(t[-1] - t[0])
    x = (t - start) / length
    shape, depth, sure = _event(x, f / sigma)
    n = time.size
    if shape is None or sure < params.significance:
        why = f"largest dip {sure:.1f} sigma, {params.significance:g} asked"
        return Baseline(everything, None, f"no event found in white light ({why}): all {n} integrations count as outside")
    contacts = start + length * _contacts(shape)
    mask = _outside(time, curve, contacts, params.margin, sigma)
    event = (float(contacts[0]), float(contacts[1]), float(contacts[2]), float(contacts[3]))
    hours = 24 * (event[3] - event[0])
    found = f"event of {PPM * depth * sigma:.0f} ppm found in white light ({sure:.0f} sigma), {hours:.2f} h long"
    outside = f"{mask.sum()} of {n} integrations lie outside"
    if mask.sum() < params.fewest:
        return Baseline(everything, event, f"{found}; only {outside} ({params.fewest} asked): all count as outside")
    return Baseline(mask, event, f"{found}; {outside}, {100 * params.margin:g} % of its duration away")


def parse_baseline(text: str, n: int) -> Bool:
    """Integrations (n,) named by ranges as Python counts them: from 0, without the end.

    >>> parse_baseline("0:2,-1:", 6).tolist()
    [True, True, False, False, False, True]

    Raises
    ------
    ConfigError
        For anything that is not FIRST:END, or names integrations that do not exist.
    """
    expected = 'expected ranges FIRST:END such as "0:50,70:" (counted from 0, END not included)'
    mask = np.zeros(n, bool)
    for piece in (p.strip() for p in text.split(",")):
        first, colon, end = (part.strip() for part in piece.partition(":"))
        try:
            low = int(first) if first or not colon else 0
            high = (int(end) if end else n) if colon else low + 1
        except ValueError:
            raise ConfigError(f"baseline {text!r}: {piece!r} is not a range; {expected}") from None
        low, high = (low + n if low < 0 else low), (high + n if high < 0 or (high == 0 and not colon) else high)
        if not (0 <= low < n and 0 <= high <= n):
            raise ConfigError(f"baseline {text!r}: {piece!r} reaches beyond the {n} integrations (0 to {n - 1}); {expected}")
        if low >= high:
            raise ConfigError(f"baseline {text!r}: {piece!r} holds no integration; {expected}")
        mask[low:high] = True
    return mask


def _step_noise(f: F64) -> float:
    """Scatter from one integration to the next, blind to anything slow."""
    return float(1.4826 * np.median(np.abs(np.diff(f))) / np.sqrt(2))


def _smooth(x: F64, degree: int, tau: float | None) -> F64:
    """Columns of a curve without an event: polynomial, and settling with time scale ``tau``."""
    columns = [x**k for k in range(degree + 1)] + ([np.exp(-x / tau)] if tau else [])
    return np.stack(columns, 1)


def _slow_sine(x: F64, period: float) -> F64:
    """Columns of a straight line with a sine."""
    phase = 2 * np.pi * x / period
    return np.column_stack([_smooth(x, 1, None), np.sin(phase), np.cos(phase)])


def _chi2(basis: F64, y: F64) -> float:
    q, _ = np.linalg.qr(basis)
    return float(y @ y - np.sum((q.T @ y) ** 2))


def _event(x: F64, y: F64) -> tuple[F64 | None, float, float]:
    """Best trapezoid (start, end, share of the duration that is slope), depth and significance; y has unit noise."""
    y = y - np.median(y)
    block = -(-x.size // SEARCHED)
    whole = x.size // block * block
    xb, yb = x[:whole].reshape(-1, block).mean(1), y[:whole].reshape(-1, block).mean(1)
    boxes = [(*_best_box(_smooth(xb, 1, tau), yb, max(-(-SHORTEST // block), 2)), tau) for tau in (None, *SETTLING)]
    _, a, b, tau = min(boxes, key=lambda box: box[0])
    if a == b:
        return None, 0.0, 0.0
    basis = _smooth(x, 1, tau)
    shape, depth, left = _fit_trapezoid(x, y, basis, xb[a], xb[b - 1])
    if depth <= 0:
        return None, 0.0, 0.0
    smooth = [_smooth(x, degree, tau) for degree in (1, 2, 3) for tau in (None, *SETTLING)]
    smooth += [_slow_sine(x, period) for period in SLOW]
    without = min(_best_step(x, y), *(_chi2(curve, y) for curve in smooth))
    freedom = x.size - basis.shape[1] - 4
    variance = max(1.0, float(left @ left) / freedom)
    gain = max(without - float(left @ left), 0.0) / (variance * _correlation(left))
    return shape, depth, float(np.sqrt(gain))


def _best_box(basis: F64, y: F64, shortest: int) -> tuple[float, int, int]:
    """chi2 with the best dip [a, b) below the smooth curve; a = b = 0 when nothing dips."""
    q, _ = np.linalg.qr(basis)
    r = y - q @ (q.T @ y)
    n = y.size
    sums = np.concatenate([[0.0], np.cumsum(r)])
    tops = np.concatenate([np.zeros((1, q.shape[1])), np.cumsum(q, axis=0)])
    a, b = np.triu_indices(n + 1, shortest)
    inside = (b - a) <= n - shortest
    a, b = a[inside], b[inside]
    dot = sums[b] - sums[a]
    norm = (b - a) - ((tops[b] - tops[a]) ** 2).sum(1)
    gain = np.where((dot < 0) & (norm > 0.5), dot**2 / np.maximum(norm, 0.5), 0.0)
    k = int(gain.argmax())
    chi2 = float(r @ r - gain[k])
    return (chi2, int(a[k]), int(b[k])) if gain[k] > 0 else (chi2, 0, 0)


def _best_step(x: F64, y: F64) -> float:
    """chi2 of a straight line with a step at the best place."""
    q, _ = np.linalg.qr(_smooth(x, 1, None))
    r = y - q @ (q.T @ y)
    sums, tops = np.cumsum(r)[:-1], np.cumsum(q, axis=0)[:-1]
    norm = np.arange(1, x.size) - (tops**2).sum(1)
    return float(r @ r - np.max(np.where(norm > 0.5, sums**2 / np.maximum(norm, 0.5), 0.0)))


def _trapezoid(x: F64, shape: F64) -> F64:
    start, end, slope = shape
    middle, half = 0.5 * (start + end), 0.5 * (end - start)
    return np.clip((half - np.abs(x - middle)) / max(slope * half, 1e-9), 0.0, 1.0)


def _contacts(shape: F64) -> F64:
    start, end, slope = shape
    inset = 0.5 * slope * (end - start)
    return np.array([start, start + inset, end - inset, end])


def _fit_trapezoid(x: F64, y: F64, basis: F64, start: float, end: float) -> tuple[F64, float, F64]:
    """Shape, depth and residuals of the best trapezoid below the smooth curve; level, slope and depth solved at each step."""

    def solve(shape: F64) -> tuple[float, F64]:
        design = np.column_stack([basis, -_trapezoid(x, shape)])
        coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
        return float(coefficients[-1]), y - design @ coefficients

    step = float(np.median(np.diff(x)))
    least = SHORTEST * step

    def residual(p: F64) -> F64:
        return solve(np.array([p[0] - 0.5 * p[1], p[0] + 0.5 * p[1], p[2]]))[1]

    fits, bounds = [], ([-0.5, least, 0.01], [1.5, 2.0, 1.0])
    for slope in (0.1, 0.3, 0.8):
        length = max((end - start) / (1 - 0.5 * slope), 1.01 * least)
        p0 = np.clip([0.5 * (start + end), length, slope], [-0.49, 1.001 * least, 0.02], [1.49, 1.99, 0.999])
        fits.append(least_squares(residual, p0, bounds=bounds, x_scale=[step, step, 0.1], diff_step=1e-4))
    p = min(fits, key=lambda fit: fit.cost).x
    shape = np.array([p[0] - 0.5 * p[1], p[0] + 0.5 * p[1], p[2]])
    depth, left = solve(shape)
    return shape, depth, left


def _correlation(residual: F64) -> float:
    """How much larger the variance of means of sqrt(n) residuals is than for white noise (at least 1)."""
    size = max(int(np.sqrt(residual.size)), 2)
    means = residual[: residual.size // size * size].reshape(-1, size).mean(1)
    return max(1.0, float(size * np.mean(means**2) / np.mean(residual**2)))


def _outside(time: F64, white: F64, contacts: F64, margin: float, sigma: float) -> Bool:
    """Integrations further than the margin from the event, and further still while the next three are below the line."""
    duration = float(contacts[3] - contacts[0])
    low, high = float(contacts[0]) - margin * duration, float(contacts[3]) + margin * duration
    for _ in range(max(int(0.1 * np.sum((time > low) & (time < high))), 1)):
        mask = (time < low) | (time > high)
        good = mask & np.isfinite(white)
        if good.sum() < 4:
            break
        line = np.polynomial.Polynomial.fit(time[good], white[good], 1)
        before, after = np.flatnonzero(good & (time < low))[-3:], np.flatnonzero(good & (time > high))[:3]
        grown = False
        for side in (before, after):
            if side.size == 3 and np.median(white[side] - line(time[side])) < -2.5 * sigma / np.sqrt(3):
                grown = True
                if side is before:
                    low = float(time[side[-1]])
                else:
                    high = float(time[side[0]])
        if not grown:
            return mask
    return np.asarray((time < low) | (time > high))
