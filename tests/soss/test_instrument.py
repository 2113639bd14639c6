"""Subarrays, traces and wavelengths against the numbers they were published with."""

import numpy as np
import pytest

from tests.soss.scene import readout
from tsoar.errors import InputError
from tsoar.soss.masks import distance, near_trace, trace_mask
from tsoar.soss.subarrays import SUBARRAYS, pixel_time, reference_pixels
from tsoar.soss.tables import of_order, table
from tsoar.soss.traces import ORDER_3_END, expected_traces, published_traces
from tsoar.soss.wavelength import column_wavelengths, wavelength_map, wavelengths


@pytest.mark.parametrize("name", SUBARRAYS)
def test_reference_pixels_are_those_of_the_detectors_edge(name):
    dark, s = reference_pixels(readout(name)), SUBARRAYS[name]
    expected = np.zeros(s.shape, bool)
    expected[:, :4] = expected[:, -4:] = True
    expected[list(s.reference_rows)] = True
    np.testing.assert_array_equal(dark, expected)


@pytest.mark.parametrize("name", SUBARRAYS)
def test_a_frame_takes_what_the_clock_says(name):
    s, clock = SUBARRAYS[name], pixel_time(readout(name))
    columns = 2 if s.outputs == 1 else 1  # overhead of a frame, in columns
    frame = (s.shape[0] // s.outputs + 12) * (2048 + columns) * 1e-5
    assert s.tframe == pytest.approx(frame, abs=2e-5)
    assert clock[-1, -1] == 0 and clock.max() < s.tframe
    assert clock[3, 100] - clock[4, 100] == pytest.approx(1e-5)
    assert clock[0, 99] - clock[0, 100] == pytest.approx((s.shape[0] // s.outputs + 12) * 1e-5)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_traces_and_wavelengths_are_the_published_ones(order):
    rows = of_order("soss_traces", order)
    x = rows["x"].astype(int)
    np.testing.assert_allclose(published_traces(245.76)[order - 1, x], rows["y"], atol=6e-4)
    np.testing.assert_allclose(column_wavelengths(245.76)[order - 1, x], rows["wavelength"], atol=6e-7)
    turn = (published_traces(245.77)[order - 1, x] - published_traces(245.75)[order - 1, x]) / 0.02
    # order 3's column leaves out that a turned slope also moves along x: 0.02 px for 0.05 deg where the order is used
    used = x < ORDER_3_END if order == 3 else x >= 0
    np.testing.assert_allclose(turn[used], rows["dy_dpwc"][used], atol=0.4 if order == 3 else 0.005)
    if order < 3:  # the table's derivative is taken over +-0.1 deg
        change = (column_wavelengths(245.86) - column_wavelengths(245.66))[order - 1, x] / 0.2
        np.testing.assert_allclose(change, rows["dwl_dpwc"], atol=4e-5)


def test_substrip96_is_ten_rows_up_and_loses_what_is_not_on_it():
    large, small = expected_traces(readout()), expected_traces(readout("SUBSTRIP96"))
    both = np.isfinite(small)
    np.testing.assert_allclose(small[both], large[both] - 10)
    assert both[0].all() and not both[2].any()
    assert both[1, 0] and not both[1, 1100:].any()
    assert np.isnan(large[2, ORDER_3_END:]).all() and np.isnan(large[1, 1830:]).all()
    np.testing.assert_array_equal(np.isfinite(wavelengths(readout("SUBSTRIP96"))), both)
    full = expected_traces(readout("FULL"))
    np.testing.assert_allclose(full[0], large[0] + 1792)


@pytest.mark.parametrize("angle", [245.0, 246.1, np.nan])
def test_wheel_angles_that_cannot_be_are_refused(angle):
    with pytest.raises(InputError, match="PWCPOS"):
        expected_traces(readout(pwcpos=angle))


def test_every_pixel_has_its_columns_wavelength():
    r = readout()
    whole = wavelength_map(r)
    np.testing.assert_array_equal(whole[0, 0], whole[0, 255])
    near = wavelength_map(r, expected_traces(r), radius=10)
    y = np.isfinite(near[0, :, 500])
    assert 20 <= y.sum() <= 21 and abs(np.flatnonzero(y).mean() - expected_traces(r)[0, 500]) < 1


def test_masks_do_not_wrap_round_row_0():
    trace = np.array([[3.0, np.nan, 60.0], [100.0, 5.0, np.nan]])
    mask = trace_mask(trace, (96, 3), 10.0)
    np.testing.assert_array_equal(np.flatnonzero(mask[:, 0]), np.r_[0:14, 90:96])
    np.testing.assert_array_equal(np.flatnonzero(mask[:, 1]), np.arange(16))
    np.testing.assert_array_equal(np.flatnonzero(mask[:, 2]), np.arange(50, 71))
    assert np.isinf(distance(trace, (96, 3))[0, :, 1]).all()


def test_tables_are_whole():
    assert not any(np.isnan(table("soss_profiles")[name]).any() for name in table("soss_profiles").dtype.names)
    assert (table("soss_background")["background"] > 3).all()


def test_rows_near_a_trace_are_those_of_the_mask():
    trace = np.stack([np.linspace(-3, 12, 40), np.full(40, np.nan)])
    trace[0, :4] = np.nan
    near, part = near_trace(trace[0], 30, 2.5)
    whole = np.zeros((30, 40), bool)
    whole[part] = near
    np.testing.assert_array_equal(whole, distance(trace, (30, 40))[0] <= 2.5)
    assert part.start == 0 and part.stop <= 16
    nowhere, none = near_trace(trace[1], 30, 2.5)
    assert not nowhere.size and none == slice(0, 0)
