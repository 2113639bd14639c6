"""Wavelength of every column for orders 1, 2, 3 at the exposure's pupil-wheel angle (row C1).

Orders 1 and 2: polynomials of PASTASOSS (Baines et al. 2023, arXiv 2311.07769; spacetelescope/pastasoss 1.2,
``jwst_niriss_gr700xd_wavelength_model_order1.json`` and ``..._order2_002.json``, BSD-3). Order 3: the table of traces,
good to 0.5 px; its change with the angle is not known, so there is none (0.3 to 0.5 px for 0.05 deg in the other orders).
Monochromatic lines are taken as vertical (the TILT of the spectrace reference is 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline

from tsoar.blocks import F64, Readout
from tsoar.soss.masks import distance
from tsoar.soss.tables import of_order
from tsoar.soss.traces import REFERENCE_ANGLE, expected_traces


@dataclass(frozen=True, slots=True)
class Polynomial:
    """Wavelength [um] as a full 2-D polynomial; terms 1, u, v, u2, uv, v2, u3, ... of scaled column and angle."""

    degree: int
    column: tuple[float, float]
    """columns at u = 0 and u = 1"""
    angle: tuple[float, float]
    """wheel angles at v = 0 and v = 1 [deg]"""
    coefficients: tuple[float, ...]

    def __call__(self, column: F64, angle: float) -> F64:
        """Wavelengths [um] of ``column`` at wheel ``angle`` [deg]."""
        u = (column - self.column[0]) / (self.column[1] - self.column[0])
        v = (angle - self.angle[0]) / (self.angle[1] - self.angle[0])
        terms = [u ** (d - k) * v**k for d in range(self.degree + 1) for k in range(d + 1)]
        total: F64 = np.sum([c * t for c, t in zip(self.coefficients, terms, strict=True)], axis=0)
        return total


ORDER_1 = Polynomial(
    5,
    (73.62893071613087, 2039.7420006352984),
    (REFERENCE_ANGLE - 0.1035520000001781, REFERENCE_ANGLE + 0.1628820800781341),
    (
        2.761308747854264,
        *(-1.9462425267979186, -0.0016999092570037996),
        *(-0.04235166350050612, 0.0035994652274160157, -0.01757299625962458),
        *(0.23236466876596615, -0.007105598519500294, 0.0025264564987347647, 0.056400897335509986),
        *(-0.36002130099457746, 0.011875022462157658, -0.0032811880126190403, -0.01236246986642536, -0.06343061874796818),
        *(0.2097066692071121, -0.008561238616821646, 0.006266875748194782, -0.0023358534990428376),
        *(0.009740950824042485, 0.023152089892448217),
    ),
)
ORDER_2 = Polynomial(
    3,
    (0.0, 2048.0),
    (245.5929, 245.9271),
    (
        1.418562550851081,
        *(-0.9676328152475233, -0.0008683710244127037),
        *(-0.09104584193242297, -0.005333758440568975, 0.0011066308336508438),
        *(0.11983376351286051, 0.008483099711289799, -0.003190668112438242, 8.235350667391732e-05),
    ),
)


def column_wavelengths(pwcpos: float) -> F64:
    """(3, 2048) wavelengths [um] of all detector columns at wheel angle ``pwcpos`` [deg], on the subarray or not."""
    x = np.arange(2048, dtype=np.float64)
    third = of_order("soss_traces", 3)
    return np.stack([ORDER_1(x, pwcpos), ORDER_2(x, pwcpos), CubicSpline(third["x"], third["wavelength"])(x)])


def wavelengths(readout: Readout) -> F64:
    """(3, x) wavelengths [um]; NaN where an order is not on the subarray, or not known (order 3 from column 850 on).

    Raises
    ------
    InputError
        For a wheel angle outside the model (245.76 +- 0.25 deg).
    """
    here = np.isfinite(expected_traces(readout))
    return np.where(here, column_wavelengths(readout.pwcpos)[:, : readout.shape[1]], np.nan)


def wavelength_map(readout: Readout, traces: F64 | None = None, radius: float = 25.0) -> F64:
    """(3, y, x) wavelength of every pixel [um]: its column's, NaN where an order is not on the column.

    With ``traces`` (3, x) also NaN further than ``radius`` [px] from an order's trace.
    """
    out = np.repeat(wavelengths(readout)[:, None, :], readout.shape[0], axis=1)
    if traces is not None:
        out[distance(traces, readout.shape) > radius] = np.nan
    return out
