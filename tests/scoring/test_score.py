import json

import numpy as np
import pytest

from tests.scoring.make import RADIUS, truth_values, write_rateints, write_spectra, write_traces, write_truth
from tsoar.errors import InputError
from tsoar.scoring import Row, Score, score
from tsoar.scoring.aperture import boxes
from tsoar.scoring.rows import KEY, row, short


@pytest.fixture
def complete(truth, out):
    """A folder with spectra and traces."""
    box = boxes(truth, RADIUS)
    own, noise = np.stack([b.own for b in box]), np.stack([b.noise for b in box])
    flux = own * truth.light_curve.transpose(1, 0, 2) * truth.grey[:, None, None]
    flux = flux + noise * np.random.default_rng(1).normal(size=flux.shape)
    write_spectra(out, truth, flux, np.broadcast_to(noise, flux.shape))
    y = truth.trace + truth.drift_y[:, None, None]
    write_traces(out, truth, y, np.repeat(truth.drift_y[:, None], 3, axis=1))
    return out


def test_everything_in_one_table(truth, complete):
    found = score(complete, truth.path)
    assert {row.section for row in found.rows} == {
        *("traces", "wavelength", "spectra", "sensitivity", "scatter"),
        *("white light", "planet"),
    }
    assert [text.split(":")[0] for text in found.missing] == ["rateints/*_rateints.fits"]
    assert found["spectra: order 1: flux over light in the box"].value == pytest.approx(1, abs=1e-3)
    lines = found.table().splitlines()
    assert lines[0].split() == ["what", "value", "perfect"] and len(lines) == len(found.rows) + 2
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["sections"]["sensitivity"]["order 1"]["unit"] == ""
    assert set(json.loads(text)["sections"]["planet"]["order 1: bias"]) == {"value", "unit", "perfect", "note"}
    assert len({row.label for row in found.rows}) == len(found.rows)


def test_radius_comes_from_run_json_unless_given(truth, complete):
    name = "spectra: order 1: flux over light in the box"
    narrow = score(complete, truth.path, radius=1.5)[name].value
    assert narrow == pytest.approx(1 / 0.6827, rel=0.05)
    with pytest.raises(InputError, match="radius"):
        score(complete, truth.path, radius=-1.0)


def test_no_planet_is_said(complete, tmp_path):
    path = write_truth(tmp_path / "truth.nc", truth_values(event="none"), "none")
    found = score(complete, path)
    assert not any(row.section == "planet" for row in found.rows)
    assert any(text.startswith("planet: there is none") for text in found.missing)


def test_key_rows_exist(truth, complete):
    dark = np.zeros((truth.integrations, *truth.shape), np.float32)
    write_rateints(complete, dark + 5, dark + 1, np.zeros(dark.shape, np.uint32))
    found = score(complete, truth.path)
    assert {row.label for row in found.rows} >= set(KEY)
    assert len(found.markdown().splitlines()) == len(KEY) + 2
    chosen = ["sensitivity: order 1", "no such row"]
    assert len(found.markdown(chosen).splitlines()) == 3 and len(found.lines(chosen)) == 2 + len(found.missing)


def test_folders_and_truths_that_do_not_fit(truth, out, complete, tmp_path):
    (tmp_path / "empty").mkdir()
    other = write_truth(tmp_path / "other.nc", truth_values(n=30))
    values = truth_values()
    later = write_truth(tmp_path / "later.nc", values | {"time": (values["time"][0], values["time"][1] + 3)})
    cases = [
        ((tmp_path / "empty", truth.path), "no products"),
        ((tmp_path / "nowhere", truth.path), "no such folder"),
        ((complete, tmp_path / "nowhere.nc"), "no such file"),
        ((complete, other), "has 30"),
        ((complete, later), "lies 3.0 d from the times"),
    ]
    for arguments, why in cases:
        with pytest.raises(InputError, match=why) as caught:
            score(*arguments)
        assert "\n" not in str(caught.value)


def test_slopes_of_another_subarray(truth, out):
    frames = np.zeros((4, 30, 2048))
    write_rateints(out, frames, frames + 1, frames.astype(np.uint32), segments=1)
    with pytest.raises(InputError, match=r"\(30, 2048\) pixels; the truth has"):
        score(out, truth.path)


@pytest.mark.parametrize("name", ["spectra.nc", "traces.nc", "rateints/a_rateints.fits", "run.json"])
def test_broken_products(truth, complete, name):
    (complete / name).parent.mkdir(exist_ok=True)
    (complete / name).write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read"):
        score(complete, truth.path)


def test_products_of_something_else(truth, out):
    import xarray as xr

    xr.Dataset({"a": ("b", [1.0])}).to_netcdf(out / "spectra.nc", engine="h5netcdf")
    with pytest.raises(InputError, match="has no flux"):
        score(out, truth.path)


def test_rows():
    one = row("planet", "a|b", np.float64(26010.7), "ppm", "0")
    assert one == Row("planet", "a|b", 26010.7, "ppm", "0", "") and one.text == "26011 ppm"
    assert row("a", "b", np.nan, "", "1").value is None and row("a", "b", np.inf, "", "1").text == "-"
    assert "a\\|b" in Score([one], []).markdown(["planet: a|b"])
    assert short(0.0123456) == "0.01235" and short(103.2, 2) == "103"
    with pytest.raises(KeyError):
        Score([one], [])["nothing"]
