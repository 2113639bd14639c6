"""Light curves, bins, white light: levels, errors, holes."""

import numpy as np
import pytest

from tests.synthetic import make_spectra, outside
from tsoar.errors import ConfigError
from tsoar.series.lightcurves import bin_spectra, column_edges, filled_sum, light_curves
from tsoar.series.white import white_light

BASE = outside()


def test_light_curves_are_spectra_over_their_level():
    spectra = make_spectra()
    curves = light_curves(spectra, BASE)
    assert curves.flux.dims == ("integration", "order", "column")
    np.testing.assert_allclose(np.nanmedian(curves.flux.values[BASE][:, 0, 4:-4], axis=0), 1, atol=1e-6)
    one = curves.sel(order=1, column=1000)
    np.testing.assert_allclose(one.flux * one.level, spectra.flux.sel(order=1, column=1000), rtol=1e-6)
    np.testing.assert_allclose(one.flux_err * one.level, spectra.flux_err.sel(order=1, column=1000), rtol=1e-6)
    assert np.isnan(curves.flux.sel(order=2, column=1800)).all()
    assert curves.baseline.dtype == np.uint8
    assert curves.baseline.sum() == BASE.sum()
    assert curves.attrs["settings"] == "abc"


def test_column_edges_meet_and_survive_gaps():
    w = np.array([np.nan, 1.0, 1.2, 1.5, np.nan, np.nan, 2.0, np.nan])
    edges = column_edges(w)
    np.testing.assert_allclose(edges[1:4], [[0.9, 1.1], [1.1, 1.35], [1.35, 1.65]])
    assert np.isnan(edges[[0, 4, 5, 7]]).all()
    np.testing.assert_allclose(column_edges(w[::-1])[::-1], edges)


def test_bins_conserve_light_and_add_errors_in_quadrature():
    spectra = make_spectra()
    bins = bin_spectra(spectra, n_columns=10, columns={1: (100, 1900)})
    assert bins.sizes == {"integration": 120, "order": 1, "bin": 180, "edge": 2}
    flux, error = spectra.flux.sel(order=1).values[:, 100:1900], spectra.flux_err.sel(order=1).values[:, 100:1900]
    np.testing.assert_allclose(bins.flux.values[:, 0], flux.reshape(120, 180, 10).sum(2), rtol=1e-6)
    np.testing.assert_allclose(bins.flux_err.values[:, 0] ** 2, (error.reshape(120, 180, 10) ** 2).sum(2), rtol=1e-5)
    curves = light_curves(bins, BASE)
    assert curves.flux.dims == ("integration", "order", "bin")
    edges = curves.wavelength_edges.values[0]
    np.testing.assert_allclose(edges[1:, 1], edges[:-1, 0])  # wavelength falls with column
    assert np.all((edges[:, 0] < curves.wavelength[0]) & (curves.wavelength[0] < edges[:, 1]))


def test_bins_by_edges_are_shared_by_the_orders():
    spectra = make_spectra(n=10)
    bins = bin_spectra(spectra, edges=[0.6, 0.8, 1.0, 1.2, 1.4])
    assert bins.sizes["bin"] == 4
    assert bins.valid.sel(order=1).values[0].tolist() == [0, 1, 1, 1]
    for order in (1, 2, 3):
        w = bins.wavelength.sel(order=order).values
        here = np.isfinite(w)
        assert np.all(np.digitize(w[here], [0.6, 0.8, 1.0, 1.2, 1.4]) - 1 == np.flatnonzero(here))
    assert int(bins.n_columns.sel(order=1)[2]) == pytest.approx(0.2 / 0.00097, abs=1)


def test_bins_by_resolution():
    bins = bin_spectra(make_spectra(n=5), resolution=50)
    w = bins.wavelength.sel(order=1).values
    w = w[np.isfinite(w)]
    np.testing.assert_allclose(np.diff(np.log(w))[2:-2], 1 / 50, rtol=0.1)


@pytest.mark.parametrize(
    "bins", [{}, {"edges": [1, 2], "n_columns": 3}, {"edges": [1.0]}, {"edges": [1, 1]}, {"resolution": 0}, {"n_columns": 0}]
)
def test_bins_refused(bins):
    with pytest.raises(ConfigError, match=r"^bins: .*expected"):
        bin_spectra(make_spectra(n=3, nx=50), **bins)


def test_holes_that_come_and_go_do_not_move_the_sum():
    spectra = make_spectra(noise=0.0).sel(order=1)
    flux, error = spectra.flux.values[:, 4:-4].astype(float), spectra.flux_err.values[:, 4:-4].astype(float)
    whole, noise = filled_sum(flux, error, BASE)
    np.testing.assert_allclose(whole, flux.sum(1), rtol=1e-12)
    rng = np.random.default_rng(1)
    holes = np.where(rng.random(flux.shape) < 0.03, np.nan, flux)
    holes[30, 1000:1300] = np.nan
    filled, filled_noise = filled_sum(holes, error, BASE)
    np.testing.assert_allclose(filled, whole, rtol=1e-6)  # float32 flux
    assert np.all(filled_noise >= noise)
    assert filled_noise[30] > 1.05 * noise[30]
    holes[7] = np.nan
    assert np.isnan(filled_sum(holes, error)[0][7])


def test_white_light_has_the_transit_and_the_errors():
    spectra = make_spectra(seed=4)
    table = white_light(spectra, BASE)
    assert table.colnames == ["time", "flux_order1", "flux_err_order1", "flux_order2", "flux_err_order2", "flux", "flux_err"]
    assert str(table["time"].unit) == "d"
    for end in ("_order1", "_order2", ""):
        flux, error = table[f"flux{end}"].value, table[f"flux_err{end}"].value
        assert np.median(flux[BASE]) == pytest.approx(1, abs=1e-9)
        chi2 = np.sum((flux[BASE] - flux[BASE].mean()) ** 2 / error[BASE] ** 2) / (BASE.sum() - 1)
        assert chi2 == pytest.approx(1, abs=4 * np.sqrt(2 / BASE.sum()))
        assert flux.min() == pytest.approx(1 - 0.025, abs=6 * np.median(error))
    assert np.median(table["flux_err"]) < np.median(table["flux_err_order1"]) < np.median(table["flux_err_order2"])
    assert table.meta["order2"]["columns"] == [700, 1757]
    assert table.meta["together"] == [1, 2]


def test_white_light_of_one_order_and_of_none():
    table = white_light(make_spectra(n=6, columns={1: (4, 2044)}))
    assert np.isnan(table["flux_order2"].value).all()
    np.testing.assert_array_equal(table["flux"], table["flux_order1"])
    assert np.isnan(white_light(make_spectra(n=3, columns={3: (0, 100)}))["flux"].value).all()
