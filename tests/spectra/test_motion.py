"""Brightness, motion and width: recovered from noisy images with their claimed errors, whatever hits there are."""

import warnings

import numpy as np
import pytest
from scipy.ndimage import map_coordinates, median_filter

from tsoar.blocks import Deep
from tsoar.spectra.deep import down_columns, motion_templates, odd_pixels, sample_of
from tsoar.spectra.motion import (
    MotionParams,
    fit_shape,
    make_templates,
    model_image,
    moving_spans,
    spans_of,
    weighted_median,
)

SHAPE, T = (96, 512), 5.494
ROWS = np.arange(SHAPE[0])[:, None]


def star(shift=0.0, width=0.0, scale=(1.0, 1.0)):
    """Two smooth orders; width and shift act on both."""
    out = np.zeros((3, *SHAPE))
    for o, (centre, light) in enumerate(((30.0, 200.0), (68.0, 80.0))):
        y = centre + 4 * np.sin(np.linspace(0, 2, SHAPE[1])) + shift
        s = 7.0 * (1 + width)
        out[o] = scale[o] * light / (1 + width) * np.exp(-(np.abs(ROWS - y) ** 4) / s**4)
    return out


def deep():
    images = star().astype(np.float32)
    trace = np.full((3, SHAPE[1]), np.nan)
    for o, centre in enumerate((30.0, 68.0)):
        trace[o] = centre + 4 * np.sin(np.linspace(0, 2, SHAPE[1]))
    gradient, stretch, curvature = motion_templates(images, trace, 22.0)
    none = np.zeros(SHAPE, bool)
    sky = np.full(SHAPE, 3.0, np.float32)
    return Deep(
        images, gradient, curvature, stretch, sky, none, none, trace, trace, trace, np.isfinite(trace), 1.0, np.arange(32), 5
    )


def fit(image, d, sigma=5.0, params=MotionParams()):  # noqa: B008
    variance = np.full(SHAPE, sigma**2, np.float32)
    t = make_templates(d, variance, np.ones(SHAPE, bool), T, params)
    return fit_shape(image.astype(np.float32), d, t, moving_spans(d, params.radius), T, params, np.empty(SHAPE, np.float32))


def test_the_model_is_what_it_says():
    d = deep()
    got = model_image(d, moving_spans(d, 22.0), None, 2.0, np.empty(SHAPE, np.float32))
    np.testing.assert_allclose(got, 2 * (d.star.sum(0) + 3), rtol=1e-6)


@pytest.mark.parametrize(
    ("shift", "width", "scale"), [(0.0, 0.0, (1.0, 1.0)), (0.02, 0.0, (0.975, 0.98)), (-0.1, 0.01, (1.01, 0.99))]
)
def test_shape_is_recovered_within_its_errors(shift, width, scale):
    rng = np.random.default_rng(8)
    d = deep()
    truth = (star(shift, width, scale).sum(0) + 3) * T
    pulls = []
    for _ in range(12):
        image = truth + rng.normal(0, 5, SHAPE)
        image[rng.random(SHAPE) < 1e-3] += 5000  # hits
        image[rng.random(SHAPE) < 1e-3] = np.nan
        s = fit(image, d)
        pulls.append(
            [(s.scale[o] - scale[o]) / s.scale_err[o] for o in range(2)]
            + [(s.shift[o] - shift) / s.shift_err[o] for o in range(2)]
        )
        assert abs(s.shift[0] - shift) < 0.004
    pulls = np.array(pulls)
    assert np.std(pulls, axis=0).max() < 1.7
    if abs(shift) < 0.05:  # beyond, the linear template itself is off by some errors
        assert np.abs(np.mean(pulls, axis=0)).max() < 4 / np.sqrt(12)
    assert (s.width != 0).any() == (width != 0)


def test_an_order_that_is_not_there_follows_the_first():
    s = fit((star(scale=(0.9, 0.9)).sum(0) + 3) * T, deep())
    assert s.scale[2] == s.scale[0] == pytest.approx(0.9, abs=1e-3)
    assert np.isnan(s.shift_err[2])


def test_spans_cover_the_mask():
    mask = np.random.default_rng(1).random((20, 50)) < 0.4
    back = np.zeros_like(mask)
    for y, a, b in spans_of(mask):
        assert not back[y, a:b].any()
        back[y, a:b] = True
    assert (back == mask).all()


def test_spans_of_full_and_empty_masks():
    assert spans_of(np.ones((2, 3), bool)).tolist() == [[0, 0, 3], [1, 0, 3]]
    assert spans_of(np.zeros((2, 3), bool)).shape == (0, 3)


def test_columns_are_looked_up_as_scipy_does():
    rng = np.random.default_rng(21)
    values, place = rng.normal(size=(40, 30)), rng.uniform(8, 31, (17, 30))
    place[3, 4] = np.nan
    got = down_columns(values, place)
    expected = map_coordinates(
        values, [np.nan_to_num(place), np.broadcast_to(np.arange(30.0), place.shape)], order=3, mode="mirror"
    )
    assert got[3, 4] == 0
    expected[3, 4] = 0
    np.testing.assert_allclose(got, expected, atol=1e-4)  # scipy's splines along the rows end where the columns do
    np.testing.assert_allclose(got[:, 12:18], expected[:, 12:18], atol=1e-9)


def test_templates_say_what_a_moved_star_shows():
    d = deep()
    for o in range(2):
        near = np.abs(ROWS - d.trace[o]) <= 20
        up, down, wide, narrow = (
            star(**k)[o] for k in ({"shift": 0.01}, {"shift": -0.01}, {"width": 0.001}, {"width": -0.001})
        )
        for template, truth in ((d.gradient[o], (up - down) / 0.02), (d.stretch[o], (wide - narrow) / 0.002)):
            assert np.abs(template - truth)[near].max() < 0.02 * np.abs(truth).max()
        second = (up - 2 * star()[o] + down) / 0.01**2
        assert np.abs(2 * d.curvature[o] - second)[near].max() < 0.1 * np.abs(second).max()


def test_normal_matrices_are_sums_over_the_image():
    d = deep()
    variance = np.random.default_rng(2).uniform(10, 40, SHAPE).astype(np.float32)
    usable = np.random.default_rng(3).random(SHAPE) > 0.02
    t = make_templates(d, variance, usable, T, MotionParams())
    assert t.orders == (0, 1)
    tables = np.stack([[d.star[o], d.gradient[o], d.stretch[o]] for o in range(2)]).astype(np.float64) * T
    weight = np.where(usable, 1 / variance.astype(np.float64), 0)
    near = [np.abs(ROWS - d.trace[o]) <= 22.0 for o in range(2)]
    for a in range(2):
        own = np.einsum("yx,jyx,kyx->jkx", weight * near[a], tables[a], tables[a])
        np.testing.assert_allclose(t.column_normal[a], own, rtol=1e-5, atol=1e-6 * own.max())
    normal = np.block(
        [[np.einsum("yx,jyx,kyx->jk", weight * near[a], tables[a], tables[b]) for b in range(2)] for a in range(2)]
    )
    np.testing.assert_allclose(t.with_width, np.linalg.pinv(normal), rtol=1e-3, atol=1e-6 * np.abs(t.with_width).max())


def test_weighted_median():
    assert weighted_median(np.array([1.0, 2.0, 100.0, np.nan]), np.array([1.0, 1.0, 1.0, 9.0])) == 2
    assert weighted_median(np.array([np.nan]), np.array([1.0])) == 0


def test_odd_pixels_are_found_and_mended():
    rng = np.random.default_rng(3)
    image = (star().sum(0) + 3 + rng.normal(0, 0.2, SHAPE)).astype(np.float32)
    clean = image.copy()
    image[30, 100], image[31, 200], image[70, 300] = 0, 900, np.nan
    usable = np.ones(SHAPE, bool)
    usable[10, 10:14] = False
    odd, mended = odd_pixels(image, usable, np.full(SHAPE, 0.2, np.float32), 8.0)
    assert odd[30, 100] and odd[31, 200] and odd[70, 300] and odd[10, 10:14].all()
    assert (odd & usable).sum() <= 3 + 20
    np.testing.assert_allclose(mended[[30, 31, 70], [100, 200, 300]], clean[[30, 31, 70], [100, 200, 300]], rtol=0.02)


def test_sample_is_even():
    assert sample_of(3, 32).tolist() == [0, 1, 2]
    s = sample_of(1000, 32)
    assert len(set(s.tolist())) == 32 and np.ptp(np.diff(s)) <= 1


def test_odd_pixels_are_those_of_the_plain_rule():
    rng = np.random.default_rng(12)
    image = (star()[:2].sum(0) * rng.normal(1, 0.01, SHAPE) + rng.normal(0, 2, SHAPE)).astype(np.float32)
    for y, x in rng.integers(0, SHAPE, (80, 2)):
        image[y, x] += rng.choice([-1, 1]) * rng.uniform(5, 400)
    usable = rng.random(SHAPE) > 0.01
    usable[:, -4:] = False
    noise = np.full(SHAPE, 2.0, np.float32)
    odd, repaired = odd_pixels(image, usable, noise, 8.0)
    holes = np.where(usable, image, np.nan)
    sides = [np.full(SHAPE, np.nan) for _ in range(8)]
    for out, s in zip(sides, (1, 2, -1, -2, 3, 4, -3, -4), strict=True):
        out[:, max(s, 0) : SHAPE[1] + min(s, 0)] = holes[:, max(-s, 0) : SHAPE[1] - max(s, 0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        near, wide = np.nanmedian(sides[:4], axis=0), np.nanmedian(sides, axis=0)
    away = np.abs(image - np.where(np.isfinite(near), near, wide))
    local = median_filter(np.where(usable & np.isfinite(away), away, 0), size=(5, 9))
    plain = ~usable | ~(away <= 8 * np.maximum(1.4826 * local, noise))
    assert 40 < (plain & usable).sum() < 200
    np.testing.assert_array_equal(odd, plain)
    assert np.isfinite(repaired).all()
    nothing, _ = odd_pixels(np.ones(SHAPE, np.float32), np.ones(SHAPE, bool), noise, 8.0)
    assert not nothing.any()
