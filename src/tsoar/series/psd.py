"""Power spectrum of a light curve on its real time stamps (row D6).

Lomb-Scargle periodogram of astropy (floating mean, errors as weights), in units of a one-sided power spectral density,
so that white noise of the claimed errors lies at one known level and its integral up to the Nyquist frequency is its
variance.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from astropy.timeseries import LombScargle
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.series.residuals import detrend
from tsoar.units import PPM, SECONDS_PER_DAY

MOST = 100_000
"""frequencies in units of 1 / duration at most: far above any exposure, for times that lie absurdly far apart"""
LEAST = 8
"""Fewer values make no spectrum."""


def power_spectrum(
    time: F64,
    flux: NDArray[np.floating],
    flux_err: NDArray[np.floating],
    baseline: NDArray[np.bool_] | None = None,
    *,
    degree: int = 1,
    alarm: float = 0.01,
) -> xr.Dataset:
    """Lomb-Scargle spectrum of a normalised light curve (i,) outside the event, after a polynomial in time.

    Parameters
    ----------
    time : (i,) [d]; as measured, gaps allowed.
    baseline : (i,), integrations that count (all when not given: for residuals of a model).
    degree : of the polynomial in time taken out first.
    alarm : probability that noise alone has a peak above the false-alarm line anywhere.

    Returns
    -------
    Dataset over frequency [Hz], 1 / duration to Nyquist, five samples a peak: power [ppm2/Hz]. Attributes: noise [ppm2/Hz],
    the level white noise of the claimed errors has; measured, the mean level of white noise with the scatter found;
    false_alarm [ppm2/Hz] with its probability ``alarm`` (Baluev 2008, against the scatter found: a line about periods,
    which wrong errors do not move); scatter_ppm. Empty with fewer than 8 values.
    """
    use = np.isfinite(time) & np.isfinite(flux) & np.isfinite(flux_err) & (np.asarray(flux_err) > 0)
    if baseline is not None:
        use &= np.asarray(baseline, bool)
    if use.sum() < LEAST:
        nothing = dict.fromkeys(("noise", "measured", "false_alarm", "scatter_ppm"), np.nan)
        return _dataset(np.empty(0), np.empty(0), nothing | {"alarm": alarm})
    t = (np.asarray(time, np.float64)[use] - np.asarray(time)[use][0]) * SECONDS_PER_DAY
    residual, freedom = detrend(t, np.asarray(flux, np.float64)[use], degree)
    error = np.asarray(flux_err, np.float64)[use]
    cadence = float(np.median(np.diff(t)))
    duration = float(np.ptp(t)) + cadence
    frequency = np.arange(1.0, min(0.5 / cadence * duration, MOST) + 0.1, 0.2) / duration
    search = LombScargle(t, residual, error, normalization="psd")
    # in this normalisation white noise of the claimed errors has mean power 1
    mean_error2 = float(1 / np.mean(1 / error**2)) * PPM**2
    unit = 2 * cadence * mean_error2
    power = search.power(frequency) * unit
    weights = 1 / error**2
    about_mean = residual - np.average(residual, weights=weights)
    chi2 = float(np.sum(weights * about_mean**2))
    own = LombScargle(t, residual, error, normalization="standard")
    level = float(own.false_alarm_level(alarm, maximum_frequency=frequency[-1], method="baluev"))
    scatter2 = float(np.sum(residual**2) / freedom) * PPM**2
    attrs = {
        "noise": unit,
        "measured": 2 * cadence * scatter2,
        "false_alarm": 0.5 * chi2 * level * unit,
        "alarm": alarm,
        "scatter_ppm": float(np.sqrt(scatter2)),
    }
    return _dataset(frequency, np.asarray(power), attrs)


def _dataset(frequency: F64, power: F64, attrs: dict[str, float]) -> xr.Dataset:
    data = {"power": (("frequency",), power, {"units": "ppm2/Hz", "long_name": "one-sided power spectral density"})}
    return xr.Dataset(data, {"frequency": ("frequency", frequency, {"units": "Hz"})}, attrs)
