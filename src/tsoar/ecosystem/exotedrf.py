"""Spectra for exoUPRF (Radica), in the file that exoTEDRF's `fit_lightcurves.py` hands it.

exoUPRF itself takes arrays; its driver in exoTEDRF 2.5 reads a FITS file by position (``infile``): wavelength, half width,
flux, error of order 1 (extensions 1 to 4), of order 2 (5 to 8), times (9). Of full-resolution files it cuts 5 columns at
either end; binned ones are read with ``res: prebin``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

import tsoar
from tsoar.ecosystem.lightcurves import Observed, Order
from tsoar.errors import ConfigError
from tsoar.io import datasets

ORDERS = (1, 2)


def write(observed: Observed, out: Path, binned: bool = False) -> list[Path]:
    """One file with both orders.

    Raises
    ------
    ConfigError
        Unless orders 1 and 2 are both there: the reader counts extensions.
    """
    if tuple(o.number for o in observed.orders) != ORDERS:
        got = " and ".join(str(o.number) for o in observed.orders)
        raise ConfigError(
            f"exotedrf: its files hold orders 1 and 2 by position, here is order {got}; leave --order out, or, where order 2 "
            "has no light (SUBSTRIP96), choose another program"
        )
    header = fits.Header()
    header["TARGET"] = observed.target or observed.name
    header["CONTENTS"] = "Binned stellar spectra" if binned else "Full resolution stellar spectra"
    header["METHOD"] = f"tsoar {tsoar.__version__}"
    hdus = [fits.PrimaryHDU(header=header)]
    for order in observed.orders:
        n = order.number
        wave, half, flux, error = arrays(order)
        hdus += [image(wave, f"Wave O{n}", "Micron"), image(half, f"Wave Err O{n}", "Micron")]
        hdus += [image(flux, f"Flux O{n}", "DN/s"), image(error, f"Flux Err O{n}", "DN/s")]
    hdus.append(image(observed.orders[0].time, "Time", "MJD_TDB"))
    path = out / f"{observed.name}_spectra_{'binned' if binned else 'fullres'}.fits"
    with datasets.atomic(path) as part:
        fits.HDUList(hdus).writeto(part, overwrite=True)
    return [path]


def arrays(order: Order) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Wavelength, half width (b,), flux, error (i, b)."""
    return order.wavelength, 0.5 * (order.longer - order.shorter), order.flux.T, order.error.T


def image(values: np.ndarray, name: str, unit: str) -> fits.ImageHDU:
    """An extension with exoTEDRF's keywords."""
    header = fits.Header()
    header["EXTNAME"], header["UNITS"] = name, unit
    return fits.ImageHDU(np.ascontiguousarray(values), header=header)
