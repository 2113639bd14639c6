"""The jump threshold swept on one integration, beside what cosmic rays and noise alone should give (row E8)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import erfc

from tsoar import flags, plots
from tsoar.errors import ConfigError
from tsoar.reduce.tour import jumps_with
from tsoar.reduce.walk import Walk

RATES = (5.76e-6, 2.6e-5)
"""cosmic rays [/pixel/s]: library of Robberto (2009) at solar maximum, and the exposure-time calculator (JDox, 8 /s/cm2)"""
PIXELS = (1, 2)
"""pixels that most of them touch (JDox)"""
MOST = 200
"""thresholds of a sweep at most"""

SWEEP_ROW = np.dtype(
    [("threshold", np.float64), ("reads", np.int64), ("neighbours", np.int64), ("pixels", np.int64), ("noise", np.float64)]
)


def thresholds(text: str) -> NDArray[np.float64]:
    """Thresholds named by "low:high" or "low:high:step" (half a sigma unless given).

    >>> thresholds("3:5:1").tolist()
    [3.0, 4.0, 5.0]
    """
    expected = f"--sweep {text}: expected LOW:HIGH or LOW:HIGH:STEP in sigma, e.g. 3:15, of {MOST} thresholds at most"
    try:
        low, high, step = (float(v) for v in [*text.split(":"), "0.5"][:3])
    except ValueError as error:
        raise ConfigError(expected) from error
    if text.count(":") not in (1, 2) or not (0 < low <= high < np.inf and step > 0 and (high - low) / step < MOST):
        raise ConfigError(expected)
    wanted: NDArray[np.float64] = low + step * np.arange(int((high - low) / step + 1e-6) + 1, dtype=np.float64)
    return wanted


def jump_sweep(walked: Walk, wanted: NDArray[np.float64]) -> NDArray[np.void]:
    """Reads flagged as jumps for each threshold.

    Parameters
    ----------
    walked : an integration walked through `ramp_fit`, or at least one_over_f.
    wanted : (n,) thresholds [sigma].

    Returns
    -------
    structured array (n,) : threshold; reads flagged by the test itself; neighbours flagged beside large hits (and groups
        after them); pixels with any of these; noise: reads that Gaussian noise alone would flag.
    """
    if walked.recipe is None:
        raise ConfigError(f"the jump threshold cannot be swept: {walked.exposure.stem} has no ramps, expected counts (uncal)")
    usable = int((walked.recipe.noise.usable > 0).sum())
    differences = walked.exposure.readout.n_groups - 1
    table = np.empty(len(wanted), SWEEP_ROW)
    for k, t in enumerate(wanted):
        alone = (jumps_with(walked, float(t), np.inf) & np.uint8(flags.JUMP_DET)) != 0
        every = (jumps_with(walked, float(t)) & np.uint8(flags.JUMP_DET)) != 0
        noise = usable * differences * float(erfc(t / np.sqrt(2)))
        table[k] = (t, alone.sum(), every.sum() - alone.sum(), every.any(axis=0).sum(), noise)
    return table


def cosmic_rays(walked: Walk) -> tuple[float, float]:
    """Reads of this integration that cosmic rays should spoil, least and most; before the first read they leave no jump."""
    assert walked.recipe is not None
    readout = walked.exposure.readout
    exposed = float((walked.recipe.noise.usable > 0).sum()) * readout.tgroup * (readout.n_groups - 1)
    return RATES[0] * PIXELS[0] * exposed, RATES[1] * PIXELS[1] * exposed


def sweep_look(walked: Walk, table: NDArray[np.void]) -> Figure:
    """The sweep as a figure."""
    return plots.jump_sweep(table, expected=cosmic_rays(walked), used=walked.plan.config.jump.threshold)
