"""Slopes against stcal: OLS_C to the bit, LIKELY against `gls` at the same rate."""

import numpy as np
import pytest

from tests.parity import field
from tsoar.detector.field_fit import POWERS, ramp_fit_by_file, weights
from tsoar.detector.field_jump import jump_by_file
from tsoar.detector.ramp_fit import gls_pixel

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
PLANES = {"slope": "slope", "var_poisson": "var_poisson", "var_rnoise": "var_rnoise", "err": "err", "dq": "dq"}


@pytest.mark.parametrize(
    ("n_int", "n_groups"), [(1, 2), (4, 2), (4, 3), (4, 4), (4, 6), (1, 6), (3, 9), (3, 11), (2, 12), (2, 60), (40, 5)]
)
def test_ols_to_the_last_bit(n_int, n_groups):
    field.needed()
    block, gain, cds = field.small_ramps(n_int, n_groups, ny=24, seed=3 * n_int + n_groups)
    block = jump_by_file(block, *field.references_of(gain, cds))
    rate, rateints = field.stcal_fit(block, gain, cds)
    slopes, image = ramp_fit_by_file(block, *field.references_of(gain, cds))
    for name in PLANES:
        assert field.same(getattr(slopes, name), rateints[name]).all(), name
        assert field.same(image[name], rate[name]).all(), f"rate {name}"
    assert np.isnan(slopes.slope).any() and np.isfinite(slopes.slope).mean() > 0.6


def test_a_flag_of_every_kind_in_every_place():
    """All combinations of GOOD, DO_NOT_USE, SATURATED, JUMP_DET, PERSISTENCE, AD_FLOOR in ramps of four groups."""
    field.needed()
    flags = np.array([0, 1, 2, 4, 32, 64, 5, 65], np.uint8)
    grid = np.stack(np.meshgrid(*[flags] * 4, indexing="ij")).reshape(4, 64, 64)
    rng = np.random.default_rng(2)
    data = rng.uniform(50, 900, (4, 64, 64)).astype(np.float32).cumsum(axis=0)
    whole = np.tile(np.arange(1, 5, dtype=np.float32)[:, None, None] * 120, (1, 64, 64))
    block = field.block_of(np.stack([data, whole]), np.stack([grid, np.zeros_like(grid)]))
    gain = rng.uniform(1.4, 1.8, (64, 64)).astype(np.float32)
    cds = rng.uniform(8, 20, (64, 64)).astype(np.float32)
    rate, rateints = field.stcal_fit(block, gain, cds)
    slopes, image = ramp_fit_by_file(block, *field.references_of(gain, cds))
    for name in PLANES:
        assert field.same(getattr(slopes, name), rateints[name]).all(), name
        assert field.same(image[name], rate[name]).all(), f"rate {name}"


def test_weights_without_the_c_library_are_close():
    """Elsewhere the float64 power is rounded: the same for ramps of up to 12 groups, within a unit in the last place beyond."""
    table = weights(60)
    for length in (3, 4, 6, 7, 12, 31, 60):
        mid = (length - 1) / 2
        base = np.abs((np.arange(length) - mid) * (1 / mid)).astype(np.float32).astype(float)
        rounded = (base ** np.float32(POWERS).astype(float)[:, None]).astype(np.float32)
        have = table[length, :, :length].astype(np.float32)
        assert np.abs(have - rounded).max() == 0 or length > 12
        np.testing.assert_allclose(have, rounded, rtol=1.2e-7)


def test_likely_is_gls_at_its_rate():
    """LIKELY's covariance takes the rate of its last fit, starting from the median difference; gls at that rate agrees.

    A group flagged JUMP_DET costs LIKELY two differences, gls one; here both lose two. Ramps in which LIKELY finds further
    jumps by itself are left out.
    """
    field.needed()
    block, gain, cds = field.small_ramps(6, 7, ny=12, seed=8, hits=1e-3)
    gain[~(gain > 0)], cds[~((cds > 0) & (cds < 100))] = 1.6, 13
    block = jump_by_file(block, *field.references_of(gain, cds)).with_(pixeldq=np.zeros(gain.shape, np.uint32))
    _, theirs = field.stcal_fit(block, gain, cds, "LIKELY")
    tg, worst, compared = field.TGROUP, np.zeros(3), 0
    work, n = np.zeros((3, 6)), 6
    for i, y, x in np.ndindex(theirs["slope"].shape):
        q = block.groupdq[i, :, y, x]
        good = ((q[1:] == 0) & (q[:-1] == 0)).astype(np.uint8)
        if (theirs["dq"][i, y, x] & 4) != (4 if (q & 4).any() else 0) or good.sum() < 2:
            continue
        d = np.diff(block.data[i, :, y, x]).astype(float)
        g, read2 = float(gain[y, x]), 0.5 * float(cds[y, x]) ** 2
        rate = max(np.median(d), 0.0)
        for _ in range(2):  # the search's own fit, then the last
            slope, p, r = gls_pixel(d, good, rate / g, read2, work)
            rate = max(slope, 0.0)
        want = [float(theirs[k][i, y, x]) for k in ("slope", "var_poisson", "var_rnoise")]
        if (q & 4).any() and not np.isclose(want[0], slope / tg, rtol=1e-3):
            continue  # it dropped another difference of a ramp that had a jump already
        have = [slope / tg, p / tg**2, r / tg**2]
        scale = [np.sqrt(want[1] + want[2]), want[1] + want[2], want[1] + want[2]]
        worst = np.maximum(worst, np.abs(np.subtract(have, want)) / scale)
        compared += 1
    assert n == 6 and compared > 3000
    assert worst.max() < 1e-4, worst
