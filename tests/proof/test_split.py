"""The budget's arithmetic on light curves whose noise is known; from a folder, with nothing run again."""

import json

import numpy as np
import pytest

from tests.synthetic import make_spectra, outside
from tsoar.errors import ConfigError, InputError
from tsoar.io import datasets
from tsoar.proof.budget import budget
from tsoar.proof.split import by_band, correlation_lines, rows_of, split
from tsoar.series.lightcurves import light_curves

N = 100
OUT = outside(N)


def known(seed=1, scale=1.0, shared=0.0, f=0.0):
    """Spectra with photon and read variances; scatter ``scale`` times the claimed error, ``shared`` of it in all columns."""
    s = make_spectra(seed=seed, n=N, noise=scale)
    claimed = s["flux_err"].values[0].astype(float) ** 2
    photon = 0.7 * claimed / (1 + f)
    read = 0.3 * claimed / (1 + f)
    flux = s["flux"].values
    if shared:
        common = np.random.default_rng(seed + 50).normal(size=N)[:, None, None]
        flux = flux + shared * common * s["flux_err"].values
    dims = ("order", "column")
    return s.assign(
        flux=(s["flux"].dims, flux.astype(np.float32)),
        variance_photon=(dims, photon),
        variance_read=(dims, read),
        error_1f=(dims, np.sqrt(f * claimed / (1 + f))),
    )


def of(**settings):
    return split({n: light_curves(s, OUT) for n, s in settings.items()}, settings, OUT)


def test_white_noise_with_right_errors():
    data = of(run=known())
    assert data["part_photon"].values[0] == pytest.approx(0.7, abs=0.01)
    for k in (0, 1):
        assert abs(float(data["excess"][0, k])) < 4 * float(data["excess_err"][0, k])
        assert float(data["mean"][0, k]) == pytest.approx(1, abs=0.02)
    z = (data["column_correlation"] / data["column_correlation_err"]).values[0, :2, 1:]
    assert np.sqrt(np.mean(z**2)) == pytest.approx(1, abs=0.25)
    assert data["column_correlation"].values[0, 0, 0] == pytest.approx(1)
    # a straight line leaves white noise a little anticorrelated, and this is told exactly
    t = (data["time_correlation"] - data["time_expected"]).values[0, 0, 1:]
    assert np.abs(t / data["time_correlation_err"].values[0, 1:]).max() < 4.5
    assert (data["time_expected"].values[1:] < 0).all()


def test_excess_is_what_is_not_accounted_for():
    data = of(run=known(scale=1.2, f=0.25))
    # the claimed variance is 1.25 of the limit's, the scatter 1.44 of the claimed
    assert float(data["part_one_over_f"][0, 0]) == pytest.approx(0.25, abs=0.005)
    assert float(data["total"][0, 0]) == pytest.approx(1.8, abs=0.03)
    assert float(data["excess"][0, 0]) == pytest.approx(0.55, abs=0.03)
    assert float(data["part_claimed"][0, 0]) == pytest.approx(1.25, abs=0.01)


def test_a_step_left_out():
    data = of(**{"all steps": known(), "without one_over_f": known(scale=1.5), "without jump": known(scale=1.5)})
    assert float(data["part_one_over_f"][1, 0]) == pytest.approx(1.25, abs=0.04)
    assert abs(float(data["excess"][1, 0] - data["excess"][0, 0])) < 1e-9
    assert float(data["part_one_over_f"][2, 0]) == 0
    assert float(data["excess"][2, 0]) == pytest.approx(1.25, abs=0.04)
    rows = rows_of(data)
    assert [r[1] for r in rows[:3]] == ["all steps", "without one_over_f", "without jump"]
    table = by_band(data)
    first = table[(table["order"] == 1) & (table["setting"] == "without jump")]
    assert len(first) == 32
    assert np.mean(first["excess"]) == pytest.approx(1.25, abs=0.05)
    assert 0.8 < np.std(first["excess"]) / np.mean(first["excess_err"]) < 1.4


def test_what_columns_share_is_seen():
    data = of(run=known(shared=0.2))
    want = 0.04 / 1.04
    far = float(data["column_correlation"].values[0, 0, 33:].mean())
    assert far == pytest.approx(want, rel=0.4)  # 55 integrations draw the common part
    assert "order 1" in correlation_lines(data)[0]


def folder(tmp_path, spectra, **record):
    curves = light_curves(spectra, OUT)
    datasets.write_dataset(spectra, tmp_path / "spectra.nc")
    datasets.write_dataset(curves, tmp_path / "lightcurves.nc")
    (tmp_path / "run.json").write_text(json.dumps({"kind": "uncal", "exposure": "x", "config": {}} | record))
    return tmp_path


def test_a_run_alone_from_its_folder(tmp_path):
    found = budget(folder(tmp_path, known()), steps=(), figures=True)
    assert abs(float(found.data["excess"][0, 0])) < 0.02
    names = {p.name for p in (tmp_path / "figures").iterdir()}
    assert names == {"budget.png", "budget_steps.png", "budget_correlation.png", "budget_claimed.png"}
    with datasets.open_dataset(tmp_path / "budget.nc") as again:
        np.testing.assert_array_equal(again["variance"].values, found.data["variance"].values)
    assert "budget.ecsv" in found.summary()[-1]


def test_refusals_are_one_line(tmp_path):
    good = folder(tmp_path, known())
    with pytest.raises(ConfigError, match="did you mean jump"):
        budget(good, steps=("jum",))
    with pytest.raises(InputError, match="does not say where the exposure's files are"):
        budget(good, steps=("jump",))
    (tmp_path / "spectra.nc").unlink()
    folder(tmp_path, known().drop_vars(["variance_photon"]))
    with pytest.raises(InputError, match="does not tell photon from read noise"):
        budget(good, steps=())
    folder(tmp_path, known(), kind="rateints")
    with pytest.raises(InputError, match="began with slopes"):
        budget(good, steps=())
    with pytest.raises(InputError, match="expected the folder of a finished run"):
        budget(tmp_path / "nowhere")
