"""The field's own code, run offline: steps of jwst with reference files of ours, and stcal's functions on plain arrays."""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest

from tsoar.blocks import Ramps, Readout, Reference

TGROUP = 5.494
REASON = "jwst is not installed (dependency group 'parity')"
STEPS = {
    "dq_init": ("dq_init", "DQInitStep", ("mask",)),
    "saturation": ("saturation", "SaturationStep", ("saturation", "superbias")),
    "superbias": ("superbias", "SuperBiasStep", ("superbias",)),
    "refpix": ("refpix", "RefPixStep", ()),
    "linearity": ("linearity", "LinearityStep", ("linearity",)),
    "dark_current": ("dark_current", "DarkCurrentStep", ("dark",)),
    "jump": ("jump", "JumpStep", ("gain", "readnoise")),
    "ramp_fit": ("ramp_fitting", "RampFitStep", ("gain", "readnoise")),
    "gain_scale": ("gain_scale", "GainScaleStep", ("gain",)),
}


def needed():
    """Skip without jwst."""
    with quiet():
        return pytest.importorskip("jwst", reason=REASON)


@contextmanager
def quiet():
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def run_step(name, model, references, **parameters):
    """A step of the pipeline without the observatory's server: its own code and defaults, our reference files."""
    from importlib import import_module

    package, step, kinds = STEPS[name]
    with quiet():
        instance = getattr(import_module(f"jwst.{package}"), step)()
        for kind in kinds:
            setattr(instance, f"override_{kind}", str(references[kind]))
        for key, value in parameters.items():
            setattr(instance, key, value)
        return instance.process(model)


def ramp_model(path):
    """A raw exposure as the pipeline holds it."""
    with quiet():
        from stdatamodels.jwst import datamodels

        return datamodels.RampModel(str(path))


def as_ramps(model, readout):
    """A ramp model's arrays as ours; copies."""
    data, dq = np.array(model.data, np.float32), np.array(model.groupdq, np.uint8)
    return Ramps(data, dq, np.array(model.pixeldq, np.uint32), readout)


# -- stcal on arrays -----------------------------------------------------------------------------------------------------


def stcal_jump(
    block,
    gain,
    cds,
    threshold=4.0,
    neighbours=True,
    clip_from=100,
    single_pass_from=10,
    dn1=0.0,
    time1=0.0,
    dn2=0.0,
    time2=0.0,
):
    """groupdq, pixeldq after ``detect_jumps_data``; block: `Ramps`, gain and cds (y, x)."""
    from stcal.jump.jump import detect_jumps_data
    from stcal.jump.jump_class import JumpData
    from stdatamodels.jwst.datamodels import dqflags

    j = JumpData(gain2d=gain.copy(), rnoise2d=cds.copy(), dqflags=dqflags.pixel)
    j.data, j.gdq, j.pdq = block.data.copy(), block.groupdq.copy(), block.pixeldq.copy()
    j.nframes = 1
    j.dt_group, j.n_reads_groupdiff = np.ones(1), np.ones(1) * 2
    j.set_detection_settings(threshold, 6.0, 5.0, 1000.0, 10.0, neighbours)
    j.set_after_jump(dn1, int(time1 // TGROUP), dn2, int(time2 // TGROUP))
    j.set_snowball_info(False, 5.0, 1.0, 2.0, True, 2.5, 4, 25)
    j.set_shower_info(False, 1.2, 90, 1, 2.6, 1.1, single_pass_from, 400)
    j.set_sigma_clipping_info(3, clip_from, True)
    j.max_cores = "none"
    with quiet():
        gdq, pdq, *_ = detect_jumps_data(j)
    return gdq, pdq


def stcal_fit(block, gain, cds, algorithm="OLS_C"):
    """Rate and rateints as dicts of planes."""
    from stcal.ramp_fitting import ramp_fit, ramp_fit_class
    from stdatamodels.jwst.datamodels import dqflags

    r = ramp_fit_class.RampData()
    dark = np.zeros(block.pixeldq.shape, np.float32)
    r.set_arrays(block.data.copy(), block.groupdq.copy(), block.pixeldq.copy(), dark, orig_gdq=None, zeroframe=None)
    r.set_meta(name="NIRISS", frame_time=TGROUP, group_time=TGROUP, groupgap=0, nframes=1, drop_frames1=0)
    r.algorithm = algorithm
    r.set_dqflags(dqflags.pixel)
    r.start_row, r.num_rows, r.suppress_one_group_ramps = 0, block.data.shape[2], True
    with quiet():
        rate, rateints, _ = ramp_fit.ramp_fit_data(r, False, cds.copy(), gain.copy(), algorithm, "optimal", "none")
    return rate, rateints


def small_ramps(n_int, n_groups, ny=16, nx=64, seed=1, hits=8e-3):
    """Ramps with hits, saturation, zeros, lost groups and odd references: block, gain, CDS noise."""
    rng = np.random.default_rng(seed)
    gain = rng.uniform(1.4, 1.8, (ny, nx)).astype(np.float32)
    cds = rng.uniform(8, 25, (ny, nx)).astype(np.float32)
    rate = 10 ** rng.uniform(-1, 3, (ny, nx))
    shape = (n_int, n_groups, ny, nx)
    signal = rng.poisson(rate * gain * TGROUP, shape).cumsum(axis=1) / gain + rng.normal(0, 0.7, shape) * cds
    size = 10 ** rng.uniform(1, 4.5, shape) * np.where(rng.random(shape) < 0.1, -1, 1)
    data = (signal + np.where(rng.random(shape) < hits, size, 0).cumsum(axis=1)).astype(np.float32)
    dq = np.zeros(shape, np.uint8)
    first = np.where(rng.random((n_int, ny, nx)) < 0.05, rng.integers(0, n_groups, (n_int, ny, nx)), n_groups)
    dq |= np.where(np.arange(n_groups)[None, :, None, None] >= first[:, None], 2, 0).astype(np.uint8)
    dq |= np.where(rng.random(shape) < 0.01, 65, 0).astype(np.uint8)
    dq |= np.where(rng.random(shape) < 0.005, 32, 0).astype(np.uint8)
    pixeldq = np.where(rng.random((ny, nx)) < 0.02, 1, 0).astype(np.uint32)
    for plane, value in ((gain, np.nan), (gain, 0), (gain, -1), (cds, np.nan), (cds, 0), (cds, 1e5)):
        plane[rng.integers(0, ny, 4), rng.integers(0, nx, 4)] = value
    dq[:, :, 0, 0] = 1
    data[:, :, 0, 1] = data[0, 0, 0, 1]  # no difference at all
    data[:, :, 0, 2] = np.round(data[:, :, 0, 2] / 100) * 100  # many equal differences
    cds[0, 2] = 10
    return block_of(data, dq, pixeldq), gain, cds


def block_of(data, dq=None, pixeldq=None):
    """Arrays as `Ramps` of a small subarray."""
    shape = data.shape[2:]
    dq = np.zeros(data.shape, np.uint8) if dq is None else dq
    pixeldq = np.zeros(shape, np.uint32) if pixeldq is None else pixeldq
    readout = Readout("SUBSTRIP96", shape, (1, 1803), data.shape[1], TGROUP, TGROUP)
    return Ramps(np.asarray(data, np.float32), dq, pixeldq, readout)


def references_of(gain, cds):
    """Gain and read noise as references."""
    return Reference("gain", gain, None, (1, 1803)), Reference("readnoise", cds, None, (1, 1803))


def same(a, b):
    """Equal bit by bit, NaN counting as NaN."""
    return (a == b) | (np.isnan(a) & np.isnan(b))


def ulps(a, b):
    """Largest distance of two float32 arrays in units of the last place."""
    finite = np.isfinite(a) & np.isfinite(b)
    return float(
        np.max(np.abs(a[finite] - b[finite]) / np.spacing(np.maximum(np.abs(a[finite]), np.abs(b[finite]))), initial=0)
    )
