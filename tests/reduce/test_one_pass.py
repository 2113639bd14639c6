"""The stream's short cuts give the bits of the steps: offsets taken out on the way, strips of rows, planes placed anew."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import tsoar
from tsoar.config import load
from tsoar.detector.jump import find_frame
from tsoar.detector.one_over_f import cumulate, subtract
from tsoar.detector.ramp_fit import per_second, slope_frame
from tsoar.reduce.chain import Buffers, detector_stage, one_pass, strips
from tsoar.reduce.placed import LINE, PAGE, restart, staggered
from tsoar.reduce.plan import make_plan
from tsoar.reduce.run import Job, prepare_folder
from tsoar.reduce.stream import Scratch

NY, NX, T = 8, 320, 5.494


@pytest.mark.parametrize("groups", [2, 3, 4, 5, 6, 7, 12])
@pytest.mark.parametrize("rows", [1, 4])
def test_one_pass_is_the_steps_bit_for_bit(groups, rows):
    rng = np.random.default_rng(groups)
    model = rng.uniform(0, 400, (NY, NX)).astype(np.float32)
    data = rng.normal(model, 15, (groups, NY, NX)).cumsum(axis=0).astype(np.float32)
    data[groups // 2 :, 3, ::9] += 300
    data[-1, 5, 7] = np.nan
    sigma2 = np.where(rng.random((NY, NX)) < 0.1, np.nan, 450).astype(np.float32)
    dq = np.where(rng.random((groups, NY, NX)) < 0.01, 4, 0).astype(np.uint8)
    weights = rng.uniform(0.1, 0.3, (groups // 2, NY, NX)).astype(np.float32)
    cumulative = cumulate(rng.normal(0, 5, (groups - 1, NX)).astype(np.float32))

    columns = np.tile(np.concatenate([np.zeros((1, NX), np.float32), cumulative]), rows)
    candidate, slope = np.full((NY, NX), 9, np.uint8), np.full((NY, NX), 9, np.float32)
    untouched = data.copy()
    one_pass(columns, 4.75, T, *(strips(p, rows) for p in (data, dq, model, sigma2, weights, candidate, slope)))
    np.testing.assert_array_equal(data, untouched)

    subtract(data, cumulative)
    expected, fitted = np.empty_like(candidate), np.empty_like(slope)
    find_frame(data, dq, model, sigma2, 4.75, expected)
    slope_frame(data, weights, fitted)
    per_second(fitted, T)
    assert 0 < expected.sum() < expected.size / 2
    np.testing.assert_array_equal(candidate, expected)
    np.testing.assert_array_equal(slope, fitted)


def test_looking_at_the_steps_changes_nothing(tiny, tmp_path):
    """With ``after``, data go through the steps one by one; without, through `one_pass`."""
    exposure, references = tsoar.open(tiny.uncal), tsoar.references(tiny.refs)
    plan = make_plan(exposure, references, load())
    options = {"baseline": None, "products": "all", "save": [], "only_through": None}
    job = Job(exposure, references, plan, prepare_folder(tmp_path / "out"), options, 1, False, lambda *args: None)
    with ThreadPoolExecutor(1) as pool:
        recipe = job.recipe(job.calibration(), Scratch(exposure.readout), pool)
    short, long = Buffers.make(exposure.readout), Buffers.make(exposure.readout)
    seen = []
    for i in (0, 5, 11):
        exposure.read_raw(i, short.raw)
        exposure.read_raw(i, long.raw)
        facts, expected = detector_stage(recipe, short), detector_stage(recipe, long, seen.append)
        assert facts["n_jumps"] == expected["n_jumps"] > 0
        for name in ("slope", "err", "var_p", "var_r", "flag", "dq", "model"):
            np.testing.assert_array_equal(getattr(short, name), getattr(long, name), err_msg=name)
        np.testing.assert_array_equal(facts["blank"][0], expected["blank"][0])
    exposure.close()
    assert seen == ["one_over_f", "jump"] * 3


def test_planes_start_where_they_are_told():
    planes = [staggered((3, 5, 2048), np.float32, k) for k in range(9)]
    starts = [p.ctypes.data % PAGE for p in planes]
    assert all(start % LINE == 0 for start in starts) and len(set(starts)) == len(starts)
    assert all(p.flags.c_contiguous and p.flags.aligned and p.dtype == np.float32 for p in planes)
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(restart(array, 3), array)
