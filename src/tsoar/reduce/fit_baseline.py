"""The baseline of a fit: as it was asked for, or chosen from what white light shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isclose

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from tsoar.blocks import F64
from tsoar.fitting.choice import SETTLING, Choice, choose_baseline
from tsoar.fitting.params import MOTION, FitParams
from tsoar.fitting.transit import Clock
from tsoar.fitting.white import WhiteCurve, WhiteFit, event_derivatives, outliers

ROUNDS = 3
"""Fits at most until the choice stays."""
CHANGED = 10.0
"""Errors of one integration by which the profile's width must scatter to be in the baseline in any case: a mirror that tilted
changes the light in the aperture, whether or not white light is sure of it."""
SAME = 0.02
"""Share by which two time scales of a settling may differ and be the same."""
POLYNOMIALS = ("constant", "straight line", "parabola")


@dataclass(frozen=True)
class Settled:
    """What the baseline is in the end."""

    params: FitParams
    """with the trace motion and the time scale that are used"""
    curves: list[WhiteCurve]
    white: WhiteFit
    choice: Choice | None
    """None: as it was asked for"""
    changed: float = 0.0
    """errors by which the profile's width scatters, where that has put it into the baseline"""


def other_settlings(settled: Settled) -> list[FitParams]:
    """The baseline with the settling's time scale a standard deviation shorter, and longer; none where it was not fitted."""
    spread = settled.choice.settle_err if settled.choice is not None else 0.0
    if not (spread and settled.params.settle):
        return []
    return [replace(settled.params, settle=settled.params.settle * float(np.exp(s * spread))) for s in (-1, 1)]


def plain(params: FitParams) -> FitParams:
    """What is in the baseline whatever is chosen."""
    return replace(params, regress=tuple(n for n in dict.fromkeys(params.regress) if n != "auto"), settle=params.settle or 0.0)


def settle_baseline(
    clock: Clock,
    params: FitParams,
    refit: Callable[[FitParams], tuple[list[WhiteCurve], WhiteFit]],
    motion: Callable[[str, int], F64 | None],
    outside: int,
    changed: float = 0.0,
) -> Settled:
    """Fit white light with the baseline that was asked for, and where that is "auto", choose it and fit again.

    Parameters
    ----------
    refit : fits white light with the baseline of these settings.
    motion : (i,) regressor of an order by name, None where it has none.
    outside : integrations outside the event that may be spent on additions.
    changed : errors by which the profile's width scatters.
    """
    fixed, auto = plain(params), "auto" in params.regress
    if auto and changed > CHANGED and outside > 0 and "width" not in fixed.regress:
        fixed, outside = replace(fixed, regress=(*fixed.regress, "width")), outside - 1
    else:
        changed = 0.0
    curves, white = refit(fixed)
    if not auto:
        return Settled(fixed, curves, white, None)
    first, now, choice = curves, fixed, None
    for _ in range(ROUNDS):
        choice = _choose(clock, params, fixed, first, curves, white, motion, outside)
        found = replace(
            fixed,
            regress=(*fixed.regress, *(n for n in MOTION if n in choice.names)),
            settle=fixed.settle or round(choice.settle * 1440, 2),
        )
        if found.regress == now.regress and isclose(found.settle or 0.0, now.settle or 0.0, rel_tol=SAME):
            break
        now = found
        curves, white = refit(now)
    return Settled(now, curves, white, choice, changed)


def _choose(
    clock: Clock,
    params: FitParams,
    fixed: FitParams,
    first: list[WhiteCurve],
    curves: list[WhiteCurve],
    white: WhiteFit,
    motion: Callable[[str, int], F64 | None],
    outside: int,
) -> Choice:
    """``first``: the curves with the baseline that stays; ``curves``, ``white``: as fitted last."""
    zeros = np.zeros(clock.time.size)
    regressors: dict[str, F64] = {}
    for name in MOTION:
        of_orders = [motion(name, c.order) for c in curves]
        if name not in fixed.regress and any(v is not None for v in of_orders):
            regressors[name] = np.stack([zeros if v is None else v for v in of_orders])
    kept = [_together(c.flux - white.orders[c.order].model, c.error, params.clip) for c in curves]
    return choose_baseline(
        clock.time,
        np.stack([np.where(k, c.flux, np.nan) for c, k in zip(curves, kept, strict=True)]),
        np.stack([c.error for c in curves]),
        event_derivatives(clock, curves, white, params.event),
        np.stack([white.orders[c.order].curve for c in curves]),
        np.stack([c.design for c in first]),
        regressors,
        settling=params.settle is None,
        most=max(min(len(MOTION) + 1, outside), 0),
    )


def _together(left: F64, error: F64, clip: float) -> NDArray[np.bool_]:
    """Values (i,) that do not stand alone: far off the model is no reason to be left out, far off both neighbours is."""
    good = np.isfinite(left) & np.isfinite(error) & (error > 0)
    values = left[good]
    inverse = 1 / error[good]
    keep = good.copy()
    keep[good] = ~outliers(values - median_filter(values, 5, mode="nearest"), inverse, clip)
    return keep


def in_words(settled: Settled) -> str:
    """One line: what the baseline is, and why."""
    p = settled.params
    name = POLYNOMIALS[p.baseline] if p.baseline < len(POLYNOMIALS) else f"polynomial of order {p.baseline}"
    choice = settled.choice
    motion = [
        f"width (the profile changes, {settled.changed:.0f} sigma)" if n == "width" and settled.changed else n
        for n in p.regress
    ]
    text = " + ".join([name, *motion, *([f"{SETTLING} ({p.settle:.3g} min)"] if p.settle else [])])
    if choice is None:
        return f"{text}, as asked for"
    others = {k: v for k, v in choice.tried.items() if k != "nothing"}
    if not others:
        return f"{text}; nothing could be added"
    if choice.names or choice.settle:
        chosen = " and ".join([*choice.names, *([SETTLING] if choice.settle else [])])
        return f"{text}; {chosen} chosen by BIC: {choice.gain:+.0f} against the rest alone"
    best = min(others, key=lambda k: others[k])
    return f"{text}; the best addition, {best}, would change the BIC by {others[best]:+.0f}"
