"""One integration, from light to raw counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate

from tsoar.jit import kernel
from tsoar.sim.maps import Detector
from tsoar.sim.noise import Hits, Track, cosmic_rays, one_over_f
from tsoar.sim.parameters import Scenario

Image = NDArray[np.float32]

IPC = np.array([[0.0003, 0.0040, 0.0003], [0.0047, 0.9804, 0.0047], [0.0003, 0.0050, 0.0003]])
"""share of a pixel's charge that is seen in its neighbours, row -1 first (amigo, SUB80_ipc; centre so that it sums to 1)"""


def read_integration(
    s: Scenario, detector: Detector, light: Image, track: Track, start: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint16], Hits]:
    """Raw counts of one integration, (groups, rows, columns), and what cosmic rays did to it.

    Parameters
    ----------
    light : (rows, columns) everything that falls on the detector [DN/s].
    track : slow 1/f noise of the exposure; start : of the first read since the start of the exposure [s].
    """
    d, groups, sub = s.detector, s.exposure.ngroups, detector.subarray
    seconds = sub.frame_time
    hits = cosmic_rays(rng, s.cosmic_rays, groups, sub, d.full_well * d.gain)
    stripes = one_over_f(rng, track, start, groups, sub, d.one_over_f)
    expected = ((light * detector.gain * detector.response + detector.dark) * seconds).astype(np.float64)
    reset = (d.ktc * rng.standard_normal(sub.shape, dtype=np.float32)) * ~detector.reference
    levels = rng.standard_normal((groups, 2)) * (d.pedestal, d.odd_even) / d.gain
    steps = telegraph(s, detector, groups, rng)

    out = np.empty((groups, *sub.shape), np.uint16)
    charge = np.zeros(sub.shape, np.float32)
    inverse_gain = 1 / detector.gain
    first = np.searchsorted(hits.group, np.arange(groups + 1))
    for g in range(groups):
        charge += rng.poisson(expected) if d.photon_noise else expected
        now = slice(first[g], first[g + 1])
        charge[hits.row[now], hits.column[now]] += hits.electrons[now]
        seen = correlate(charge, IPC, mode="nearest", output=np.float32) if d.ipc else charge
        white = rng.standard_normal(sub.shape, dtype=np.float32) * detector.read_noise
        white += reset
        np.put(white, detector.telegraph, np.take(white, detector.telegraph) + steps[g])
        digitise(
            seen, white, stripes[g], detector.bias, inverse_gain, detector.curve, detector.full_well,
            np.float32(levels[g, 0] + levels[g, 1]), np.float32(levels[g, 0] - levels[g, 1]), out[g],
        )  # fmt: skip
    return out, hits


def telegraph(s: Scenario, detector: Detector, groups: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Charge that telegraph pixels pretend to have at each read [e-], (groups, pixels)."""
    n = detector.telegraph.size
    switches = rng.random((groups, n)) < s.bad_pixels.telegraph_switch
    switches[0] = rng.random(n) < 0.5
    high: NDArray[np.float32] = (np.cumsum(switches, axis=0) % 2).astype(np.float32) * detector.telegraph_size
    return high


@kernel
def measured(true, a):
    """Counts above bias that are measured of ``true`` ones [DN]: m + a m^2 + 2 a^2 m^3 + 5 a^3 m^4 = true.

    The inverse of the linearity reference, by Newton's method from m = x (1 - a x).
    """
    m = true - a * true * true
    for _ in range(4):
        am = a * m
        value = m * (1 + am * (1 + am * (2 + 5 * am)))
        slope = 1 + am * (2 + am * (6 + 20 * am))
        m -= (value - true) / slope
    return m


@kernel
def digitise(charge, noise, stripes, bias, inverse_gain, curve, full_well, even, odd, out):
    """Charge and noise [e-] of one read to counts: gain, non-linearity, full well, bias and drifts, 16 bits."""
    rows, columns = charge.shape
    for y in range(rows):
        drift = odd if y % 2 else even
        for x in range(columns):
            well = np.float64(full_well[y, x])
            true = min(np.float64(charge[y, x]) * inverse_gain[y, x], 2 * well)  # beyond, it is cut off anyway
            m = min(measured(true, np.float64(curve[y, x])), well)
            raw = m + bias[y, x] + noise[y, x] * inverse_gain[y, x] + stripes[y, x] + drift
            out[y, x] = np.uint16(min(max(np.rint(raw), 0.0), 65535.0))


def linearity_coefficients(curve: Image) -> Image:
    """c0 .. c4 of the linearity reference, (5, rows, columns): linear = c0 + c1 m + c2 m^2 + ... (DN above bias)."""
    a = curve.astype(np.float64)
    return np.stack([np.zeros_like(a), np.ones_like(a), a, 2 * a**2, 5 * a**3]).astype(np.float32)
