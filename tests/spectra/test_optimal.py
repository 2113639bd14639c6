"""Optimal extraction: a plain least-squares twin, orders told apart, errors that hold, holes and motion without effect."""

import numpy as np
import pytest

from tests.spectra.test_motion import ROWS, SHAPE, deep, star
from tsoar.spectra.motion import model_image, moving_spans
from tsoar.spectra.optimal import box_light, effective_rows, extract_optimal

RADIUS = 15.0
ONE, ZERO = np.ones(3), np.zeros(3)


def extract(d, image, var, scale=ONE, shift=ZERO, model=None):
    """Flux, variance, missing (3, x) of one image (y, x) with sky."""
    if model is None:
        model = model_image(d, moving_spans(d, 22.0), None, 1.0, np.empty(SHAPE, np.float32))
    out = tuple(np.empty((3, SHAPE[1])) for _ in range(3))
    planes = (image.astype(np.float32), np.broadcast_to(var, SHAPE).astype(np.float32), model.astype(np.float32))
    stack = (d.star, d.gradient, d.curvature, d.odd, d.trace)
    extract_optimal(*planes, *stack, np.asarray(scale, float), np.asarray(shift, float), RADIUS, box_light(d, RADIUS), *out)
    return out


def near_orders(distance):
    """A deep stack whose second order lies ``distance`` rows above the first."""
    d = deep()
    y = d.trace[0] + distance
    d.star[1] = 0.2 * d.star[0].max() * np.exp(-(np.abs(ROWS - y) ** 4) / 7.0**4)
    d.trace[1] = y
    d.gradient[:] = d.curvature[:] = 0
    object.__setattr__(d, "light", d.star.sum(0, dtype=np.float32))
    return d


def test_it_is_weighted_least_squares_of_both_orders():
    d = near_orders(18.0)
    rng = np.random.default_rng(4)
    var = rng.uniform(20, 60, SHAPE)
    image = 0.97 * d.star[0] + 1.05 * d.star[1] + d.sky + rng.normal(0, np.sqrt(var))
    flux, variance, _ = extract(d, image, var)
    for x in (10, 200, 400):
        for o, orders in ((0, [0]), (1, [1, 0])):
            rows = np.any([np.abs(np.arange(SHAPE[0]) - d.trace[k, x]) <= RADIUS for k in orders], axis=0)
            t = d.star[orders][:, rows, x].T / np.sqrt(var[rows, x])[:, None]
            others = d.star[1, rows, x] if o == 0 else 0  # order 1 is fitted with the others as the model has them
            r = (image[rows, x] - d.sky[rows, x] - others) / np.sqrt(var[rows, x])
            answer, *_ = np.linalg.lstsq(t.astype(float), r, rcond=None)
            light = box_light(d, RADIUS)[o, x]
            assert flux[o, x] == pytest.approx(light * answer[0], rel=2e-5)
            assert variance[o, x] == pytest.approx(light**2 * np.linalg.inv(t.T @ t)[0, 0], rel=2e-4)


def test_overlapping_orders_do_not_dilute_each_other():
    d = near_orders(18.0)
    dimmer = 0.9 * d.star[0] + d.star[1] + d.sky  # order 1 alone changes
    flux, *_ = extract(d, dimmer, 30.0, scale=(0.9, 1, 1), model=dimmer)
    np.testing.assert_allclose(flux[1] / box_light(d, RADIUS)[1], 1, rtol=1e-5)
    flux, *_ = extract(d, dimmer, 30.0)  # and when the model has not seen it
    np.testing.assert_allclose(flux[1] / box_light(d, RADIUS)[1], 1, rtol=2e-4)
    np.testing.assert_allclose(flux[0] / box_light(d, RADIUS)[0], 0.9, rtol=2e-4)


def test_errors_hold_and_beat_the_box_where_it_is_dark():
    d = deep()
    rng = np.random.default_rng(5)
    var = 400.0  # read noise rules: weights gain most
    pulls, values = [], []
    for _ in range(40):
        flux, variance, _ = extract(d, d.star.sum(0) + d.sky + rng.normal(0, np.sqrt(var), SHAPE), var)
        pulls.append((flux[:2] - box_light(d, RADIUS)[:2]) / np.sqrt(variance[:2]))
        values.append(variance[:2])
    pulls = np.array(pulls)
    assert abs(pulls.mean()) < 4 / np.sqrt(pulls.size)
    assert pulls.std() == pytest.approx(1, abs=4 / np.sqrt(2 * pulls.size))
    assert np.mean(values) < 0.7 * var * 2 * RADIUS


def test_holes_and_motion_leave_no_mark():
    d = deep()
    image = star(shift=0.05)[:2].sum(0) + d.sky
    holed = image.copy()
    holed[np.random.default_rng(6).random(SHAPE) < 0.03] = np.nan
    whole, _, none = extract(d, image, 30.0, shift=(0.05, 0.05, 0))
    model = image
    mended, variance, missing = extract(d, holed, 30.0, shift=(0.05, 0.05, 0), model=model)
    np.testing.assert_allclose(mended[:2], box_light(d, RADIUS)[:2], rtol=2e-6)
    np.testing.assert_allclose(whole[:2] / box_light(d, RADIUS)[:2], 1, atol=1e-3)
    assert np.nanmax(none) == 0 and np.nanmean(missing[:2]) == pytest.approx(0.03, abs=0.005)


def test_a_column_offset_acts_as_many_rows_as_stated():
    d = deep()
    rows = effective_rows(d, np.full(SHAPE, 30.0, np.float32), np.ones(SHAPE, bool), RADIUS, box_light(d, RADIUS))
    base = d.star.sum(0) + d.sky
    change = extract(d, base + 2.0, 30.0)[0] - extract(d, base, 30.0)[0]
    np.testing.assert_allclose(change[:2], 2.0 * rows[:2], rtol=2e-3)


def test_an_order_that_is_not_there_has_no_flux():
    d = deep()
    flux, variance, missing = extract(d, d.star.sum(0) + d.sky, 30.0)
    assert np.isnan(flux[2]).all() and np.isnan(variance[2]).all() and np.isnan(missing[2]).all()
