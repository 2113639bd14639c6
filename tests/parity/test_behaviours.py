"""What is questionable in the field's detector stage: `--like jwst` does it, the default does not; every test shows both.

Numbered as in docs/measured/parity.md. No jwst is needed here: that its numbers are ours to the bit is shown elsewhere.
"""

import numpy as np
import pytest

from tests.parity.field import TGROUP, block_of, references_of, small_ramps
from tsoar import flags
from tsoar.blocks import Reference
from tsoar.config import load
from tsoar.detector import (
    FieldJumpParams,
    JumpParams,
    OneOverFParams,
    RampFitParams,
    dark_current,
    jump,
    jump_by_file,
    one_over_f,
    ramp_fit,
    ramp_fit_by_file,
    refpix,
)
from tsoar.errors import ReferenceFileError

LIKE = load(like="jwst")
JUMP, DNU, SAT = flags.JUMP_DET, flags.DO_NOT_USE, flags.SATURATED
TWO_POINT = JumpParams(method="two_point", threshold=4.0)
OLS = RampFitParams(method="ols")
RAMP = np.arange(500, 1100, 100, dtype=np.float32)


def one_ramp(dq=(0,) * 6, ramp=RAMP, n_int=1):
    """The same ramp in every integration and pixel (4 x 4); dq of the first integration."""
    block = block_of(np.broadcast_to(np.asarray(ramp, np.float32)[None, :, None, None], (n_int, len(ramp), 4, 4)).copy())
    q = np.zeros(block.data.shape, np.uint8)
    q[0] = np.asarray(dq, np.uint8)[:, None, None]
    return block.with_(groupdq=q)


def plain(block, gain=1.6, cds=13.0):
    shape = block.data.shape[2:]
    return references_of(np.full(shape, gain, np.float32), np.full(shape, cds, np.float32))


def both_fits(block, refs=None, dark=0.0):
    """(theirs, their averaged image, ours by default, ours with the field's weights)."""
    refs = refs or plain(block)
    slopes, image = ramp_fit_by_file(block, *refs, dark)
    return slopes, image, ramp_fit(block, *refs), ramp_fit(block, *refs, params=OLS)


def test_1_flags_depend_on_how_an_exposure_is_cut_into_files():
    block, gain, cds = small_ramps(8, 6, ny=48, seed=4)
    refs = references_of(gain, cds)

    def halves(step):
        parts = [block.with_(data=block.data[s], groupdq=block.groupdq[s]) for s in (slice(4), slice(4, 8))]
        return np.concatenate([step(p).groupdq for p in parts])

    theirs = jump_by_file(block, *refs).groupdq
    assert (theirs != halves(lambda b: jump_by_file(b, *refs))).sum() > 20
    ours = jump(block, *refs, params=TWO_POINT).groupdq
    np.testing.assert_array_equal(ours, halves(lambda b: jump(b, *refs, params=TWO_POINT)))


def test_1_the_hundredth_integration_changes_the_method():
    rng = np.random.default_rng(3)
    data = (rng.normal(0, 20, (100, 4, 8, 8)).cumsum(axis=1) + 1000).astype(np.float32)
    block = block_of(data)
    refs = plain(block, cds=13)
    less = block.with_(data=data[:99], groupdq=block.groupdq[:99])
    theirs = jump_by_file(block, *refs).groupdq[:99]
    assert (theirs != jump_by_file(less, *refs).groupdq).sum() > 5
    ours = jump(block, *refs, params=TWO_POINT).groupdq[:99]
    np.testing.assert_array_equal(ours, jump(less, *refs, params=TWO_POINT).groupdq)


@pytest.mark.parametrize(("lost", "factor"), [((SAT,) * 6, 0.5), ((JUMP,) * 6, 0.5 * (1 + 500 / 100))])
def test_2_lost_integrations_change_the_poisson_variance_of_good_ones(lost, factor):
    good, spoilt = one_ramp(n_int=2), one_ramp(lost, n_int=2)
    a, b = both_fits(good), both_fits(spoilt)
    assert b[0].var_poisson[1] / a[0].var_poisson[1] == pytest.approx(factor, rel=1e-5)
    for k in (2, 3):
        np.testing.assert_array_equal(b[k].var_poisson[1], a[k].var_poisson[1])


def test_3_a_drop_of_twice_the_signal_goes_unseen():
    ramp = np.array([0, 300, 600, 0, 300, 600], np.float32)  # -600 on top of +300
    ramp[3:] += 300
    block = one_ramp(ramp=ramp, n_int=4)
    block.data[1:] = np.arange(6, dtype=np.float32)[:, None, None] * 300
    refs = plain(block)
    assert np.diff(block.data[0, :, 0, 0])[2] == -300
    assert not (jump_by_file(block, *refs).groupdq & JUMP).any()
    single = jump_by_file(block, *refs, params=FieldJumpParams(single_pass_from=1))
    assert (single.groupdq[0, 3] & JUMP).all()
    assert (jump(block, *refs, params=TWO_POINT).groupdq[0, 3] & JUMP).all()


def test_3_folding_changes_the_false_alarms():
    """Pure read noise: 2e-6 per difference folded, 7.5e-5 in a single pass (Gaussian: 6.3e-5)."""
    rng = np.random.default_rng(5)
    n = (4, 6, 100, 500)
    block = block_of(rng.normal(1000, 13 / np.sqrt(2), n).astype(np.float32))
    refs, no_neighbours = plain(block), {"neighbours": np.inf}
    count = lambda out: (out.groupdq & JUMP > 0).sum() / (4 * 5 * 50000)  # noqa: E731
    assert count(jump_by_file(block, *refs, **no_neighbours)) < 1e-5
    assert 4e-5 < count(jump_by_file(block, *refs, **no_neighbours, params=FieldJumpParams(single_pass_from=1))) < 1.2e-4


def test_4_sigma_clipping_does_not_see_hits_in_unsteady_pixels():
    rng = np.random.default_rng(6)
    n = 120
    data = np.arange(6, dtype=np.float32)[None, :, None, None] * 20 + rng.normal(0, 9, (n, 6, 4, 4)).astype(np.float32)
    step = rng.integers(1, 6, (n, 4, 4))
    up = np.where(rng.random((n, 4, 4)) < 0.5, 600, 0)  # a telegraph pixel's steps
    data += np.where(np.arange(6)[None, :, None, None] >= step[:, None], up[:, None], 0)
    block = block_of(data)
    refs = plain(block)
    hit = (up > 0).sum()
    theirs = jump_by_file(block, *refs).groupdq & JUMP > 0
    ours = jump(block, *refs, params=TWO_POINT).groupdq & JUMP > 0
    where = np.nonzero(up)
    assert theirs[where[0], step[where], where[1], where[2]].sum() < 0.1 * hit
    assert ours[where[0], step[where], where[1], where[2]].sum() > 0.95 * hit


def test_5_jumps_are_searched_before_the_stripes_are_removed():
    rng = np.random.default_rng(7)
    data = rng.normal(1000, 9, (4, 6, 64, 32)).astype(np.float32)
    data[2, 3:, :, 10] += 150  # a column that steps as a whole
    block = block_of(data)
    refs = plain(block)
    assert (jump_by_file(block, *refs).groupdq[2, 3, :, 10] & JUMP > 0).mean() > 0.95
    cleaned = one_over_f(block, params=OneOverFParams(method="median"))
    assert (jump(cleaned, *refs, params=TWO_POINT).groupdq[2, 3, :, 10] & JUMP > 0).mean() < 0.05


def test_6_a_ramp_of_jumps_is_exactly_zero():
    theirs, image, *ours = both_fits(one_ramp((JUMP,) * 6))
    assert (theirs.slope == 0).all() and (theirs.err == 0).all() and (theirs.dq == JUMP).all()
    assert (image["slope"] == 0).all()
    for s in ours:
        assert np.isnan(s.slope).all() and (s.dq & DNU > 0).all()


def test_6_good_groups_by_themselves_give_the_signal_over_the_group_time():
    theirs, _, *ours = both_fits(one_ramp((0, DNU, 0, DNU, 0, DNU)))
    np.testing.assert_allclose(theirs.slope, 500 / TGROUP, rtol=1e-6)  # five times the truth
    assert (theirs.dq == 0).all()
    for s in ours:
        assert np.isnan(s.slope).all() and (s.dq & DNU > 0).all()


def test_6_large_read_noise_gives_zero():
    block = one_ramp()
    theirs, _, gls, ols = both_fits(block, plain(block, cds=1e5))
    assert (theirs.slope == 0).all() and (theirs.err == 0).all() and (theirs.dq == 0).all()
    for s in (gls, ols):
        np.testing.assert_allclose(s.slope, 100 / TGROUP, rtol=1e-3)
        assert (s.err > 3000).all()


@pytest.mark.parametrize(("dq", "slope", "flag", "err"), [
    ((0, JUMP, JUMP, JUMP, JUMP, JUMP), np.nan, DNU | JUMP, 0),
    ((0, SAT, SAT, SAT, SAT, SAT), np.nan, DNU | SAT, 0),
    ((0, 0, SAT, SAT, SAT, SAT), 18.20, SAT, 2.77),
    ((SAT, 0, 0, 0, 0, 0), np.nan, DNU | SAT, 0),
    ((0, 0, 65, 0, 0, 0), 18.20, 0, 1.360),
    ((0, 0, 0, JUMP, 0, 0), 18.20, JUMP, 1.103),
    ((0, 0, JUMP, JUMP, 0, 0), 18.20, JUMP, 1.360),
    ((JUMP, 0, 0, 0, 0, 0), 18.20, JUMP, 0.7577),
    ((32, 32, 32, 32, 32, 32), 18.20, 32, 0.7577),
])  # fmt: skip
def test_6_awkward_ramps_as_measured(dq, slope, flag, err):
    """The table of the field's awkward ramps; Poisson variance of the rate as the default has it is another matter."""
    theirs, _, gls, ols = both_fits(one_ramp(dq))
    if np.isnan(slope):
        assert np.isnan(theirs.slope).all() and np.isnan(ols.slope).all() and (ols.dq & DNU > 0).all()
    else:
        np.testing.assert_allclose(theirs.slope, slope, rtol=1e-3)
        np.testing.assert_allclose(gls.slope, slope, rtol=1e-3)
    assert (theirs.dq == flag).all()
    np.testing.assert_allclose(theirs.err, err, rtol=2e-3)


@pytest.mark.parametrize("cds", [0.0, np.nan])
def test_7_unknown_read_noise_gives_nan_without_a_flag(cds):
    block = one_ramp()
    theirs, _, gls, _ = both_fits(block, plain(block, cds=cds))
    assert np.isnan(theirs.slope).all() and (theirs.dq == 0).all()
    if np.isnan(cds):
        assert np.isnan(gls.slope).all() and (gls.dq & DNU > 0).all()
    else:
        np.testing.assert_allclose(gls.slope, 100 / TGROUP, rtol=1e-5)


def test_8_errors_of_integrations_and_of_their_average_have_two_formulas():
    theirs, image, gls, ols = both_fits(one_ramp((0, 0, 65, 0, 0, 0)))
    np.testing.assert_allclose(theirs.err, 1.360, rtol=1e-3)
    np.testing.assert_allclose(image["err"], 1.345, rtol=1e-3)
    for s in (gls, ols):
        np.testing.assert_allclose(s.err**2, s.var_poisson + s.var_rnoise, rtol=1e-6)


def test_9_groups_after_a_jump_cost_the_ramp():
    ramp = RAMP.copy()
    ramp[1:] += 3000
    block = one_ramp(ramp=ramp, n_int=4)
    block.data[1:] = RAMP[:, None, None]
    refs = plain(block)
    archive = FieldJumpParams(after_dn1=1000.0, after_time1=90.0)
    lost = ramp_fit_by_file(jump_by_file(block, *refs, 6.0, np.inf, archive), *refs)[0]
    assert np.isnan(lost.slope[0]).all() and np.isfinite(lost.slope[1:]).all()
    kept = ramp_fit(jump(block, *refs, params=TWO_POINT), *refs)
    np.testing.assert_allclose(kept.slope[0], 100 / TGROUP, rtol=1e-3)


def test_10_one_bad_integration_turns_detection_off_for_the_file():
    block, gain, cds = small_ramps(4, 4, seed=9)
    refs, dq = references_of(gain, cds), block.groupdq.copy()
    dq[2, :2] |= DNU
    spoilt = block.with_(groupdq=dq)
    assert (jump_by_file(block, *refs).groupdq & JUMP > 0).sum() > 50
    assert not (jump_by_file(spoilt, *refs).groupdq & JUMP).any()
    others = [0, 1, 3]
    ours, whole = (jump(b, *refs, params=TWO_POINT).groupdq[others] for b in (spoilt, block))
    assert (ours & JUMP).any()
    np.testing.assert_array_equal(ours, whole)


def test_11_average_dark_is_added_in_its_own_units():
    block = one_ramp()
    without, with_dark = both_fits(block)[0], both_fits(block, dark=0.5)[0]
    added = with_dark.var_poisson - without.var_poisson
    np.testing.assert_allclose(added, 0.5 / (TGROUP * 1.6 * 5), rtol=1e-4)  # e-/s, added to DN/s and divided by the gain
    # the default takes the rate that it sees, dark included; it knows no such parameter
    assert not hasattr(RampFitParams(), "dark_current")


def test_12_a_nan_among_reference_pixels_spoils_half_the_plane():
    rng = np.random.default_rng(11)
    block = block_of(rng.normal(0, 9, (1, 3, 16, 64)).astype(np.float32))
    pixeldq = np.zeros((16, 64), np.uint32)
    pixeldq[:, :4] = flags.REFERENCE_PIXEL
    block.data[0, 1, 6, 2] = np.nan
    block = block.with_(pixeldq=pixeldq)
    theirs, ours = refpix(block, LIKE.refpix).data, refpix(block).data
    assert np.isnan(theirs[0, 1, ::2]).all() and np.isfinite(theirs[0, 1, 1::2]).all()
    assert np.isnan(ours).sum() == 1
    other = np.isfinite(theirs)
    np.testing.assert_allclose(ours[other], theirs[other], atol=1e-3)


def test_13_a_dark_that_does_not_fit_is_skipped_with_its_flags():
    block = one_ramp()
    dark = Reference(
        "dark", np.ones((6, 4, 4), np.float32), np.full((4, 4), 1 << 23, np.uint32), (1, 1803), keywords={"nframes": 4}
    )
    theirs = dark_current(block, dark, LIKE.dark_current)
    np.testing.assert_array_equal(theirs.data, block.data)
    assert not theirs.pixeldq.any()
    with pytest.raises(ReferenceFileError, match="NFRAMES"):
        dark_current(block, dark)
