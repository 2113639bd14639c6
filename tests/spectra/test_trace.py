"""Smooth traces: the spline, and the whole measurement on a star made from the packaged tables."""

import numpy as np
import pytest

from tests.soss.scene import ANGLE, readout, star
from tsoar.soss.subarrays import reference_pixels
from tsoar.soss.traces import expected_traces
from tsoar.spectra.trace import measure_traces, smooth_trace


def test_splines_follow_and_leave_outliers_out():
    x = np.arange(2048.0)
    truth = 60 + 20 * np.cos(x / 500)
    rng = np.random.default_rng(1)
    y = truth + rng.normal(0, 0.2, x.size)
    valid = rng.random(x.size) > 0.2
    y[300:320] += 6
    y[~valid] = np.nan
    smooth = smooth_trace(x, y, valid, knots=10)
    assert np.abs(smooth - truth)[20:-20].max() < 0.1
    assert np.std(smooth - truth) < 3 * 0.2 * np.sqrt(14 / valid.sum())


def test_splines_of_little_or_nothing():
    x = np.arange(100.0)
    few = np.isin(x, (3, 50, 90))
    np.testing.assert_allclose(smooth_trace(x, 2 * x + 1, few), 2 * x + 1)
    assert np.isnan(smooth_trace(x, x, x < 0)).all()


@pytest.mark.parametrize("subarray", ["SUBSTRIP256", "SUBSTRIP96"])
def test_traces_of_a_star_whose_header_is_wrong(subarray):
    r = readout(subarray, pwcpos=245.76)
    parts, _ = star(r, pwcpos=ANGLE, rows=0.4)
    rng = np.random.default_rng(7)
    image = (parts.sum(0) + rng.normal(0, 0.3, r.shape)).astype(np.float32)
    good = ~reference_pixels(r) & (rng.random(r.shape) > 0.01)
    image[~good] = 1e4
    found = measure_traces(image, good, r)
    true = expected_traces(r, pwcpos=ANGLE) + 0.4
    assert found.pwcpos_fit == pytest.approx(ANGLE, abs=0.012)
    # the measured profiles behind the star have their own edges, up to 0.3 px (order 1) and 0.6 px off
    away = found.y - true
    assert np.nanmax(np.abs(away[0])) < 0.4
    assert np.nanmedian(np.abs(away[1])) < 0.4 and np.nanmax(np.abs(away[1])) < 1
    inside = np.isfinite(found.expected)
    assert np.isfinite(found.y[0]).all() and not np.isfinite(found.y[2, 850:]).any()
    assert found.valid[0].mean() > 0.8 and not (found.valid & ~inside).any()
    if subarray == "SUBSTRIP256":
        assert np.nanmedian(np.abs(away[2])) < 0.4
        # held to the model left of where it is told from order 1: no slide towards it
        left = away[1, 10:800]
        assert np.ptp(left) < 0.2
        assert not found.valid[1, :850].any() and found.valid[1, 1000:1700].mean() > 0.9
    else:
        assert "not on the subarray" in found.method[2] and np.isnan(found.y[2]).all()


def test_motion_is_seen_without_bias():
    r = readout()
    still, moved = (star(r, rows=rows)[0].sum(0) for rows in (0.0, 0.25))
    good = ~reference_pixels(r)
    shift = measure_traces(moved, good, r).y - measure_traces(still, good, r).y
    assert np.nanmedian(shift[0]) == pytest.approx(0.25, abs=0.01)
    assert np.nanmedian(shift[1, 1000:1700]) == pytest.approx(0.25, abs=0.02)


def test_an_image_without_star_keeps_the_model():
    r = readout()
    found = measure_traces(np.zeros(r.shape, np.float32), ~reference_pixels(r), r)
    np.testing.assert_array_equal(found.y, found.expected)
    assert found.pwcpos_fit == r.pwcpos and not found.valid.any()
