"""The box an order is extracted with: what light it should hold, and what noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsoar.scoring.limits import F64, slope_variance
from tsoar.scoring.truth import Truth


@dataclass(frozen=True, slots=True)
class Box:
    """Box aperture of an order, out of the event and without motion.

    Attributes
    ----------
    own : (column,) light of the order within the box [DN/s]; NaN where the order has none.
    other : (column,) light of the other orders and of field stars within the box [DN/s].
    noise : (column,) limit of the sum: photon and read noise of optimal slopes [DN/s].
    weighted : (column,) limit of a profile-weighted sum over all rows of the subarray, relative to the light: no
        extraction can go below, whatever its aperture.
    """

    own: F64
    other: F64
    noise: F64
    weighted: F64

    @property
    def relative(self) -> F64:
        """(column,) limit of the box relative to its light."""
        return np.asarray(self.noise / self.own)


def weights(trace: F64, radius: float, rows: int) -> F64:
    """(row, column) share of each pixel that lies within ``radius`` px of the trace; 0 where there is no trace.

    Pixel k reaches from k - 1/2 to k + 1/2.
    """
    row = np.arange(rows, dtype=np.float64)[:, None]
    share = np.minimum(trace + radius, row + 0.5) - np.maximum(trace - radius, row - 0.5)
    return np.asarray(np.clip(np.nan_to_num(share, nan=0.0), 0.0, 1.0))


def pixel_variance(truth: Truth) -> F64:
    """(row, column) variance of the optimal slope of each pixel out of the event [(DN/s)²]."""
    rate_e = truth.still_image() * truth.gain
    return np.asarray(slope_variance(rate_e, truth.read_noise, truth.n_groups, truth.t_group) / truth.gain**2)


def boxes(truth: Truth, radius: float) -> list[Box]:
    """Boxes of orders 1 to 3.

    Notes
    -----
    Box: sum of flux with variance sum(w² V). Profile-weighted (Horne 1986): 1 / sum(I² / V) is the variance of the
    factor on the known image I, hence already relative.
    """
    variance = pixel_variance(truth)
    everything = truth.star_image.sum(axis=0, dtype=np.float64) + truth.field_image
    found = []
    for k in range(3):
        w = weights(truth.trace[k], radius, truth.shape[0])
        image = truth.star_image[k].astype(np.float64)
        own = (w * image).sum(axis=0)
        own = np.where(own > 0, own, np.nan)
        with np.errstate(divide="ignore"):
            weighted = 1.0 / np.sqrt((image**2 / variance).sum(axis=0))
        found.append(Box(own, (w * (everything - image)).sum(axis=0), np.sqrt((w**2 * variance).sum(axis=0)), weighted))
    return found
