"""What comes on top of the light: 1/f noise in clock order, cosmic rays, snowballs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len
from scipy.interpolate import CubicSpline

from tsoar.sim.instrument import COLUMNS, OVERHEAD_COLUMNS, PIXEL_TIME, Subarray
from tsoar.sim.parameters import CosmicRayParams

Array = NDArray[np.floating]

SPLIT = 0.5
"""slower 1/f noise is one track through the whole exposure, faster is drawn per integration [Hz]"""
TRACK_RATE = 8.0
"""samples of the slow track [Hz]: 16 to its fastest wave"""

PIXEL_AREA = (18e-4) ** 2
"""[cm2] (JDox)"""
DETECTOR_PIXELS = 2048 * 2048


def pink(rng: np.random.Generator, n: int, step: float, amplitude: float, low: float, high: float) -> NDArray[np.float32]:
    """Gaussian noise of one-sided power spectral density amplitude^2 / f between two frequencies, nothing elsewhere.

    Parameters
    ----------
    n : samples; step : between them [s]; low, high : [Hz], low excluded.

    Returns
    -------
    (n) float32, in units of ``amplitude``. Twice what a period of ``low`` needs is drawn and cut, so that the end does
    not know the beginning (Timmer & Koenig 1995, without their choice of period).
    """
    apart = 1 / low if low > 0 else n * step
    size = next_fast_len(n + int(np.ceil(apart / step)), real=True)
    width = 1 / (size * step)
    first, last = int(np.floor(low / width)) + 1, min(int(high / width), size // 2)
    waves = np.zeros(size // 2 + 1, np.complex64)
    if last >= first:
        drawn = rng.standard_normal(2 * (last - first + 1), dtype=np.float32).view(np.complex64)
        # a wave of power S df has cosine and sine amplitudes of variance S df; irfft wants half of them, times size
        drawn *= (0.5 * size * amplitude * np.sqrt(1 / np.arange(first, last + 1))).astype(np.float32)
        waves[first : last + 1] = drawn
    return irfft(waves, size, overwrite_x=True)[:n]


@dataclass(frozen=True, slots=True)
class Track:
    """1/f noise slower than `SPLIT`, through the whole exposure."""

    values: NDArray[np.float32]

    def at(self, seconds: Array) -> Array:
        """Its value at times since the start of the exposure."""
        near = np.asarray(seconds) * TRACK_RATE + 4
        first, last = int(near.min()) - 3, int(near.max()) + 5
        return CubicSpline(np.arange(first, last), self.values[first:last])(near)


def slow_track(rng: np.random.Generator, seconds: float, amplitude: float) -> Track:
    """The track of an exposure of this length; ``amplitude`` as in `pink` [DN]."""
    n = int(np.ceil(seconds * TRACK_RATE)) + 16
    return Track(pink(rng, n, 1 / TRACK_RATE, amplitude, 0.0, SPLIT))


def one_over_f(
    rng: np.random.Generator, track: Track, start: float, frames: int, sub: Subarray, amplitude: float
) -> NDArray[np.float32]:
    """1/f noise of the reads of an integration [DN], (frames, rows, columns).

    One sequence in true clock order: 10 us a pixel, the overheads counted, a column from high to low row, columns from
    high to low; reference pixels share it.

    Parameters
    ----------
    start : of the first read, since the start of the exposure [s].
    """
    lines = COLUMNS + OVERHEAD_COLUMNS
    fast = pink(rng, frames * sub.frame, PIXEL_TIME, amplitude, SPLIT, 0.5 / PIXEL_TIME)
    clocked = fast.reshape(frames, lines, sub.line)
    when = start + (np.arange(frames * lines) + 0.5) * sub.line * PIXEL_TIME
    clocked += track.at(when).astype(np.float32).reshape(frames, lines, 1)
    return clocked[:, COLUMNS - 1 :: -1, sub.rows - 1 :: -1].transpose(0, 2, 1)


@dataclass(frozen=True, slots=True)
class Hits:
    """Charge that cosmic rays leave in one integration, one entry a pixel and group."""

    group: NDArray[np.int32]
    row: NDArray[np.int32]
    column: NDArray[np.int32]
    electrons: NDArray[np.float32]
    event: NDArray[np.int32]
    """counts the events of the integration; snowballs come last"""


def cosmic_rays(rng: np.random.Generator, p: CosmicRayParams, groups: int, sub: Subarray, full_well: float) -> Hits:
    """Draw the hits between the reads of an integration; what falls in the interval before read g appears at read g.

    A cosmic ray comes from anywhere (isotropic flux through a plane: probability of the angle ~ cos sin), crosses the
    sensitive layer in a straight line, and leaves its charge evenly along it, spread by diffusion. Steep tracks touch
    one or two pixels, flat ones draw a line.
    """
    seconds = sub.frame_time
    shape = (groups, *sub.shape)
    mean = p.rate * PIXEL_AREA * np.prod(sub.shape) * seconds * groups
    n = rng.poisson(mean)
    group = rng.integers(0, groups, n)
    middle = rng.uniform(-0.5, np.array(sub.shape) - 0.5, (n, 2))
    # P(angle) ~ cos sin: sin^2 is uniform; the flattest tracks leave the detector at its edge
    sine = np.sqrt(rng.random(n))
    length = np.minimum(p.depth * sine / np.sqrt(np.maximum(1 - sine * sine, 1e-6)), 60.0)
    azimuth = rng.uniform(0, 2 * np.pi, n)
    direction = np.stack([np.sin(azimuth), np.cos(azimuth)], 1)
    charge = p.charge * 10 ** (p.charge_width * rng.standard_normal(n))

    pieces = 64  # of an event: enough for a pixel's share to be smooth to a few per cent of the event
    along = (np.arange(pieces) + 0.5) / pieces - 0.5
    place = middle[:, None] + length[:, None, None] * along[:, None] * direction[:, None]
    place += p.diffusion * rng.standard_normal(place.shape)
    row, column = np.rint(place).astype(np.int64).transpose(2, 0, 1)
    electrons = np.broadcast_to(charge[:, None] / pieces, row.shape)
    parts: list[tuple[NDArray[Any], ...]] = [
        (np.repeat(group, pieces), row.ravel(), column.ravel(), electrons.ravel(), np.repeat(np.arange(n), pieces))
    ]

    balls = rng.poisson(p.snowballs * np.prod(sub.shape) / DETECTOR_PIXELS * seconds * groups)
    for k in range(balls):
        parts.append(_snowball(rng, p, groups, sub, full_well, n + k))
    group, row, column, electrons, event = (np.concatenate(values) for values in zip(*parts, strict=True))

    inside = (row >= 0) & (row < sub.rows) & (column >= 0) & (column < COLUMNS)
    inside[inside] = ~sub.reference_pixels()[row[inside], column[inside]]
    where = np.ravel_multi_index((group[inside], row[inside], column[inside]), shape)
    where, first, which = np.unique(where, return_index=True, return_inverse=True)
    total = np.bincount(which, electrons[inside], where.size).astype(np.float32)
    g, y, x = (part.astype(np.int32) for part in np.unravel_index(where, shape))
    return Hits(g, y, x, total, event[inside][first].astype(np.int32))


def _snowball(
    rng: np.random.Generator, p: CosmicRayParams, groups: int, sub: Subarray, full_well: float, event: int
) -> tuple[NDArray[Any], ...]:
    """A saturated core with a halo that falls off over three times its radius (JDox: hundreds of pixels)."""
    radius = p.snowball_core * 10 ** (0.2 * rng.standard_normal())
    y0, x0 = rng.uniform(0, sub.rows), rng.uniform(0, COLUMNS)
    reach = int(6 * radius)
    row, column = np.mgrid[int(y0) - reach : int(y0) + reach + 1, int(x0) - reach : int(x0) + reach + 1].reshape(2, -1)
    away = np.hypot(row - y0, column - x0)
    electrons = np.where(away < radius, 1.5 * full_well, 0.1 * full_well * np.exp(-(away - radius) / radius))
    use = electrons > 20
    size = int(use.sum())
    return np.full(size, rng.integers(0, groups)), row[use], column[use], electrons[use], np.full(size, event)
