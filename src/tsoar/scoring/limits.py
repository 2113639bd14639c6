"""What noise no reduction can go below: photons and reads, nothing else.

Reads of a ramp share their photons, so it is the differences of neighbouring reads that are nearly independent: each
has the variance of its own photons plus that of two reads, and shares one read with the next (with the opposite sign).
Generalised least squares on them is the best linear estimate of the slope (Brandt 2024, PASP 136, 045004).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

F64 = NDArray[np.float64]


def slope_variance(rate_e: ArrayLike, read_noise_e: ArrayLike, n_groups: int, t: float) -> F64:
    """Variance of the optimal slope of a ramp [(e-/s)²].

    Parameters
    ----------
    rate_e : rate [e-/s]; below zero counts as zero.
    read_noise_e : noise of one read [e-], to broadcast against ``rate_e``.
    n_groups : reads of the ramp, at least 2.
    t : time from read to read [s].

    Notes
    -----
    The covariance of the n - 1 differences is C = r t I + sigma² K, K tri-diagonal with 2 on and -1 beside the diagonal.
    K has eigenvalues k_j and eigenvectors v_j whatever the pixel, so 1ᵀC⁻¹1 = sum_j (v_j · 1)² / (r t + sigma² k_j), and
    the slope's variance is 1 / (t² 1ᵀC⁻¹1). Two reads: (r t + 2 sigma²) / t².
    """
    if n_groups < 2:
        raise ValueError(f"a slope needs 2 groups, there is {n_groups}")
    n = n_groups - 1
    values, vectors = np.linalg.eigh(2.0 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1))
    photons = np.maximum(np.asarray(rate_e, np.float64), 0.0) * t
    reads = np.asarray(read_noise_e, np.float64) ** 2
    information = np.zeros(np.broadcast_shapes(photons.shape, reads.shape))
    for value, overlap in zip(values, vectors.sum(axis=0), strict=True):
        if overlap**2 > 1e-20:  # antisymmetric vectors see no slope
            with np.errstate(divide="ignore"):
                information += overlap**2 / (photons + reads * value)
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / (t**2 * information))


def difference_noise(rate_e: ArrayLike, read_noise_e: ArrayLike, t: float) -> F64:
    """Noise of the difference of two neighbouring reads [e-]: sqrt(r t + 2 sigma²)."""
    photons = np.maximum(np.asarray(rate_e, np.float64), 0.0) * t
    return np.asarray(np.sqrt(photons + 2.0 * np.asarray(read_noise_e, np.float64) ** 2))


def median_factor(freedom: ArrayLike) -> F64:
    """Median of sample standard deviations over the true one, for ``freedom`` degrees: below 1, 0.5 % for 65."""
    nu = np.maximum(np.asarray(freedom, np.float64), 1.0)
    return np.asarray(np.sqrt(chi2.median(nu) / nu))
