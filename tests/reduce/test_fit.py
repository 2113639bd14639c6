"""`tsoar.fit` on a run's folder: products, bins, options, and one line for what cannot be."""

import json

import numpy as np
import pytest
import xarray as xr
from astropy.table import Table
from click.testing import CliRunner

import tsoar
from tests.fitting.make import ORBIT, depths, limb, planet_spectra
from tsoar.cli import cli
from tsoar.errors import ConfigError, InputError, TsoarError
from tsoar.io import datasets

PERIOD = [f"fit.period={ORBIT['per']}"]


def folder_of(path, spectra):
    path.mkdir(parents=True, exist_ok=True)
    datasets.write_dataset(spectra, path / "spectra.nc")
    datasets.write_json({"target": "WASP-43", "config": {}}, path / "run.json")
    return path


@pytest.fixture(scope="module")
def made():
    return planet_spectra(seed=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, made):
    return folder_of(tmp_path_factory.mktemp("fit") / "run", made[0])


def fit(folder, **options):
    return tsoar.fit(folder, **{"figures": False} | options)


def settings(*overrides):
    return tsoar.load_config(overrides=[*PERIOD, *overrides])


def test_spectrum_and_products(folder, made):
    found = tsoar.fit(folder, n_columns=64, config=settings())
    table = Table.read(folder / "planet_spectrum.ecsv")
    assert table["wavelength"].unit == "um"
    assert table.meta["planet"] == "WASP-43 b"
    assert set(np.unique(table["order"])) == {1, 2}
    assert (np.diff(table["wavelength"][table["order"] == 1]) > 0).all()
    away = np.asarray(table["depth"]) - depths(np.asarray(table["wavelength"]))
    # limb darkening's error is common to the bins: their mean is as sure as that, however many they are
    assert abs(np.mean(away)) < 3 * np.hypot(
        np.mean(table["depth_err"]) / len(table) ** 0.5, np.median(table["depth_err_limb"])
    )
    pulls = away / np.asarray(table["depth_err"])
    assert 0.7 < np.std(pulls) < 1.3
    assert found.white.orbit.t0 == pytest.approx(made[1], abs=5 * np.sqrt(found.white.covariance[0, 0]))
    numbers = json.loads((folder / "diagnostics" / "fit.json").read_text())
    assert 0.8 < numbers["orders"]["1"]["sensitivity_on_residuals"]["median"] < 1.2
    assert numbers["orders"]["1"]["rms_against_bin"]["integrations"][0] == 1
    assert numbers["notes"] == []
    with xr.open_dataset(folder / "fit.nc", decode_times=False) as product:
        left = ((product["flux"] - product["model"]) / product["flux_err"]).values
        assert 0.9 < np.nanstd(left) < 1.1
        assert np.nanstd(product["white_residual"].values[:, 0]) < 2 * np.nanmedian(product["white_flux_err"].values[:, 0])
    names = {p.name for p in (folder / "figures").iterdir()}
    assert {"fit_white_light.png", "fit_spectrum.png", "fit_residuals.png", "fit_corner.png", "fit_sensitivity.png"} <= names
    assert not list(folder.rglob("*.part"))


def test_the_same_fit_twice_gives_the_same_bytes(folder):
    tables = []
    for _ in range(2):
        fit(folder, n_columns=128, config=settings())
        tables.append((folder / "planet_spectrum.ecsv").read_bytes())
    assert tables[0] == tables[1]


def test_an_unknown_period_is_scaled_to_the_event(folder):
    found = fit(folder, n_columns=128, config=tsoar.load_config(overrides=["fit.period=0"]))
    k = found.white.names.index("period")
    assert found.white.values[k] == pytest.approx(ORBIT["per"], abs=5 * np.sqrt(found.white.covariance[k, k]))
    assert (found.spectrum["depth_err_orbit"] > 0).all()


def test_the_table_s_period_is_doubted(folder):
    found = fit(folder, n_columns=128, config=tsoar.load_config(overrides=["fit.period=0.49"]))
    assert any("with the orbit of WASP-43 b it would last" in note for note in found.notes)
    with pytest.raises(ConfigError, match=r"0 integrations outside .* it would last 1.23 h"):
        fit(folder, config=tsoar.load_config())


def test_limb_darkening_from_a_table(folder, tmp_path):
    path = tmp_path / "limb.csv"
    w = np.linspace(0.5, 3.0, 60)
    path.write_text("wavelength,u1,u2\n" + "".join(f"{a},{b},{c}\n" for a, (b, c) in zip(w, limb(w), strict=True)))
    found = fit(folder, resolution=30, limb_darkening=path, config=settings())
    t = found.spectrum
    np.testing.assert_allclose(t["u1"], limb(np.asarray(t["wavelength"]))[:, 0], atol=0.01)
    assert abs(np.mean((t["depth"] - depths(np.asarray(t["wavelength"]))) / t["depth_err"])) < 0.5


def test_edges_give_their_bins(folder):
    found = fit(folder, edges=[0.9, 1.0, 1.2, 2.0], config=settings())
    one = found.spectrum[found.spectrum["order"] == 1]
    assert len(one) == 3
    np.testing.assert_allclose(one["half_width"], [0.05, 0.1, 0.4], atol=0.002)


def test_an_eclipse(tmp_path):
    spectra, mid = planet_spectra(seed=4, event="eclipse", bright=6.0)
    folder = folder_of(tmp_path / "run", spectra)
    found = fit(folder, event="eclipse", n_columns=128, config=settings())
    t = found.spectrum
    pulls = (t["depth"] - depths(np.asarray(t["wavelength"])) / 10) / t["depth_err"]
    assert abs(np.mean(pulls)) < 0.6
    assert 0.6 < np.std(pulls) < 1.4
    assert "u1" not in t.colnames


def test_regressors(folder):
    found = fit(folder, n_columns=256, regress=["shift", "width"], config=settings())
    assert any("width of order 1 does not change" in note for note in found.notes)
    assert found.numbers["orders"]["1"]["white"]["baseline"][2] == pytest.approx(0, abs=1e-4)


def with_baseline(spectra, settling=0.0, tilt=0.0):
    """The same exposure with a settling (scale 5 min), and a tilt: a step of the flux and of the profile's width."""
    time = spectra["time"].values
    step = (np.arange(time.size) > 50).astype(float)
    factor = 1 + settling * np.exp(-(time - time[0]) * 288) + tilt * step
    rng = np.random.default_rng(1)
    width = np.stack([1e-2 * step + 3e-5 * rng.normal(size=time.size)] * 3, 1) * bool(tilt)
    per = ("integration", "order")
    return spectra.assign(
        flux=(spectra["flux"].dims, (spectra["flux"].values * factor[:, None, None]).astype(np.float32)),
        width=(per, width),
        width_err=(per, np.full(width.shape, 3e-5 * bool(tilt))),
    )


def test_the_baseline_is_chosen_and_said(tmp_path, made):
    """A star that settles and a mirror that tilts: found without being asked for, in words wherever the spectrum goes."""
    folder = folder_of(tmp_path / "run", with_baseline(made[0], settling=2e-3, tilt=1e-3))
    found = fit(folder, n_columns=128, config=settings())
    baseline = found.numbers["baseline"]
    assert baseline["regress"] == ["width"]
    assert baseline["settle_min"] == pytest.approx(5, rel=0.3)
    assert baseline["bic"] < -20
    assert "settling chosen by BIC: -" in baseline["words"]
    assert "width (the profile changes, " in baseline["words"]
    assert Table.read(folder / "planet_spectrum.ecsv").meta["baseline"] == baseline["words"]
    assert any(line == f"baseline: {baseline['words']}" for line in found.summary())
    undisturbed = fit(folder_of(tmp_path / "calm", made[0]), n_columns=128, config=settings()).spectrum
    line = fit(folder, n_columns=128, config=settings("fit.regress=[]")).spectrum
    off, off_line = (
        np.average(t["depth"] - undisturbed["depth"], weights=t["depth_err"] ** -2) for t in (found.spectrum, line)
    )
    assert abs(off) < 1e-4
    assert abs(off_line) > 5e-4


def test_a_plain_exposure_keeps_its_line_and_what_is_asked_for_is_done(folder, tmp_path, made):
    found = fit(folder, n_columns=256, config=settings())
    assert found.numbers["baseline"]["regress"] == []
    assert found.numbers["baseline"]["settle_min"] == 0
    assert found.numbers["baseline"]["words"].startswith("straight line; the best addition, ")
    settled = folder_of(tmp_path / "run", with_baseline(made[0], settling=2e-3))
    given = fit(settled, n_columns=256, config=settings("fit.settle=7", 'fit.regress=["auto", "shift"]'))
    assert given.numbers["baseline"]["settle_min"] == 7
    assert given.numbers["baseline"]["regress"] == ["shift"]
    none = fit(settled, n_columns=256, config=settings("fit.settle=0"))
    assert none.numbers["baseline"]["settle_min"] == 0
    asked = fit(settled, n_columns=256, regress=[], config=settings())
    assert asked.numbers["baseline"]["words"] == "straight line, as asked for"
    assert not asked.numbers["baseline"]["chosen"]


def test_a_transit_cut_at_the_start_says_so(tmp_path):
    folder = folder_of(tmp_path / "run", planet_spectra(seed=3, mid=0.05)[0])
    found = fit(folder, n_columns=256, config=settings())
    assert any("no integration before the event" in note for note in found.notes)
    t = found.spectrum
    assert abs(np.mean((t["depth"] - depths(np.asarray(t["wavelength"]))) / t["depth_err"])) < 1.5


def test_columns_of_nan(tmp_path, made):
    spectra = made[0].copy(deep=True)
    spectra["flux"].values[:, 0, 500:600] = np.nan
    spectra["flux"].values[:60, 0, 700] = np.nan
    found = fit(folder_of(tmp_path / "run", spectra), config=settings())
    first = np.asarray(found.spectrum["first"][found.spectrum["order"] == 1])
    assert not np.isin(np.r_[500:600, 700], first).any()
    assert np.isfinite(found.spectrum["depth"]).all()


def shortened(spectra, n):
    return spectra.isel(integration=slice(0, n))


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda s: shortened(s, 1), {}, "1 integrations; a fit needs 10"),
        (lambda s: s.assign(flux=s["flux"] * np.nan), {}, "no light in orders 1 and 2"),
        (lambda s: shortened(s, 15), {}, "no event found.*--set fit.t0="),
        (None, {"overrides": ["fit.t0=50000.0"]}, "0 integrations in the transit"),
        (None, {"overrides": ["fit.period=20.0"]}, "integrations outside the transit"),
        (None, {"overrides": ["fit.inclination=40.0"]}, "no transit at inclination 40"),
        (None, {"planet": "HAL 9000"}, "not in the table"),
        (None, {"limb_darkening": "fixed"}, "fit.u1="),
        (None, {"limb_darkening": "quadratik"}, "expected smooth, free, fixed or an existing"),
        (None, {"edges": [5.0, 6.0]}, "none of them holds a column"),
        (None, {"edges": [5.0, 6.0], "resolution": 30}, "at most one"),
        (None, {"regress": ["colour"]}, "fit.regress"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, made, change, options, says):
    folder = folder_of(tmp_path / "run", made[0] if change is None else change(made[0]))
    options = dict(options)
    overrides = options.pop("overrides", [])
    with pytest.raises((ConfigError, InputError), match=says) as caught:
        fit(folder, config=settings(*overrides), **options)
    assert "\n" not in str(caught.value)
    assert not (folder / "planet_spectrum.ecsv").exists()


def test_no_run_in_the_folder(tmp_path):
    with pytest.raises(TsoarError, match=r"spectra.nc: not there"):
        fit(tmp_path)


def test_sampling_without_dynesty_names_the_command(folder, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dynesty", None)
    with pytest.raises(ConfigError, match=r"pip install 'tsoar\[fit\]'"):
        fit(folder, sample=True, config=settings())


@pytest.mark.slow
def test_the_posterior_agrees_with_the_covariance(folder):
    pytest.importorskip("dynesty")
    found = fit(folder, n_columns=256, sample=True, config=settings("fit.live_points=100"))
    p = found.posterior
    error = np.sqrt(np.diag(found.white.covariance))
    for k, name in enumerate(found.white.names):
        values = p.samples[:, p.names.index(name)]
        assert abs(np.median(values) - found.white.values[k]) < 0.8 * error[k]
        assert 0.6 < values.std() / error[k] < 1.6


@pytest.mark.parametrize("text", ["", "1.0", "1.0 two", "nan 1.0 2.0"])
def test_nonsense_edges_on_the_command_line(folder, tmp_path, text):
    edges = tmp_path / "edges.txt"
    edges.write_text(text)
    result = CliRunner().invoke(cli, ["fit", str(folder), "--edges", str(edges)])
    assert result.exit_code == 2
    assert "--edges" in result.output
    assert result.output.count("\n") == 1


def test_the_command(folder, tmp_path):
    edges = tmp_path / "edges.txt"
    edges.write_text("# um\n0.9, 1.3\n2.0 2.5\n")
    result = CliRunner().invoke(cli, ["fit", str(folder), "--edges", str(edges), "--set", PERIOD[0]])
    assert result.exit_code == 0, result.output
    assert "order 1, 3 bins" in result.output
    result = CliRunner().invoke(cli, ["fit", str(folder), "--bins", "3", "--resolution", "100"])
    assert result.exit_code == 2


def test_spectra_that_moved_along_dispersion_are_moved_back(tmp_path, made):
    """A drift in the lines is found, said and taken back; asked to, the fit takes spectra as they are."""
    spectra, _ = made
    n, x = spectra.sizes["integration"], np.arange(2048.0)
    lines = 1 - sum(0.2 * np.exp(-0.5 * ((x - c) / 1.6) ** 2) for c in range(20, 2040, 40))
    shift = 0.3 * np.sin(np.linspace(0, 12, n))
    moved = np.stack([np.interp(x - s, x, lines) for s in shift])[:, None]
    folder = folder_of(tmp_path / "moved", spectra.assign(flux=spectra["flux"] * moved))
    one = fit(folder, n_columns=64, config=settings()).numbers["dispersion"]
    assert one["moved_back"]
    assert "moved back along dispersion" in one["words"]
    assert np.corrcoef(one["shift_px"], shift)[0, 1] > 0.99
    other = fit(folder, n_columns=64, config=settings("fit.dispersion=off")).numbers["dispersion"]
    assert not other["moved_back"]
    assert other["words"] == "spectra as they are, as asked for"


def test_columns_are_fitted_when_they_are_read(tmp_path, made):
    """column_time reaches bins as the mean over their light; without it all is at once."""
    from tsoar.reduce.fit import bins_of, channels_of, designs_of, read

    spectra, _ = made
    when = np.linspace(2.7, -2.7, 2048)
    folder = folder_of(tmp_path / "timed", spectra.assign(column_time=("column", when)))
    measured = read(folder)
    designs = designs_of(measured, settings().fit, [])
    for bins, within in ((None, 1e-9), (64, 0.02)):
        (k, b), channels = channels_of(bins_of(measured, None, bins, None), designs)
        assert channels.delay.shape == channels.wavelength.shape
        first = k == 0
        middle = when[b[first]] if bins is None else when[np.minimum(b[first] * 64 + 32, 2047)]
        np.testing.assert_allclose(86400 * channels.delay[first], middle, atol=within)
    plain = read(folder_of(tmp_path / "plain", spectra))
    assert channels_of(bins_of(plain, None, 64, None), designs)[1].delay is None
