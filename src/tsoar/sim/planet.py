"""Light curves of the event, per order and wavelength."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar.errors import ConfigError
from tsoar.sim.parameters import PlanetParams
from tsoar.sim.star import SECOND_RADIATION_CONSTANT, read_table

Array = NDArray[np.floating]

COLUMNS_AT_ONCE = 16
"""neighbouring columns are read 43 ms after each other at most: they share their times"""
SAMPLES = 5
"""of the light curve within an integration"""


@dataclass(frozen=True, slots=True)
class Event:
    """What was put in."""

    light_curve: NDArray[np.float32]
    """(order, integration, column) relative flux, mean between the first and the last read of a pixel"""
    depth: Array
    """(order, column) (Rp/Rs)^2 or Fp/Fs; 0 without event"""
    limb: Array
    """(order, column, 2) quadratic limb darkening"""
    period: float
    """[d], shortened so that the event fits the exposure"""
    mid: float
    """middle of the event [d], same scale as the times"""
    duration: float
    """first to fourth contact [d]"""


def duration(p: PlanetParams, depth: float) -> float:
    """First to fourth contact [d] (Winn 2010, eq. 14 and 16)."""
    e, w, i = p.eccentricity, math.radians(p.omega), math.radians(p.inclination)
    sign = 1 if p.event == "transit" else -1
    b = p.a_over_r * math.cos(i) * (1 - e * e) / (1 + sign * e * math.sin(w))
    k = math.sqrt(depth) if p.event == "transit" else 0.1
    chord = (1 + k) ** 2 - b * b
    if chord <= 0:
        raise ConfigError(f"planet: no {p.event} at inclination {p.inclination} and a/Rs {p.a_over_r} (impact {b:.2f})")
    stretch = math.sqrt(1 - e * e) / (1 + sign * e * math.sin(w))
    return p.period / math.pi * math.asin(min(math.sqrt(chord) / (p.a_over_r * math.sin(i)), 1)) * stretch


def depths(p: PlanetParams, star_temperature: float, wave: Array) -> Array:
    """Depth at every wavelength: (Rp/Rs)^2 from the table, or flat with bands; 0 where the wavelength is NaN.

    An eclipse hides that times the ratio of two black bodies, of the planet's dayside and of the star.
    """
    if p.table:
        value = np.interp(wave, *read_table(p.table, "planet.table", "wasp-39b"))
    else:
        value = np.full(wave.shape, p.depth)
        for centre, width, height in p.bands:
            value = value + height * np.exp(-0.5 * ((wave - centre) / width) ** 2)
    if p.event == "eclipse":
        star, planet = (np.expm1(SECOND_RADIATION_CONSTANT / (wave * t)) for t in (star_temperature, p.dayside))
        value = value * star / planet
    if np.nanmax(value) >= 0.25 or np.nanmin(value) <= 0:
        raise ConfigError(f"planet: depths from {np.nanmin(value):.3g} to {np.nanmax(value):.3g}; expected 0 to 0.25")
    return np.where(np.isfinite(wave), value, 0.0)


def limb_darkening(p: PlanetParams, wave: Array) -> Array:
    """Quadratic u1, u2 at every wavelength, (..., 2): linear in 1/wavelength between the two that are given."""
    share = np.clip((1 / np.nan_to_num(wave, nan=1.0) - 1 / 2.8) / (1 / 0.6 - 1 / 2.8), 0, 1)[..., None]
    return share * np.array(p.limb_blue) + (1 - share) * np.array(p.limb_red)


def light_curves(
    p: PlanetParams, wave: Array, time: Array, column_time: Array, between_reads: float, cadence: float, star_temperature: float
) -> Event:
    """The event as every pixel's slope sees it.

    Parameters
    ----------
    wave : (order, column) [um]; NaN: no light.
    time : (integration) mid-times [d]; column_time : (column) [s] to add to them.
    between_reads : from the first to the last read of an integration; cadence : from one to the next [s].
    star_temperature : [K], for an eclipse.
    """
    orders, columns = wave.shape
    limb = limb_darkening(p, wave)
    length = time[-1] - time[0] + cadence / 86400
    mid = float(time[0] - 0.5 * cadence / 86400 + p.mid * length)
    flat = np.ones((orders, time.size, columns), np.float32)
    if p.event == "none":
        return Event(flat, np.zeros(wave.shape), limb, p.period, mid, 0.0)
    with warnings.catch_warnings():  # its sources have escapes that newer Pythons frown at
        warnings.simplefilter("ignore")
        import batman
    depth = depths(p, star_temperature, wave)
    natural = duration(p, float(np.median(depth[depth > 0])))
    squeeze = min(1.0, p.share * length / natural)
    period, lasts = p.period * squeeze, natural * squeeze
    q = batman.TransitParams()
    q.per, q.a, q.inc, q.ecc, q.w = period, p.a_over_r, p.inclination, p.eccentricity, p.omega
    q.t0, q.rp, q.u, q.limb_dark = mid, 0.1, [0.1, 0.1], "quadratic"
    eclipse = p.event == "eclipse"
    if eclipse:
        q.fp, q.t_secondary = 1e-3, mid
    kind = "secondary" if eclipse else "primary"
    share = (np.arange(SAMPLES) + 0.5) / SAMPLES - 0.5
    fac = None
    for first in range(0, columns, COLUMNS_AT_ONCE):
        some = slice(first, first + COLUMNS_AT_ONCE)
        at = time + column_time[some].mean() / 86400
        fine = (at[:, None] + share * between_reads / 86400).ravel()
        model = batman.TransitModel(q, fine, transittype=kind, fac=fac)
        fac = model.fac
        bump = np.exp(-0.5 * ((at - mid - 0.15 * lasts) / (p.spot_width * lasts)) ** 2) * p.spot
        for o in range(orders):
            for x in range(first, min(first + COLUMNS_AT_ONCE, columns)):
                if depth[o, x] == 0:
                    continue
                if eclipse:
                    q.fp = float(depth[o, x])
                else:
                    q.rp, q.u = math.sqrt(depth[o, x]), list(limb[o, x])
                curve = model.light_curve(q).reshape(time.size, SAMPLES).mean(1)
                flat[o, :, x] = curve + (0 if eclipse else bump * depth[o, x] / wave[o, x])
    return Event(flat, depth, limb, period, mid, lasts)
