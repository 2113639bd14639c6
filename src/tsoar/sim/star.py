"""The target's spectrum, and what the detector counts of it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tsoar.errors import ConfigError, InputError
from tsoar.sim.instrument import sensitivity, wasp39_flux, wavelength
from tsoar.sim.parameters import StarParams

Array = NDArray[np.floating]

J_ZERO_POINT = 1594.0
"""flux density of a star of J = 0 [Jy] (2MASS: Cohen, Wheaton & Megeath 2003)"""
J_BAND = (1.15, 1.32)
"""half-power points of the 2MASS J band [um], used as a box"""
SECOND_RADIATION_CONSTANT = 14387.77
"""h c / k [um K] (CODATA)"""


def flux_density(star: StarParams) -> tuple[Array, Array]:
    """Wavelength [um] and flux density [Jy] of the star, scaled to its J magnitude.

    Raises
    ------
    InputError, ConfigError
        For a table that cannot be read or does not reach from 0.6 to 2.8 um; for a spectrum that is no name and no file.
    """
    wave: Array
    density: Array
    if star.spectrum == "blackbody":
        wave = np.linspace(0.5, 3.0, 2501)
        density = wave**-3.0 / np.expm1(SECOND_RADIATION_CONSTANT / (wave * star.temperature))
    elif star.spectrum == "wasp-39":
        wave, density = wasp39_flux()
    else:
        wave, per_wavelength = read_table(star.spectrum, "star.spectrum", "blackbody, wasp-39, wasp-43")
        density = per_wavelength * wave**2
    inside = np.linspace(*J_BAND, 200)
    return wave, density * J_ZERO_POINT * 10 ** (-0.4 * star.jmag) / np.interp(inside, wave, density).mean()


def counts(star: StarParams, order: int, pwcpos: float) -> Array:
    """Count rate of the star at every column, within 17 px of the trace [DN/s]; 0 where the order has no light."""
    wave, density = flux_density(star)
    at = wavelength(order, pwcpos)
    return np.nan_to_num(np.interp(at, wave, density) * sensitivity(order))


def read_table(name: str, setting: str, names: str) -> tuple[Array, Array]:
    """Two columns of a packaged table or a text file, in order of wavelength."""
    packaged = files("tsoar.sim").joinpath("data", f"{name}.txt")
    known = "/" not in name and "\\" not in name and packaged.is_file()
    if not known and not Path(name).is_file():
        raise ConfigError(f"{setting} = {name}: neither one of {names} nor a file")
    expected = "expected text: wavelength [um] and value, two numbers a line"
    try:
        columns = np.loadtxt(packaged.read_text().splitlines() if known else name, usecols=(0, 1), unpack=True, ndmin=2)
    except (OSError, ValueError, IndexError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: not a table ({str(error).splitlines()[0]}); {expected}") from error
    wave, values = columns[:, np.argsort(columns[0])]
    if not np.isfinite(columns).all() or wave.size < 2 or wave[0] > 0.6 or wave[-1] < 2.8:
        raise InputError(f"{name}: {expected}, finite, from 0.6 to 2.8 um at least")
    if (values < 0).any() or not values.any():
        raise InputError(f"{name}: negative values, or zeros only; {expected}")
    return wave, values
