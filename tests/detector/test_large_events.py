"""Snowballs: the clusters of the twin, halos followed to where they are lost, tracks and the star's saturation left alone."""

import numpy as np
import pytest
from scipy import ndimage

from tests.detector.test_jump import deep_of, simulated
from tests.detector.test_ramp_fit import ramps_of, references
from tsoar import flags
from tsoar.detector.jump import JumpParams, jump
from tsoar.detector.large_events import clusters, count_clear, flag_large_events, reach

JUMP, SAT = flags.JUMP_DET, flags.SATURATED
T = 5.494
SHAPE = (64, 96)
FOLLOWED, LEFT = JumpParams(), JumpParams(large=0)


def twin_clusters(strong, fresh, smallest):
    """Labels of touching pixels, then moments in plain formulas."""
    labels, n = ndimage.label(strong | fresh, np.ones((3, 3)))
    found = []
    for k in range(1, n + 1):
        y, x = np.nonzero(labels == k)
        if y.size < smallest or np.count_nonzero(strong & (labels == k)) < 10:
            continue
        minor, major = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(y, x, bias=True)), 0))
        if minor >= 0.4 * major and y.size >= 0.6 * 4 * np.pi * minor * major:
            found.append((y.mean(), x.mean(), 2 * major))
    return sorted(found)


def disc(y0, x0, radius, shape=SHAPE):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(y - y0, x - x0) < radius


def test_clusters_are_those_of_the_twin():
    rng = np.random.default_rng(5)
    strong = rng.random(SHAPE) < 0.12
    strong |= disc(20, 30, 7.5) | disc(50, 2, 6) | disc(40.3, 70.1, 3.4)
    strong[60, 10:60] = True  # a track
    fresh = disc(20, 30, 4) | disc(15, 75, 6)  # the second without hits about it
    strong &= ~fresh & ~disc(15, 75, 9)
    pixels = np.argwhere(strong | fresh).astype(np.int32)
    squares = np.stack(np.indices((2, 3)), axis=-1).reshape(-1, 2)
    expected = twin_clusters(strong, fresh, 25)
    assert len(expected) == 3
    np.testing.assert_allclose(sorted(clusters(pixels, strong[tuple(pixels.T)], 25, squares)), expected)


def test_clear_pixels_are_counted_in_squares():
    dq = np.zeros((4, *SHAPE), np.uint8)
    dq[2:, 0, 1] = SAT  # once
    dq[:, 1, 2] = SAT  # from the start
    pixels = np.array([[0, 1], [1, 2], [40, 70], [41, 71]], np.int32)
    strong = np.array([0, 0, 1 << 2, 1 << 3 | 1 << 2])
    number, hits, full = np.zeros((4, 2, 3), np.int32), np.zeros((4, 2, 3), np.int32), np.empty(4, np.int64)
    count_clear(dq, pixels, strong, full, number, hits)
    assert full.tolist() == [1 << 2, 0, 0, 0]
    assert number[:, 0, 0].tolist() == [0, 0, 1, 0]
    assert hits[:, 1, 2].tolist() == number[:, 1, 2].tolist() == [0, 0, 2, 1]
    assert (number.sum(), hits.sum()) == (4, 3)


def snowball(y0, x0, core, scale, shape=SHAPE):
    """Electrons: a core that saturates, and a halo that falls off from 3000."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot(y - y0, x - x0)
    return np.where(away < core, 1.5e5, 3000 * np.exp(-(away - core) / scale))


def flagged(rate, electrons, params=FOLLOWED, group=3, seed=1, n_groups=7):
    rng = np.random.default_rng(seed)
    data = simulated(rng, 1, n_groups, SHAPE, rate)
    data[0, group:] += electrons / 1.6
    dq = np.where(data > 40000, SAT, 0).astype(np.uint8)
    block = ramps_of(data.astype(np.float32), dq)
    return jump(block, *references(SHAPE), deep_of(np.float32(rate), SHAPE), None, params).groupdq[0]


@pytest.mark.parametrize("rate", [2.0, 400.0, np.linspace(2, 400, SHAPE[1])[None, :]])
def test_a_halo_is_followed_to_where_it_is_lost(rate):
    """Charge outside the core that stays in pixels which look good: a third of what single pixels leave, or less."""
    halo = snowball(30, 45, 4.0, 3.5)
    alone = flagged(rate, halo, LEFT)
    whole = flagged(rate, halo)
    seen = ((alone[3] & JUMP) != 0, (whole[3] & JUMP) != 0)
    assert not (seen[0] & ~seen[1]).any()
    outside = ~disc(30, 45, 4.0)
    left = [halo[outside & ~s].sum() / halo[outside].sum() for s in seen]
    assert left[1] < 0.05
    assert left[1] < 0.35 * left[0]
    far = ~disc(30, 45, 32)  # 1 e- of the halo is left
    assert np.array_equal(seen[1][far], seen[0][far])
    for g in (1, 2, 4, 5, 6):  # other groups as before
        assert np.array_equal(whole[g], alone[g])


def test_tracks_and_the_star_are_left_alone():
    track = np.zeros(SHAPE)
    track[30, 20:70] = track[31, 20:70] = 5000.0
    assert np.array_equal(flagged(100.0, track), flagged(100.0, track, LEFT))
    bright = np.where(disc(30, 45, 9), 60000 / (4.5 * T), 20.0)  # saturates in the fifth group, in a disc
    assert np.array_equal(flagged(bright, np.zeros(SHAPE)), flagged(bright, np.zeros(SHAPE), LEFT))


def test_noise_alone_has_no_large_events():
    hits = np.random.default_rng(3).random(SHAPE) < 0.02
    for seed in range(10):
        electrons = np.where(hits, 4000.0, 0.0)
        again = [flagged(50.0, electrons, JumpParams(large=n), seed=seed) for n in (0, 25)]
        assert np.array_equal(*again)


def test_the_ring_that_holds_only_noise_ends_it():
    rng = np.random.default_rng(8)
    model, sigma2 = np.full(SHAPE, 100.0, np.float32), np.full(SHAPE, 400.0, np.float32)
    reached = []
    for _ in range(200):
        data = np.cumsum(rng.normal(100, 20, (6, *SHAPE)), axis=0).astype(np.float32)
        none = np.zeros_like(data, np.uint8)
        columns, listed = np.zeros((6, SHAPE[1]), np.float32), np.zeros(SHAPE, np.uint8)
        reached.append(reach(data, none, columns, listed, 2, (30.0, 45.0, 5.0), model, sigma2, np.empty(6)))
    assert np.mean(np.array(reached) > 5) < 0.05  # one in 160 by chance, a little more by the median


def test_offsets_still_in_the_columns_are_taken_out_on_the_way():
    """As in the stream: pixels that were looked at are free of 1/f, the others are not yet."""
    rng = np.random.default_rng(4)
    data = simulated(rng, 1, 6, SHAPE, 30.0)[0] + 0.0
    data[3:] += snowball(30, 45, 0.0, 4.0) / 1.6
    model, sigma2 = np.full(SHAPE, 30.0 * T, np.float32), np.full(SHAPE, 300.0, np.float32)
    usable = np.ones(SHAPE, np.uint8)
    near = disc(30, 45, 8)
    pixels = np.argwhere(near).astype(np.int32)
    strong = np.full(len(pixels), 1 << 3)
    results = []
    for offsets in (np.zeros((6, SHAPE[1])), np.cumsum(rng.normal(0, 60, (6, SHAPE[1])), axis=0)):
        columns = offsets.astype(np.float32)
        mine = (data + np.where(near, 0, columns[:, None, :])).astype(np.float32)
        dq, listed = np.zeros(data.shape, np.uint8), near.astype(np.uint8)
        new = flag_large_events(mine, dq, model, sigma2, usable, columns, listed, pixels, strong, 25)
        assert len(new) and (listed[tuple(new.T)] == 2).all() and not near[tuple(new.T)].any()
        results.append(dq)
    assert np.array_equal(*results)
