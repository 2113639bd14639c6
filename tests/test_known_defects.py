"""Defects known in public code, each with a test that tsoar is free of it (issue 9; row G15).

* negative pixels set to zero: a bias wherever there is little light;
* gaps filled backwards across columns: a column without data shows what its neighbour measured;
* flags added instead of or-ed: SATURATED (2) met twice becomes JUMP_DET (4);
* interpolated pixels counted as data: errors too small;
* steps that go ahead in a wrong order: 1/f before the background is known biased depths by hundreds of ppm.
"""

import numpy as np
import pytest

from tests.detector.test_jump import deep_of
from tests.detector.test_ramp_fit import ramps_of, references
from tests.spectra.test_motion import SHAPE, deep
from tsoar import detector, flags
from tsoar.blocks import Ramps, Readout, Reference
from tsoar.detector.one_over_f import OneOverFParams
from tsoar.detector.ramp_fit import RampFitParams
from tsoar.errors import InputError, TsoarError
from tsoar.io.references import remap
from tsoar.reduce.products import average
from tsoar.reduce.stream import RateSums, add_rate
from tsoar.spectra.clean import replace_outliers
from tsoar.spectra.extract import extract_box

SAT, JUMP, DNU, AD = flags.SATURATED, flags.JUMP_DET, flags.DO_NOT_USE, flags.AD_FLOOR
DARK = (4, 40, 50)


def plane(kind, values):
    return Reference(kind, np.asarray(values, np.float32), None, (1, 1803))


# -- negative pixels --------------------------------------------------------------------------------------------------


def noise(seed=1, groups=5, mean=0.0):
    """Read noise about a level, no light: (i, g, y, x)."""
    return np.random.default_rng(seed).normal(mean, 10, (DARK[0], groups, *DARK[1:])).astype(np.float32)


@pytest.mark.parametrize("step", ["superbias", "linearity", "dark_current"])
def test_calibration_keeps_negative_values(step):
    """What is subtracted may exceed what is there; the polynomial of the linearity is the identity here."""
    data = noise()
    one = np.ones(DARK[1:], np.float32)
    reference = {
        "superbias": plane("superbias", 100 * one),
        "linearity": plane("linearity", np.stack([0 * one, one, 0 * one])),
        "dark_current": plane("dark", 100 * np.stack([one] * 5)),
    }[step]
    out = getattr(detector, step)(ramps_of(data), reference).data
    np.testing.assert_allclose(out, data - (0 if step == "linearity" else 100), atol=1e-4)
    assert (out < 0).mean() > 0.45


@pytest.mark.parametrize("method", ["gls", "ols"])
def test_slopes_without_light_scatter_about_zero(method):
    """As many below zero as above, mean zero within its error: nothing is clipped."""
    ramps = ramps_of(noise(seed=2), tgroup=5.0)
    out = detector.ramp_fit(ramps, *references(DARK[1:]), deep_of(0.0, DARK[1:]), RampFitParams(method=method))
    slope = out.slope.astype(float)
    assert abs(slope.mean()) < 4 * slope.std() / np.sqrt(slope.size)
    assert (slope < 0).mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(slope.size))
    assert not np.any(slope == 0)
    assert not out.dq.any(), "a negative slope is no reason for a flag"


def test_negative_slopes_count_in_spectra_and_in_the_mean_image():
    """A spectrum of pure noise: the plain sum, negative in every second column; the mean image likewise."""
    d = deep()
    rng = np.random.default_rng(3)
    slope = rng.normal(0, 1, SHAPE).astype(np.float32)
    one, nothing = np.ones(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    flux, variance, filled = (np.empty(SHAPE[1]) for _ in range(3))
    extract_box(slope, one, nothing, nothing, d.trace[0], 0.0, 5.0, flux, variance, filled)
    y = np.arange(SHAPE[0])[:, None]
    share = np.clip(np.minimum(y + 0.5, d.trace[0] + 5.0) - np.maximum(y - 0.5, d.trace[0] - 5.0), 0, 1)
    np.testing.assert_allclose(flux, (share * slope).sum(0), atol=1e-4)
    assert (flux < 0).mean() == pytest.approx(0.5, abs=0.15)
    sums = RateSums.empty(SHAPE)
    images = rng.normal(0, 1, (3, *SHAPE)).astype(np.float32)
    parts = [getattr(sums, name) for name in RateSums.__slots__]
    for image in images:
        add_rate(image, one, one, np.zeros(SHAPE, np.uint32), *parts)
    np.testing.assert_allclose(average(sums)["slope"], images.mean(axis=0), atol=1e-5)


def test_cleaning_keeps_negative_values():
    rng = np.random.default_rng(4)
    flux = rng.normal(0, 1, (30, 60))
    clean, n_replaced, _ = replace_outliers(flux, np.ones(flux.shape), np.ones(flux.shape, bool))
    np.testing.assert_array_equal(clean, flux)
    assert n_replaced.sum() == 0


# -- gaps -------------------------------------------------------------------------------------------------------------


def extracted(slope, model):
    d = deep()
    one = np.ones(SHAPE, np.float32)
    out = [np.empty(SHAPE[1]) for _ in range(3)]
    extract_box(slope, one, 0 * one, model, d.trace[0], 0.0, 5.0, *out)
    return out


def test_a_gap_knows_nothing_of_its_neighbours():
    """Two gaps, a whole column and single pixels; neighbours that change wildly do not change what stands in a gap."""
    rng = np.random.default_rng(5)
    model = rng.uniform(5, 10, SHAPE).astype(np.float32)
    slope = model + rng.normal(0, 1, SHAPE).astype(np.float32)
    rows = int(deep().trace[0, 100]) + np.array([-1, 0, 1])
    slope[:, 60] = np.nan
    slope[rows, 100] = np.nan
    flux, variance, filled = extracted(slope, model)
    other = slope.copy()
    other[:, [59, 61, 99, 101]] += 1000
    flux2, variance2, _ = extracted(other, model)
    gaps = [60, 100]
    np.testing.assert_array_equal(flux[gaps], flux2[gaps])
    np.testing.assert_array_equal(variance[gaps], variance2[gaps])
    assert flux2[59] > flux[59] + 9000, "while the neighbours themselves do change"
    assert filled[60] == pytest.approx(1) and 0.1 < filled[100] < 0.5


def test_a_pixel_that_is_filled_is_not_counted_as_data():
    """Its variance is not in the sum, and the share of light that is not measured is told."""
    model = np.full(SHAPE, 10, np.float32)
    slope = model.copy()
    row = int(deep().trace[0, 80])
    slope[row, 80] = np.nan
    _, whole, _ = extracted(model, model)
    flux, variance, filled = extracted(slope, model)
    assert whole[80] - variance[80] == pytest.approx(1)
    assert filled[80] == pytest.approx(1 / 10, rel=0.01)
    assert flux[80] == pytest.approx(100, rel=1e-5)


def test_cleaning_leaves_gaps_as_they_are():
    rng = np.random.default_rng(7)
    flux = 100 + rng.normal(0, 1, (20, 50))
    valid = np.ones(flux.shape, bool)
    valid[:, 20] = False
    valid[3, 30] = False
    flux[~valid] = np.nan
    clean, n_replaced, where = replace_outliers(flux, np.ones(flux.shape), valid)
    np.testing.assert_array_equal(np.isnan(clean), ~valid)
    assert n_replaced.sum() == 0 and not where.any()


# -- flags ------------------------------------------------------------------------------------------------------------


def saturating(groupdq):
    data = np.full((1, 4, 5, 6), 100, np.float32)
    data[0, 2:, 2, 3] = 60000
    return ramps_of(data, groupdq), plane("saturation", np.full((5, 6), 50000))


def test_saturated_twice_is_saturated():
    """The step on flags that are set already, and the step run twice; addition would make JUMP_DET of it."""
    before = np.full((1, 4, 5, 6), SAT, np.uint8)
    ramps, limit = saturating(before)
    np.testing.assert_array_equal(detector.saturation(ramps, limit).groupdq, before)
    ramps, limit = saturating(None)
    once = detector.saturation(ramps, limit)
    twice = detector.saturation(once, limit)
    np.testing.assert_array_equal(twice.groupdq & JUMP, 0)
    assert (twice.groupdq[0, 2:, 2, 3] == SAT).all()
    low = Ramps(np.zeros((1, 3, 2, 2), np.float32), np.full((1, 3, 2, 2), AD | DNU, np.uint8), np.zeros((2, 2), np.uint32),
                Readout("SUBSTRIP96", (2, 2), (1, 1803), 3, 2.2, 2.2))  # fmt: skip
    floor = detector.saturation(low, plane("saturation", np.full((2, 2), 50000)))
    np.testing.assert_array_equal(floor.groupdq, AD | DNU)


def test_a_hit_flagged_twice_is_a_hit():
    shape = (5, 60)
    data = np.cumsum(np.full((1, 6, *shape), 100.0), axis=1)
    data[:, 3:, 2, 30] += 5000
    deep_, refs = deep_of(100 / 5.494, shape), references(shape)
    once = detector.jump(ramps_of(data), *refs, deep_)
    assert once.groupdq[0, 3, 2, 30] == JUMP
    twice = detector.jump(once, *refs, deep_)
    assert set(np.unique(twice.groupdq)) <= {0, JUMP}
    np.testing.assert_array_equal(twice.groupdq[0, 3, 2, 30], JUMP)


def test_masks_and_definitions_are_or_ed():
    """The mask applied twice; two bits of a file with the same name; all integrations in the mean image."""
    mask = np.array([[0, 1, 1024, 1 << 31]], np.uint32)
    ramps = ramps_of(np.zeros((1, 2, 1, 4)))
    reference = Reference("mask", None, mask, (1, 1803))
    once = detector.dq_init(ramps, reference)
    np.testing.assert_array_equal(detector.dq_init(once, reference).pixeldq, once.pixeldq)
    np.testing.assert_array_equal(once.pixeldq, mask)
    definition = np.array([(2, "DEAD"), (4, "DEAD"), (8, "HOT")], [("VALUE", "u4"), ("NAME", "U20")])
    bits = remap(np.array([[2, 6, 14, 0]], np.uint32), definition)
    np.testing.assert_array_equal(bits, [[flags.PIXEL["DEAD"]] * 2 + [flags.PIXEL["DEAD"] | flags.PIXEL["HOT"], 0]])
    sums = RateSums.empty((1, 4))
    one, dq = np.ones((1, 4), np.float32), np.full((1, 4), SAT, np.uint32)
    for _ in range(2):
        add_rate(one, one, one, dq, *(getattr(sums, name) for name in RateSums.__slots__))
    np.testing.assert_array_equal(average(sums)["dq"], SAT)
    again = RateSums.empty((1, 4))
    again.merge(sums)
    again.merge(sums)
    np.testing.assert_array_equal(average(again)["dq"], SAT)


def test_slopes_or_the_flags_of_their_groups():
    dq = np.zeros((1, 5, 1, 3), np.uint8)
    dq[0, 3:, 0, 0] = SAT  # two saturated groups: 2 + 2 would be a jump
    dq[0, 1:3, 0, 1] = JUMP  # two jumps: 4 + 4 would be a dropout
    out = detector.ramp_fit(ramps_of(np.cumsum(np.full((1, 5, 1, 3), 50.0), axis=1), dq), *references((1, 3)))
    assert out.dq[0, 0].tolist() == [SAT, JUMP, 0]


# -- order ------------------------------------------------------------------------------------------------------------


def test_steps_that_need_the_background_refuse_to_guess_it():
    """1/f and jumps by the deep stack do not run before it (star, sky, traces) is known."""
    ramps = ramps_of(np.zeros((1, 4, 96, 30)))
    with pytest.raises(InputError, match="survey first"):
        detector.one_over_f(ramps)
    with pytest.raises(InputError, match="traces"):
        detector.one_over_f(ramps, params=OneOverFParams(method="masked"))
    with pytest.raises(InputError, match="survey first"):
        detector.jump(ramps, *references((96, 30)))
    with pytest.raises(TsoarError, match="2 are needed"):
        detector.ramp_fit(ramps_of(np.zeros((1, 1, 2, 2))), *references((2, 2)))


def test_the_background_does_not_leak_into_the_star_through_the_column_step():
    """Sky in every pixel and an offset in every column: the offsets come out, sky and star stay, whatever their depth."""
    shape, rate, t = (96, 60), 20.0, 5.494
    rng = np.random.default_rng(8)
    deep_ = deep_of(rate, shape)
    offsets = rng.normal(0, 5, (3, shape[1]))
    data = np.zeros((1, 4, *shape))
    data[0, 1:] = (np.arange(1, 4)[:, None, None] * rate * t) + offsets.cumsum(axis=0)[:, None]
    out = detector.one_over_f(ramps_of(data), deep_, weight=np.ones(shape, np.float32))
    np.testing.assert_allclose(np.diff(out.data[0], axis=0), rate * t, rtol=1e-3)
