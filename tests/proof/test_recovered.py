"""Two runs held against what was put in: exact answers give zero, a known bias gives that bias, with right errors."""

import json

import numpy as np
import pytest
import xarray as xr

from tests.synthetic import make_spectra, transit
from tsoar.errors import InputError
from tsoar.io import datasets
from tsoar.proof.recovered import compare, regress

N = 60


def pair(tmp_path, bias=0.0, noise=0.0, drift=0.0, seed=1):
    """Folders before and after, and injected.nc: a transit of 1 % of which 1 + bias comes back, noise in the event alone."""
    rng = np.random.default_rng(seed)
    one = make_spectra(seed=seed, n=N, depth=0.0)
    time = one["time"].values
    curve = transit(time, time.mean(), 0.4 * (time[-1] - time[0]), 0.01)
    back = 1 + (1 + bias) * (curve - 1)
    change = back[:, None, None] * np.ones(one["flux"].shape)
    change += noise * (curve < 1)[:, None, None] * rng.normal(size=change.shape)
    own = 0.002 * rng.normal(size=(N, 3))
    put = np.linspace(0, drift, N) if drift else np.zeros(N)
    one = one.assign(shift=(("integration", "order"), own))
    shifted = own + 0.9 * put[:, None] + (2e-4 * rng.normal(size=(N, 3)) if drift else 0)
    other = one.assign(flux=(one["flux"].dims, (one["flux"].values * change)), shift=(("integration", "order"), shifted))
    dims = ("integration", "order", "column")
    known = xr.Dataset(
        {
            "light_curve": (dims, np.broadcast_to(curve[:, None, None], one["flux"].shape).copy()),
            "depth": (dims[1:], np.full(one["wavelength"].shape, 0.01)),
            "wavelength": one["wavelength"],
            "shift": (dims[:1], put),
            "time": one["time"],
        },
        {"order": [1, 2, 3], "column": one["column"]},
        {"what": "transit"},
    )
    for name, data in (("a", one), ("b", other)):
        datasets.write_dataset(data, tmp_path / name / "spectra.nc")
    datasets.write_dataset(known, tmp_path / "x" / "injected.nc")
    record = {"performance": {"files": {"inputs": [str(tmp_path / "x" / "one_uncal.fits")]}}}
    (tmp_path / "b" / "run.json").write_text(json.dumps(record))
    return tmp_path / "a", tmp_path / "b"


def test_a_perfect_reduction_gives_zero(tmp_path):
    found = compare(*pair(tmp_path))
    assert np.abs(found.spectrum["difference"]).max() < 1e-8
    assert len(found.spectrum) > 90
    assert {p.name for p in (tmp_path / "b" / "figures").iterdir()} == {"injection_spectrum.png"}
    assert (tmp_path / "b" / "injection.ecsv").exists()


def test_a_bias_is_found_with_its_error(tmp_path):
    """5 % of the depth, and errors of the bins that hold: pulls about it have a width of 1."""
    found = compare(*pair(tmp_path, bias=0.05, noise=2e-3), figures=False)
    t = found.spectrum
    pull = (np.asarray(t["difference"]) - 0.05 * np.asarray(t["injected"])) / np.asarray(t["error"])
    assert abs(pull.mean()) < 4 / np.sqrt(len(t))
    assert 0.8 < pull.std() < 1.25
    n = found.numbers["depth"]["1"]
    assert n["difference_ppm"] == pytest.approx(500, abs=5 * n["error_ppm"])
    assert n["single_ppm"] > n["error_ppm"]
    assert "recovered - injected" in found.summary()[0]


def test_a_drift_is_measured(tmp_path):
    found = compare(*pair(tmp_path, drift=0.1))
    for n in found.numbers["drift"].values():
        assert n["recovered_px"] == pytest.approx(0.09, abs=5 * n["error_px"])
    assert (tmp_path / "b" / "figures" / "injection_drift.png").exists()


def test_regression_with_uneven_noise():
    """Noise in the event alone: White's errors hold, and a level other than 1 does not matter."""
    rng = np.random.default_rng(3)
    x = np.where(np.abs(np.arange(60) - 30) < 12, -0.01, 0.0)
    away = []
    for _ in range(400):
        a, err = regress(x, 1.3 * (1 + 0.9 * x + np.where(x < 0, 1e-3, 1e-5) * rng.normal(size=60)))
        away.append((a - 0.9) / err)
    assert abs(np.mean(away)) < 0.2
    assert 0.88 < np.std(away) < 1.2


def test_folders_that_do_not_belong_together(tmp_path):
    a, b = pair(tmp_path)
    with pytest.raises(InputError, match="given twice"):
        compare(b, b)
    with pytest.raises(InputError, match="cannot be read"):
        compare(b, a)
    with pytest.raises(InputError, match=r"not an injected.nc"):
        compare(a, b, truth=a / "spectra.nc")
    (tmp_path / "x" / "injected.nc").unlink()
    with pytest.raises(InputError, match=r"no injected.nc beside"):
        compare(a, b)
    with datasets.open_dataset(a / "spectra.nc") as one:
        short = one.isel(integration=slice(0, 50)).load()
    datasets.write_dataset(short, a / "spectra.nc")
    pair(tmp_path / "again")
    with pytest.raises(InputError, match="has other integrations"):
        compare(a, b, truth=tmp_path / "again" / "x" / "injected.nc")
