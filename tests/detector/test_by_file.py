"""The field's jumps and slopes against slow twins of the rules (against jwst itself: tests/parity)."""

import numpy as np
import pytest

from tests.parity.field import TGROUP, block_of, references_of, small_ramps
from tsoar.detector import FieldJumpParams, RampFitParams, jump_by_file, ramp_fit, ramp_fit_by_file
from tsoar.detector.field_fit import Sums, rate_image, weights
from tsoar.detector.field_jump import settings, usable_groups
from tsoar.errors import InputError

JUMP, OFF = 4, 3


def twin_first_flags(block, gain, cds, branch, threshold=4.0):
    """Jump flags (i, k, y, x) before neighbours, by plain numpy on float64."""
    e = np.where(block.groupdq & OFF, np.float32(np.nan), block.data * gain)
    d = np.diff(e, axis=1).astype(float)
    read2 = ((cds * gain) ** 2).astype(float)
    flagged = np.zeros(d.shape, bool)
    for y, x in np.ndindex(gain.shape):
        v = d[:, :, y, x]
        f = flagged[:, :, y, x]
        if branch == "single":
            middle = np.nanmedian(v)
            f |= np.abs(v - middle) > threshold * np.sqrt(abs(middle) + read2[y, x])
        elif branch == "clip":
            for k in range(v.shape[1]):
                kept = np.isfinite(v[:, k])
                for _ in range(5):
                    low, high = (np.median(v[kept, k]) + s * threshold * np.std(v[kept, k]) for s in (-1, 1))
                    inside = kept & (v[:, k] >= low) & (v[:, k] <= high)
                    if inside.sum() == kept.sum():
                        break
                    kept = inside
                f[:, k] = np.isfinite(v[:, k]) & ((v[:, k] < low) | (v[:, k] > high))
        else:
            a = np.abs(v)
            while np.isfinite(a).sum() >= 4:
                top = np.nanmax(a)
                middle = np.nanmedian(np.where(a == top, np.nan, a))
                far = np.abs(a - middle) / np.sqrt(middle + read2[y, x])
                if not np.nanmax(far) > threshold:
                    break
                f |= far == np.nanmax(far)
                a[f] = np.nan
    return flagged


def clean_ramps(n_int, n_groups, seed, ny=6, nx=24):
    """`small_ramps` with sane references and no equal values, so that float32 details do not matter."""
    block, gain, cds = small_ramps(n_int, n_groups, ny=ny, nx=nx, seed=seed)
    gain[:], cds[:] = np.where(gain > 0, gain, 1.6), np.where((cds > 0) & (cds < 100), cds, 13)
    block.groupdq[:, :, 0, 0] = 0
    block.data[:, :, 0, 1:3] += np.random.default_rng(seed).normal(0, 10, block.data[:, :, 0, 1:3].shape)
    return block, gain, cds


@pytest.mark.parametrize(("branch", "n_int", "n_groups"), [("turns", 5, 6), ("single", 3, 12), ("clip", 60, 4)])
def test_first_flags_are_those_of_the_twin(branch, n_int, n_groups):
    block, gain, cds = clean_ramps(n_int, n_groups, 7)
    out = jump_by_file(block, *references_of(gain, cds), 4.0, np.inf, FieldJumpParams(clip_from=50))
    twin = twin_first_flags(block, gain, cds, branch)
    twin &= (block.groupdq[:, 1:] & OFF) == 0
    mine = (out.groupdq[:, 1:] & JUMP) > 0
    assert mine.sum() > 25
    assert (mine != twin).sum() <= 1  # float32 in the field's iteration


def test_branches():
    params, plane = FieldJumpParams(), np.full((2, 2), 1.6, np.float32)

    def branch(n, ng, usable=None):
        readout = block_of(np.zeros((1, ng, 2, 2))).readout
        return settings(n, ng if usable is None else usable, plane, readout, 4.0, 10.0, params).branch

    assert [branch(1, 2), branch(1, 3), branch(99, 10), branch(1, 11), branch(100, 3), branch(100, 11)] == [0, 1, 1, 2, 3, 3]
    assert [branch(4, 6, 2), branch(100, 6, 2), branch(4, 12, 10)] == [0, 3, 1]
    dq = np.zeros((2, 5, 2, 2), np.uint8)
    dq[1, 3:] = 1
    dq[0, 0, 0, 0] = 1
    assert usable_groups(dq) == 3


def test_whole_ramps_are_fitted_as_one_by_one():
    """Unflagged ramps go whole rows at a time; a persistence flag sends the same ramp the long way."""
    block, gain, cds = small_ramps(3, 7, ny=8, seed=2)
    whole = block.with_(groupdq=np.zeros_like(block.groupdq))
    single = block.with_(groupdq=np.full_like(block.groupdq, 32))
    refs = references_of(gain, cds)
    (a, rate_a), (b, rate_b) = ramp_fit_by_file(whole, *refs), ramp_fit_by_file(single, *refs)
    for name in ("slope", "var_poisson", "var_rnoise", "err"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
        assert rate_a[name].tobytes() == rate_b[name].tobytes(), name
    np.testing.assert_array_equal(a.dq | 32, b.dq)


def test_slopes_are_those_of_the_public_weights():
    """Slopes of unflagged ramps are those of ols, which has the same weights; Poisson variance from the file's mean rate."""
    block, gain, cds = clean_ramps(4, 6, 3)
    block = block.with_(groupdq=np.zeros_like(block.groupdq), pixeldq=np.zeros_like(block.pixeldq))
    mine, image = ramp_fit_by_file(block, *references_of(gain, cds))
    ols = ramp_fit(block, *references_of(gain, cds), params=RampFitParams(method="ols"))
    np.testing.assert_allclose(mine.slope, ols.slope, rtol=1e-4, atol=1e-3)
    d = np.median(np.diff(block.data.astype(float), axis=1), axis=1).mean(axis=0) / TGROUP
    np.testing.assert_allclose(mine.var_poisson[0], np.maximum(d, 0) / (TGROUP * gain * 5), rtol=1e-5)
    np.testing.assert_allclose(mine.var_rnoise[0], 6 * (cds / TGROUP) ** 2 / (6**3 - 6), rtol=1e-5)
    np.testing.assert_allclose(image["slope"], mine.slope.mean(axis=0), rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(image["err"] ** 2, (mine.var_poisson + mine.var_rnoise)[0] / 4, rtol=1e-4)


def test_sums_of_files_add_up():
    block, gain, cds = small_ramps(4, 5, seed=5)
    refs = references_of(gain, cds)
    whole = ramp_fit_by_file(block, *refs)[1]
    empty = Sums.empty(gain.shape)
    empty.merge(Sums.empty(gain.shape))
    nothing = rate_image(empty)
    assert (nothing["slope"][nothing["dq"] == 0] == 0).all()
    assert np.isfinite(whole["slope"]).mean() > 0.8


def test_weights():
    table = weights(5)
    np.testing.assert_allclose(table[5, 0, :5], 1)
    np.testing.assert_allclose(table[5, 2, :5], [1, 0.5, 0, 0.5, 1])
    np.testing.assert_allclose(table[3, 5, :3], [1, 0, 1])


def test_a_single_group_has_no_slope():
    block = block_of(np.ones((1, 1, 2, 2)))
    with pytest.raises(InputError, match="at least 2"):
        ramp_fit_by_file(block, *references_of(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32)))
