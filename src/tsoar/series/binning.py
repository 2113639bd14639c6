"""RMS of a light curve against the size of bins (row D7): white noise falls with 1/sqrt(N), anything slow does not."""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.stats import chi2

from tsoar.blocks import F64
from tsoar.series.residuals import detrend
from tsoar.units import PPM, SECONDS_PER_DAY

QUANTILES = (0.025, 0.16, 0.84, 0.975)


def rms_binning(
    time: F64,
    flux: NDArray[np.floating],
    flux_err: NDArray[np.floating],
    baseline: NDArray[np.bool_] | None = None,
    *,
    degree: int = 1,
    fewest: int = 6,
) -> xr.Dataset:
    """Scatter of means of N neighbouring integrations, outside the event, for growing N.

    Parameters
    ----------
    time, flux, flux_err : (i,) [d], normalised.
    baseline : (i,), integrations that count (all when not given: for residuals of a model). Bins do not reach across gaps.
    degree : of the polynomial in time taken out first.
    fewest : bins at the largest size.

    Returns
    -------
    Dataset over size (N): rms [ppm], n_bins, white [ppm] (scatter of single integrations over sqrt(N)), claimed [ppm]
    (claimed error over sqrt(N)), spread (size, quantile) [ppm], quantiles that the rms of white noise has with so few bins
    (chi2 with n_bins - degree - 1 degrees of freedom), minutes (of a bin).
    """
    use = np.isfinite(time) & np.isfinite(flux) & np.isfinite(flux_err)
    if baseline is not None:
        use &= np.asarray(baseline, bool)
    n = int(use.sum())
    residual = np.full(np.shape(time), np.nan)
    if n > degree + 1:
        residual[use] = detrend(np.asarray(time, np.float64)[use], np.asarray(flux, np.float64)[use], degree)[0]
    runs = [residual[a:b] for a, b in _runs(use)]
    sizes, numbers, scatters = [], [], []
    for length in range(1, n + 1):
        means = np.concatenate([_means(run, length) for run in runs])
        if means.size < max(fewest, degree + 2):
            break
        sizes.append(length)
        numbers.append(means.size)
        scatters.append(np.sqrt(np.sum(means**2) / (means.size - degree - 1)))
    size, bins, rms = np.array(sizes, np.int64), np.array(numbers, np.int64), np.array(scatters, np.float64)
    freedom = bins - degree - 1
    white = (rms[0] if size.size else np.nan) / np.sqrt(size)
    error = float(np.sqrt(np.mean(np.asarray(flux_err, np.float64)[use] ** 2))) if n else np.nan
    cadence = float(np.median(np.diff(time))) * SECONDS_PER_DAY / 60 if np.size(time) > 1 else np.nan
    spread = white[:, None] * np.sqrt(chi2.ppf(QUANTILES, freedom[:, None]) / freedom[:, None])
    ppm = {"units": "ppm"}
    data = {
        "rms": (("size",), PPM * rms, ppm | {"long_name": "scatter of bin means"}),
        "white": (("size",), PPM * white, ppm | {"long_name": "scatter of single integrations over sqrt(N)"}),
        "claimed": (("size",), PPM * error / np.sqrt(size), ppm | {"long_name": "claimed error over sqrt(N)"}),
        "spread": (("size", "quantile"), PPM * spread, ppm | {"long_name": "quantiles of the rms of white noise"}),
        "n_bins": (("size",), bins),
        "minutes": (("size",), cadence * size, {"units": "min"}),
    }
    return xr.Dataset(data, {"size": size, "quantile": np.array(QUANTILES)})


def _runs(use: NDArray[np.bool_]) -> list[tuple[int, int]]:
    steps = np.flatnonzero(np.diff(np.r_[False, use, False].astype(np.int8)))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))


def _means(run: F64, size: int) -> F64:
    whole = run.size // size
    return np.asarray(run[: whole * size].reshape(whole, size).mean(axis=1))
