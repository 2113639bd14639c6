"""Ramp fits: against dense linear algebra, against the measured table of awkward ramps, and as statistics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsoar import flags
from tsoar.blocks import Ramps, Readout, Reference
from tsoar.detector.ramp_fit import RampFitParams, gls_pixel, gls_weights, ramp_fit
from tsoar.errors import InputError

DNU, SAT, JUMP, AD = flags.DO_NOT_USE, flags.SATURATED, flags.JUMP_DET, flags.AD_FLOOR


def ramps_of(data, groupdq=None, tgroup=5.494):
    """A block from (i, g, y, x) data."""
    data = np.asarray(data, np.float32)
    readout = Readout("SUBSTRIP96", data.shape[2:], (1, 1803), data.shape[1], tgroup, tgroup)
    dq = np.zeros(data.shape, np.uint8) if groupdq is None else np.asarray(groupdq, np.uint8)
    return Ramps(data, dq, np.zeros(data.shape[2:], np.uint32), readout)


def references(shape, gain=1.6, cds=13.0):
    full = lambda v: np.full(shape, v, np.float32)  # noqa: E731
    return Reference("gain", full(gain), None, (1, 1803)), Reference("readnoise", full(cds), None, (1, 1803))


def twin(d, good, poisson, read2):
    """GLS by dense algebra: slope, Poisson and read-noise variance."""
    n = len(d)
    c_read = read2 * (2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1))
    keep = np.flatnonzero(good)
    if keep.size == 0:
        return np.nan, np.nan, np.nan
    c = (poisson * np.eye(n) + c_read)[np.ix_(keep, keep)]
    w = np.linalg.solve(c, np.ones(keep.size))
    w /= w.sum()
    return w @ np.asarray(d)[keep], poisson * (w @ w), w @ c_read[np.ix_(keep, keep)] @ w


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            *[st.lists(st.floats(-50, 3000), min_size=n, max_size=n), st.lists(st.booleans(), min_size=n, max_size=n)]
        )
    ),
    st.floats(0, 2000),
    st.floats(1, 500),
)
def test_gls_pixel_is_dense_algebra(ramp, poisson, read2):
    d, good = np.array(ramp[0]), np.array(ramp[1], np.uint8)
    got = gls_pixel(d, good, poisson, read2, np.zeros((3, d.size)))
    np.testing.assert_allclose(got, twin(d, good, poisson, read2), rtol=1e-7, atol=1e-6)


def test_weights_are_those_of_the_scalar_fit():
    rate = np.array([[0.0, 20.0, 3000.0]], np.float32)
    one = np.ones_like(rate)
    for n in (1, 2, 5, 8):
        weights, var_p, var_r = gls_weights(rate, 1.6 * one, 80 * one, np.array([[1, 1, 0]], np.uint8), n)
        for x in range(2):
            w = np.zeros((3, n))
            _, p, r = gls_pixel(np.ones(n), np.ones(n, np.uint8), rate[0, x] / np.float32(1.6), 80.0, w)
            np.testing.assert_allclose([weights[min(k, n - 1 - k), 0, x] for k in range(n)], w[2], rtol=1e-6)
            np.testing.assert_allclose([var_p[0, x], var_r[0, x]], [p, r], rtol=1e-6, atol=1e-9)
        assert np.isnan(var_p[0, 2])


# measured with jwst 3.0.0: six groups 500..1000 DN step 100, TGROUP 5.494, gain 1.6, read noise 13 DN
AWKWARD = [
    ("clean", [0, 0, 0, 0, 0, 0], 18.2017, 0, 0.7577),
    ("saturated from g2", [0, 0, SAT, SAT, SAT, SAT], 18.2017, SAT, 2.77),
    ("A/D floor in g2", [0, 0, AD | DNU, 0, 0, 0], 18.2017, 0, 1.360),
    ("jump in g3", [0, 0, 0, JUMP, 0, 0], 18.2017, JUMP, 1.103),
    ("only g0 good", [0, JUMP, JUMP, JUMP, JUMP, JUMP], np.nan, DNU | JUMP, np.nan),
    ("all jump", [JUMP] * 6, np.nan, DNU | JUMP, np.nan),
    ("saturated from g1", [0, SAT, SAT, SAT, SAT, SAT], np.nan, DNU | SAT, np.nan),
    ("saturated from g0", [SAT] * 6, np.nan, DNU | SAT, np.nan),
    ("isolated good groups", [0, DNU, 0, DNU, 0, DNU], np.nan, DNU, np.nan),
]


@pytest.mark.parametrize(("name", "dq", "slope", "flag", "err"), AWKWARD, ids=[a[0] for a in AWKWARD])
def test_awkward_ramps_with_the_fields_weights(name, dq, slope, flag, err):
    data = np.arange(500, 1001, 100.0).reshape(1, 6, 1, 1)
    out = ramp_fit(ramps_of(data, np.reshape(dq, (1, 6, 1, 1))), *references((1, 1)), params=RampFitParams("ols"))
    np.testing.assert_allclose(out.slope[0, 0, 0], slope, rtol=1e-4)
    np.testing.assert_allclose(out.err[0, 0, 0], err, rtol=0.015 if dq[2:5] != [0] * 3 else 3e-3)  # pieces: see ols_pixel
    assert out.dq[0, 0, 0] == flag


@pytest.mark.parametrize("method", ["gls", "ols"])
def test_slopes_are_unbiased_and_errors_hold(method):
    """Bias and chi2/dof of photon + read noise, faint and bright, within their standard errors."""
    rng = np.random.default_rng(3)
    n, gain, cds, t = 40_000, 1.6, 13.0, 5.494
    for rate in (3.0, 300.0):  # DN/s
        photons = rng.poisson(rate * t * gain, (n, 6)).cumsum(axis=1) / gain
        data = photons + rng.normal(0, cds / np.sqrt(2), (n, 6))
        deep_like = ramps_of(data.T.reshape(1, 6, 1, n))
        out = ramp_fit(deep_like, *references((1, n), gain, cds), params=RampFitParams(method))
        pull = (out.slope - rate) / out.err
        assert abs(np.mean(out.slope) / rate - 1) < 4 * np.std(out.slope) / rate / np.sqrt(n) + 2e-4
        # with own rates the faint ramps' errors are noisy themselves; bright ones are exact
        assert np.mean(pull**2) == pytest.approx(1, abs=0.03 if rate > 100 else 0.06)


def test_one_group_has_no_slope():
    with pytest.raises(InputError, match="at least 2"):
        ramp_fit(ramps_of(np.ones((1, 1, 2, 2))), *references((2, 2)))


def test_bad_gain_is_flagged_and_blocks_do_not_matter():
    rng = np.random.default_rng(5)
    data = rng.normal(0, 10, (4, 5, 8, 16)).cumsum(axis=1)
    gain, noise = references((8, 16))
    gain.data[2, 3], gain.data[4, 5] = np.nan, -1
    whole = ramps_of(data)
    out = ramp_fit(whole, gain, noise)
    assert (out.dq[:, [2, 4], [3, 5]] == flags.NO_GAIN_VALUE | DNU).all()
    assert np.isnan(out.slope[:, 2, 3]).all()
    for i in range(4):
        one = ramp_fit(whole.with_(data=whole.data[i : i + 1], groupdq=whole.groupdq[i : i + 1]), gain, noise)
        assert one.slope.tobytes() == out.slope[i : i + 1].tobytes()
