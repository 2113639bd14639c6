"""Motion along dispersion from lines: found with its size in spite of uneven pixels, and taken back."""

import numpy as np
import pytest
import xarray as xr

from tsoar.series.dispersion import along_dispersion, moved_back

N, NX = 40, 2048
X = np.arange(NX, dtype=float)
TRUE = 0.03 * np.sin(np.linspace(0, 9, N))
WAVE = np.linspace(2.8, 0.85, NX)


def lines(x):
    """A star with lines on a slope, as the spectrograph sees it."""
    flux = 3e3 * (1 + 2e-3 * (x - 1000)) + 3e3
    for centre in np.random.default_rng(1).uniform(20, 2020, 60):
        flux = flux * (1 - 0.15 * np.exp(-0.5 * ((x - centre) / 1.6) ** 2))
    return flux


def made(shift, seed=1, noise=1e-3, pixels=2e-3, depth=0.025):
    rng = np.random.default_rng(seed)
    response = 1 + pixels * rng.normal(size=NX)
    response[rng.integers(0, NX, 40)] *= 0.98  # pixels that respond badly
    event = 1 - (depth + 3e-4 * np.exp(-0.5 * ((WAVE - 1.4) / 0.06) ** 2)) * (np.abs(np.arange(N) - 20) < 9)[:, None]
    clean = np.stack([lines(X - s) for s in shift]) * response
    flux = clean * event * (1 + noise * rng.normal(size=(N, NX)))
    flux[5, 100:130] = np.nan
    dims = ("integration", "order", "column")
    data = {
        "flux": (dims, flux[:, None].astype(np.float32)),
        "flux_err": (dims, (noise * clean)[:, None].astype(np.float32)),
        "valid": (dims, np.isfinite(flux)[:, None].astype(np.uint8)),
        "wavelength": (("order", "column"), WAVE[None]),
    }
    return xr.Dataset(data, {"order": [1]}), event, response


def test_motion_is_found_with_its_size():
    """In spite of pixels that hide up to a quarter of it."""
    for seed in range(4):
        along = along_dispersion(made(TRUE, seed)[0])
        assert along.sure
        size = np.polyfit(TRUE, along.shift, 1)[0]
        assert 0.7 < size < 1.1
        assert np.std(along.shift - size * TRUE) < 1.5 * along.error
        assert along.error < 0.5 * TRUE.std()


def test_noise_and_a_planet_are_no_motion():
    for seed in range(8):
        along = along_dispersion(made(0 * TRUE, seed)[0])
        assert not along.sure
        assert along.scatter == pytest.approx(along.error, rel=0.4)


def test_spectra_are_moved_back():
    """The false depth of broad bins goes: 30 mpx on a slope are 60 ppm and more, with lines at the edges several hundred."""
    spectra, event, response = made(TRUE, noise=1e-5)
    still = lines(X) * response * event
    edges = np.arange(64, NX - 64, 64)

    def worst(flux):
        sums = np.add.reduceat(flux / 1.0, edges, axis=1)[:, :-1] / np.add.reduceat(still, edges, axis=1)[:, :-1]
        return np.nanmax(np.abs(sums / np.nanmedian(sums, axis=0) - 1)[np.arange(N) != 5])

    moved = moved_back(spectra, TRUE)
    assert worst(spectra["flux"].values[:, 0]) > 1.5e-4
    assert worst(moved["flux"].values[:, 0]) < 0.2 * worst(spectra["flux"].values[:, 0])
    assert np.isnan(moved["flux"].values[5, 0, 110])


def test_without_lines_nothing_is_known():
    spectra, _, _ = made(TRUE)
    short = along_dispersion(spectra.isel(column=slice(0, 40)))
    assert not short.sure
    assert short.error == np.inf
    assert (short.shift == 0).all()
