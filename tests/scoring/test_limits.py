import numpy as np
import pytest

from tests.scoring.make import RADIUS
from tsoar.scoring import slope_variance
from tsoar.scoring.aperture import boxes, pixel_variance, weights
from tsoar.scoring.limits import difference_noise, median_factor


def covariance_of_reads(rate, noise, n, t):
    """Of the reads themselves: photons of the shorter exposure are shared."""
    times = t * np.arange(n)
    return rate * np.minimum(times[:, None], times) + noise**2 * np.eye(n)


@pytest.mark.parametrize("n", [2, 3, 6, 11])
@pytest.mark.parametrize(("rate", "noise"), [(0.0, 11.0), (3.0, 11.0), (500.0, 11.0), (500.0, 0.01)])
def test_slope_variance_is_that_of_generalised_least_squares_on_reads(n, rate, noise):
    t = 5.5
    design = np.stack([np.ones(n), t * np.arange(n)], axis=1)
    inverse = np.linalg.inv(covariance_of_reads(rate, noise, n, t))
    expected = np.linalg.inv(design.T @ inverse @ design)[1, 1]
    assert float(slope_variance(rate, noise, n, t)) == pytest.approx(expected, rel=1e-6)


def test_two_groups_are_one_difference():
    assert float(slope_variance(100.0, 11.0, 2, 5.0)) == pytest.approx((500.0 + 2 * 121.0) / 25.0)
    assert float(difference_noise(100.0, 11.0, 5.0)) == pytest.approx(np.sqrt(500.0 + 2 * 121.0))


def test_one_group_is_refused():
    with pytest.raises(ValueError, match="2 groups"):
        slope_variance(100.0, 11.0, 1, 5.0)


def test_slopes_of_made_ramps_scatter_as_much():
    rng = np.random.default_rng(1)
    rate, noise, n, t = 20.0, 12.0, 6, 5.5
    reads = np.cumsum(rng.poisson(rate * t, (200_000, n)), axis=1) + rng.normal(0, noise, (200_000, n))
    covariance = rate * t * np.eye(n - 1) + noise**2 * (2 * np.eye(n - 1) - np.eye(n - 1, k=1) - np.eye(n - 1, k=-1))
    weight = np.linalg.solve(covariance, np.ones(n - 1))
    slope = np.diff(reads, axis=1) @ weight / weight.sum() / t
    assert slope.var() == pytest.approx(float(slope_variance(rate, noise, n, t)), rel=4 * np.sqrt(2 / 200_000))


def test_negative_rates_count_as_none_and_arrays_broadcast():
    found = slope_variance(np.array([[-5.0, 0.0, 10.0]]), np.array([[10.0], [20.0]]), 4, 5.0)
    assert found.shape == (2, 3)
    assert found[0, 0] == found[0, 1] < found[0, 2]


def test_median_of_standard_deviations():
    rng = np.random.default_rng(2)
    for n in (5, 20):
        found = np.median(rng.normal(size=(200_000, n)).std(axis=1, ddof=1))
        assert found == pytest.approx(float(median_factor(n - 1)), rel=0.003)


def test_box_is_as_wide_as_said():
    share = weights(np.array([20.0, 20.3, np.nan]), 6.0, 40)
    np.testing.assert_allclose(share.sum(axis=0), [12.0, 12.0, 0.0])
    assert share[14, 0] == 0.5 and share[26, 0] == 0.5
    np.testing.assert_allclose(share[[14, 26], 1], [0.2, 0.8])


def test_box_holds_own_light_and_others_apart(truth):
    order1 = boxes(truth, RADIUS)[0]
    np.testing.assert_allclose(order1.own, truth.rate[0], rtol=2e-4)
    assert np.all(order1.other < 1e-3 * order1.own)
    wide = boxes(truth, 16.0)[0]
    assert np.median(wide.other / wide.own) > 0.1


def test_box_noise_adds_pixels_and_profile_weights_do_better(truth):
    order1 = boxes(truth, RADIUS)[0]
    w = weights(truth.trace[0], RADIUS, truth.shape[0])
    np.testing.assert_allclose(order1.noise, np.sqrt((w**2 * pixel_variance(truth)).sum(axis=0)))
    assert np.all(order1.weighted < order1.relative)
    faint = boxes(truth, RADIUS)[2]
    assert np.median((faint.weighted / faint.relative)[:850]) < 0.95
    assert np.isnan(faint.own[900:]).all()
