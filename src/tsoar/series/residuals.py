"""What is left of light curves after a polynomial in time, or a model, and the degrees of freedom that are left with it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from tsoar.blocks import F64


def nanmedian(values: NDArray[np.floating], axis: int | None = None) -> F64:
    """`numpy.nanmedian` without a word where there is nothing (NaN); warnings cannot be silenced thread by thread."""
    values = np.asarray(values)
    nothing = np.isnan(values).all(axis=axis, keepdims=True)
    if not nothing.any():
        return np.asarray(np.nanmedian(values, axis=axis))
    if values.size == 0:
        return np.full(np.squeeze(nothing, axis=axis).shape, np.nan, values.dtype)
    middle = np.nanmedian(np.where(nothing, 0, values), axis=axis, keepdims=True)
    return np.asarray(np.squeeze(np.where(nothing, np.nan, middle), axis=axis), dtype=middle.dtype)


def detrend(time: F64, flux: NDArray[np.floating], degree: int = 1) -> tuple[F64, NDArray[np.int64]]:
    """Residuals (i, ...) of a polynomial in time fitted to each curve by least squares, and degrees of freedom (...).

    NaN values are left out (and stay NaN). Curves with fewer than ``degree`` + 2 values are NaN with 0 degrees of freedom.
    Unweighted: the errors of one curve hardly differ out of an event.
    """
    curves = np.asarray(flux, np.float64).reshape(flux.shape[0], -1)
    good = np.isfinite(curves)
    x = np.asarray(time, np.float64)
    x = (x - x.mean()) / (np.ptp(x) or 1.0)
    basis = np.vander(x, degree + 1, increasing=True)
    freedom = np.maximum(good.sum(axis=0) - (degree + 1), 0)
    out = np.full(curves.shape, np.nan)
    patterns, which = np.unique(good, axis=1, return_inverse=True)
    which = which.ravel()
    for k in range(patterns.shape[1]):  # columns with the same holes share one fit
        rows, columns = patterns[:, k], np.flatnonzero(which == k)
        if rows.sum() < degree + 2:
            continue
        values = curves[np.ix_(rows, columns)]
        q, _ = np.linalg.qr(basis[rows])
        out[np.ix_(rows, columns)] = values - q @ (q.T @ values)
    return out.reshape(flux.shape), freedom.reshape(flux.shape[1:])


def median_factor(freedom: ArrayLike) -> F64:
    """How far the *median* of many sample standard deviations lies below the true one: sqrt(chi2_median / freedom).

    The square of a sample's standard deviation is unbiased, its median is not: 0.989 for 30 degrees of freedom.

    >>> round(float(median_factor(30)), 3)
    0.989
    """
    freedom = np.asarray(freedom, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(freedom > 0, np.sqrt(chi2.ppf(0.5, freedom) / freedom), np.nan))
