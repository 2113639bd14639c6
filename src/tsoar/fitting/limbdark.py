"""Quadratic limb darkening: I(mu) = 1 - u1 (1 - mu) - u2 (1 - mu)^2.

Kipping (2013, MNRAS 435, 2152): q1 = (u1 + u2)^2 and q2 = u1 / (2 (u1 + u2)) between 0 and 1 are all that is physical.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike

from tsoar.blocks import F64
from tsoar.errors import InputError

DOMAIN = (0.55, 2.95)
"""Wavelengths [um] between which the smooth curve's polynomial runs: all that SOSS sees."""


def to_u(q1: ArrayLike, q2: ArrayLike) -> tuple[F64, F64]:
    """u1, u2 of q1, q2.

    >>> [round(float(v), 3) for v in to_u(0.25, 0.3)]
    [0.3, 0.2]
    """
    root = np.sqrt(np.asarray(q1, np.float64))
    q2 = np.asarray(q2, np.float64)
    return 2 * root * q2, root * (1 - 2 * q2)


def to_q(u1: ArrayLike, u2: ArrayLike) -> tuple[F64, F64]:
    """q1, q2 of u1, u2.

    >>> [round(float(v), 3) for v in to_q(0.3, 0.2)]
    [0.25, 0.3]
    """
    u1, total = np.asarray(u1, np.float64), np.asarray(u1, np.float64) + np.asarray(u2, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return total**2, np.where(total == 0, 0.5, u1 / (2 * total))


def derivatives(q1: float, q2: float) -> F64:
    """d(u1, u2) / d(q1, q2), (2, 2)."""
    root = max(float(np.sqrt(q1)), 1e-6)
    return np.array([[q2 / root, 2 * root], [(1 - 2 * q2) / (2 * root), -2 * root]])


def smooth_basis(wavelength: ArrayLike, degree: int) -> F64:
    """Chebyshev polynomials (c, degree + 1) of 1 / wavelength [1/um], where opacity and Planck curve change evenly."""
    low, high = 1 / DOMAIN[1], 1 / DOMAIN[0]
    x = (2 / np.asarray(wavelength, np.float64) - low - high) / (high - low)
    return np.asarray(chebyshev.chebvander(x, degree))


def read_table(path: str | Path) -> tuple[F64, F64]:
    """Wavelengths (n,) [um], ascending, and u1, u2 (n, 2) of an ECSV or CSV file with wavelength and u1, u2 or q1, q2."""
    from astropy.table import Table

    expected = "expected an ECSV or CSV table with columns wavelength [um] and u1, u2 (or q1, q2)"
    try:
        text = Path(path).read_text("utf-8")
        table = Table.read(text, format="ascii.ecsv" if text.startswith("# %ECSV") else "ascii.csv")
    except OSError as error:
        raise InputError(f"limb darkening {path}: cannot be read ({error.strerror}); {expected}") from error
    except Exception as error:
        raise InputError(f"limb darkening {path}: not a table; {expected}") from error
    pair = next((p for p in (("u1", "u2"), ("q1", "q2")) if set(p) <= set(table.colnames)), None)
    if pair is None or "wavelength" not in table.colnames or not len(table):
        raise InputError(f"limb darkening {path}: has {', '.join(table.colnames) or 'nothing'}; {expected}")
    try:
        wavelength = table["wavelength"].quantity.to_value("um") if table["wavelength"].unit else table["wavelength"]
        values = [np.asarray(c, np.float64) for c in (wavelength, table[pair[0]], table[pair[1]])]
    except (TypeError, ValueError) as error:
        raise InputError(f"limb darkening {path}: holds what is not a number; {expected}") from error
    if not all(np.isfinite(v).all() for v in values):
        raise InputError(f"limb darkening {path}: holds NaN; {expected}")
    first, second = to_u(values[1], values[2]) if pair == ("q1", "q2") else (values[1], values[2])
    order = np.argsort(values[0])
    return values[0][order], np.stack([first, second], 1)[order]


def from_table(table: tuple[F64, F64], wavelength: F64, name: str) -> F64:
    """u1, u2 (c, 2) at wavelengths (c,) [um], linear between the table's; an InputError where it does not reach."""
    low, high = table[0][0], table[0][-1]
    step = float(np.max(np.diff(table[0]), initial=0.0))
    if wavelength.min() < low - step - 1e-9 or wavelength.max() > high + step + 1e-9:
        raise InputError(
            f"limb darkening {name}: covers {low:g} to {high:g} um, the bins {wavelength.min():.3f} to "
            f"{wavelength.max():.3f} um; expected a table that covers them"
        )
    return np.stack([np.interp(wavelength, table[0], table[1][:, k]) for k in (0, 1)], 1)
