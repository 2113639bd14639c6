"""Power spectrum of detector noise along the clock: pixel after pixel as they were read (rows B7, F15).

A frame is one series: 10 us a pixel, a column from high row to low, columns from high to low, and 12 pixel times between
columns in which nothing is read. Pixels that do not count (traces, bad pixels, hits) are holes of the same kind. Holes
are not filled: the autocovariance at each lag is the mean product over the pairs that exist, which they do not bias, and
the spectrum is its Fourier transform under a Hann window (Blackman & Tukey 1958; Scargle 1989, ApJ 343, 874, on uneven
sampling). A periodogram of the holey series would lay copies of the 1/f noise at every multiple of the column rate.

Frames are combinations of reads; `coefficients` says of which. Noise of two reads adds up: a difference has twice the
power of a read, a difference less the mean of its ramp a little less.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.optimize import nnls

from tsoar import flags
from tsoar.blocks import F64, U8, U32, Readout
from tsoar.errors import InputError
from tsoar.soss.subarrays import OVERHEAD, PIXEL_CLOCK, SUBARRAYS, pixel_time

OUTLIER = 6.0
"""residuals further off, in robust sigmas of the frame, are holes"""
SPOILT = flags.DO_NOT_USE | flags.SATURATED | flags.AD_FLOOR | flags.JUMP_DET
NEVER = flags.DO_NOT_USE | flags.REFERENCE_PIXEL


def coefficients(n_groups: int, centred: bool = True) -> F64:
    """(differences, reads): each group difference as a combination of the reads; ``centred``: less their mean.

    >>> coefficients(3, centred=False).tolist()
    [[-1.0, 1.0, 0.0], [0.0, -1.0, 1.0]]
    """
    d = np.diff(np.eye(n_groups), axis=0)
    return d - d.mean(axis=0) if centred else d


def difference_residuals(
    data: NDArray[np.floating], groupdq: U8, pixeldq: U32, leave_out: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_], F64]:
    """Group differences of one integration less their mean: noise without star, sky and bias, and without a model.

    Parameters
    ----------
    data, groupdq : (g, y, x) [DN], 3 groups or more.
    pixeldq : (y, x).
    leave_out : (y, x) pixels not to use, such as the traces, whose photon noise is not the detector's.

    Returns
    -------
    residuals : (g - 1, y, x) [DN].
    good : (g - 1, y, x), ramps with a flag and outliers excluded.
    reads : the `coefficients` of the residuals.

    Raises
    ------
    InputError
        With fewer than 3 groups.
    """
    if data.shape[0] < 3:
        raise InputError(f"{data.shape[0]} groups: differences less their mean need at least 3")
    residuals = np.diff(np.asarray(data, np.float32), axis=0)
    residuals -= residuals.mean(axis=0)
    good = ((pixeldq & np.uint32(NEVER)) == 0) & ((groupdq & np.uint8(SPOILT)) == 0).all(axis=0)
    if leave_out is not None:
        good &= ~leave_out
    if not good.any():
        return residuals, np.zeros(residuals.shape, bool), coefficients(data.shape[0])
    sigma = 1.4826 * float(np.median(np.abs(residuals[:, good])))
    good = good & (np.abs(residuals) <= OUTLIER * sigma).all(axis=0)
    return residuals, np.broadcast_to(good, residuals.shape), coefficients(data.shape[0])


def clock_spectrum(
    frames: NDArray[np.floating],
    good: NDArray[np.bool_],
    readout: Readout,
    reads: F64 | None = None,
    *,
    per_decade: int = 8,
) -> xr.Dataset:
    """One-sided power spectral density of a single read along the clock.

    Parameters
    ----------
    frames : (k, y, x) [DN], of mean zero but for the noise: residuals.
    good : (k, y, x) or (y, x), pixels that count.
    reads : (k, n), how the frames are made of n reads (`coefficients`); None: each frame is a read of its own.
    per_decade : bins of frequency a decade.

    Returns
    -------
    Dataset over frequency [Hz] (geometric middle of the bins): power [DN2/Hz], power_err (standard error), low, high (first
    and last frequency averaged), modes, fit (white + A^2 / f). Attributes: white [DN], the white noise of a read whose
    level the fit gives; pink [DN], A; pixel_time, line_time, frame_time [s]; used, the share of clock ticks that counted.

    Raises
    ------
    InputError
        For several outputs (FULL), or fewer than 1000 usable pixels.
    """
    if SUBARRAYS[readout.subarray].outputs != 1:
        raise InputError(
            f"{readout.subarray} is read through {SUBARRAYS[readout.subarray].outputs} outputs at a time, expected 1"
        )
    k, ny, nx = frames.shape
    mix = np.eye(k) if reads is None else np.asarray(reads, np.float64)
    gram = mix @ mix.T
    tick = np.rint(pixel_time(readout) / PIXEL_CLOCK).astype(np.int64)
    n = nx * (ny + OVERHEAD)
    lags = n // 2
    size = next_fast_len(n + lags, real=True)  # the end of a series meets its start at lags beyond these only
    products, pairs = np.zeros(size // 2 + 1), np.zeros(size // 2 + 1)
    mask = np.broadcast_to(good, frames.shape)
    used = 0
    known = None
    for j in range(k):
        w = mask[j] & np.isfinite(frames[j])
        used += int(w.sum())
        if not w.any():
            continue
        series = np.zeros(n)
        values = np.asarray(frames[j], np.float64)[w]
        series[tick[w]] = values - values.mean()
        products += _periodogram(series, size)
        if known is None or not np.array_equal(w, known[0]):
            window = np.zeros(n)
            window[tick[w]] = 1
            known = w, _periodogram(window, size)
        pairs += known[1]
    if used < 1000:
        raise InputError(f"{used} usable pixels: too few for a spectrum along the clock")
    products, pairs = (irfft(p, size)[:lags] for p in (products, pairs))  # sums over frames of the lagged products
    there = pairs > 0.5
    covariance = np.interp(np.arange(lags), np.flatnonzero(there), products[there] / np.rint(pairs[there]))
    per_read = k / float(np.trace(gram))
    power = _transform(covariance * per_read)
    # what a periodogram would show: the noise that the holes mix in is gone from the mean, but not from its scatter
    holey = _transform(products / pairs[0] * per_read)
    frequency = np.arange(power.size) / (2 * lags * PIXEL_CLOCK)
    share = used / (k * n)
    worth = float(np.trace(gram)) ** 2 / float(np.sum(gram * gram))  # frames that share reads are worth fewer
    return _binned(frequency, power, holey, worth, per_decade, readout, share)


def _transform(covariance: F64) -> F64:
    """One-sided power [DN2/Hz] from an autocovariance (lags,) under a Hann window."""
    lags = covariance.size
    tapered = covariance * 0.5 * (1 + np.cos(np.pi * np.arange(lags) / lags))
    power: F64 = 2 * PIXEL_CLOCK * rfft(np.concatenate([tapered, [0.0], tapered[:0:-1]])).real
    return power


def _periodogram(series: F64, size: int) -> F64:
    waves = rfft(series, size)
    power: F64 = waves.real**2 + waves.imag**2
    return power


def _binned(
    frequency: F64, power: F64, holey: F64, worth: float, per_decade: int, readout: Readout, share: float
) -> xr.Dataset:
    """Means in logarithmic bins from 3 / frame time on, their errors, and the level of white and pink noise."""
    start, stop = frequency[3], frequency[-1]
    edges = np.geomspace(start, stop, max(int(np.ceil(np.log10(stop / start) * per_decade)), 2) + 1)
    which = np.clip(np.searchsorted(edges, frequency[3:], side="right") - 1, 0, edges.size - 2)
    count = np.bincount(which, minlength=edges.size - 1)
    some = count > 0

    def mean(values: F64) -> F64:
        return np.bincount(which, values, edges.size - 1)[some] / count[some]

    level, inverse, modes = mean(power[3:]), mean(1 / frequency[3:]), count[some] + 5 / 3  # the Hann window is worth 8/3 modes
    middle = np.exp(mean(np.log(frequency[3:])))
    scale = 1 / np.sqrt(modes * worth)
    mixed_in = np.maximum(np.sqrt(mean(holey[3:] ** 2)) - np.maximum(level, 0), 0)
    fit = np.maximum(level, 1e-3 * np.abs(level).max())
    white, pink, extra = 0.0, 0.0, mixed_in
    for _ in range(5):  # errors go with the level, which is that of the fit
        # holes make white noise, which is in no two pixels the same, less certain; slow noise is seen between them
        extra = white * (1 / share - 1) + mixed_in / share
        sigma = (fit + extra) * scale
        (white, pink), _ = nnls(np.stack([np.ones_like(inverse), inverse], axis=1) / sigma[:, None], level / sigma)
        fit = np.maximum(white + pink * inverse, 1e-12 * np.abs(level).max())
    error = (np.maximum(np.abs(level), fit) + extra) * scale
    first = np.array([frequency[3:][which == b].min() for b in np.flatnonzero(some)])
    last = np.array([frequency[3:][which == b].max() for b in np.flatnonzero(some)])
    units = {"units": "DN2/Hz"}
    data = {
        "power": ("frequency", level, units),
        "power_err": ("frequency", error, units),
        "fit": ("frequency", fit, units),
        "low": ("frequency", first, {"units": "Hz"}),
        "high": ("frequency", last, {"units": "Hz"}),
        "modes": ("frequency", count[some]),
    }
    line = (readout.shape[0] + OVERHEAD) * PIXEL_CLOCK
    attrs = {
        "white": float(np.sqrt(white / (2 * PIXEL_CLOCK))),
        "pink": float(np.sqrt(pink)),
        "pixel_time": PIXEL_CLOCK,
        "line_time": line,
        "frame_time": readout.tframe,
        "used": share,
    }
    return xr.Dataset(data, {"frequency": ("frequency", middle, {"units": "Hz"})}, attrs)
