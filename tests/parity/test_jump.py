"""Jump flags against stcal's ``detect_jumps_data``: bit for bit in all three branches."""

import numpy as np
import pytest

from tests.parity import field
from tsoar.detector.field_jump import FieldJumpParams, jump_by_file

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
AFTER = {
    "none": {},
    "archive": {"dn1": 1000.0, "time1": 90.0},  # as recorded for SOSS: threshold 6, no neighbours, 90 s after 1000 DN
    "two rules": {"dn1": 3000.0, "time1": 12.0, "dn2": 300.0, "time2": 6.0},
}
BRANCH = {  # integrations in the file, from how many on it is clipped, groups
    "iterative": [(4, 100, 3), (4, 100, 4), (4, 100, 6), (4, 100, 9), (1, 100, 6), (1, 100, 3), (99, 100, 4)],
    "single pass": [(3, 100, 11), (3, 100, 12), (1, 100, 12)],
    "sigma clip": [(100, 100, 3), (100, 100, 6), (40, 20, 4), (40, 20, 9), (40, 20, 11), (40, 20, 12)],
}


def both(block, gain, cds, threshold, after, clip_from, neighbours=True):
    """groupdq of stcal and of ours; pixeldq is compared here."""
    gdq, pdq = field.stcal_jump(block, gain, cds, threshold, neighbours, clip_from, **after)
    params = FieldJumpParams(clip_from=clip_from, **{f"after_{key}": value for key, value in after.items()})
    out = jump_by_file(block, *field.references_of(gain, cds), threshold, 10.0 if neighbours else np.inf, params)
    np.testing.assert_array_equal(out.pixeldq, pdq)
    return gdq, out.groupdq


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("threshold", [4.0, 6.0, 10.0])
@pytest.mark.parametrize("branch", BRANCH)
def test_flags_bit_for_bit(branch, threshold, after):
    field.needed()
    found = 0
    for n_int, clip_from, n_groups in BRANCH[branch]:
        block, gain, cds = field.small_ramps(n_int, n_groups, seed=n_int + n_groups, ny=16 if n_int < 50 else 6)
        theirs, mine = both(block, gain, cds, threshold, AFTER[after], clip_from, neighbours=after != "archive")
        np.testing.assert_array_equal(mine, theirs, f"{n_int} integrations, {n_groups} groups")
        found += int((mine & 4 > 0).sum())
    assert found > (300 if branch != "sigma clip" or threshold < 10 else 10)


def test_neighbours_have_limits():
    """Hits between 10 and 1000 sigma flag their four neighbours, others do not."""
    field.needed()
    data = np.tile(np.arange(6, dtype=np.float32)[None, :, None, None] * 100, (2, 1, 15, 15))
    for x, size in ((3, 150.0), (7, 900.0), (11, 60000.0)):
        data[0, 3:, 7, x] += size
    gain, cds = np.full((15, 15), 1.6, np.float32), np.full((15, 15), 13, np.float32)
    theirs, mine = both(field.block_of(data), gain, cds, 4.0, {}, 100)
    np.testing.assert_array_equal(mine, theirs)
    flagged = (mine[0, 3] & 4) > 0
    assert flagged[7, [3, 7, 11]].all()
    assert flagged[6, 7] and flagged[8, 7] and flagged[7, 6] and flagged[7, 8]
    assert not flagged[6, 3] and not flagged[6, 11]
    assert flagged.sum() == 7


def test_two_groups_are_left_alone():
    field.needed()
    block, gain, cds = field.small_ramps(4, 2)
    out = jump_by_file(block, *field.references_of(gain, cds))
    assert out is block  # as JumpStep: skipped below 3 groups


def test_lost_planes_of_a_file():
    """Planes that are DO_NOT_USE all over count against the minimum of groups; a plane of jumps all over is taken back."""
    field.needed()
    block, gain, cds = field.small_ramps(4, 6)
    for lost in (1, 3, 4, 5):
        dq = block.groupdq.copy()
        dq[2, 6 - lost :] |= 1
        theirs, mine = both(block.with_(groupdq=dq), gain, cds, 4.0, {}, 100)
        np.testing.assert_array_equal(mine, theirs, f"{lost} planes")
        assert (mine & 4 > 0).any() == (lost <= 3)
    theirs, mine = both(block.with_(groupdq=dq), gain, cds, 4.0, {}, 4)  # as many integrations as clipping needs: goes on
    np.testing.assert_array_equal(mine, theirs)

    block, gain, cds = field.small_ramps(40, 5, hits=0)
    data, dq = block.data.copy(), block.groupdq.copy()
    data[7, 3:] += 40000.0  # one plane steps up everywhere
    dq[:] = 0
    gain[:], cds[:] = 1.6, 13
    theirs, mine = both(field.block_of(data, dq), gain, cds, 4.0, {}, 20)
    np.testing.assert_array_equal(mine, theirs)
    assert not (mine[7, 3] & 4).any()
