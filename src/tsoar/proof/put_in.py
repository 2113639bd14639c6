"""What is put into an exposure: a transit by order and wavelength, cosmic-ray hits, a drift; and its record."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

import tsoar
from tsoar.blocks import F32, F64, Readout
from tsoar.errors import ConfigError, InputError
from tsoar.fitting.params import FitParams
from tsoar.fitting.planets import settle
from tsoar.fitting.transit import Clock, Orbit, duration, make_shapes, scaled_to
from tsoar.io.exposure import Exposure
from tsoar.soss.subarrays import column_time, reference_pixels
from tsoar.soss.wavelength import wavelengths
from tsoar.units import SECONDS_PER_DAY, TIME_LONG_NAME, TIME_UNITS

ORDERS = np.array([1, 2, 3])
DEEPEST = 0.25
"""Depths from here on are no planets."""
SHARE = 0.4
"""Of the exposure that the event lasts when nothing is said."""
LEAST = 3
"""Integrations in the event, and out of it, without which nothing can be recovered."""
PLAIN_A = 10.0
"""a/R* of an orbit seen edge-on, when no planet is named: with the duration given it only shapes ingress and egress."""


@dataclass(frozen=True, slots=True)
class Transit:
    """A transit to put in."""

    depth: float | None = 0.01
    """(Rp/R*)^2 at all wavelengths, when there is no spectrum"""
    spectrum: Path | None = None
    """ECSV with wavelength and depth, or text with two columns: wavelength [um], depth"""
    t_mid: float | None = None
    """as the exposure's times [d]; None: its middle"""
    duration: float | None = None
    """first to fourth contact [h]; None: the planet's own, or 0.4 of the exposure"""
    planet: str | None = None
    """whose orbit, by name in the table of planets; None: seen edge-on"""
    limb: tuple[float, float] = (0.0, 0.0)
    """quadratic limb darkening; (0, 0), a uniform star: the floor of the light curve is the depth"""


def read_spectrum(path: Path) -> tuple[F64, F64]:
    """Wavelengths (n,) [um], ascending, and depths (n,).

    Raises
    ------
    InputError
        For what is not a table of depths between 0 and 0.25.
    """
    from astropy.table import Table

    expected = "expected ECSV with columns wavelength [um] and depth, or two columns of numbers: wavelength [um], depth"
    try:
        text = path.read_text("utf-8")
        if text.startswith("# %ECSV"):
            table = Table.read(text, format="ascii.ecsv")
            names = ("wavelength", "depth") if {"wavelength", "depth"} <= set(table.colnames) else tuple(table.colnames[:2])
            wave = table[names[0]].quantity.to_value("um") if table[names[0]].unit else table[names[0]]
            wave, depth = (np.asarray(v, np.float64) for v in (wave, table[names[1]]))
        else:
            rows = [line.partition("#")[0].replace(",", " ").split() for line in text.splitlines()]
            rows = [r for r in rows if r]
            if rows and not _is_number(rows[0][0]):
                rows = rows[1:]  # names of columns
            wave, depth = np.array([[float(r[0]), float(r[1])] for r in rows]).reshape(-1, 2).T
    except OSError as error:
        raise InputError(f"spectrum {path}: cannot be read ({error.strerror}); {expected}") from error
    except Exception as error:
        raise InputError(f"spectrum {path}: not a table of depths; {expected}") from error
    if wave.size == 0 or not (np.isfinite(wave).all() and np.isfinite(depth).all()):
        raise InputError(f"spectrum {path}: {'holds NaN' if wave.size else 'is empty'}; {expected}")
    if not (wave.min() > 0.1 and wave.max() < 100):
        raise InputError(f"spectrum {path}: wavelengths from {wave.min():g} to {wave.max():g}; expected [um]")
    if not (depth.min() >= 0 and depth.max() < DEEPEST):
        raise InputError(
            f"spectrum {path}: depths from {depth.min():g} to {depth.max():g}; expected 0 to {DEEPEST} (0.01 is one per cent)"
        )
    order = np.argsort(wave, kind="stable")
    return wave[order], depth[order]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def exposure_clock(exposure: Exposure) -> Clock:
    """Middles of the integrations, and the time from their first to their last read."""
    length = max(exposure.readout.n_groups - 1, 0) * exposure.readout.tgroup / SECONDS_PER_DAY
    return Clock(exposure.time, length)


def orbit_of(t: Transit, clock: Clock, depth: float) -> Orbit:
    """The orbit asked for.

    Raises
    ------
    ConfigError
        When the event does not lie in the exposure.
    """
    time = clock.time
    length = float(time[-1] - time[0])
    mid = 0.5 * float(time[0] + time[-1]) if t.t_mid is None else t.t_mid
    lasts = None if t.duration is None else t.duration / 24
    ratio = math.sqrt(depth)
    if t.planet is None:
        orbit = scaled_to(Orbit(mid, 1.0, PLAIN_A, 90.0), ratio, "transit", lasts or SHARE * length)
    else:
        p = settle(FitParams(planet=t.planet), "")
        orbit = Orbit(mid, p.period, p.a_over_r, p.inclination, p.eccentricity, p.omega)
        if not math.isfinite(duration(orbit, ratio)):
            raise ConfigError(f"--planet {t.planet}: a planet of depth {depth:g} does not transit on its orbit")
        orbit = orbit if lasts is None else scaled_to(orbit, ratio, "transit", lasts)
    half = 0.5 * duration(orbit, ratio)
    inside = int((np.abs(time - mid) < half).sum())
    if min(inside, time.size - inside) < LEAST:
        raise ConfigError(
            f"transit with its middle at {mid:.5f} and {48 * half:.2f} h long: {inside} of {time.size} integrations lie in it "
            f"(exposure: {time[0]:.5f} to {time[-1]:.5f}); expected {LEAST} or more in and out of it: --t-mid, --duration"
        )
    return orbit


def everywhere(wave: F64) -> F64:
    """Wavelengths (3, x) without NaN: columns beside an order, on which its wings still fall, take its nearest wavelength."""
    x = np.arange(wave.shape[1])
    out = np.full(wave.shape, float(np.nanmedian(wave)))
    for o, w in enumerate(wave):
        known = np.isfinite(w)
        if known.any():
            out[o] = np.interp(x, x[known], w[known])
    return out


def curves_of(t: Transit, exposure: Exposure) -> tuple[F64, F32, Orbit]:
    """Depth (3, x) of every column of every order, light curves (i, 3, x), the orbit."""
    wave = everywhere(wavelengths(exposure.readout))
    if t.spectrum is not None:
        depth = np.interp(wave, *read_spectrum(t.spectrum))
    else:
        if t.depth is None or not 0 < t.depth < DEEPEST:
            raise ConfigError(f"--depth {t.depth}: expected a number between 0 and {DEEPEST} (0.01 is one per cent)")
        depth = np.full(wave.shape, t.depth)
    u1, u2 = t.limb
    if not (math.isfinite(u1) and math.isfinite(u2) and u1 >= 0 and u1 + u2 <= 1 and min(u1, 0.0) + u2 >= -1):
        raise ConfigError(f"--limb {u1:g},{u2:g}: expected u1 >= 0 and u1 + u2 <= 1, an intensity that is nowhere negative")
    typical = float(np.median(depth))
    if not typical > 0:
        raise ConfigError("transit: half of the depths are 0; expected a planet")
    clock = exposure_clock(exposure)
    orbit = orbit_of(t, clock, typical)
    delay = column_time(exposure.readout) / SECONDS_PER_DAY  # columns are read one after the other
    ends = [replace(clock, time=clock.time + d) for d in (delay.min(), delay.max())]
    shapes = [make_shapes(c, orbit, "transit", math.sqrt(float(depth.max()))) for c in ends]
    share = (delay - delay.min()) / np.ptp(delay)
    out = np.empty((clock.time.size, *depth.shape), np.float32)
    for o in range(depth.shape[0]):
        pair = np.broadcast_to(np.array(t.limb), (depth.shape[1], 2))
        first, last = (s.curves(depth[o], pair)[0].T for s in shapes)
        out[:, o] = np.where(depth[o] > 0, first + (last - first) * share, 1.0)
    return depth, out, orbit


@dataclass(frozen=True, slots=True)
class Hits:
    """Cosmic-ray hits of single pixels."""

    place: NDArray[np.int32]
    """(n, 4): integration, group in which they are first seen, row, column"""
    charge: F64
    """(n,) [e-]"""

    def of(self, integration: int) -> Hits:
        """Those of one integration."""
        mine = self.place[:, 0] == integration
        return replace(self, place=self.place[mine], charge=self.charge[mine])


def draw_hits(n: int, charge: float, exposure: Exposure, seed: int) -> Hits:
    """``n`` hits anywhere but in reference pixels, in any group but the first (where nobody could see them)."""
    if n < 0 or not charge > 0:
        raise ConfigError(f"--hits {n} --charge {charge:g}: expected a number of hits, and electrons > 0")
    rng = np.random.default_rng([seed, 1])
    readout: Readout = exposure.readout
    y, x = np.nonzero(~reference_pixels(readout))
    at = rng.integers(y.size, size=n)
    when = rng.integers(exposure.n_integrations, size=n)
    group = rng.integers(1, max(readout.n_groups, 2), size=n)
    place = np.column_stack([when, group, y[at], x[at]]).astype(np.int32)
    return Hits(place[np.lexsort(place.T[::-1])], np.full(n, float(charge)))


def record(
    exposure: Exposure,
    depth: F64,
    curves: F32,
    orbit: Orbit | None,
    shift: F64,
    hits: Hits,
    facts: dict[str, str | int | float],
) -> xr.Dataset:
    """injected.nc: all that was put in."""
    dims = ("integration", "order", "column")
    names = ("integration", "group", "row", "column")
    data = {
        "light_curve": (dims, curves, {"units": "1", "long_name": "put in: flux over flux without the transit"}),
        "depth": (dims[1:], depth, {"units": "1", "long_name": "put in: (Rp/R*)^2"}),
        "wavelength": (dims[1:], wavelengths(exposure.readout), {"units": "um"}),
        "shift": (("integration",), shift, {"units": "pixel", "long_name": "put in: trace motion along rows"}),
        "time": (("integration",), exposure.time, {"units": TIME_UNITS, "long_name": TIME_LONG_NAME}),
        "hit_charge": (("hit",), hits.charge, {"units": "electron", "long_name": "put in: charge of a hit"}),
    }
    data |= {f"hit_{n}": (("hit",), hits.place[:, k], {"long_name": f"{n} of a hit, from 0"}) for k, n in enumerate(names)}
    attrs: dict[str, str | int | float] = {"exposure": exposure.stem, "tsoar": tsoar.__version__, "Conventions": "CF-1.10"}
    if orbit is not None:
        fields = ("t0", "period", "a_over_r", "inclination", "eccentricity", "omega")
        attrs |= {f"orbit_{n}": float(getattr(orbit, n)) for n in fields}
    return xr.Dataset(data, {"order": ORDERS, "column": np.arange(depth.shape[1])}, attrs | facts)
