"""When every integration happens, on the spacecraft's clock and at the barycentre of the solar system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tsoar.sim.instrument import SUBARRAYS
from tsoar.sim.parameters import ExposureParams, StarParams

Array = NDArray[np.float64]

DAY = 86400.0
TDB_MINUS_UTC = 37 + 32.184
"""leap seconds since 2017, and TT - TAI [s]; TDB and TT differ by less than 2 ms"""
BEYOND_EARTH = 1.01
"""L2 lies 1 % further from the Sun than the Earth does"""


@dataclass(frozen=True, slots=True)
class Times:
    """Start, middle and end of every integration [d], (integration, 3): MJD UTC, and BJD TDB - 2400000.5."""

    utc: Array
    bjd: Array
    position: Array
    """of the telescope at mid-exposure, barycentric [km]"""

    @property
    def mid(self) -> Array:
        """Mid-times [d], BJD TDB - 2400000.5."""
        return self.bjd[:, 1]


def seconds_of(e: ExposureParams) -> Array:
    """Start, middle and end of every integration since the start of the exposure [s], (integration, 3).

    A reset frame comes before each integration: the cadence is (groups + 1) frames.
    """
    frame = SUBARRAYS[e.subarray].frame_time
    start = (np.arange(e.nints) * (e.ngroups + 1) + 1) * frame
    return start[:, None] + np.array([0, 0.5, 1]) * e.ngroups * frame


def make_times(e: ExposureParams, star: StarParams) -> Times:
    """Times of an exposure; the light-travel time to the barycentre from the Earth's place (astropy's own ephemeris)."""
    from astropy.coordinates import get_body_barycentric
    from astropy.time import Time

    utc = e.start + seconds_of(e) / DAY
    tdb = utc + TDB_MINUS_UTC / DAY
    ends = Time([tdb[0, 0], tdb[:, 1].mean(), tdb[-1, 2]], format="mjd", scale="tdb")
    earth, sun = (get_body_barycentric(body, ends).xyz.to_value("km").T for body in ("earth", "sun"))
    place = sun + BEYOND_EARTH * (earth - sun)
    ra, dec = np.radians([star.ra, star.dec])
    towards = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    delay = place @ towards / 299792.458  # the same to a microsecond with a straight line between start and end
    light = np.interp(tdb, ends.mjd, delay) if e.nints > 1 else np.full(tdb.shape, delay[1])
    return Times(utc, tdb + light / DAY, place[1])
