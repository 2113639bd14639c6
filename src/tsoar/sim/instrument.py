"""What is known of the instrument: subarrays and their clock, traces, wavelengths, sensitivity, profiles, sky.

Numbers come from the packaged tables (their headers name the sources), read here anew: the simulator shares data with
the reduction, never code. 0-based pixels, DMS orientation: column x along dispersion, row y, row 0 at the bottom.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Array = NDArray[np.floating]

COLUMNS = 2048
ORDERS = (1, 2, 3)
REFERENCE_ANGLE = 245.76
"""pupil-wheel angle of the trace and wavelength tables [deg] (PASTASOSS, Baines et al. 2023)"""

PIXEL_TIME = 10e-6
"""clock of a pixel [s]; 12 pixels pass after each column, 2 columns after each frame (mirage, calc_frame_time)"""
OVERHEAD_PIXELS = 12
OVERHEAD_COLUMNS = 2

PIVOTS = {1: (1887.0, 54.0), 2: (1677.0, 200.0), 3: (1887.0, 54.0)}
"""column and row about which the traces turn with the wheel (PASTASOSS; order 3 like order 1: two real images)"""

LAST_COLUMN = {1: 2047, 2: 1807, 3: 900}
"""right of it an order has no light on the detector"""
ORDER_3_FADES = 816
"""order 3 is measured up to here; from here to its last column it fades to nothing, as on the real image [px]"""


@dataclass(frozen=True, slots=True)
class Subarray:
    """The part of the detector that is read, with its clock.

    A column is read from high to low y, columns from high to low x (FASTAXIS -2, SLOWAXIS -1).
    """

    name: str
    rows: int
    first_row: int
    """in SUBSTRIP256 rows"""
    corner: int
    """SUBSTRT2: 1-based row of the full frame"""
    reference_rows: int
    """reference pixels at the top"""

    @property
    def line(self) -> int:
        """Pixels clocked for a column."""
        return self.rows + OVERHEAD_PIXELS

    @property
    def frame(self) -> int:
        """Pixels clocked for a frame."""
        return self.line * (COLUMNS + OVERHEAD_COLUMNS)

    @property
    def frame_time(self) -> float:
        """TFRAME [s]: 5.494 (SUBSTRIP256), 2.214 (SUBSTRIP96)."""
        return self.frame * PIXEL_TIME

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.rows, COLUMNS

    def reference_pixels(self) -> NDArray[np.bool_]:
        """(rows, columns) bool: four columns on either side, and the top rows where the subarray has them."""
        mask = np.zeros(self.shape, bool)
        mask[:, :4] = mask[:, -4:] = True
        if self.reference_rows:
            mask[-self.reference_rows :] = True
        return mask

    def column_time(self) -> Array:
        """(columns) [s]: when a column is read, counted from the middle of the frame."""
        start = (COLUMNS - 1 - np.arange(COLUMNS)) * self.line * PIXEL_TIME
        return start + 0.5 * self.rows * PIXEL_TIME - 0.5 * self.frame_time


SUBARRAYS = {
    "SUBSTRIP256": Subarray("SUBSTRIP256", 256, 0, 1793, 4),
    "SUBSTRIP96": Subarray("SUBSTRIP96", 96, 10, 1803, 0),
}
"""superbias_0111, dark_0111, dark_0114: headers; row 10: jwst 3.0, background_sub_soss"""


@cache
def _table(name: str) -> NDArray[np.void]:
    with files("tsoar").joinpath("soss", "data", f"{name}.ecsv").open() as f:
        return np.genfromtxt((line for line in f if not line.startswith("#")), names=True)


def _of_order(name: str, order: int) -> NDArray[np.void]:
    rows = _table(name)
    return rows[rows["order"] == order]


def _lit(order: int, values: Array) -> Array:
    return np.where(np.arange(COLUMNS) <= LAST_COLUMN[order], values, np.nan)


def trace(order: int, pwcpos: float, subarray: Subarray) -> Array:
    """Row of the trace, the midpoint of its half-maximum edges, at every column [px]; NaN where there is no light.

    The wheel turns the trace about a fixed point (PASTASOSS, Baines et al. 2023).
    """
    t = _of_order("soss_traces", order)
    fine = np.linspace(t["x"][0], t["x"][-1], 4 * COLUMNS)
    x0, y0 = PIVOTS[order]
    x, y = fine - x0, CubicSpline(t["x"], t["y"])(fine) - y0
    angle = np.radians(pwcpos - REFERENCE_ANGLE)
    turned_x, turned_y = np.cos(angle) * x - np.sin(angle) * y + x0, np.sin(angle) * x + np.cos(angle) * y + y0
    rows = CubicSpline(turned_x, turned_y)(np.arange(COLUMNS))
    return _lit(order, rows - subarray.first_row)


def wavelength(order: int, pwcpos: float) -> Array:
    """Wavelength at every column [um]; NaN where there is no light.

    The polynomials of PASTASOSS; how the wavelengths of order 3 move with the wheel is not known: they stay.
    """
    if order == 3:
        t = _of_order("soss_traces", order)
        return _lit(order, CubicSpline(t["x"], t["wavelength"])(np.arange(COLUMNS)))
    model = json.loads(files("tsoar").joinpath("soss", "data", "soss_wavelengths.json").read_text())[f"order_{order}"]
    u, v = (
        (value - low) / (high - low)
        for value, (low, high) in ((np.arange(COLUMNS), model["columns"]), (pwcpos, model["angles"]))
    )
    powers = ((total - k, k) for total in range(model["degree"] + 1) for k in range(total + 1))
    return _lit(order, sum(c * u**i * v**k for c, (i, k) in zip(model["coefficients"], powers, strict=True)))


@cache
def sensitivity(order: int) -> Array:
    """Count rate per flux density at every column [DN/s in the column per Jy]; NaN where there is no light.

    The flux calibration of the observatory (photom_rev2). Where that is unreliable (order 2 right of 0.86 um, order 3)
    it is scaled by what the real image of WASP-39 shows: counts of the order over those that the star's flux in order 1
    (order 2 bluewards) predicts.
    """
    t = _of_order("soss_traces", order)
    x, per_jy = t["x"], 1 / t["jy_per_dns"]
    if order > 1:
        c = _of_order("soss_counts", order)
        seen = np.interp(x, c["x"], c["wasp39"])
        foretold = per_jy * np.interp(t["wavelength"], *wasp39_flux())
        measured = (t["wavelength"] > 0.86) | (order == 3)
        per_jy = per_jy * np.where(measured, seen / foretold, 1.0)
        if order == 3:
            per_jy *= np.clip((LAST_COLUMN[3] - x) / (LAST_COLUMN[3] - ORDER_3_FADES), 0, 1)
    return _lit(order, np.interp(np.arange(COLUMNS), x, per_jy))


@cache
def wasp39_flux() -> tuple[Array, Array]:
    """Wavelength [um] and flux density [Jy] of WASP-39 as its SOSS image and the flux calibration give them."""
    wave, flux = [], []
    for order, low, high in ((2, 0.55, 0.85), (1, 0.85, 3.0)):
        t, c = _of_order("soss_traces", order), _of_order("soss_counts", order)
        density = np.interp(t["x"], c["x"], c["wasp39"]) * t["jy_per_dns"]
        use = (t["wavelength"] > low) & (t["wavelength"] <= high)
        wave.append(t["wavelength"][use][::-1])
        flux.append(density[use][::-1])
    return np.concatenate(wave), np.concatenate(flux)


PROFILE_WAVELENGTHS = {
    1: {60: 2.7738, 300: 2.5360, 600: 2.2393, 900: 1.9438, 1200: 1.6495, 1650: 1.2134, 1820: 1.0531, 1985: 0.9024},
    2: {1100: 0.8905, 1350: 0.7750, 1620: 0.6553},
    3: {430: 0.8204},
}
"""order -> column of the table -> wavelength [um] (header of soss_profiles)"""


def _wing(s: Array) -> Array:
    """Share of a column's light per pixel, far from the trace; the same in both real images."""
    return 1.4e-4 * (np.maximum(np.abs(s), 20.0) / 70) ** -1.5


@cache
def _profile_spline(order: int, column: int) -> CubicSpline:
    table = _table("soss_profiles")
    s, values = table["s"], table[f"o{order}_x{column}"]
    towards_wing = np.clip((np.abs(s) - 30) / 6, 0, 1)
    return CubicSpline(s, (1 - towards_wing) * values + towards_wing * _wing(s))


def profile(order: int, s: Array, wave: Array) -> Array:
    """Share of a column's light in the pixel at distance ``s`` from the trace; within 17 px it sums to 1.

    Parameters
    ----------
    s : (rows, columns) distance of pixel centres from the trace [px].
    wave : (columns) wavelength [um]; the profile changes linearly between the tabulated ones.
    """
    known = sorted((w, c) for c, w in PROFILE_WAVELENGTHS[order].items())
    centres = np.array([w for w, _ in known])
    place = np.interp(wave, centres, np.arange(len(known)))
    core = np.abs(s) < 36
    out = _wing(s)
    out[core] = 0
    for k, (_, column) in enumerate(known):
        weight = np.clip(1 - np.abs(place - k), 0, None)
        columns = np.flatnonzero(weight > 0)
        if columns.size:
            inside = core[:, columns]
            values = np.where(inside, _profile_spline(order, column)(np.where(inside, s[:, columns], 0)), 0)
            out[:, columns] += weight[columns] * values
    return out


def sky(subarray: Subarray) -> Array:
    """Sky of the observatory's template [DN/s], (rows, columns); the step moves by 3 columns over 92 rows."""
    t = _table("soss_background")
    rows = np.arange(subarray.rows)[:, None] + subarray.first_row
    lag = (rows - 57) * 3 / 92  # rows 10 .. 105 of SUBSTRIP256 made the template
    return np.interp(np.arange(COLUMNS)[None] - lag, t["x"], t["background"])
