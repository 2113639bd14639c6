"""Walked centroids against a slow twin; edge midpoints on profiles whose edges are known."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from tsoar.spectra.centroids import CentroidParams, _aligned, _straighten, centroids, edge_midpoints

NY, NX = 128, 400


def flat_top(row, width=22.0, horns=0.3, ny=NY):
    """A profile with two unequal horns and edges at row +- width / 2."""
    y = np.arange(ny)[:, None]
    s = y - row
    top = 1 / ((1 + np.exp(-(s + width / 2) / 0.8)) * (1 + np.exp((s - width / 2) / 0.8)))
    return top * (1 + horns * np.exp(-0.5 * ((s - 7) / 1.5) ** 2) + horns / 2 * np.exp(-0.5 * ((s + 7) / 1.5) ** 2))


def image_of(rows, flux=40.0, noise=0.0, seed=1):
    image = sum(f * flat_top(row) for row, f in zip(rows, np.broadcast_to(flux, len(rows)), strict=True))
    return (image + np.random.default_rng(seed).normal(0, noise, image.shape)).astype(np.float32)


def one_trace(slope=0.03):
    return np.stack([55 + slope * (np.arange(NX) - 200), np.full(NX, np.nan), np.full(NX, np.nan)])


def test_centroids_are_the_maxima_of_the_smoothed_profile():
    trace = one_trace()
    image = image_of(trace[:1], noise=1.0)
    y, valid = centroids(image, np.ones_like(image, bool), trace + 1.3)
    smooth = gaussian_filter1d(image.astype(float), 10.0, axis=0, truncate=3.0, mode="constant")
    for x in range(0, NX, 7):
        near = np.arange(int(trace[0, x]) - 15, int(trace[0, x]) + 16)
        k = near[np.argmax(smooth[near, x])]
        a, b, c = smooth[k - 1 : k + 2, x]
        assert y[0, x] == pytest.approx(k + 0.5 * (a - c) / (a - 2 * b + c), abs=2e-3)
    assert valid[0].mean() > 0.95 and not valid[1:].any() and np.isnan(y[1:]).all()


def test_straightened_profiles_are_the_twins():
    """Bad pixels bridged, 0 off the frame and at another order's limit; what was in the band before does not matter."""
    rng = np.random.default_rng(5)
    half = 30
    image = rng.normal(10, 3, (NY, NX)).astype(np.float32)
    good = rng.random(image.shape) > 0.15
    good[:, 50:90] &= rng.random((NY, 40)) > 0.4
    good[:, 7] = False
    expected = 50 + 0.3 * (np.arange(NX) - 100.0)
    low, high = expected - rng.uniform(5, 60, NX), np.where(np.arange(NX) % 3, np.inf, expected + 18)
    walk = rng.random(NX) > 0.1
    band = np.full((NX, 2 * half + 1), 77, np.float32)
    first, seen = np.empty(NX, np.int64), np.empty(NX, np.bool_)
    _straighten(image, good, expected, walk, low, high, half, band, first, seen)
    assert not seen[~walk].any() and 0.3 < seen.mean() < 0.9
    for x in np.flatnonzero(walk):
        rows = int(np.rint(expected[x])) + np.arange(-half, half + 1)
        framed = (rows >= 0) & (rows < NY)
        zero = ~framed | (rows < low[x]) | (rows > high[x])
        fine = ~zero & good[np.clip(rows, 0, NY - 1), x]
        known = np.flatnonzero(zero | fine)
        values = np.where(zero, 0, image[np.clip(rows, 0, NY - 1), x])
        twin = np.interp(np.arange(rows.size), known, values[known]) if known.size else np.zeros(rows.size)
        np.testing.assert_allclose(band[x], twin, atol=1e-4)
        inner = np.abs(np.arange(rows.size) - half) <= 12
        assert first[x] == rows[0] and seen[x] == ((inner & framed & (zero | fine)).sum() >= 17)


def test_bad_pixels_and_hot_columns_do_not_lead_astray():
    trace = one_trace()
    image = image_of(trace[:1], noise=0.5)
    clean, _ = centroids(image, np.ones_like(image, bool), trace)
    rng = np.random.default_rng(2)
    good = rng.random(image.shape) > 0.02
    spoilt = np.where(good, image, np.nan).astype(np.float32)
    y, valid = centroids(spoilt, good, trace)
    assert np.median(np.abs(y - clean)[0]) < 0.1 and valid[0].mean() > 0.9
    image[90, 150:153] += 5000  # hits that nobody flagged
    y, valid = centroids(image, np.ones_like(good), trace)
    assert not valid[0, 150:153].any()
    assert np.abs(y - clean)[0, 154:].max() < 0.01


def test_an_order_beside_a_brighter_one_is_held_to_the_model():
    x = np.arange(NX)
    trace = np.stack([np.full(NX, 35.0), 60 + 0.1 * x, np.full(NX, np.nan)])
    image = image_of(trace[:2], flux=(200.0, 20.0))
    params = CentroidParams(separation=45.0)
    y, valid = centroids(image, np.ones_like(image, bool), trace, params)
    held = trace[1] - trace[0] < 45
    np.testing.assert_array_equal(y[1, held], trace[1, held])
    assert not valid[1, held].any() and valid[1, ~held].mean() > 0.5
    assert np.abs(y[1] - trace[1])[valid[1]].max() < 2


def test_faint_orders_are_not_valid():
    trace = one_trace()
    y, valid = centroids(image_of(trace[:1], flux=0.05, noise=3.0), np.ones((NY, NX), bool), trace)
    assert not valid.any() and np.isfinite(y[0]).all()


def test_no_usable_pixel_is_no_centroid():
    trace = one_trace()
    y, valid = centroids(np.full((NY, NX), np.nan, np.float32), np.zeros((NY, NX), bool), trace)
    np.testing.assert_array_equal(y[0], trace[0])
    assert not valid.any()


@pytest.mark.parametrize("slope", [0.0, 0.07])
def test_midpoints_are_where_the_edges_are_whatever_the_horns(slope):
    trace = one_trace(slope)
    image = image_of(trace[:1], noise=0.5)
    y, valid = edge_midpoints(image, np.ones_like(image, bool), trace + 2.2)
    away = (y - trace)[0][valid[0]]
    assert valid[0].mean() > 0.98
    assert abs(away.mean()) < 0.03 and away.std() < 0.03
    maxima, _ = centroids(image, np.ones_like(image, bool), trace)
    assert abs((maxima - trace)[0].mean()) > 0.1  # the higher horn pulls the maximum


def test_midpoints_over_bad_pixels():
    trace = one_trace(0.05)
    image = image_of(trace[:1])
    good = np.random.default_rng(3).random(image.shape) > 0.03
    y, valid = edge_midpoints(np.where(good, image, 1e5).astype(np.float32), good, trace)
    assert np.abs((y - trace)[0][valid[0]]).max() < 0.06
    assert valid[0].mean() > 0.9


def test_profiles_are_aligned_by_the_cubic_through_four_rows():
    rng = np.random.default_rng(6)
    image, x, trace = rng.normal(size=(30, 50)).astype(np.float32), np.arange(3, 50, 2), rng.uniform(0.5, 29, 24)
    s = np.arange(-4, 4.5, 0.5)
    base = np.floor(trace + s[:, None]).astype(int)
    t = trace + s[:, None] - base
    a, b, c, d = (image[np.clip(base + k, 0, 29), x].astype(np.float64) for k in (-1, 0, 1, 2))
    expected = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    np.testing.assert_allclose(_aligned(image, trace, x, s), expected, atol=2e-6)
