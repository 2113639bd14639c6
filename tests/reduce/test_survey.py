"""The survey's small parts, beside the slow way to say the same."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tsoar.reduce.chain import SPOILT
from tsoar.reduce.memory import large_blocks_kept
from tsoar.reduce.survey import (
    CORE,
    _median_image,
    band_sums,
    brightness,
    count_flag,
    dark_spread,
    mean_deviation,
    ramp_scatter,
    some_differences,
)

SHAPE = (60, 90)


def test_band_sums_and_brightness():
    rng = np.random.default_rng(1)
    trace = np.full((3, SHAPE[1]), np.nan)
    trace[0], trace[1, :70] = np.linspace(20, 30, SHAPE[1]), 50
    images = (rng.uniform(1, 2, (7, *SHAPE)) + 100 * (np.abs(np.arange(SHAPE[0])[:, None] - trace[0]) < 8)).astype(np.float32)
    scale = rng.uniform(0.95, 1.05, 7)
    images *= scale[:, None, None].astype(np.float32)
    images[2, 25, 30] = np.nan
    light = np.empty((7, 2, SHAPE[1]))
    for image, out in zip(images, light, strict=True):
        band_sums(image, trace, out)
    y = np.arange(SHAPE[0])[:, None]
    for o in range(2):
        with np.errstate(invalid="ignore"):
            inside = np.abs(y - trace[o]) <= CORE
        np.testing.assert_allclose(light[:, o], np.nansum(np.where(inside, images, 0), axis=1, dtype=np.float64), rtol=1e-5)
    found = brightness(light)
    np.testing.assert_allclose(found[:, 0], scale / np.median(scale), rtol=2e-3)


def test_flags_are_counted_where_asked():
    rng = np.random.default_rng(2)
    dq, where, out = rng.integers(0, 8, (4, *SHAPE), np.uint8), rng.random(SHAPE) < 0.3, np.empty(4)
    count_flag(dq, where, np.uint8(2), out)
    np.testing.assert_array_equal(out, ((dq & 2 > 0) & where).sum(axis=(1, 2)))


@pytest.mark.parametrize("workers", [1, 3])
def test_the_median_image_is_the_median_of_scaled_images(workers):
    rng = np.random.default_rng(3)
    images, scale = rng.normal(100, 9, (9, *SHAPE)).astype(np.float32), rng.uniform(0.9, 1.1, 9)
    images[rng.random(images.shape) < 0.05] = np.nan
    with ThreadPoolExecutor(workers) as pool:
        got, plain = _median_image(images, scale, pool), _median_image(images, None, pool)
    np.testing.assert_allclose(got, np.nanmedian(images / scale[:, None, None], axis=0), rtol=1e-6)
    np.testing.assert_array_equal(plain, np.nanmedian(images, axis=0))


def test_scatter_inside_ramps_without_offsets_and_spoilt_ramps():
    rng = np.random.default_rng(4)
    data, offsets = rng.normal(0, 10, (6, *SHAPE)).astype(np.float32), rng.normal(0, 5, (5, SHAPE[1])).astype(np.float32)
    dq = np.where(rng.random(data.shape) < 0.01, SPOILT, np.uint8(0)).astype(np.uint8)
    out = np.empty(SHAPE, np.float32)
    ramp_scatter(data, dq, offsets, SPOILT, out)
    d = np.diff(data, axis=0) - offsets[:, None]
    expected = np.abs(d - d.mean(axis=0)).mean(axis=0)
    expected[(dq > 0).any(axis=0)] = np.nan
    np.testing.assert_allclose(out, expected, rtol=1e-4)


@pytest.mark.parametrize("groups", [3, 4, 8])
def test_expected_scatter_is_that_of_drawn_ramps(groups):
    rng = np.random.default_rng(5)
    poisson, read2, draws = 40.0, 90.0, 40000
    counts = np.cumsum(rng.normal(0, np.sqrt(poisson), (groups, draws)), axis=0) + rng.normal(
        0, np.sqrt(read2), (groups, draws)
    )
    d = np.diff(counts, axis=0)
    seen = np.abs(d - d.mean(axis=0)).mean(axis=0)
    expected = mean_deviation(np.full(1, poisson, np.float32), np.full(1, read2, np.float32), groups - 1)[0]
    assert seen.mean() == pytest.approx(expected, abs=5 * seen.std() / np.sqrt(draws) + 1e-4)


def test_keeping_blocks_ends_also_with_an_error():
    with pytest.raises(ZeroDivisionError), large_blocks_kept():
        _ = 1 / 0
    with large_blocks_kept():
        assert np.ones(1 << 20).sum() == 1 << 20


def test_noise_of_dark_pixels_is_that_of_their_reads():
    """Differences of ramps about a model, offsets taken out; what is spoilt does not count."""
    rng = np.random.default_rng(6)
    shape, read, rate, level = (140, 700), 9.0, 5.0, rng.normal(0, 20, (5, 700)).astype(np.float32)
    counts = rng.normal(0, read, (6, *shape)) + rate * np.arange(6)[:, None, None]
    counts[1:] += np.cumsum(level, axis=0)[:, None]
    dq = np.zeros(counts.shape, np.uint8)
    dq[3, ::2], counts[3, ::2] = SPOILT, 1e6
    d = some_differences(counts.astype(np.float32), dq, level)
    assert np.isnan(d).any(axis=0).mean() == pytest.approx(0.5, abs=0.05)
    asked = rng.random(d.shape[1:]) < 0.8
    n = np.isfinite(d[:, asked]).sum()
    assert dark_spread(d - np.float32(rate), asked) == pytest.approx(np.sqrt(2) * read, rel=5 * 1.2 / np.sqrt(n))
    assert np.isnan(dark_spread(np.full_like(d, np.nan), asked))
