from dataclasses import replace

import numpy as np
import pytest

from tests.scoring.make import GROUPS, N, T, write_jump, write_rateints, write_run
from tsoar.scoring.expected import expected
from tsoar.scoring.jumps import jumps
from tsoar.scoring.products import find
from tsoar.scoring.slopes import hit_maps, slopes


def values(rows):
    return {row.name: row.value for row in rows}


@pytest.fixture(scope="module")
def few(truth):
    """The first six integrations."""
    keep = {name: getattr(truth, name)[:6] for name in ("grey", "time", "drift_y", "drift_x", "stretch")}
    chosen = truth.hits.integration < 6
    hits = replace(truth.hits, **{name: getattr(truth.hits, name)[chosen] for name in truth.hits.__slots__})
    return replace(truth, **keep, light_curve=truth.light_curve[:, :6], hits=hits)


def perfect(truth, rng, sigma=2.0):
    """Slopes with white noise, flags where hits are."""
    images = expected(truth)
    science = np.stack([images.image(i) for i in range(truth.integrations)])
    dq = np.zeros(science.shape, np.uint32)
    h = truth.hits
    late = h.group > 0
    dq[h.integration[late], h.row[late], h.column[late]] = 4
    return science, science + rng.normal(0, sigma, science.shape), np.full(science.shape, sigma), dq


def test_perfect_slopes(few, out):
    _, science, error, dq = perfect(few, np.random.default_rng(1))
    write_rateints(out, science, error, dq)
    for row in slopes(find(out), few):
        middle, _, spread = row.perfect.partition(" +- ")
        assert abs(row.value - float(middle)) < 4.5 * float(spread) + 1e-3, row


def test_one_per_cent_is_one_per_cent(few, out):
    clean, science, error, dq = perfect(few, np.random.default_rng(1))
    write_rateints(out, clean * 1.01, error, dq)
    found = values(slopes(find(out), few))
    for name in ("bright (>100 DN/s)", "middle (10-100 DN/s)", "faint (<10 DN/s)", "hit ramps"):
        assert found[f"bias, {name}"] == pytest.approx(1.0, rel=1e-4)


def test_claimed_errors_too_small(few, out):
    _, science, error, dq = perfect(few, np.random.default_rng(1))
    write_rateints(out, science, error / 1.3, dq)
    found = values(slopes(find(out), few))
    assert found["chi2/dof, faint (<10 DN/s)"] == pytest.approx(1.69, rel=0.02)
    assert found["pull width, faint (<10 DN/s)"] == pytest.approx(1.3, rel=0.01)


def test_odd_and_flagged_pixels_do_not_count_and_hits_stand_apart(few, out):
    clean, _, error, dq = perfect(few, np.random.default_rng(1))
    wrong = few.bad | few.reference
    clean[:, wrong] += 1000.0
    clean[2, 20, 500:600], dq[2, 20, 500:600] = 1e5, 1
    clean[3, 21, 500:600] = np.nan
    for i, pixels in hit_maps(few).items():
        clean[i].ravel()[pixels] += 3.0
    write_rateints(out, clean, error, dq)
    found = values(slopes(find(out), few))
    assert found["bias, faint (<10 DN/s), absolute"] == pytest.approx(0, abs=1e-4)
    assert found["bias, hit ramps, absolute"] == pytest.approx(3.0, rel=1e-4)


def test_dark_current_that_was_not_taken_out(few, out):
    clean, _, error, dq = perfect(few, np.random.default_rng(1))
    write_rateints(out, clean + 0.03, error, dq)
    assert values(slopes(find(out), few))["bias, faint (<10 DN/s), absolute"] == pytest.approx(0.03, rel=0.01)
    write_run(out, steps=["ramp_fit"])
    assert values(slopes(find(out), few))["bias, faint (<10 DN/s), absolute"] == pytest.approx(0, abs=3e-4)


def test_expected_images_move_and_widen(truth):
    quiet = {"grey": np.ones(N), "light_curve": np.ones_like(truth.light_curve), "drift_x": np.zeros(N)}
    moved = replace(truth, **quiet, drift_y=np.full(N, 0.15), stretch=np.full(N, 1.01))
    found = expected(moved).image(0)
    rows = np.arange(truth.shape[0])[:, None]
    star = 0.0
    for k, level in enumerate((300.0, 120.0, 6.0)):
        u = rows - truth.trace[k] - 0.15
        star += np.nan_to_num(level / 1.01 * np.exp(-0.5 * (u / (1.5 * 1.01)) ** 2))
    np.testing.assert_allclose(found, star + 2.0, atol=0.3)  # 0.15 px move pixels by up to 20 DN/s
    assert np.abs(expected(truth).image(0) - found).max() > 5


def flagged(truth, found):
    """GROUPDQ with the flags of chosen hits."""
    h = truth.hits
    dq = np.zeros((truth.integrations, GROUPS, *truth.shape), np.uint8)
    dq[h.integration[found], h.group[found], h.row[found], h.column[found]] = 4
    return dq


@pytest.mark.parametrize("by_group", [True, False])
def test_completeness_and_false_flags_are_counted_exactly(few, out, by_group):
    h = few.hits
    sigma = np.sqrt(few.still_image() * 1.6 * T + 2 * 11.0**2) / 1.6
    size = h.dn / sigma[h.row, h.column]
    odd = few.bad | few.reference | few.masked
    counts = ~odd[h.row, h.column] & (h.group > 0)
    found = counts & (np.arange(size.size) % 3 > 0)
    group_dq = flagged(few, found)
    near = np.zeros((6, GROUPS, few.shape[0] + 2, few.shape[1] + 2), bool)
    for i, g, r, c in zip(h.integration, h.group, h.row, h.column, strict=True):
        near[i, g:, r : r + 3, c : c + 3] = True
    free = ~near[:, :, 1:-1, 1:-1] & ~odd
    rng = np.random.default_rng(3)
    false = np.zeros_like(free)
    false[tuple(rng.integers(0, false.shape, (300, 4)).T)] = True
    false &= free & ~near[:, -1:, 1:-1, 1:-1]
    false[:, 0] = False
    group_dq[false] = 4
    given_up = np.zeros((6, *few.shape), bool)
    dq = 4 * group_dq.astype(bool).any(axis=1).astype(np.uint32) + given_up
    write_rateints(out, np.zeros(dq.shape), np.ones(dq.shape), dq)
    if by_group:
        write_jump(out, group_dq)
    rows = {row.name: row for row in jumps(find(out), few)}
    for name, low, high in (("3-6 sigma", 3, 6), ("6-10 sigma", 6, 10), ("above 10 sigma", 10, 1e9)):
        of = counts & (size >= low) & (size < high)
        assert rows[f"found, {name}"].value == pytest.approx(100 * found[of].mean())
        assert rows[f"found, {name}"].note.startswith(f"{of.sum()} hits")
    n = int(false.sum()) if by_group else int(false.any(axis=1).sum())
    total = 6 * int((~odd).sum()) * (GROUPS - 1 if by_group else 1)
    assert n > 200 and rows["false flags"].note.startswith(f"{n} of {total} ")
    assert rows["false flags"].value == pytest.approx(100 * n / total)


def test_ramps_given_up_count_as_found_and_not_as_false(few, out):
    dq = np.full((6, *few.shape), 5, np.uint32)
    write_rateints(out, np.zeros(dq.shape), np.ones(dq.shape), dq)
    found = values(jumps(find(out), few))
    assert found["found, above 10 sigma"] == 100.0 and found["false flags"] is None
    write_jump(out, np.zeros((6, GROUPS, *few.shape)))
    found = values(jumps(find(out), few))
    assert found["found, above 10 sigma"] == 100.0 and found["false flags"] == 0.0


def test_a_hit_that_filled_its_pixel_is_found_one_in_a_pixel_that_always_saturates_is_not(few, out):
    dq = np.zeros((6, *few.shape), np.uint32)
    write_rateints(out, np.zeros(dq.shape), np.ones(dq.shape), dq)
    assert values(jumps(find(out), few))["found, above 10 sigma"] == 0.0
    h = few.hits
    dq[h.integration, h.row, h.column] = 2
    write_rateints(out, np.zeros(dq.shape), np.ones(dq.shape), dq)
    assert values(jumps(find(out), few))["found, above 10 sigma"] > 95.0  # but for pixels hit in half the integrations
    dq[:] = 2
    write_rateints(out, np.zeros(dq.shape), np.ones(dq.shape), dq)
    assert values(jumps(find(out), few))["found, above 10 sigma"] == 0.0
