"""Spectra of a transit with known noise, as spectra.nc would hold them: small, in code, without the simulator."""

from __future__ import annotations

import numpy as np
import xarray as xr

CADENCE = 38.5 / 86400
START = 60649.167


def transit(time: np.ndarray, mid: float, duration: float, depth: float, ingress: float = 0.2) -> np.ndarray:
    """Relative flux of a limb-darkened looking transit: smooth ingress, round bottom."""
    half = 0.5 * duration
    u = np.clip(np.abs(time - mid) / half, 0, 1)
    covered = np.clip((1 - u) / ingress, 0, 1)
    covered = covered**1.5 * (2.5 - 1.5 * covered)
    return 1 - depth * covered * (0.85 + 0.15 * np.sqrt(np.clip(1 - u**2, 0, 1)))


def make_spectra(
    seed: int = 1, n: int = 120, nx: int = 2048, depth: float = 0.025, noise: float = 1.0, columns: dict | None = None
) -> xr.Dataset:
    """Orders 1 to 3 with Gaussian noise of ``noise`` times the claimed error; a transit in the middle 45 %."""
    rng = np.random.default_rng(seed)
    x = np.arange(nx)
    time = START + np.arange(n) * CADENCE
    light = np.stack(
        [8000 * np.exp(-(((x - 1500) / 700) ** 2)) + 1200, 4500 * np.exp(-(((x - 1500) / 450) ** 2)), 0 * x + 200.0]
    )
    light *= 1 - 0.5 * np.exp(-(((x - 900) / 3) ** 2))  # a spectral line
    error = np.sqrt(light / 44 + 64)
    curve = transit(time, time.mean(), 0.45 * n * CADENCE, depth)
    flux = light * curve[:, None, None] + noise * error * rng.normal(size=(n, 3, nx))
    valid = np.zeros((n, 3, nx), bool)
    for order, (first, last) in (columns or {1: (4, nx - 4), 2: (0, 1757), 3: (0, 1000)}).items():
        valid[:, order - 1, first:last] = True
    wavelength = np.stack([2.83 - 0.00097 * x, 1.42 - 0.00047 * x, 0.956 - 0.00033 * x])
    dims = ("integration", "order", "column")
    data = {
        "flux": (dims, np.where(valid, flux, np.nan).astype(np.float32)),
        "flux_err": (dims, np.where(valid, error, np.nan).astype(np.float32)),
        "valid": (dims, valid.astype(np.uint8)),
        "wavelength": (dims[1:], wavelength),
        "time": (dims[:1], time),
    }
    return xr.Dataset(data, {"order": [1, 2, 3], "column": x}, {"settings": "abc"})


def outside(n: int = 120) -> np.ndarray:
    """Integrations that are truly out of `make_spectra`'s transit."""
    i = np.arange(n)
    return np.abs(i - (n - 1) / 2) > 0.225 * n
