"""Box extraction: against the plain sum, moving with the trace, holes filled by the model, errors that hold."""

import numpy as np
import pytest

from tests.spectra.test_motion import SHAPE, deep, star
from tsoar.spectra.extract import blank_sums, blank_windows, extract_box, one_over_f_excess
from tsoar.spectra.motion import joined, spans_of


def extract(slope, var, sky, model, trace, shift=0.0, radius=15.0):
    out = [np.empty(slope.shape[1]) for _ in range(3)]
    f32 = lambda a: np.ascontiguousarray(a, np.float32)  # noqa: E731
    extract_box(f32(slope), f32(var), f32(sky), f32(model), trace, shift, radius, *out)
    return out


def twin(slope, var, sky, trace, radius):
    y = np.arange(slope.shape[0])[:, None]
    share = np.clip(np.minimum(y + 0.5, trace + radius) - np.maximum(y - 0.5, trace - radius), 0, 1)
    return (share * (slope - sky)).sum(0), (share**2 * var).sum(0)


def test_box_is_the_plain_sum_with_squared_weights():
    rng = np.random.default_rng(1)
    slope, var = rng.normal(10, 3, SHAPE), rng.random(SHAPE) + 1
    trace = 40 + 3 * rng.random(SHAPE[1])
    sky = np.full(SHAPE, 2.0)
    flux, variance, filled = extract(slope, var, sky, slope, trace, 0.25, 11.3)
    expected = twin(slope, var, sky, trace + 0.25, 11.3)
    np.testing.assert_allclose(flux, expected[0], rtol=1e-5)
    np.testing.assert_allclose(variance, expected[1], rtol=1e-5)
    assert (filled == 0).all()


def test_holes_are_filled_by_the_model_not_summed_over():
    d = deep()
    image = d.star.sum(0) + d.sky
    holed = image.copy()
    rng = np.random.default_rng(2)
    holed[rng.random(SHAPE) < 0.02] = np.nan
    whole = extract(image, np.ones(SHAPE), d.sky, image, d.trace[0])
    mended = extract(holed, np.ones(SHAPE), d.sky, image, d.trace[0])
    np.testing.assert_allclose(mended[0], whole[0], rtol=1e-5)
    assert mended[2].max() > 0.02 and (mended[1] <= whole[1]).all()


def test_a_moving_box_does_not_see_motion():
    d = deep()
    still, moved = star()[0], star(shift=0.3)[0]
    one, nothing = np.ones(SHAPE), np.zeros(SHAPE)
    base = extract(still, one, nothing, still, d.trace[0], 0.0, 7.0)[0].sum()
    fixed = extract(moved, one, nothing, moved, d.trace[0], 0.0, 7.0)[0].sum()
    moving = extract(moved, one, nothing, moved, d.trace[0], 0.3, 7.0)[0].sum()
    assert abs(fixed / base - 1) > 3e-4
    assert abs(moving / base - 1) < 0.15 * abs(fixed / base - 1)


def test_a_box_off_the_frame_does_not_wrap():
    image = np.ones(SHAPE)
    flux, _, _ = extract(image, image, 0 * image, image, np.r_[np.full(256, 3.0), np.full(256, -40.0)])
    assert flux[0] == pytest.approx(18.5)
    assert np.isnan(flux[300])
    assert np.isnan(extract(image, image, 0 * image, image, np.full(SHAPE[1], np.nan))[0]).all()


def test_errors_hold_on_white_noise():
    """chi2 of the claimed variance over 400 realisations."""
    rng = np.random.default_rng(4)
    var = np.full(SHAPE, 2.5)
    pulls = []
    for _ in range(8):
        flux, variance, _ = extract(rng.normal(0, np.sqrt(2.5), SHAPE), var, 0 * var, var, np.full(SHAPE[1], 40.2))
        pulls.append(flux / np.sqrt(variance))
    assert np.var(pulls) == pytest.approx(1, abs=4 * np.sqrt(2 / (8 * SHAPE[1])))


def test_excess_is_what_was_put_in():
    """1/f of 3 DN/s in a 31-row window over white noise of 2 DN/s; none where there is none."""
    rng = np.random.default_rng(5)
    white = np.full(1000, 4.0)
    rows = np.full(1000, 31.0)
    blank = rng.normal(0, 2, (120, 1000)) + rng.normal(0, 3, (120, 1000))
    blank[7, 500] += 1e4
    blank[:, 900:] = np.nan
    excess = 30.0**2 * one_over_f_excess(blank, white, rows)
    assert excess[:900].mean() == pytest.approx(9 * (30 / 31) ** 2, rel=0.05)
    assert excess[990] == pytest.approx(9, rel=0.15)
    assert one_over_f_excess(blank - blank, white, rows).max() == 0


def test_windows_are_dark_and_whole():
    d = deep()
    blank = blank_windows(d, np.ones(SHAPE, bool), 15, away=12.0)
    assert set(np.unique(blank.sum(0))) <= {0.0, 15.0}
    assert (blank.sum(0) > 0).any()
    assert (blank * d.star.sum(0)).max() < 60


def test_sums_over_windows_are_the_twins_however_they_are_cut():
    """Long stretches with gaps and short ones without; column offsets still in the data or not; NaN in the gaps."""
    rng = np.random.default_rng(6)
    window = rng.random(SHAPE) < 0.3
    model, weight = (rng.uniform(1, 9, SHAPE).astype(np.float32) for _ in range(2))
    sigma2 = np.where(window | (rng.random(SHAPE) < 0.7), 50, np.nan).astype(np.float32)
    columns = np.concatenate([np.zeros((1, SHAPE[1])), rng.normal(0, 9, (3, SHAPE[1]))]).astype(np.float32)
    clean = rng.normal(model, 5, (4, *SHAPE)).cumsum(axis=0).astype(np.float32)
    clean[2:, ::20, ::7] += 900
    r = np.diff(clean.astype(float), axis=0) - model
    expected = np.where(window & (r * r < 25 * 50.0), r, 0).sum(axis=1)
    fine = spans_of(window)
    long = joined(fine, 64)
    assert len(long) < len(fine) / 20 and len(joined(fine[:0], 64)) == 0
    for spans in (fine, long):
        for data, offsets in ((clean, 0 * columns), (clean + columns[:, None], columns)):
            sums, counts, inner = np.empty((3, SHAPE[1]), np.float32), *np.empty((2, SHAPE[1]), np.float32)
            blank_sums(data, offsets, weight, model, window.astype(np.float32), spans, sigma2, sums, counts, inner)
            np.testing.assert_allclose(sums, expected, atol=2e-3)
            np.testing.assert_array_equal(counts, window.sum(axis=0))
            np.testing.assert_allclose(inner, (weight * window).sum(axis=0), rtol=1e-5)
