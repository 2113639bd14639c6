"""The order of the steps: what one integration's column offsets take from order 3, and get back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import tsoar
from tests.make import tiny_exposure
from tsoar.config import load
from tsoar.reduce.chain import Buffers, detector_stage, spectra_stage
from tsoar.reduce.plan import make_plan
from tsoar.reduce.run import Job
from tsoar.reduce.stream import Scratch


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    tiny = tiny_exposure(tmp_path_factory.mktemp("chain"), n_int=10, n_groups=3, segments=1, subarray="SUBSTRIP256")
    exposure, references = tsoar.open(tiny.uncal), tsoar.references(tiny.refs)
    plan = make_plan(exposure, references, load())
    job = Job(exposure, references, plan, tiny.folder / "out", {}, 1, False, lambda stage, done, total: None)
    with ThreadPoolExecutor(1) as pool:
        return exposure, job.recipe(job.calibration(), Scratch(exposure.readout), pool)


def spectra_of(exposure, recipe):
    b = Buffers.make(exposure.readout)
    out = []
    for i in range(exposure.n_integrations):
        exposure.read_raw(i, b.raw)
        out.append(spectra_stage(recipe, b, detector_stage(recipe, b)).flux)
    return np.array(out)


def test_order_3_gets_back_what_its_own_rows_took(prepared):
    """The same flux as with offsets measured without its rows, which would cost order 1; order 1 is left as it is."""
    exposure, recipe = prepared
    nothing = {"order3": np.zeros_like(recipe.order3), "order3_spans": recipe.order3_spans[:0]}
    masked = np.where(recipe.order3 > 0, np.float32(0), recipe.offset_weight)
    given_back, without, plain = (
        spectra_of(exposure, r) for r in (recipe, replace(recipe, offset_weight=masked, **nothing), replace(recipe, **nothing))
    )
    lit = ((recipe.order3 > 0).sum(axis=0) >= 25) & np.isfinite(without[:, 2]).all(axis=0)
    assert lit.sum() > 400
    taken, left = ((flux - without)[:, 2, lit] for flux in (plain, given_back))
    assert np.std(left) < 0.2 * np.std(taken)  # not nothing: hits near the clip
    own = without[:, 2, lit] - np.mean(without[:, 2, lit], axis=0)
    share = -np.sum(taken * own) / np.sum(own**2)
    assert 0.05 < share < 0.4  # of order 3's own deviations
    assert abs(np.sum(left * own) / np.sum(own**2)) < 0.02
    assert np.array_equal(given_back[:, :2], plain[:, :2], equal_nan=True)
