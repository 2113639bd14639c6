"""Which baseline white light asks for: the straight line alone, or with trace motion and a settling at the start.

About a fit of white light all is linear but the settling's time scale: every combination of additions is solved for together
with the event's own parameters, and judged by the Bayesian information criterion (Schwarz 1978, Ann. Statist. 6, 461), chi2 +
parameters x ln(values). Errors that are too small would let anything in: chi2 is counted in the scatter that the fullest
model leaves, where that is larger than the claimed errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import minimize_scalar

from tsoar.blocks import F64

SURE = 6.0
"""By how much the criterion must fall for each addition: strong evidence (Kass & Raftery 1995, JASA 90, 773)."""
SCALES = 24
"""Time scales of the settling that are tried."""
UNLIKELY = 16.0
"""Rise of chi2 beyond which a time scale does not count."""
LONGEST = 0.25
"""The longest of them as a share of the exposure: longer ones are the baseline's slope, or the event itself."""
SETTLING = "settling"


@dataclass(frozen=True)
class Choice:
    """What is added to the baseline."""

    names: tuple[str, ...]
    """of the regressors, without the settling"""
    settle: float
    """time scale of the settling, in the unit of ``time``: exp of the mean of its logarithm; 0: none"""
    settle_err: float
    """standard deviation of that logarithm"""
    gain: float
    """by how much the criterion differs from that of the baseline without additions: at most 0"""
    tried: dict[str, float]
    """the same for every combination, "shift + settling": each with its best time scale"""


@dataclass(frozen=True)
class _Room:
    """Light curves in units of their errors, with everything that is fitted anyway projected out."""

    weight: F64
    """(o, i) 0 where a value does not count"""
    taken: F64
    """(o * i, p) orthonormal columns"""
    data: F64

    @classmethod
    def of(cls, flux: F64, weight: F64, always: F64) -> _Room:
        columns = (always * weight[..., None]).reshape(flux.size, -1)
        size = np.sqrt((columns**2).sum(axis=0))
        u, s, _ = np.linalg.svd(columns[:, size > 0] / size[size > 0], full_matrices=False)
        taken = u[:, s > 1e-9 * s[0]]
        return cls(weight, taken, cls._without((flux * weight).ravel(), taken))

    @staticmethod
    def _without(values: F64, taken: F64) -> F64:
        return np.asarray(values - taken @ (taken.T @ values))

    def columns(self, values: F64) -> F64:
        """(o * i, n) a regressor (o, i), for each order by itself, what is fitted anyway taken out."""
        orders, n = values.shape
        out = np.zeros((orders, n, orders))
        own = np.arange(orders)
        out[own, :, own] = values * self.weight
        flat = self._without(out.reshape(orders * n, orders), self.taken)
        before = np.sqrt((out.reshape(orders * n, orders) ** 2).sum(axis=0))
        size = np.sqrt((flat**2).sum(axis=0))
        return flat[:, size > 1e-6 * np.maximum(before, 1e-300)]

    def left(self, columns: list[F64]) -> F64:
        """(o, i) residuals in sigmas with these columns fitted."""
        if not columns:
            return self.data.reshape(self.weight.shape)
        q, _ = np.linalg.qr(np.concatenate(columns, axis=1))
        return (self.data - q @ (q.T @ self.data)).reshape(self.weight.shape)


def choose_baseline(
    time: F64,
    flux: F64,
    error: F64,
    event: F64,
    curve: F64,
    always: F64,
    regressors: Mapping[str, F64],
    *,
    settling: bool = True,
    most: int = 3,
) -> Choice:
    """Choose what is added to the baseline.

    Parameters
    ----------
    time : (i,), any unit.
    flux, error : (o, i) white light of each order; NaN: no value.
    event : (o, i, p) its model's derivatives to the parameters of the event, of all orders.
    curve : (o, i) light curve of the event alone: the baseline is multiplied by it.
    always : (o, i, n) columns of the baseline that are fitted anyway.
    regressors : (o, i) by name; 0 for an order that has none.
    settling : whether exp(-(time - first) / scale) may be added, its scale the same for all orders.
    most : additions at most.
    """
    orders, n = flux.shape
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    y = np.where(good, flux, 0.0)
    weight = np.where(good, 1 / np.where(good, error, 1.0), 0.0)
    base = np.zeros((orders, n, orders * always.shape[2]))
    for o in range(orders):
        base[o, :, o * always.shape[2] : (o + 1) * always.shape[2]] = always[o] * curve[o, :, None]
    fixed = np.concatenate([event, base], axis=2)
    names = [*regressors, *((SETTLING,) if settling else ())]
    sets = [s for k in range(min(most, len(names)) + 1) for s in combinations(names, k)]
    elapsed = time - time[0]
    for scatter in (False, True):  # first with the claimed errors, then with the scatter that the fullest model leaves
        room = _Room.of(y, weight, fixed)
        columns = {name: room.columns(x * curve) for name, x in regressors.items()}
        found = {chosen: _best(room, columns, chosen, elapsed, curve) for chosen in sets}
        if not scatter:
            fullest = min(found, key=lambda c: found[c].chi2)
            parameters = room.taken.shape[1] + _count(fullest, columns, orders)
            freedom = np.maximum(good.sum(axis=1) - parameters / orders, 1.0)
            excess = np.sqrt(np.maximum((found[fullest].left ** 2).sum(axis=1) / freedom, 1.0))
            weight = weight / excess[:, None]
    criterion = {c: one.chi2 + _count(c, columns, orders) * np.log(good.sum()) for c, one in found.items()}
    best = min(sets, key=lambda c: criterion[c] + SURE * len(c))
    scale, spread = 0.0, 0.0
    if SETTLING in best:
        parts = [columns[c] for c in best if c != SETTLING]
        scale, spread = _likely_scale(_Settling(room, parts, elapsed, curve), found[best])
    return Choice(
        tuple(c for c in best if c != SETTLING),
        scale,
        spread,
        float(criterion[best] - criterion[()]),
        {" + ".join(c) or "nothing": float(value - criterion[()]) for c, value in criterion.items()},
    )


@dataclass(frozen=True)
class _Solved:
    """A combination at its best."""

    left: F64
    """(o, i) residuals in sigmas"""
    scale: float
    """of the settling; 0: none"""

    @property
    def chi2(self) -> float:
        return float((self.left**2).sum())


def _best(room: _Room, columns: Mapping[str, F64], chosen: tuple[str, ...], elapsed: F64, curve: F64) -> _Solved:
    """Solve for a combination; the settling's time scale on a grid, then between the best one's neighbours."""
    parts = [columns[c] for c in chosen if c != SETTLING]
    if SETTLING not in chosen:
        return _Solved(room.left(parts), 0.0)
    settling = _Settling(room, parts, elapsed, curve)
    grid = settling.grid()
    tried = [settling.solve(v) for v in grid]
    k = int(np.argmin([one.chi2 for one in tried]))
    between = (grid[max(k - 1, 0)], grid[min(k + 1, SCALES - 1)])
    found = minimize_scalar(lambda v: settling.solve(v).chi2, bounds=between, method="bounded", options={"xatol": 0.005})
    return min(tried[k], settling.solve(found.x), key=lambda one: one.chi2)


@dataclass(frozen=True)
class _Settling:
    """A combination with a settling, to be solved for one time scale after the other."""

    room: _Room
    parts: list[F64]
    elapsed: F64
    curve: F64

    def grid(self) -> F64:
        """Logarithms of the time scales that are tried."""
        cadence = float(np.median(np.diff(self.elapsed)))
        return np.linspace(np.log(cadence), np.log(max(LONGEST * self.elapsed[-1], 1.01 * cadence)), SCALES)

    def solve(self, log_scale: float) -> _Solved:
        scale = float(np.exp(log_scale))
        column = self.room.columns(np.exp(-self.elapsed / scale) * self.curve)
        return _Solved(self.room.left([*self.parts, column]), scale)


def _likely_scale(settling: _Settling, best: _Solved) -> tuple[float, float]:
    """Time scale, and the standard deviation of its logarithm: from exp(-chi2 / 2) over all that were tried, all as likely
    before; first on the grid, then as finely on the part of it that chi2 leaves."""
    grid = settling.grid()
    centre = np.log(best.scale)
    far = np.array([settling.solve(v).chi2 for v in grid]) - best.chi2 > UNLIKELY
    low = max((float(v) for v in grid[far & (grid < centre)]), default=float(grid[0]))
    high = min((float(v) for v in grid[far & (grid > centre)]), default=float(grid[-1]))
    fine = np.linspace(low, high, 2 * SCALES)
    chi2 = np.array([settling.solve(v).chi2 for v in fine])
    likely = np.exp(-0.5 * (chi2 - chi2.min()))
    mean = float(np.average(fine, weights=likely))
    return float(np.exp(mean)), float(np.sqrt(np.average((fine - mean) ** 2, weights=likely)))


def _count(chosen: tuple[str, ...], columns: Mapping[str, F64], orders: int) -> int:
    """Parameters that a combination adds."""
    return sum(orders + 1 if c == SETTLING else columns[c].shape[1] for c in chosen)
