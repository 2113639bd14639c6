import numpy as np
import pytest

from tests.scoring.make import N, write_traces
from tsoar.scoring.products import find
from tsoar.scoring.traces import traces


def values(truth, out, y, shift, **changes):
    write_traces(out, truth, y, shift, **changes)
    return {row.name: row for row in traces(find(out), truth)}


def perfect(truth):
    return truth.trace + truth.drift_y[:, None, None], np.repeat(truth.drift_y[:, None], 3, axis=1)


def test_perfect_traces(truth, out):
    y, shift = perfect(truth)
    found = values(truth, out, y, shift)
    assert found["order 1: rms"].value == pytest.approx(0, abs=1e-9)
    assert found["order 1: rms"].note == "about: published trace; 2048 columns"
    assert found["order 3, columns <850: rms"].note.endswith("850 columns")
    assert found["order 2, columns 1000-1700: offset from centre of light"].value == pytest.approx(-0.1)
    assert found["order 2: motion, rms error"].value == pytest.approx(0, abs=1e-9)
    assert found["order 1: motion, measured over true"].value == pytest.approx(1)


def test_shifted_and_rippled_traces(truth, out):
    y, shift = perfect(truth)
    ripple = 0.02 * np.sqrt(2) * np.cos(2 * np.pi * np.arange(2048) / 64)
    found = values(truth, out, y + 0.3 + ripple, shift)
    assert found["order 1: offset from published trace"].value == pytest.approx(0.3, abs=1e-4)
    assert found["order 1: rms"].value == pytest.approx(0.02, rel=1e-3)


def test_motion_error_is_relative_to_its_mean_and_held_against_the_claim(truth, out):
    y, shift = perfect(truth)
    error = np.random.default_rng(1).normal(0, 5e-4, N)
    error *= 5e-4 / error.std(ddof=1)
    claimed = np.full((N, 3), 2.5e-4)
    changes = {"shift_err": (("integration", "order"), claimed)}
    found = values(truth, out, y, shift + 7.0 + error[:, None], **changes)
    assert found["order 1: motion, rms error"].value == pytest.approx(0.5)
    assert found["order 1: motion, error over claimed"].value == pytest.approx(2.0)


def test_motion_that_is_too_small(truth, out):
    y, shift = perfect(truth)
    assert values(truth, out, y, 0.9 * shift)["order 1: motion, measured over true"].value == pytest.approx(0.9)


def test_invalid_columns_do_not_count(truth, out):
    y, shift = perfect(truth)
    y[:, 0, :100] = np.nan
    y[:30, 0, 100:200] = np.nan
    y[:3, 0, 200:300] = np.nan
    y[:, 1] = np.nan
    found = values(truth, out, y, shift)
    assert found["order 1: rms"].note.endswith("1848 columns")
    assert "order 2, columns 1000-1700: rms" not in found
