"""The six calibration steps: plain-formula twins, the battery every step passes, awkward references."""

import numpy as np
import pytest

from tsoar import detector, flags
from tsoar.blocks import Ramps, Readout, Reference
from tsoar.detector.refpix import clipped_mean
from tsoar.detector.saturation import SaturationParams
from tsoar.errors import InputError, ReferenceFileError
from tsoar.reduce.calibrate import calibrate, prepare_calibration

SHAPE = (12, 40)
N_GROUPS = 5
SAT, DNU, AD = flags.SATURATED, flags.DO_NOT_USE, flags.AD_FLOOR


def readout(n_groups=N_GROUPS, **changes):
    return Readout(
        **(
            {
                "subarray": "SUBSTRIP96",
                "shape": SHAPE,
                "corner": (1, 1803),
                "n_groups": n_groups,
                "tframe": 2.214,
                "tgroup": 2.214,
            }
            | changes
        )
    )


def ramps(rng, n_int=2, n_groups=N_GROUPS):
    counts = rng.integers(8000, 30000, (n_int, 1, *SHAPE)) + np.arange(n_groups)[:, None, None] * rng.integers(
        0, 9000, (n_int, 1, *SHAPE)
    )
    counts[rng.random(counts.shape) < 0.01] = 0
    counts = np.minimum(counts, 65535)
    return Ramps(counts.astype(np.float32), np.zeros(counts.shape, np.uint8), np.zeros(SHAPE, np.uint32), readout(n_groups))


def awkward_references(rng):
    """References with every oddity that real files have."""
    ref = lambda kind, data, dq=None, **k: Reference(kind, data, dq, (1, 1803), kind, keywords=k)  # noqa: E731
    mask = np.where(rng.random(SHAPE) < 0.05, DNU | flags.PIXEL["DEAD"], 0).astype(np.uint32)
    mask[:, :4] = mask[:, -4:] = flags.REFERENCE_PIXEL
    mask[3, 1] |= DNU
    limit = rng.uniform(30000, 60000, SHAPE).astype(np.float32)
    limit[2, 9] = np.nan
    sat_dq = np.zeros(SHAPE, np.uint32)
    sat_dq[4, 11] = flags.NO_SAT_CHECK
    bias = rng.uniform(7000, 15000, SHAPE).astype(np.float32)
    bias[5, 20] = np.nan
    bias_dq = np.where(rng.random(SHAPE) < 0.02, flags.PIXEL["UNRELIABLE_BIAS"], 0)
    coeffs = np.zeros((5, *SHAPE), np.float32)
    coeffs[1], coeffs[2], coeffs[3] = 1, 1e-6, 1e-12
    coeffs[0, 6, 6], coeffs[1, 7, 7] = np.nan, 0
    lin_dq = np.zeros(SHAPE, np.uint32)
    lin_dq[8, 8] = flags.NO_LIN_CORR
    dark = (np.arange(1, 4)[:, None, None] * rng.uniform(0, 3, SHAPE)).astype(np.float32)  # shorter than the science
    dark[1, 9, 9] = np.nan
    return {
        "mask": ref("mask", None, mask),
        "saturation": ref("saturation", limit, sat_dq),
        "superbias": ref("superbias", bias, bias_dq.astype(np.uint32)),
        "linearity": ref("linearity", coeffs, lin_dq),
        "dark": ref("dark", dark, None, nframes=1, groupgap=0),
    }


STEPS = {
    "dq_init": lambda r, refs: detector.dq_init(r, refs["mask"]),
    "saturation": lambda r, refs: detector.saturation(r, refs["saturation"]),
    "superbias": lambda r, refs: detector.superbias(r, refs["superbias"]),
    "refpix": lambda r, refs: detector.refpix(r),
    "linearity": lambda r, refs: detector.linearity(r, refs["linearity"]),
    "dark_current": lambda r, refs: detector.dark_current(r, refs["dark"]),
}


@pytest.mark.parametrize("name", STEPS)
def test_battery(name):
    """Shape and dtype kept; caller's arrays and references untouched; flags only added; blocks of any size, same bits."""
    rng = np.random.default_rng(1)
    refs, block = awkward_references(rng), ramps(rng, 3)
    block = detector.dq_init(block, refs["mask"]) if name != "dq_init" else block
    before = [a.copy() for a in (block.data, block.groupdq, block.pixeldq)]
    held = {k: (None if r.data is None else r.data.copy(), None if r.dq is None else r.dq.copy()) for k, r in refs.items()}
    out = STEPS[name](block, refs)
    for a, b in zip(before, (block.data, block.groupdq, block.pixeldq), strict=True):
        np.testing.assert_array_equal(a, b)
    for k, r in refs.items():
        np.testing.assert_array_equal(held[k][0], r.data)
        np.testing.assert_array_equal(held[k][1], r.dq)
    assert (out.data.dtype, out.groupdq.dtype, out.pixeldq.dtype) == (np.float32, np.uint8, np.uint32)
    assert out.data.shape == block.data.shape
    assert (out.groupdq & block.groupdq == block.groupdq).all()
    assert (out.pixeldq & block.pixeldq == block.pixeldq).all()
    for i in range(3):
        one = STEPS[name](block.with_(data=block.data[i : i + 1], groupdq=block.groupdq[i : i + 1]), refs)
        assert one.data.tobytes() == out.data[i : i + 1].tobytes()
        assert one.groupdq.tobytes() == out.groupdq[i : i + 1].tobytes()


def test_mask_goes_to_both_flags():
    rng = np.random.default_rng(2)
    refs = awkward_references(rng)
    out = detector.dq_init(ramps(rng), refs["mask"])
    assert ((out.groupdq == DNU) == ((refs["mask"].dq & DNU) > 0)).all()
    assert (out.pixeldq == refs["mask"].dq).all()


@pytest.mark.parametrize("grow", [0, 1, 2])
def test_saturation_is_its_twin(grow):
    rng = np.random.default_rng(3)
    refs, block = awkward_references(rng), ramps(rng)
    out = detector.saturation(block, refs["saturation"], SaturationParams(grow=grow))
    limit = refs["saturation"].data.copy()
    limit[np.isnan(limit) | (refs["saturation"].dq > 0)] = np.inf
    for i in range(2):
        ever = np.zeros(SHAPE, bool)
        for g in range(N_GROUPS):
            ever |= block.data[i, g] >= limit
            grown = np.zeros(SHAPE, bool)
            for y, x in np.argwhere(ever):
                grown[max(0, y - grow) : y + grow + 1, max(0, x - grow) : x + grow + 1] = True
            expected = np.where(grown, SAT, 0) | np.where(block.data[i, g] <= 0, AD | DNU, 0)
            np.testing.assert_array_equal(out.groupdq[i, g], expected)
    assert out.pixeldq[2, 9] == flags.NO_SAT_CHECK
    assert (out.groupdq & SAT).any()


def test_a_limit_of_ones_own_and_flags_by_hand():
    rng = np.random.default_rng(4)
    refs, block = awkward_references(rng), ramps(rng)
    lower = detector.saturation(block, refs["saturation"], SaturationParams(factor=0.5))
    assert (lower.groupdq & SAT).sum() > (detector.saturation(block, refs["saturation"]).groupdq & SAT).sum()
    dq = block.groupdq.copy()
    dq[0, 2:, 6, 20] = SAT
    by_hand = detector.saturation(block.with_(groupdq=dq, data=np.full_like(block.data, 10)), refs["saturation"])
    assert (by_hand.groupdq[0, 2:, 5:8, 19:22] == SAT).all()
    assert by_hand.groupdq[0, 1].max() == 0


def test_refpix_is_its_twin():
    rng = np.random.default_rng(5)
    refs = awkward_references(rng)
    block = detector.dq_init(ramps(rng), refs["mask"])
    out = detector.refpix(block)
    use = (block.pixeldq & flags.REFERENCE_PIXEL > 0) & (block.pixeldq & DNU == 0)
    for g in range(N_GROUPS):
        for parity in range(2):
            rows = np.arange(SHAPE[0]) % 2 == parity
            v = block.data[0, g][use & rows[:, None]].astype(float)
            while True:
                keep = np.abs(v - v.mean()) <= 3 * v.std()
                if keep.all():
                    break
                v = v[keep]
            assert out.facts["reference_level"][0, g, parity] == pytest.approx(v.mean(), rel=1e-6)
            np.testing.assert_array_equal(out.data[0, g, rows], block.data[0, g, rows] - np.float32(v.mean()))


def test_refpix_without_reference_pixels_changes_nothing_and_nan_is_left_out():
    block = ramps(np.random.default_rng(6))
    assert detector.refpix(block).data.tobytes() == block.data.tobytes()
    assert clipped_mean(np.array([1.0, np.nan, 3.0]), 3, 3.0) == 2.0
    assert np.isnan(clipped_mean(np.array([np.nan]), 1, 3.0))


def test_linearity_is_its_polynomial_and_leaves_the_rest():
    rng = np.random.default_rng(7)
    refs, block = awkward_references(rng), ramps(rng)
    dq = block.groupdq.copy()
    dq[:, 3:, 10, 10] = SAT
    out = detector.linearity(block.with_(groupdq=dq), refs["linearity"])
    v = block.data.astype(float)
    expected = v + 1e-6 * v**2 + 1e-12 * v**3
    for y, x in ((6, 6), (7, 7), (8, 8)):
        expected[:, :, y, x] = v[:, :, y, x]
        assert out.pixeldq[y, x] & flags.NO_LIN_CORR
    expected[:, 3:, 10, 10] = v[:, 3:, 10, 10]
    np.testing.assert_allclose(out.data, expected, rtol=3e-7)


@pytest.mark.parametrize("terms", [2, 3, 5, 7])
def test_linearity_takes_any_number_of_terms(terms):
    rng = np.random.default_rng(8)
    coeffs = rng.uniform(-1, 1, (terms, *SHAPE)).astype(np.float32) * 10.0 ** (-4.0 * np.arange(terms))[:, None, None].astype(
        np.float32
    )
    block = ramps(rng)
    out = detector.linearity(block, Reference("linearity", coeffs, None, (1, 1803)))
    r = coeffs[-1] * block.data
    for k in range(terms - 2, 0, -1):
        r = (r + coeffs[k]) * block.data
    np.testing.assert_array_equal(out.data, np.where(coeffs[1] == 0, block.data, r + coeffs[0]))


def test_dark_goes_on_along_its_last_step():
    rng = np.random.default_rng(9)
    refs, block = awkward_references(rng), ramps(rng)
    out = detector.dark_current(block, refs["dark"])
    d = refs["dark"].data.astype(float)
    full = np.nan_to_num(np.concatenate([d, d[2] + (d[2] - d[1]) * np.arange(1, 3)[:, None, None]]))
    np.testing.assert_allclose(block.data - out.data, np.broadcast_to(full, out.data.shape), atol=4e-3)
    wrong = Reference("dark", refs["dark"].data, None, (1, 1803), keywords={"nframes": 4})
    with pytest.raises(ReferenceFileError, match="NFRAMES"):
        detector.dark_current(block, wrong)


def test_averaged_groups_are_refused():
    rng = np.random.default_rng(10)
    block = ramps(rng)
    with pytest.raises(InputError, match="NFRAMES"):
        detector.saturation(block.with_(readout=readout(nframes=4)), awkward_references(rng)["saturation"])


def raw_of(counts):
    """What a file holds: big-endian int16 with BZERO 32768, seen as native uint16."""
    return np.ascontiguousarray((counts.astype(np.uint16) ^ 0x8000).byteswap())


@pytest.mark.parametrize("skip", [(), ("saturation",), ("refpix", "dark_current"), tuple(STEPS)])
def test_fused_is_step_by_step_bit_for_bit(skip):
    rng = np.random.default_rng(11)
    refs, block = awkward_references(rng), ramps(rng, 1)
    c = prepare_calibration(refs, block.readout, frozenset(skip))
    data, dq = np.empty_like(block.data[0]), np.empty_like(block.groupdq[0])
    table, saturated = calibrate(raw_of(block.data[0]), data, dq, c)
    step_by_step = block
    for name, step in STEPS.items():
        if name not in skip:
            step_by_step = step(step_by_step, refs)
    assert data.tobytes() == step_by_step.data[0].tobytes()
    np.testing.assert_array_equal(dq, step_by_step.groupdq[0])
    np.testing.assert_array_equal(c.pixeldq, step_by_step.pixeldq)
    assert saturated == ((step_by_step.groupdq & SAT) > 0).sum()
    if "refpix" not in skip:
        np.testing.assert_array_equal(table, step_by_step.facts["reference_level"][0])
