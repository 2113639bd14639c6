"""Figures of a fit: what is drawn."""

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table

from tests.plots.legible import panels
from tsoar import plots

N = 50


@pytest.fixture(scope="module")
def product():
    rng = np.random.default_rng(0)
    time = 100 + np.linspace(-0.05, 0.05, N)
    curve = 1 - 0.02 * (np.abs(time - 100) < 0.02)
    wavelength = np.stack([2.8 - 0.004 * np.arange(500), 0.6 + 0.0008 * np.arange(500)])
    model = np.broadcast_to(curve[:, None, None], (N, 2, 500)).copy()
    model[:, 1, 300:] = np.nan
    dims = ("integration", "order", "column")
    white = np.stack([curve, curve], 1)
    residual = 1e-4 * rng.normal(size=(N, 2))
    data = {
        "flux": (dims, model + 1e-3 * rng.normal(size=model.shape)),
        "flux_err": (dims, np.full(model.shape, 1e-3)),
        "model": (dims, model),
        "wavelength": (dims[1:], wavelength),
        "time": (("integration",), time),
        "white_flux": (dims[:2], white + residual),
        "white_flux_err": (dims[:2], np.full(white.shape, 1e-4)),
        "white_model": (dims[:2], white),
        "white_curve": (dims[:2], white),
        "white_residual": (dims[:2], residual),
    }
    return xr.Dataset(data, {"order": [1, 2]})


def test_white_light_and_residuals(product):
    figure = plots.fit_white_light(product, 100.0)
    titles = [ax.get_title(loc="left") for ax in panels(figure)]
    assert "order 1" in titles[0]
    assert any("claimed 100 ppm" in t for t in titles)
    figure = plots.fit_residuals(product, 100.0)
    shown = [im for ax in panels(figure) for im in ax.images]
    assert [im.get_array().shape for im in shown] == [(N, 250), (N, 150)]  # sums of two columns keep a scatter of 1
    assert np.std(shown[0].get_array()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("n", [30, 400])
def test_spectrum(n):
    rng = np.random.default_rng(1)
    table = Table({"wavelength": np.linspace(0.9, 2.8, n), "half_width": np.full(n, 0.01), "order": np.ones(n, int)})
    table["depth"], table["depth_err"] = 0.02 + 1e-4 * rng.normal(size=n), np.full(n, 1e-4)
    table["depth"][3], table["depth_err"][3] = 0.5, 0.5
    ax = panels(plots.fit_spectrum(table))[0]
    low, high = ax.get_ylim()
    assert 19000 < low < 20000 < high < 21500  # a bin that is not known does not set the scale
    assert ax.get_ylabel() == "depth [ppm]"


def test_corner_leaves_out_what_is_held():
    names, values = ["t0", "depth_1", "q1_1"], np.array([60000.0, 0.02, 0.3])
    covariance = np.diag([1e-12, 1e-10, 0.0])
    rng = np.random.default_rng(0)
    samples = values + rng.normal(size=(200, 3)) * np.sqrt(np.diag(covariance))
    figure = plots.fit_corner(names, values, covariance, (names, samples))
    labels = {ax.get_xlabel() for ax in panels(figure) if ax.get_visible()}
    assert labels >= {"$t_0$ [s]", "depth [ppm], 1"}
    assert len(figure.axes) == 4
