"""Light on the detector: images of the orders, how they move, sky and field stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar.sim import instrument
from tsoar.sim.instrument import COLUMNS, ORDERS, Subarray
from tsoar.sim.parameters import MotionParams, Scenario, SkyParams, StarParams
from tsoar.sim.star import counts

Array = NDArray[np.floating]
Image = NDArray[np.float32]

STENCIL = 0.25
"""shift of the images from which the response to motion is taken [px]"""
WIDENING = 0.01


@dataclass(frozen=True, slots=True)
class Motion:
    """How the image moves, per integration."""

    y: Array
    """shift across dispersion [px]"""
    x: Array
    """shift along dispersion [px]"""
    stretch: Array
    """width of the profile, 1: as it is"""
    grey: Array
    """factor on the star's flux"""


@dataclass(frozen=True, slots=True)
class Scene:
    """The star at rest and its response to motion, (order, rows, columns) [DN/s]; and everything that does not move."""

    subarray: Subarray
    trace: Array
    """(order, columns) [px]"""
    wavelength: Array
    """(order, columns) [um]"""
    star: Image
    by_y: Image
    by_yy: Image
    by_x: Image
    by_width: Image
    sky: Image
    """(rows, columns) [DN/s]"""
    field: Image
    """(rows, columns) [DN/s]"""

    def image(self, light: NDArray[np.floating], y: float, x: float, stretch: float, grey: float) -> Image:
        """All light in one integration [DN/s], (rows, columns).

        The star to second order in its shift across dispersion, to first in the rest.

        Parameters
        ----------
        light : (order, columns) relative flux of the event.
        """
        out = self.sky + self.field
        for o in range(len(ORDERS)):
            moved = self.star[o] + np.float32(y) * self.by_y[o]
            moved += np.float32(0.5 * y * y) * self.by_yy[o]
            moved += np.float32(x) * self.by_x[o]
            moved += np.float32(stretch - 1) * self.by_width[o]
            moved *= (light[o] * grey).astype(np.float32)
            out += moved
        return out


def make_scene(s: Scenario) -> Scene:
    """The scene of a scenario."""
    sub = instrument.SUBARRAYS[s.exposure.subarray]
    angle = s.exposure.pwcpos
    trace = np.array([instrument.trace(o, angle, sub) for o in ORDERS])
    wave = np.array([instrument.wavelength(o, angle) for o in ORDERS])
    lit = ~sub.reference_pixels()
    shape = (len(ORDERS), *sub.shape)
    star, plus, minus, wide = (np.zeros(shape) for _ in range(4))
    for k, order in enumerate(ORDERS):
        flux = counts(s.star, order, angle)
        columns = np.flatnonzero(flux > 0)
        rows = np.arange(sub.rows, dtype=float)[:, None]
        away, w, f = rows - trace[k, columns], wave[k, columns], flux[columns]
        star[k][:, columns] = f * instrument.profile(order, away, w)
        plus[k][:, columns] = f * instrument.profile(order, away - STENCIL, w)
        minus[k][:, columns] = f * instrument.profile(order, away + STENCIL, w)
        wide[k][:, columns] = f * instrument.profile(order, away / (1 + WIDENING), w) / (1 + WIDENING)
    by_column: Array = np.asarray(np.gradient(star, axis=2))

    def seen(values: Array) -> Image:
        return np.where(lit, values, 0).astype(np.float32)

    return Scene(
        sub,
        trace,
        wave,
        star=seen(star),
        by_y=seen((plus - minus) / (2 * STENCIL)),
        by_yy=seen((plus - 2 * star + minus) / STENCIL**2),
        by_x=seen(-by_column),
        by_width=seen((wide - star) / WIDENING),
        sky=seen(s.sky.scale * instrument.sky(sub)),
        field=seen(field_stars(s.sky, sub)),
    )


def field_stars(sky: SkyParams, sub: Subarray) -> Array:
    """Zeroth orders of field stars: upright bars, Gaussian [DN/s]."""
    out = np.zeros(sub.shape)
    wide, tall = (w / 2.3548 for w in sky.field_fwhm)
    rows, columns = np.arange(sub.rows) + sub.first_row, np.arange(COLUMNS)
    for x, y, total in sky.field:
        across = np.exp(-0.5 * ((columns - x) / wide) ** 2) / (wide * np.sqrt(2 * np.pi))
        up = np.exp(-0.5 * ((rows - y) / tall) ** 2) / (tall * np.sqrt(2 * np.pi))
        out += total * up[:, None] * across
    return out


def make_motion(m: MotionParams, star: StarParams, hours: Array, rng: np.random.Generator) -> Motion:
    """Motion and brightness at every integration; ``hours`` since the start."""
    n = hours.size
    along = np.linspace(-0.5, 0.5, n) if n > 1 else np.zeros(1)
    tilted = (np.arange(n) >= m.tilt_at) if m.tilt_at >= 0 else np.zeros(n, bool)
    jitter = m.jitter * rng.standard_normal((2, n))
    grey = 1 + 1e-6 * star.trend * (hours - hours.mean()) + 1e-6 * star.settling * np.exp(-hours * 12)
    return Motion(
        y=m.drift_y * along + jitter[0] + m.tilt_shift * tilted,
        x=m.drift_x * along + jitter[1],
        stretch=1 + m.tilt_width * tilted,
        grey=grey * (1 + m.tilt_flux * tilted),
    )
