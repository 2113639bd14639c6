"""Outliers of spectra: found, replaced by what is expected there, and nothing else touched."""

import numpy as np
import pytest

from tests.synthetic import make_spectra
from tsoar.spectra.clean import CleanParams, expectation, replace_outliers


def one_order(order=1, **kwargs):
    one = make_spectra(**kwargs).sel(order=order)
    return one.flux.values, one.flux_err.values, one.valid.values.astype(bool)


def naive_expectation(flux, error, width):
    """The same with loops."""
    n, nx = flux.shape
    reference = np.array([np.nanmedian(flux[:, x]) for x in range(nx)])
    typical = np.array([np.nanmedian(error[:, x]) for x in range(nx)])
    out = np.empty_like(flux)
    for i in range(n):
        ok = [x for x in range(nx) if np.isfinite(flux[i, x]) and reference[x] > typical[x]]
        scale = np.median([flux[i, x] / reference[x] for x in ok]) if ok else 1.0
        ratio = [flux[i, x] / reference[x] if x in ok else scale for x in range(nx)]
        for x in range(nx):
            window = [ratio[min(max(k, 0), nx - 1)] for k in range(x - width // 2, x + width // 2 + 1)]
            out[i, x] = reference[x] * np.median(window)
    return out


def test_expectation_is_its_slow_twin():
    rng = np.random.default_rng(3)
    light = 50 + 40 * np.sin(np.arange(40) / 5) + np.where(np.arange(40) > 30, -85, 0)
    flux = light * (1 - 0.1 * rng.random((6, 1))) + rng.normal(size=(6, 40))
    error = np.full(flux.shape, 6.0)
    flux[2, 5:12] = np.nan
    np.testing.assert_allclose(expectation(flux, error, 5), naive_expectation(flux, error, 5), rtol=1e-12)


def test_outliers_are_found_and_replaced_by_the_truth():
    flux, error, valid = one_order(seed=5)
    rng = np.random.default_rng(0)
    i, x = rng.integers(0, 120, 40), 50 * np.arange(40) + 10
    spoilt = flux.copy()
    spoilt[i, x] += np.where(np.arange(40) % 2, 1, -1) * 14 * error[i, x]
    clean, n_replaced, where = replace_outliers(spoilt, error, valid)
    assert where[i, x].all()
    assert where.sum() == 40
    np.testing.assert_array_equal(n_replaced, np.bincount(i, minlength=120))
    np.testing.assert_array_equal(clean[~where], spoilt[~where])
    pull = (clean - flux)[i, x] / error[i, x]  # the original's noise, and 0.4 sigma of the median of eleven
    assert np.abs(pull).max() < 4.5


def test_transit_and_lines_are_not_clipped_at_any_depth():
    for depth in (0.0, 0.025, 0.5):
        _, n_replaced, _ = replace_outliers(*one_order(seed=2, depth=depth))
        assert n_replaced.sum() == 0, depth


def test_depth_that_changes_with_wavelength_is_not_clipped():
    flux, error, valid = one_order(seed=2, depth=0.0)
    inside = np.zeros(120, bool)
    inside[40:80] = True
    chromatic = 1 - inside[:, None] * (0.02 + 0.02 * np.sin(np.arange(2048) / 60))
    _, n_replaced, _ = replace_outliers(flux * chromatic, error / 3, valid)
    assert n_replaced.sum() == 0


def test_a_column_noisier_than_claimed_keeps_its_noise():
    flux, error, valid = one_order(seed=2)
    flux = flux.copy()
    flux[:, 700] += np.random.default_rng(1).normal(0, 15, 120) * error[:, 700]
    _, _, where = replace_outliers(flux, error, valid)
    assert where[:, 700].sum() == 0


def test_dark_orders_and_holes_are_left_alone():
    rng = np.random.default_rng(8)
    flux = rng.normal(0, 1, (20, 60)).astype(np.float32)  # no light at all
    valid = np.ones(flux.shape, bool)
    valid[:, 5], valid[3, 20:40] = False, False
    flux[~valid] = 1e6
    out, n_replaced, _ = replace_outliers(flux, np.ones(flux.shape, np.float32), valid)
    np.testing.assert_array_equal(out, flux)
    assert out.dtype == np.float32
    assert n_replaced.sum() == 0
    flux[7, 50] = 30  # but a hit on the dark is a hit
    _, _, where = replace_outliers(flux, np.ones(flux.shape, np.float32), valid)
    assert where.sum() == 1
    assert where[7, 50]


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_integrations_have_no_reference(n):
    flux = np.ones((n, 10))
    flux[0, 3] = 1e9
    out, n_replaced, _ = replace_outliers(flux, np.ones((n, 10)), np.ones((n, 10), bool))
    np.testing.assert_array_equal(out, flux)
    np.testing.assert_array_equal(n_replaced, 0)


def test_nothing_valid_and_threshold():
    flux, error, _ = one_order(n=8, nx=200, columns={1: (0, 200)})
    assert replace_outliers(flux, error, np.zeros(flux.shape, bool))[1].sum() == 0
    assert replace_outliers(flux, error, np.ones(flux.shape, bool), CleanParams(threshold=2.0))[1].sum() > 10
