"""Whole runs: an injected planet and a simulated one give the same answer; the budget of an exposure, steps left out."""

import numpy as np
import pytest

import tsoar
from tests.make import tiny_exposure
from tsoar.io import datasets
from tsoar.proof.budget import budget
from tsoar.proof.inject import inject
from tsoar.proof.put_in import Transit
from tsoar.proof.recovered import compare
from tsoar.sim import scenario, simulate

DEPTH, LIMB = 0.02509, (0.2, 0.15)
SMALL = {"exposure.subarray": "SUBSTRIP96", "exposure.nints": 44, "exposure.ngroups": 4, "exposure.segments": 2, "seed": 3}
PLANET = {"planet.depth": DEPTH, "planet.bands": (), "planet.limb_blue": LIMB, "planet.limb_red": LIMB}


def bins_of(spectra, shape, n=64):
    """Depths of bins of order 1 by least squares with the known shape and a straight line, and their errors."""
    one = spectra.sel(order=1)
    good = (one["valid"].values.astype(bool)).all(axis=0) & np.isfinite(one["flux"].values).all(axis=0)
    use = np.flatnonzero(good)
    flux, error = one["flux"].values[:, use].astype(float), one["flux_err"].values[:, use].astype(float)
    design = np.column_stack([np.ones(shape.size), np.linspace(-1, 1, shape.size), shape])
    depth, err = [], []
    for part in np.array_split(np.arange(use.size), use.size // n):
        f, e = flux[:, part].sum(1), np.sqrt((error[:, part] ** 2).sum(1))
        level = np.median(f)
        w = (e / level) ** -2
        inverse = np.linalg.inv(design.T @ (w[:, None] * design))
        p = inverse @ (design.T @ (w * f / level))
        depth.append(-p[2] / p[0])
        err.append(np.sqrt(inverse[2, 2]) / p[0])
    return np.array(depth), np.array(err)


@pytest.mark.slow
def test_injected_and_simulated_planet_agree(tmp_path):
    """Recovered minus injected is zero within a thousandth of the depth; the simulated planet's depths agree bin by bin."""
    settings = SMALL | PLANET
    seen = simulate(scenario(values=settings), tmp_path / "planet")
    bare = simulate(scenario(values=settings | {"planet.event": "none"}), tmp_path / "none")
    with datasets.open_dataset(seen.truth) as truth:
        mid, lasts = float(truth.attrs["t_mid"]), 24 * float(truth.attrs["duration"])
        curve = truth["light_curve"].values[0, :, 1000].astype(float)
    exposure, refs = tsoar.open(bare.segments), tsoar.references(bare.references)
    put = inject(
        exposure, refs, tmp_path / "in", transit=Transit(DEPTH, t_mid=mid, duration=lasts, planet="WASP-43 b", limb=LIMB)
    )
    with datasets.open_dataset(put.truth) as truth:
        ours = truth["light_curve"].values[:, 0, 1000]
    assert np.abs(ours - curve).max() < 0.03 * DEPTH  # columns are read 3 s after the middle of the integration
    runs = {}
    for name, files in (("planet", seen.segments), ("none", bare.segments), ("in", put.segments)):
        runs[name] = tsoar.run(tsoar.open(files), refs, out=tmp_path / f"run_{name}", products="spectra")
    found = compare(runs["none"], runs["in"], figures=False).numbers["depth"]["1"]
    assert abs(found["difference_ppm"]) < 4 * found["error_ppm"] + 1e-3 * found["injected_ppm"]
    assert found["error_ppm"] < 0.5 * found["single_ppm"]
    shape = ours / DEPTH - 1 / DEPTH
    (a, a_err), (b, b_err) = (bins_of(runs[name].spectra, -shape) for name in ("planet", "in"))
    pull = (a - b) / np.sqrt(a_err**2 + b_err**2)
    assert abs(pull.mean()) < 4 / np.sqrt(pull.size)
    assert 0.6 < pull.std() < 1.4


@pytest.mark.slow
def test_the_budget_of_an_exposure(tmp_path):
    """24 integrations: the tiny exposure's stripes and hits show when their step is left out; nothing else does."""
    t = tiny_exposure(tmp_path / "x", n_int=24, n_groups=4, transit=0.0)
    run = tsoar.run(tsoar.open(t.uncal), tsoar.references(t.refs), out=tmp_path / "run", products="spectra")
    found = budget(run, steps=("one_over_f", "jump", "refpix", "clean"), figures=False)
    total = dict(zip(found.data["setting"].values, found.data["total"].values[:, 0], strict=True))
    assert abs(float(found.data["excess"][0, 0])) < 5 * float(found.data["excess_err"][0, 0])
    assert total["without one_over_f"] > 1.1 * total["all steps"]
    assert total["without refpix"] == pytest.approx(total["all steps"], abs=0.03)
    assert total["without clean"] == pytest.approx(total["all steps"], abs=0.03)
    mean = dict(zip(found.data["setting"].values, found.data["mean"].values[:, 0], strict=True))
    assert mean["without jump"] > 1.03 * mean["all steps"]
    alone = budget(run, steps=(), figures=False)  # the run's own folder tells the same
    np.testing.assert_allclose(alone.data["total"].values[0], found.data["total"].values[0], rtol=1e-4)
    moved = tmp_path / "x" / "elsewhere"
    moved.mkdir()
    for path in t.uncal:
        path.rename(moved / path.name)
    again = budget(run, steps=("clean",), exposure=tsoar.open(moved), figures=False)
    np.testing.assert_allclose(again.data["total"].values[0], found.data["total"].values[0], rtol=1e-6)
