"""Light that stays when the star dims: a field star beside the trace is found, wings and noise are not."""

import numpy as np
import pytest

from tsoar.spectra.still import changing_sums, still_light

N, NY, NX = 32, 128, 1024
ROWS = np.arange(NY)[:, None]
TRACE = 40 + 6 * np.cos(np.arange(NX) / 400)
DISTANCE = ROWS - TRACE
BESIDE = np.abs(DISTANCE) > 17
WING = 4000 / np.maximum(np.abs(DISTANCE), 10) ** 1.5
FIELD = 40.0 * ((DISTANCE > 20) & (DISTANCE < 36) & (np.arange(NX) > 400))
NOISE = 6.0
TIME = np.linspace(-1, 1, N)
LIGHT = 1 - 0.025 * (np.abs(TIME) < 0.45) + 0.002 * TIME
MOTION = np.stack([0.01 * np.sin(5 * TIME), (TIME > 0.2) * 0.01], 1)


def found(field, seed=1, light=LIGHT, noise=NOISE, static=0.0):
    """Residuals of a model that takes all light for the star's, each column's mean beside the trace taken out."""
    rng = np.random.default_rng(seed)
    star = (WING + field).astype(np.float32)
    weight = np.where(BESIDE, NOISE**-2, 0).astype(np.float32)
    images = (noise * rng.normal(size=(N, NY, NX)) - (light - 1)[:, None, None] * field).astype(np.float32)
    images[:, BESIDE] -= static
    images[3, 5, 700] = 1e5  # a hit
    images[:, 60, 300] = np.nan
    images -= (np.where(np.isfinite(images) & BESIDE, images, 0).sum(1) / BESIDE.sum(0))[:, None]
    return still_light(images, weight, star, BESIDE, TRACE, light, MOTION)


def test_a_field_star_is_found_where_it_is():
    """Nine tenths of its light; a third of a per cent of it anywhere else."""
    still = found(FIELD)
    there = BESIDE & (FIELD > 0)
    assert 0.8 * FIELD.sum() < still[there].sum() < 1.1 * FIELD.sum()
    assert still[~there].sum() < 0.25 * FIELD.sum()
    assert still[~BESIDE].sum() == 0
    # the mean beside the trace, which is what column offsets see
    mean, true = ((v * BESIDE).sum(0)[512:].mean() for v in (still, FIELD))
    assert mean == pytest.approx(true, rel=0.15)


def test_noise_and_the_stars_own_wings_are_not_taken_for_one():
    for seed in range(6):
        assert not found(0 * FIELD, seed).any()


def test_a_constant_star_shows_nothing():
    assert not found(FIELD, light=np.ones(N)).any()
    assert not found(FIELD, light=1 + 0.02 * TIME).any()  # a trend is left to the detector


def test_the_kernel_is_its_slow_twin():
    rng = np.random.default_rng(5)
    images = rng.normal(size=(7, 9, 30)).astype(np.float32)
    images[2, 3, 4], images[1, 1, 1] = np.nan, 50
    limit = np.full((9, 30), 4, np.float32)
    limit[0] = np.inf
    change = rng.normal(size=7).astype(np.float32)
    out = np.zeros((9, 30), np.float32)
    changing_sums(images, limit, change, out)
    use = np.abs(np.where(np.isfinite(images), images, np.inf)) < limit
    np.testing.assert_allclose(out, np.tensordot(change, np.where(use, images, 0), 1), atol=1e-5)
