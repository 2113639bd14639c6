"""Column offsets: twins, injected stripes recovered, nothing of the star eaten, hits do not matter."""

import numpy as np
import pytest

from tests.detector.test_jump import deep_of
from tests.detector.test_ramp_fit import ramps_of
from tsoar.blocks import Slopes
from tsoar.detector.one_over_f import (
    OneOverFParams,
    bridge,
    deep_offsets,
    difference_offset,
    one_over_f,
    one_over_f_slopes,
    smooth_level,
    start_rows,
)
from tsoar.errors import InputError

SHAPE = (96, 300)


def striped(rng, n_groups=6, sigma=12.0):
    """White noise and column stripes; (data (g, y, x), offsets of the differences)."""
    offsets = rng.normal(0, 5, (n_groups - 1, SHAPE[1]))
    data = rng.normal(0, sigma / np.sqrt(2), (n_groups, *SHAPE))
    data[1:] += offsets.cumsum(axis=0)[:, None]
    return data.astype(np.float32), offsets


def twin(data, k, model, weight, clip):
    """Plain formulas in float64."""
    r = data[k + 1].astype(float) - data[k] - model
    start = np.nanmedian(np.where(weight > 0, r, np.nan)[start_rows(len(model))], axis=0)
    w = np.where((r - start) ** 2 * weight < clip**2, weight, 0)
    return start + (w * (r - start)).sum(0) / w.sum(0)


@pytest.mark.parametrize("rows", [96, 91])
def test_offsets_are_the_twins(rows):
    """Rows are taken four at a time, the last three of 91 by themselves."""
    rng = np.random.default_rng(1)
    data = np.ascontiguousarray(striped(rng)[0][:, :rows])
    model = rng.normal(0, 3, (rows, SHAPE[1])).astype(np.float32)
    weight = (rng.random(model.shape) > 0.2) / np.float32(12.0**2)
    got = deep_offsets(data, model, weight.astype(np.float32), 4.0)
    for k in range(5):
        np.testing.assert_allclose(got[k], twin(data, k, model, weight, 4.0), atol=2e-3)


def test_stripes_are_found_to_their_noise_and_hits_do_not_matter():
    rng = np.random.default_rng(2)
    data, offsets = striped(rng)
    weight = np.full(SHAPE, 1 / 12.0**2, np.float32)
    model = np.zeros(SHAPE, np.float32)
    clean = deep_offsets(data, model, weight, 4.0)
    error = clean - offsets
    assert error.std() == pytest.approx(12.0 / np.sqrt(SHAPE[0]), rel=0.08)
    hit = data.copy()
    hit[3:, 10:90:20, ::3] += 20_000  # four big hits in every third column: a mean start would lose those columns
    again = deep_offsets(hit, model, weight, 4.0)
    assert np.abs(again[2] - clean[2]).max() < 1.5


def test_a_column_without_rows_takes_its_neighbours():
    data, _ = striped(np.random.default_rng(3))
    weight = np.full(SHAPE, 1 / 144, np.float32)
    weight[:, 100:103] = 0
    got = difference_offset(data, 0, 1, np.zeros(SHAPE, np.float32), 1.0, weight, 4.0)
    assert got[101] == pytest.approx(0.5 * (got[99] + got[103]), abs=1e-4)
    assert (bridge(np.full(4, np.nan, np.float32)) == 0).all()
    holed = np.random.default_rng(8).normal(0, 5, (4, 40)).astype(np.float32)
    holed[0, 3:7] = holed[1, :5] = holed[2, 30:] = np.nan
    for row, got in zip(holed, bridge(holed), strict=True):
        known = np.flatnonzero(np.isfinite(row))
        np.testing.assert_allclose(got, np.interp(np.arange(40), known, row[known]), rtol=1e-6)


@pytest.mark.parametrize("method", ["deep", "masked", "median"])
def test_star_and_sky_stay(method):
    """Stripes go, the level of the sky and the star's light do not."""
    rng = np.random.default_rng(4)
    rate = 40.0
    deep = deep_of(rate, SHAPE)
    trace = np.full((3, SHAPE[1]), np.nan)
    trace[0] = 50.0
    ramp = np.arange(6)[:, None, None] * rate * 5.494
    data, _ = striped(rng)
    ramps = ramps_of((data + ramp)[None])
    out = one_over_f(ramps, deep if method == "deep" else None, trace, params=OneOverFParams(method))
    before, after = np.diff(ramps.data[0], axis=0), np.diff(out.data[0], axis=0)
    assert after.mean() == pytest.approx(rate * 5.494, abs=0.35)
    assert before.mean(axis=1).std() > 4.5
    assert after.mean(axis=1).std() < 2.0
    assert (out.data[0, 0] == ramps.data[0, 0]).all()
    assert out.facts["one_over_f"].shape == (1, 5, SHAPE[1])


def test_slope_level_takes_stripes_out_of_slopes():
    rng = np.random.default_rng(5)
    image = (rng.normal(0, 1, (2, *SHAPE)) + rng.normal(0, 2, (2, 1, SHAPE[1])) + 4.0).astype(np.float32)
    one = np.ones_like(image)
    slopes = Slopes(image, one, one / 2, one / 2, np.zeros(image.shape, np.uint32), ramps_of(np.ones((1, 2, *SHAPE))).readout)
    for method, deep in (("masked", None), ("deep", deep_of(4.0, SHAPE))):
        out = one_over_f_slopes(slopes, deep, np.full((3, SHAPE[1]), np.nan), params=OneOverFParams(method, "slope"))
        assert out.slope.mean(axis=1).std() < 0.35
        assert out.slope.mean() == pytest.approx(4.0, abs=0.6)


def test_smooth_level_follows_steps_not_stripes():
    x = np.where(np.arange(400) < 200, 5.0, 7.0).astype(np.float32)
    x[50] = 90.0
    got = smooth_level(x, 31)
    assert np.abs(got - np.where(np.arange(400) < 200, 5.0, 7.0)).max() == 0


def test_methods_say_what_they_need():
    ramps = ramps_of(np.ones((1, 3, 4, 4)))
    with pytest.raises(InputError, match="deep stack"):
        one_over_f(ramps)
    with pytest.raises(InputError, match="traces"):
        one_over_f(ramps, params=OneOverFParams("masked"))
