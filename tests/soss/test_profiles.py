"""Measured profiles, and the light of one pixel shared among the orders."""

import numpy as np
import pytest

from tests.soss.scene import readout, star, traces
from tsoar.soss.profiles import full_traces, order_fluxes, profile, profile_images, split_orders, wing
from tsoar.soss.subarrays import reference_pixels
from tsoar.soss.wavelength import wavelengths


@pytest.mark.parametrize(("order", "wavelength"), [(1, 2.774), (1, 1.4), (1, 0.902), (2, 0.7), (3, 0.82)])
def test_profiles_hold_one_within_17_px(order, wavelength):
    s = np.arange(-17, 18)
    assert profile(order, wavelength, s).sum() == pytest.approx(1, abs=0.01)


def test_wings_join_and_follow_the_power_law():
    s = np.array([35.99, 36.01])
    for side in (-1, 1):
        p = profile(1, 1.2, side * s)
        assert p[0] == pytest.approx(p[1], rel=0.01)
    np.testing.assert_allclose(profile(2, 0.7, np.array([70.0, -140.0])), wing(np.array([70.0, 140.0])))


def test_profiles_go_linearly_from_one_wavelength_to_the_next():
    s = np.linspace(-12, 12, 9)
    middle = profile(1, (2.2393 + 1.9438) / 2, s)
    np.testing.assert_allclose(middle, (profile(1, 2.2393, s) + profile(1, 1.9438, s)) / 2)


def test_images_of_profiles_are_those_profiles():
    r = readout()
    rows, waves = full_traces(traces(r)), wavelengths(r)
    rows[1, 300] = np.nan
    images = profile_images(rows, waves, r.shape)
    y = np.arange(r.shape[0])[:, None]
    for o in range(3):
        known = np.isfinite(rows[o])
        here = np.flatnonzero(known)[::7]
        w = np.interp(here, np.flatnonzero(np.isfinite(waves[o])), waves[o][np.isfinite(waves[o])])
        np.testing.assert_allclose(images[o][:, here], profile(o + 1, w, y - rows[o, here]), rtol=1e-6)
        assert not images[o][:, ~known].any()


@pytest.mark.parametrize("subarray", ["SUBSTRIP256", "SUBSTRIP96"])
def test_orders_are_told_apart_to_a_tenth(subarray):
    r = readout(subarray)
    parts, _ = star(r)
    rng = np.random.default_rng(5)
    image = (parts.sum(0) + rng.normal(0, 0.3, r.shape)).astype(np.float32)
    good = ~reference_pixels(r) & (rng.random(r.shape) > 0.01)
    split = split_orders(image, good, traces(r), wavelengths(r))
    assert split.dtype == np.float32 and np.isfinite(split).all()
    np.testing.assert_allclose(split.sum(0), image, atol=1e-3)
    y = np.arange(r.shape[0])[:, None]
    box = np.abs(y - np.nan_to_num(traces(r)[1], nan=-99)) <= 15
    for columns in (slice(8, 60), slice(650, 750), slice(850, 950)):  # light of order 1 in order 2's box
        true, found = (np.where(box, p[0], 0)[:, columns].sum() for p in (parts, split))
        assert found == pytest.approx(true, rel=0.1)


def test_fluxes_are_found_and_scale():
    r = readout()
    parts, flux = star(r)
    good = ~reference_pixels(r)
    one, three = (order_fluxes(np.float32(k) * parts.sum(0), good, traces(r), wavelengths(r)) for k in (1, 3))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-3, atol=1e-2)
    for o, columns in ((0, slice(10, 2040)), (1, slice(750, 1700)), (2, slice(50, 750))):
        np.testing.assert_allclose(np.median(one[o, columns] / flux[o, columns]), 1, atol=0.03)


def test_an_image_without_light_is_shared_without_nan():
    r = readout("SUBSTRIP96")
    nothing = np.zeros(r.shape, np.float32)
    assert not split_orders(nothing, nothing == 0, traces(r), wavelengths(r)).any()
