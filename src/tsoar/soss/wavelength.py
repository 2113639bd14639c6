"""Wavelength of every column for orders 1, 2, 3 at the exposure's pupil-wheel angle (row C1).

Orders 1 and 2: polynomials of PASTASOSS (Baines et al. 2023, arXiv 2311.07769; spacetelescope/pastasoss 1.2,
``jwst_niriss_gr700xd_wavelength_model_order1.json`` and ``..._order2_002.json``, BSD-3). Order 3: the table of traces,
shifted linearly with the angle. Monochromatic lines are taken as vertical (the TILT of the spectrace reference is 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tsoar.blocks import F64, Readout
from tsoar.soss.tables import of_order

REFERENCE_ANGLE = 245.76
"""pupil-wheel angle of the reference traces [deg]"""


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


def wavelengths(readout: Readout) -> F64:
    """(3, x) wavelengths [um]; order 3 NaN beyond the columns its table is reliable in (x < 850)."""
    x = np.arange(readout.shape[1], dtype=np.float64)
    third = of_order("soss_traces", 3)
    order_3 = np.interp(x, third["x"], third["wavelength"], right=np.nan)
    order_3 += np.interp(x, third["x"], np.nan_to_num(third["dwl_dpwc"])) * (readout.pwcpos - REFERENCE_ANGLE)
    return np.stack([ORDER_1(x, readout.pwcpos), ORDER_2(x, readout.pwcpos), order_3])
