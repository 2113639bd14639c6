"""The packaged tables (ECSV, read without astropy: numbers below a header of comments)."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray


@cache
def table(name: str) -> NDArray[Any]:
    """A table of ``tsoar/soss/data`` as a structured array.

    soss_traces (PASTASOSS 1.2 reference traces and wavelengths at PWCPOS 245.76, order 3 from spectrace_0023),
    soss_profiles (spatial profiles measured on WASP-39), soss_counts (DN/s per column), soss_background (sky template).
    """
    with files("tsoar.soss").joinpath("data", f"{name}.ecsv").open() as f:
        lines = [line for line in f if not line.startswith("#")]
    return np.genfromtxt(lines, names=True, dtype=None, encoding=None)


@cache
def of_order(name: str, order: int) -> NDArray[Any]:
    """The rows of a table that belong to one order."""
    rows = table(name)
    return rows[rows["order"] == order]
