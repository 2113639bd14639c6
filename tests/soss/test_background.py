"""The sky fit on a made-up star: scales found, halo not taken for sky, field stars and few dark pixels survived."""

import numpy as np
import pytest

from tests.soss.scene import readout, sky, star, traces
from tsoar.soss.background import BOX, BackgroundParams, _robust, boxes, fit_background, sky_template
from tsoar.soss.subarrays import reference_pixels


def image_of(r, noise=0.3, seed=3):
    rng = np.random.default_rng(seed)
    parts, _ = star(r)
    good = ~reference_pixels(r) & (rng.random(r.shape) > 0.005)
    return (parts.sum(0) + sky(r) + rng.normal(0, noise, r.shape)).astype(np.float32), good


@pytest.mark.parametrize("subarray", ["SUBSTRIP256", "SUBSTRIP96"])
def test_sky_is_found_under_the_halo(subarray):
    r = readout(subarray)
    image, good = image_of(r)
    found = fit_background(image, good, traces(r))
    assert "halo" in found.method
    error = (found.sky / sky(r)).mean(axis=0) - 1
    quiet = np.r_[10:660, 760:2040]
    # up to 70 px from the trace the tabulated wings are no power law. SUBSTRIP96 is dark below order 1 only, where the fall
    # of the halo is hardly told: 1.5 to 3.5 % right of the step over six seeds, against 14 % without the halo
    assert np.abs(error[quiet]).max() < (0.01 if subarray == "SUBSTRIP256" else 0.04)
    assert found.residual_std == pytest.approx(0.3, rel=0.1)


def test_the_halo_matters():
    r = readout()
    image, good = image_of(r)
    without = fit_background(image, good, traces(r), params=BackgroundParams(halo=False))
    assert (without.sky - sky(r))[:, 10:660].mean() > 0.05
    assert not without.halo.any()


def test_field_stars_are_clipped():
    r = readout()
    image, good = image_of(r)
    plain = fit_background(image, good, traces(r))
    image[205:225, 200:206] += 60
    image[190:215, 900:908] += 300
    with_stars = fit_background(image, good, traces(r))
    np.testing.assert_allclose(with_stars.sky, plain.sky, atol=0.02)


def test_the_steps_place_is_found():
    r = readout()
    rng = np.random.default_rng(4)
    image = (sky_template(r, 5.0) + rng.normal(0, 0.3, r.shape)).astype(np.float32)
    found = fit_background(image, ~reference_pixels(r), traces(r), params=BackgroundParams(halo=False))
    assert found.step_shift == pytest.approx(5, abs=0.5)
    assert np.abs(found.sky - sky_template(r, 5.0)).max() < 0.15


def test_no_dark_pixels_no_sky():
    r = readout("SUBSTRIP96")
    image, good = image_of(r)
    none = fit_background(image, np.zeros_like(good), traces(r))
    assert not none.sky.any() and "no sky" in none.method
    few = np.zeros_like(good)
    few[:20, 100:300] = True
    one = fit_background(image, few & good, traces(r))
    assert one.scale_left == one.scale_right and "one scale" in one.method


def test_noisy_images_take_the_usual_halo():
    r = readout("SUBSTRIP96")
    image, good = image_of(r, noise=30.0)
    assert "as in WASP-39" in fit_background(image, good, traces(r)).method


def test_the_step_leans():
    r = readout()
    template = sky_template(r)
    half = [np.interp(6.0, row[690:715], np.arange(690, 715)) for row in template[[12, 104]]]
    assert half[1] - half[0] == pytest.approx(3, abs=0.1)
    np.testing.assert_array_equal(template[:, :600], np.repeat(template[:1, :600], 256, axis=0))


def test_boxes_are_sums_with_bad_pixels_made_up_for():
    r = readout()
    image, good = image_of(r)
    rows = traces(r)
    good[: int(rows[0, 100]) + 5, 100] = False  # more than half of the box
    got = boxes(np.stack([image, 2 * image]), good, rows)
    y = np.arange(r.shape[0])
    assert np.isnan(got[0, 0, 100])
    for o, x in ((0, 7), (0, 1500), (1, 900), (2, 400)):
        inside = (np.abs(y - rows[o, x]) <= BOX) & good[:, x]
        expected = image[inside, x].sum(dtype=np.float64) * (2 * BOX + 1) / inside.sum()
        np.testing.assert_allclose(got[:, o, x], [expected, 2 * expected], rtol=1e-6)
    near_the_edge = np.flatnonzero(rows[1] > r.shape[0] - 0.5 - BOX)
    assert near_the_edge.size and np.isnan(got[:, 1, near_the_edge]).all()


def test_a_fit_that_starts_from_one_much_like_it_ends_where_it_would():
    rng = np.random.default_rng(11)
    columns = [np.ones(4000), rng.uniform(0, 1, 4000)]
    values = 2 * columns[0] + 3 * columns[1] + rng.normal(0, 0.2, 4000)
    values[:80] += 40
    plain = _robust(values, columns, 6.0)
    near = _robust(values, columns, 6.0, _robust(values + 0.03 * columns[1], columns, 6.0))
    np.testing.assert_allclose(plain.values, [2, 3], atol=0.05)
    np.testing.assert_allclose(near.values, plain.values, atol=0.3 * plain.error)
