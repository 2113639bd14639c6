"""Files for other programs, held against the layouts their readers expect."""

import json
import types

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from astropy.table import Table

import tsoar
from tests.ecosystem.conftest import N, write_run
from tsoar.ecosystem import lightcurves
from tsoar.errors import ConfigError, InputError
from tsoar.io.rateints import X1D_COLUMNS
from tsoar.series.lightcurves import FREE_COLUMNS
from tsoar.units import MJD_OFFSET


def opened(path):
    with xr.open_dataset(path, engine="h5netcdf") as ds:
        return ds.load()


def test_an_order_by_rising_wavelength(finished, spectra):
    one, two = lightcurves.read(finished).orders
    assert (np.diff(one.wavelength) > 0).all() and (one.shorter < one.wavelength).all() and (one.wavelength < one.longer).all()
    assert (two.member.min(), two.member.max()) == (FREE_COLUMNS[2][0], FREE_COLUMNS[2][1] - 1)
    at = np.flatnonzero(one.member == 1000)[0]
    flux = spectra["flux"].sel(order=1).values[:, 1000].copy()
    flux[2] = np.nan  # not valid there
    np.testing.assert_allclose(one.flux[at], flux, rtol=1e-6)
    assert list(np.flatnonzero(~one.valid[at])) == [2]
    np.testing.assert_allclose(one.level[at], np.nanmedian(flux[one.outside]), rtol=1e-6)
    assert one.outside.sum() == N - 4


def test_bins_have_the_resolving_power_asked_for(finished):
    (one,) = lightcurves.read(finished, (1,), 50).orders
    inner = slice(1, -1)
    np.testing.assert_allclose((one.wavelength / (one.longer - one.shorter))[inner], 50, rtol=0.1)


def test_chromatic(finished, tmp_path):
    paths = tsoar.export(finished, "chromatic", out=tmp_path, resolution=100, author="A. Author")
    assert [p.name.split("_")[-2:] for p in paths] == [
        [f"order{o}", f"{kind}.xc"] for o in (1, 2) for kind in ("stellar-spectra", "raw-light-curves")
    ]
    (one, _) = lightcurves.read(finished, None, 100).orders
    star, curves = opened(paths[0]), opened(paths[1])
    for ds, flux, level in ((star, "flux", 1), (curves, "raw_flux", one.level[:, None])):
        assert ds[flux].dims == ("wavelength", "time") == ds[f"{flux}_error"].dims == ds["quality_flag"].dims
        np.testing.assert_allclose(ds[flux].values, one.flux / level)
        np.testing.assert_allclose(ds[f"{flux}_error"].values, one.error / level)
        assert ds["wavelength"].attrs["units"] == "micron" and ds["time"].attrs["units"] == "d"
        np.testing.assert_array_equal(ds["time"].values, one.time + MJD_OFFSET)
        about = {k: json.loads(v) for k, v in ds.attrs.items()}
        assert about["author"] == "A. Author" and about["contact"] == "not given" and about["code"].startswith("tsoar ")
    assert {"start_wavelength", "end_wavelength"} <= set(curves)


def test_eureka(finished, tmp_path):
    paths = tsoar.export(finished, "eureka", out=tmp_path)
    assert [str(p.relative_to(tmp_path)) for p in paths[:2]] == [
        "order1/S3_wasp39b_order1_SpecData.h5",
        "order1/S4_wasp39b_order1_LCData.h5",
    ]
    (one, _) = lightcurves.read(finished).orders
    spec, lc = opened(paths[0]), opened(paths[1])
    assert spec["optspec"].dims == spec["opterr"].dims == spec["optmask"].dims == ("time", "x")
    assert spec["optmask"].dtype == bool and lc["mask"].dtype == bool
    np.testing.assert_allclose(spec["optspec"].values, one.flux.T)
    np.testing.assert_array_equal(spec["optmask"].values, ~one.valid.T)
    assert spec["wave_1d"].attrs == {"wave_units": "microns"} and spec["time"].attrs["time_units"] == "BMJD_TDB"
    assert "data_format" not in spec.attrs  # a SpecData file without is taken as it is
    assert lc["data"].dims == ("wavelength", "time")
    assert lc["data"].attrs == {"flux_units": "DN/s", "wave_units": "microns", "time_units": "BMJD_TDB"}
    np.testing.assert_allclose(lc["wave_mid"], 0.5 * (lc["wave_low"] + lc["wave_hi"]))
    np.testing.assert_array_equal(lc["time"].values, one.time)
    assert (lc["centroid_y"] == 0.01).all()


def test_juliet(finished, tmp_path):
    paths = tsoar.export(finished, "juliet", out=tmp_path, resolution=20)
    one, two = lightcurves.read(finished, None, 20).orders
    assert len(paths) == one.wavelength.size + two.wavelength.size + 2
    white = [line.split() for line in (tmp_path / "white" / "lc.dat").read_text().splitlines()]
    assert {row[3] for row in white} == {"SOSS1", "SOSS2"} and all(len(row) == 4 for row in white)
    named = Table.read(tmp_path / "instruments.ecsv")
    first = named[0]
    assert "_" not in "".join(named["instrument"])  # it would cut the names of parameters
    rows = [line.split() for line in (tmp_path / "bins" / f"{first['instrument']}.dat").read_text().splitlines()]
    np.testing.assert_allclose([float(r[0]) for r in rows], one.time + MJD_OFFSET, rtol=0, atol=1e-9)
    np.testing.assert_allclose([float(r[1]) for r in rows], one.flux[0] / one.level[0], atol=1e-9)
    np.testing.assert_allclose([float(r[2]) for r in rows], one.error[0] / one.level[0], atol=1e-9)


def test_juliet_leaves_out_what_cannot_be_used(finished, tmp_path):
    tsoar.export(finished, "juliet", out=tmp_path, orders=[1])
    assert len((tmp_path / "bins" / "SOSS1b1000.dat").read_text().splitlines()) == N - 1
    assert "nan" not in (tmp_path / "bins" / "SOSS1b1000.dat").read_text()


def test_juliet_gets_the_orbit_of_a_fit(finished, tmp_path, spectra):
    run = write_run(tmp_path / "fitted", spectra)
    fitted = Table({"depth": [0.02]})
    orbit = {"t0": 60649.2, "period": 4.0, "a_over_r": 11.0, "inclination": 87.0, "eccentricity": 0.1, "omega": 90.0}
    fitted.meta = {"event": "transit", "orbit": orbit | {"source": "given", "fitted": ["t0"]}}
    fitted.write(run / "planet_spectrum.ecsv", format="ascii.ecsv")
    assert tmp_path / "x" / "white" / "priors.dat" in tsoar.export(run, "juliet", out=tmp_path / "x", resolution=20)
    rows = dict(line.split(maxsplit=1) for line in (tmp_path / "x" / "white" / "priors.dat").read_text().splitlines())
    assert rows["P_p1"] == "fixed 4.000000000" and rows["t0_p1"] == "normal 2460649.700000000,0.01"
    b = 11 * np.cos(np.radians(87)) * 0.99 / 1.1  # Winn 2010, equation 7
    assert float(rows["b_p1"].split()[1]) == pytest.approx(b, abs=1e-6)
    assert {"q1_SOSS1", "q2_SOSS2", "mflux_SOSS1", "sigma_w_SOSS2"} <= set(rows)
    fitted.meta["event"] = "eclipse"
    fitted.write(run / "planet_spectrum.ecsv", format="ascii.ecsv", overwrite=True)
    assert not [p for p in tsoar.export(run, "juliet", out=tmp_path / "y", resolution=20) if p.name == "priors.dat"]


def test_exotedrf(finished, tmp_path):
    (path,) = tsoar.export(finished, "exotedrf", out=tmp_path, resolution=100)
    for order in lightcurves.read(finished, None, 100).orders:
        at = 1 + 4 * (order.number - 1)  # as its reader counts
        np.testing.assert_allclose(fits.getdata(path, at), order.wavelength)
        np.testing.assert_allclose(fits.getdata(path, at + 1), 0.5 * (order.longer - order.shorter))
        np.testing.assert_allclose(fits.getdata(path, at + 2), order.flux.T)
        np.testing.assert_allclose(fits.getdata(path, at + 3), order.error.T)
    np.testing.assert_allclose(fits.getdata(path, 9), order.time)
    assert fits.getheader(path)["TARGET"] == "WASP-39 b"
    with pytest.raises(ConfigError, match="orders 1 and 2 by position"):
        tsoar.export(finished, "exotedrf", out=tmp_path, orders=[1])


def test_x1dints_holds_all_columns_of_the_schema(finished, tmp_path, spectra):
    (path,) = tsoar.export(finished, "x1dints", out=tmp_path)
    assert path.name == "jw00001001001_04101_00001_nis_x1dints.fits"
    with fits.open(path) as hdus:
        assert [h.name for h in hdus] == ["PRIMARY", *["EXTRACT1D"] * 3, "INT_TIMES", "ASDF"]
        assert [(h.ver, h.header["SPORDER"]) for h in hdus[1:4]] == [(1, 1), (2, 2), (3, 3)]
        table = hdus[1].data
        assert table.names == list(X1D_COLUMNS)
        np.testing.assert_array_equal(table["INT_NUM"], np.arange(N) + 1)
        np.testing.assert_array_equal(table["SEGMENT"], [1] * 6 + [2] * 6)
        np.testing.assert_array_equal(hdus["INT_TIMES"].data["int_start_BJD_TDB"], table["TDB-BEG"])
        assert np.isnan(table["FLUX"][2, 1000]) and table["DQ"][2, 1000] == 1 and table["NPIXELS"][0, 5] == 31
        np.testing.assert_allclose(table["FLUX"][0, 500], spectra["flux"].sel(order=1).values[0, 500])
        assert hdus[0].header["DATAMODL"] == "TSOMultiSpecModel" and hdus[0].header["INTEND"] == N


def test_default_place_and_a_result(finished, monkeypatch):
    result = types.SimpleNamespace(out=finished)
    paths = tsoar.export(result, "eureka", orders=[1])
    assert paths[0].parent == finished / "export" / "eureka" / "order1" and paths[0].exists()


def test_same_bytes_again(finished, tmp_path):
    for to, resolution in (("chromatic", 50), ("eureka", 50), ("exotedrf", 50), ("x1dints", None)):
        a, b = (tsoar.export(finished, to, out=tmp_path / name, resolution=resolution) for name in "ab")
        assert [p.read_bytes() for p in a] == [p.read_bytes() for p in b], to


def test_refusals(finished, tmp_path, spectra):
    with pytest.raises(ConfigError, match="'excel': expected one of chromatic"):
        tsoar.export(finished, "excel")
    with pytest.raises(InputError, match="not there"):
        tsoar.export(tmp_path / "nowhere", "eureka")
    with pytest.raises(ConfigError, match="every order by column"):
        tsoar.export(finished, "x1dints", resolution=100)
    lost = write_run(tmp_path / "lost", spectra)
    with pytest.raises(InputError, match="run again with --save x1dints"):
        tsoar.export(lost, "x1dints")
    dark = spectra.copy(deep=True)
    dark["valid"][:, 1] = 0
    night = write_run(tmp_path / "night", dark)
    assert len(tsoar.export(night, "eureka", out=tmp_path / "x")) == 2  # order 1 alone
    with pytest.raises(ConfigError, match="order 2: no light"):
        tsoar.export(night, "eureka", orders=[2])
    with pytest.raises(ConfigError, match="order 4: not in"):
        tsoar.export(night, "eureka", orders=[4])
