"""Medians by sorting networks against numpy's."""

import warnings

import numpy as np
import pytest

from tsoar.medians import column_medians, middle, network, sort_few


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 13, 32, 33, 61])
def test_network_sorts(n):
    values = np.random.default_rng(n).normal(size=(n, 50))
    for low, high in network(n):
        values[low], values[high] = np.minimum(values[low], values[high]), np.maximum(values[low], values[high])
    assert (np.diff(values, axis=0) >= 0).all()


@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_the_first_few_are_sorted_and_the_others_left(n):
    values = np.random.default_rng(n).normal(size=9)
    before = values.copy()
    sort_few(values, n)
    assert np.array_equal(values, np.concatenate([np.sort(before[:n]), before[n:]]))


@pytest.mark.parametrize("n", [1, 4, 7, 32, 96])
def test_medians_leave_out_what_is_not_finite(n):
    rng = np.random.default_rng(n)
    values = rng.normal(size=(n, 7, 300)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    values[rng.random(values.shape) < 0.1] = np.inf
    values[:, 0, 0] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmedian(np.where(np.isfinite(values), values, np.nan), axis=0)
    np.testing.assert_allclose(column_medians(values), expected, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 9, 1000])
def test_the_middle_is_numpys_median(n):
    values = np.random.default_rng(n).normal(size=n)
    assert middle(values) == np.median(values)
    assert np.isnan(middle(values[:0]))
