"""Jumps: twins, guards, completeness and false alarms as statistics."""

import numpy as np
import pytest

from tests.detector.test_ramp_fit import ramps_of, references
from tsoar import flags
from tsoar.blocks import Deep
from tsoar.detector.jump import JumpParams, jump
from tsoar.errors import InputError

JUMP, SAT = flags.JUMP_DET, flags.SATURATED
T = 5.494


def deep_of(rate, shape, gradient=0.0):
    """A deep stack of a flat image."""
    plane = np.zeros(shape, np.float32)
    star = np.zeros((3, *shape), np.float32)
    star[0] = rate
    change = np.zeros_like(star)
    change[0] = gradient
    none = np.zeros(shape, bool)
    trace = np.full((3, shape[1]), np.nan)
    zero = np.zeros_like(star)
    return Deep(star, change, zero, zero, plane, none, none, trace, trace, trace, np.isfinite(trace), 1.0, np.arange(8), 5)


def simulated(rng, n_int, n_groups, shape, rate, gain=1.6, cds=13.0):
    """Photon and read noise, nothing else."""
    photons = rng.poisson(rate * T * gain, (n_int, n_groups, *shape)).cumsum(axis=1) / gain
    return photons + rng.normal(0, cds / np.sqrt(2), (n_int, n_groups, *shape))


def twin_deep(data, dq, model, sigma, p):
    """Plain loops, float64: what `judge_deep` and `spread_hits` say."""
    dq = dq.copy()
    ng, ny, nx = data.shape
    hits = []
    for y in range(ny):
        for x in range(nx):
            r = np.diff(data[:, y, x].astype(float)) - model[y, x]
            ok = [((dq[k, y, x] | dq[k + 1, y, x]) & 0xDB) == 0 for k in range(ng - 1)]
            clean = [r[k] for k in range(ng - 1) if ok[k] and not dq[k + 1, y, x] & JUMP]
            shift = 0.0
            if len(clean) >= 3 and abs(np.median(clean)) > p.guard * 1.25 * sigma / np.sqrt(len(clean)):
                shift = np.median(clean)
            last = -999
            for k in range(ng - 1):
                if not ok[k]:
                    continue
                if abs(r[k] - shift) > p.threshold * sigma:
                    hits.append((k + 1, y, x, abs(r[k] - shift) > p.neighbours * sigma))
                    last = k
                elif k - last <= p.after_groups:
                    hits.append((k + 1, y, x, False))
    spoilt = (dq & 0xDB) != 0
    for g, y, x, large in hits:
        dq[g, y, x] |= JUMP
        if large:
            for yy, xx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= yy < ny and 0 <= xx < nx and not spoilt[g, yy, xx]:
                    dq[g, yy, xx] |= JUMP
    return dq


@pytest.mark.parametrize("n_groups", [2, 3, 6, 12])
@pytest.mark.parametrize("after_groups", [0, 2])
def test_deep_is_its_twin(n_groups, after_groups):
    rng = np.random.default_rng(n_groups)
    shape, rate = (24, 40), 30.0
    data = simulated(rng, 1, n_groups, shape, rate)
    hit = rng.random(data.shape) < 0.02
    data += np.cumsum(np.where(hit, rng.exponential(200, data.shape), 0), axis=1)
    data[:, :, 3, :10] += 90.0 * np.arange(n_groups)[None, :, None]  # a wrong model: the guard's business
    dq = np.zeros(data.shape, np.uint8)
    dq[0, n_groups // 2 :, 5, 5] = SAT
    ramps = ramps_of(data, dq)
    params = JumpParams(after_groups=after_groups, tolerance=0.0)
    out = jump(ramps, *references(shape), deep_of(rate, shape), params=params)
    sigma = np.sqrt(rate * T / 1.6 + 13.0**2)
    expected = twin_deep(ramps.data[0], dq[0], np.full(shape, rate * T), sigma, params)
    assert (out.groupdq[0] != expected).mean() < 1e-4  # float32 against float64 right at the threshold
    assert (ramps.groupdq == dq).all()


def test_completeness_and_false_alarms():
    """At 4.75 sigma: false alarms as Gaussian tails, hits above 10 sigma all found, of 6 to 8 sigma at least 95 %."""
    rng = np.random.default_rng(11)
    shape, rate, n = (64, 512), 100.0, 6
    data = simulated(rng, 4, n, shape, rate)
    deep, refs = deep_of(rate, shape), references(shape)
    quiet = jump(ramps_of(data), *refs, deep)
    tests = data[:, 1:].size
    found = int(((quiet.groupdq & JUMP) > 0).sum())
    assert found <= 4 * (2.04e-6 * tests) + 8  # two-sided Gaussian tail; Poisson counts have a longer one
    sigma = np.sqrt(rate * T / 1.6 + 13.0**2)
    for size, least in ((7.0, 0.95), (11.0, 0.999)):
        hit = np.zeros(data.shape)
        hit[:, 3, ::4, ::4] = size * sigma
        out = jump(ramps_of(data + hit.cumsum(axis=1)), *refs, deep)
        assert ((out.groupdq[:, 3, ::4, ::4] & JUMP) > 0).mean() >= least


def test_a_wrong_model_is_not_a_hit_but_a_hit_on_it_is():
    rng = np.random.default_rng(2)
    shape, rate = (16, 64), 100.0
    data = simulated(rng, 1, 6, shape, 1.6 * rate)  # the star is 60 % brighter than the deep stack says
    out = jump(ramps_of(data), *references(shape), deep_of(rate, shape))
    assert ((out.groupdq & JUMP) > 0).mean() < 2e-3
    data[:, 4:, 8, 30] += 2000.0
    out = jump(ramps_of(data), *references(shape), deep_of(rate, shape))
    assert out.groupdq[0, 4, 8, 30] & JUMP
    assert not out.groupdq[0, [1, 2, 3, 5], 8, 30].any()


@pytest.mark.parametrize("charge", [600.0, -600.0])
def test_two_point_sees_rises_and_drops(charge):
    rng = np.random.default_rng(4)
    data = simulated(rng, 1, 6, (8, 8), 20.0)
    data[:, 3:, 4, 4] += charge
    out = jump(ramps_of(data), *references((8, 8)), params=JumpParams("two_point", 5.0))
    flagged = np.argwhere(out.groupdq[0] & JUMP)
    assert {tuple(f) for f in flagged} == {(3, 4, 4), (3, 3, 4), (3, 5, 4), (3, 4, 3), (3, 4, 5)}


def test_two_point_false_alarms_on_pure_noise():
    """Five differences against their own median at 5 sigma: rare."""
    data = simulated(np.random.default_rng(6), 2, 6, (64, 256), 100.0)
    out = jump(ramps_of(data), *references((64, 256)), params=JumpParams("two_point", 5.0))
    assert ((out.groupdq & JUMP) > 0).mean() < 2e-5


def test_hand_set_flags_are_honoured():
    data = simulated(np.random.default_rng(7), 1, 6, (4, 4), 100.0)
    data[:, 3:, 1, 1] += 5000.0
    dq = np.zeros(data.shape, np.uint8)
    dq[0, 2:, 1, 1] = SAT
    for params, deep in ((JumpParams(), deep_of(100.0, (4, 4))), (JumpParams("two_point"), None)):
        out = jump(ramps_of(data, dq), *references((4, 4)), deep, params=params)
        assert not (out.groupdq[0, :, 1, 1] & JUMP).any()
        assert (out.groupdq[0, 2:, 1, 1] == SAT).all()


def test_deep_needs_a_deep_stack():
    with pytest.raises(InputError, match="two_point"):
        jump(ramps_of(np.ones((1, 4, 2, 2))), *references((2, 2)))
