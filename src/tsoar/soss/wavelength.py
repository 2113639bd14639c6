"""Wavelength of every column for orders 1, 2, 3 at the exposure's pupil-wheel angle (row C1).

Orders 1 and 2: polynomials of PASTASOSS (Baines et al. 2023, arXiv 2311.07771; spacetelescope/pastasoss 1.2,
``jwst_niriss_gr700xd_wavelength_model_order1.json`` and ``..._order2_002.json``, BSD-3). Order 3: the table of traces,
good to 0.5 px; its change with the angle is not known, so there is none (0.3 to 0.5 px for 0.05 deg in the other orders).
Monochromatic lines are taken as vertical (the TILT of the spectrace reference is 0).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from scipy.interpolate import CubicSpline

from tsoar.blocks import F64, Readout
from tsoar.soss.masks import distance
from tsoar.soss.tables import of_order
from tsoar.soss.traces import expected_traces


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


def _polynomial(order: int) -> Polynomial:
    model = json.loads(files("tsoar.soss").joinpath("data", "soss_wavelengths.json").read_text())[f"order_{order}"]
    return Polynomial(model["degree"], tuple(model["columns"]), tuple(model["angles"]), tuple(model["coefficients"]))


ORDER_1, ORDER_2 = _polynomial(1), _polynomial(2)


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
