"""The baseline: injected events are found, nothing else is one, ranges mean what they say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.synthetic import CADENCE, START, transit
from tsoar.errors import ConfigError
from tsoar.series.baseline import BaselineParams, find_baseline, parse_baseline

SIGMA = 45e-6


def look(flux, sigma=SIGMA, **params):
    n = flux.size
    return find_baseline(START + np.arange(n) * CADENCE, flux, np.full(n, sigma), BaselineParams(**params))


def noise(seed, n=120, sigma=SIGMA):
    return np.random.default_rng(seed).normal(0, sigma, n)


def share(n):
    return (np.arange(n) + 0.5) / n


@pytest.mark.parametrize("depth", [0.025, 0.002, 0.0005])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_transit_is_found_and_none_of_it_is_baseline(depth, seed):
    n = 120
    time = np.arange(n) * CADENCE
    curve = transit(time, time.mean(), 50 * CADENCE, depth)
    found = look(curve + noise(seed))
    assert found.event is not None
    assert abs(found.mid - START - time.mean()) < 2 * CADENCE
    lost = 1 - curve
    assert lost[found.mask].max() < 2 * SIGMA
    assert found.mask.sum() > 60  # of the 70 outside
    assert "ppm found" in found.how
    assert str(found.mask.sum()) in found.how


def test_contacts_of_a_trapezoid():
    n, x = 200, np.arange(200.0)
    curve = 1 - 0.01 * np.clip((50 - np.abs(x - 90)) / 12, 0, 1)
    event = np.array(look(curve + noise(4, n)).event)
    np.testing.assert_allclose((event - START) / CADENCE, [40, 52, 128, 140], atol=0.5)


def test_no_event_in_pure_noise():
    for seed in range(50):
        n = (30, 61, 120)[seed % 3]
        found = look(1 + noise(seed, n))
        assert found.event is None, (seed, found.how)
        assert found.mask.all()
        assert found.how.startswith("no event found")


@pytest.mark.parametrize(
    "curve",
    [
        lambda x: 1 - 2e-3 * np.exp(-x / 0.04),
        lambda x: 1 + 1e-3 * np.exp(-x / 0.07),
        lambda x: 1 + 1e-3 * (x - 0.5) ** 2 - 1e-3 * x,
        lambda x: 1 + 5e-4 * np.sin(2 * np.pi * x),
        lambda x: 1 - 5e-4 * np.cos(1.8 * np.pi * x),
        lambda x: 1 - 5e-4 * (x > 0.6),
    ],
    ids=["rising ramp", "falling ramp", "parabola", "slow star", "slower star", "tilt"],
)
def test_what_is_not_an_event(curve):
    found = [look(curve(share(120)) + noise(seed)).event for seed in range(6)]
    assert found == [None] * 6


def test_event_among_ramp_trend_and_outliers():
    x = share(120)
    curve = 1 - 0.005 * np.clip((0.15 - np.abs(x - 0.6)) / 0.04, 0, 1) + 2e-3 * x - 1e-3 * np.exp(-x / 0.03)
    curve = curve + noise(11)
    curve[[5, 30, 70, 100]] -= 0.03
    curve[50] = np.nan
    found = look(curve)
    assert found.event is not None
    inside = np.abs(x - 0.6) < 0.148
    assert not found.mask[inside].any()
    assert found.mask[x < 0.42].all()
    assert found.mask[x > 0.78].all()


@pytest.mark.parametrize("late", [True, False])
def test_event_that_is_cut_off(late):
    x = share(120) if late else 1 - share(120)
    found = look(1 - 0.01 * np.clip((x - 0.6) / 0.06, 0, 1) + noise(3))
    assert found.event is not None
    assert found.mask[x < 0.55].all()
    assert not found.mask[x > 0.605].any()


def test_event_without_enough_outside():
    x = share(60)
    found = look(1 - 0.01 * np.clip((0.42 - np.abs(x - 0.5)) / 0.04, 0, 1) + noise(3, 60), fewest=20)
    assert found.event is not None
    assert found.mask.all()
    assert "only" in found.how


@pytest.mark.parametrize("n", [0, 1, 2, 9])
def test_too_short_to_search(n):
    found = look(1 + noise(1, n))
    assert found.mask.shape == (n,)
    assert found.mask.all()
    assert "too few" in found.how


def test_all_nan_and_all_equal():
    assert look(np.full(40, np.nan)).mask.all()
    assert look(np.ones(40), sigma=0.0).event is None


def test_long_exposure_is_averaged_for_the_search():
    n = 900
    time = np.arange(n) * CADENCE
    found = look(transit(time, 0.4 * n * CADENCE, 0.2 * n * CADENCE, 1e-3) + noise(1, n))
    assert abs(found.mid - START - 0.4 * n * CADENCE) < 4 * CADENCE


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("0:3", [0, 1, 2]),
        (" :2 , 8: ", [0, 1, 8, 9]),
        ("4", [4]),
        ("-1", [9]),
        ("0:2,-2:", [0, 1, 8, 9]),
        (":", list(range(10))),
        ("0:5,3:7", list(range(7))),
    ],
)
def test_parse(text, chosen):
    assert np.flatnonzero(parse_baseline(text, 10)).tolist() == chosen


@pytest.mark.parametrize("text", ["", "a:b", "1:2:3", "5:5", "7:2", "0:11", "10:", "-11:", "1.5:3", "0:2,", "11"])
def test_parse_refuses_with_what_was_expected(text):
    with pytest.raises(ConfigError, match=r'expected ranges FIRST:END such as "0:50,70:"'):
        parse_baseline(text, 10)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=4))
def test_parse_is_what_python_slices_are(pieces):
    n = 40
    expected = np.zeros(n, bool)
    for start, length in pieces:
        expected[start : start + length] = True
    text = ",".join(f"{start}:{start + length}" for start, length in pieces)
    np.testing.assert_array_equal(parse_baseline(text, n), expected)
