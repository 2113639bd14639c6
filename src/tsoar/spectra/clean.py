"""Outliers in extracted spectra: held against the reference spectrum, replaced and counted (row D4).

What the jump step and the flags left over (a cosmic ray that hit during the reset, a pixel that flickered) stands out of
one integration in one column. The expectation for it is the reference spectrum (median over time) times how bright this
integration is *here*: the running median of the ratio to the reference over neighbouring columns. A transit, whatever
its depth does with wavelength, is in that ratio, and a spectral line is in the reference; neither is clipped.

The test and its numbers (10 sigma, 11 columns) are those of the JWebbinar notebook on SOSS time series (N. Espinoza,
2022). It takes the scatter of the spectrum as its sigma; here sigma is the claimed error, or the column's own scatter
over time where that is larger, so that a column which is merely noisier than claimed keeps its noise.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from tsoar.params import Annotated, Ge, Gt, Unit, doc

logger = logging.getLogger(__name__)
Bool = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CleanParams:
    """When a value of a spectrum is an outlier.

    10 sigma: among the 6e5 values of an order in 300 integrations noise alone reaches 5; what is left beyond 10 is damage.
    11 columns: wide enough that the median's own noise is 0.4 sigma, narrower than any feature of a planet's spectrum.
    """

    threshold: Annotated[float, Gt(0), Unit("sigma"), doc("values further from the expectation are replaced")] = 10.0
    width: Annotated[int, Ge(3), Unit("columns"), doc("of the running median that says what to expect")] = 11


def replace_outliers(
    flux: NDArray[np.floating],
    flux_err: NDArray[np.floating],
    valid: Bool,
    params: CleanParams = CleanParams(),
) -> tuple[NDArray[np.floating], NDArray[np.int64], Bool]:
    """Replace outliers of one order's spectra by what their integration and their column lead to expect.

    Parameters
    ----------
    flux, flux_err : (i, x) [DN/s]
    valid : (i, x); values that are not valid are neither judged nor used nor touched.

    Returns
    -------
    flux : (i, x), a copy of the same dtype; errors stay as they are (a replaced value claims no more than its neighbours).
    n_replaced : (i,), values replaced in each integration.
    where : (i, x), which (its sum over i counts per column).

    Notes
    -----
    Fewer than 3 integrations have no reference over time: nothing is replaced.
    """
    out = np.array(flux)
    good = np.asarray(valid, bool) & np.isfinite(flux) & np.isfinite(flux_err) & (np.asarray(flux_err) > 0)
    where = np.zeros(flux.shape, bool)
    columns = np.flatnonzero(good.any(axis=0))
    if flux.shape[0] < 3 or columns.size == 0:
        return out, where.sum(axis=1), where
    use = good[:, columns]
    f = np.where(use, flux[:, columns], np.nan).astype(np.float64)
    e = np.where(use, flux_err[:, columns], np.nan).astype(np.float64)
    expected = expectation(f, e, params.width)
    sigma = np.maximum(e, 1.4826 * np.nanmedian(np.abs(f - expected), axis=0))
    where[:, columns] = use & (np.abs(f - expected) > params.threshold * sigma)
    out[where] = expected[where[:, columns]]
    n_replaced = where.sum(axis=1)
    if n_replaced.any():
        logger.info(
            "%d outliers replaced in %d integrations, most in integration %d (%d) and column %d (%d)",
            where.sum(),
            np.count_nonzero(n_replaced),
            n_replaced.argmax(),
            n_replaced.max(),
            where.sum(axis=0).argmax(),
            where.sum(axis=0).max(),
        )
    return out, n_replaced, where


def expectation(flux: NDArray[np.float64], error: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """What each value should be: (i, x) reference spectrum times the running median over columns of the ratio to it.

    NaN = no value; every column must hold one at least. Columns fainter than their noise say nothing about the local
    brightness: there, as in holes, the ratio is taken to be the integration's (its median over the bright columns).
    """
    reference = np.nanmedian(flux, axis=0)
    bright = np.isfinite(flux) & (reference > np.nanmedian(error, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(bright, flux / reference, np.nan)
    scale = np.ones(flux.shape[0])
    some = bright.any(axis=1)
    scale[some] = np.nanmedian(ratio[some], axis=1)
    local = median_filter(np.where(bright, ratio, scale[:, None]), size=(1, width), mode="nearest")
    expected: NDArray[np.float64] = reference * local
    return expected
