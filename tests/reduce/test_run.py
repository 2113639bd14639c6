"""Whole runs on a small exposure: products, the same bytes whatever the workers, resume, every setting, odd starts."""

import json
import re
import shutil

import numpy as np
import pytest
import xarray as xr
from astropy.io import fits
from astropy.table import Table

import tsoar
from tests.make import tiny_exposure
from tsoar import detector, flags
from tsoar.errors import ConfigError, InputError, OutputError, ReferenceFileError
from tsoar.io import datasets
from tsoar.reduce import products
from tsoar.report.tour import TOUR, stop_of

PRODUCTS = (
    "spectra.nc",
    "traces.nc",
    "deep.nc",
    "lightcurves.nc",
    "white_light.ecsv",
    "diagnostics.json",
    "report.html",
    "rate.fits",
)


def opened(tiny):
    return tsoar.open(tiny.uncal[::-1]), tsoar.references(tiny.refs)


def contents(folder):
    """Bytes of every product but run.json, which holds timings."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "run.json"
    }


@pytest.fixture(scope="module")
def done(tiny, tmp_path_factory):
    """A complete run with one worker."""
    out = tmp_path_factory.mktemp("done") / "out"
    return tsoar.run(*opened(tiny), out=out, workers=1, save=("jump", "superbias"))


@pytest.fixture
def quick(monkeypatch):
    """Runs without figures and views: they take most of the time and are tested by themselves."""
    monkeypatch.setattr(products, "figures", lambda *args: [])
    monkeypatch.setattr(products, "live_views", lambda *args: None)


def test_every_product_is_there_and_opens(tiny, done):
    for name in PRODUCTS:
        assert (done.out / name).exists(), name
    assert not (done.out / ".partial").exists()
    assert len(list((done.out / "rateints").glob("*_rateints.fits"))) == 2
    assert done.spectra.flux.dims == ("integration", "order", "column")
    assert done.spectra.flux.shape == (12, 3, 2048)
    assert set(done.white_light.colnames) >= {"time", "flux_order1", "flux_err_order1", "flux"}
    assert Table.read(done.out / "white_light.ecsv")["time"].unit == "d"
    record = json.loads((done.out / "run.json").read_text())
    assert {i["name"] for i in record["inputs"]} == {p.name for p in tiny.uncal}
    assert len(record["references"]) == 7
    assert all(len(r["sha256"]) == 64 for r in record["references"])
    assert record["performance"]["peak_memory_mib"] > 0
    with xr.open_dataset(done.out / "lightcurves.nc", decode_times=False) as curves:
        assert np.nanmedian(curves.flux.sel(order=1)[:3]) == pytest.approx(1, abs=2e-3)


def test_the_star_and_its_transit_come_back(tiny, done):
    flux = done.spectra.flux.sel(order=1).values[:, 300:2000].astype(float)
    error = done.spectra.flux_err.sel(order=1).values[:, 300:2000]
    outside, inside = tiny.light == 1, tiny.light < 1
    depth = 1 - flux[inside].sum(axis=1).mean() / flux[outside].sum(axis=1).mean()
    sigma = np.sqrt((error[0] ** 2).sum()) / flux[0].sum() * np.sqrt(1 / inside.sum() + 1 / outside.sum())
    assert depth == pytest.approx(0.02, abs=4 * sigma)
    level = flux[outside].mean(axis=0) / tiny.star[0].sum(axis=0)[300:2000]
    assert 0.9 < np.median(level) < 1.02  # the box holds most of the light
    pull = (flux[outside] - flux[outside].mean(axis=0)) / error[outside]
    assert np.sqrt(np.mean(pull**2) * outside.sum() / (outside.sum() - 1)) == pytest.approx(1, abs=0.06)


def test_slopes_hold_what_their_errors_say(tiny, done):
    path = sorted((done.out / "rateints").glob("*.fits"))[0]
    with fits.open(path) as hdus:
        slope, err, dq = (np.asarray(hdus[n].data) for n in ("SCI", "ERR", "DQ"))
        assert hdus["INT_TIMES"].data["int_mid_BJD_TDB"][0] > 60000
        assert hdus[0].header["S_RAMP"] == "COMPLETE"
        assert hdus[0].header["R_SUPERB"] == "file_superbias.fits"
    assert slope.dtype.newbyteorder("=") == np.float32
    truth = tiny.star.sum(0) + tiny.sky
    good = (dq == 0) & (truth > 50)
    pull = ((slope - truth * tiny.light[:6, None, None]) / err)[good & np.isfinite(slope)]
    assert abs(pull.mean()) < 0.1
    assert np.mean(pull[np.abs(pull) < 6] ** 2) == pytest.approx(1, abs=0.08)
    assert np.isnan(slope[:, 40, 100]).all()
    assert (dq[:, 40, 100] & flags.DO_NOT_USE).all()


def test_any_number_of_workers_gives_the_same_bytes(tiny, done, tmp_path):
    again = tsoar.run(*opened(tiny), out=tmp_path / "out", workers=3, save=("jump", "superbias"))
    first, second = contents(done.out), contents(again.out)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_like_a_run_before(tiny, done, tmp_path, quick):
    config = tsoar.load_config(like=done.out / "run.json")
    again = tsoar.run(*opened(tiny), out=tmp_path / "out", config=config, workers=2, save=("jump", "superbias"))
    first = {name: data for name, data in contents(done.out).items() if not name.startswith(("figures/", "report"))}
    assert {name: data for name, data in contents(again.out).items() if name != "report.html"} == first


def test_the_report_goes_through_all_stops(done):
    html = (done.out / "report.html").read_text("utf-8")
    shown = re.findall(r'<section id="(\w+)">', html)
    assert shown == ["summary", *(stop.anchor for stop in TOUR), "provenance"]
    assert {name for name in done.diagnostics["numbers"] if not stop_of(name)} == set()
    drawn = {path.stem for path in (done.out / "figures").iterdir()}
    assert {"superbias_before_after", "one_over_f_masks", "trace_splines", "outliers", "light_curves"} <= drawn
    assert len(re.findall(r'<div class="still">', html)) == 3
    assert html.count('class="view"') == 3
    # what a page fetches stands in attributes or in style: none of it leaves the page
    markup = re.sub(r"<script.*?</script>", "", html, flags=re.S)
    assert markup.count("<img ") == len(drawn)
    assert not re.search(r'(src|href)="(?!data:image/|#)|url\(|@import', markup)
    assert not re.search(r"<script[^>]*src=", html)
    assert len(html) < 15e6


def test_a_run_that_was_cut_off_goes_on(tiny, done, tmp_path, quick):
    out = tmp_path / "out"

    def cut(stage, n, total):
        if stage == "integrations" and n > 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tsoar.run(*opened(tiny), out=out, progress=cut)
    assert len(list((out / "rateints").glob("*_rateints.fits"))) == 1
    assert not (out / "spectra.nc").exists()
    assert not list(out.rglob("*.part"))
    seen = []
    tsoar.run(*opened(tiny), out=out, resume=True, progress=lambda stage, n, total: seen.append((stage, n)))
    assert ("integrations", 3) not in seen
    whole, reference = contents(out), contents(done.out)
    for name in ("spectra.nc", "traces.nc", "rate.fits", *[n for n in reference if n.startswith("rateints/")]):
        assert whole[name] == reference[name], name


def test_saved_ramps_are_those_of_the_steps(tiny, done, tmp_path, quick):
    exposure, refs = opened(tiny)
    ramps = exposure.ramps(slice(0, 6))
    ramps = detector.saturation(detector.dq_init(ramps, refs.mask), refs.saturation)
    ramps = detector.superbias(ramps, refs.superbias)
    with fits.open(next(done.out.glob("*seg001_nis_superbias.fits"))) as hdus:
        np.testing.assert_array_equal(hdus["SCI"].data, ramps.data)
        np.testing.assert_array_equal(hdus["GROUPDQ"].data, ramps.groupdq)
    with (
        fits.open(next(done.out.glob("*seg001_nis_jump.fits"))) as hdus,
        fits.open(sorted((done.out / "rateints").glob("*.fits"))[0]) as slopes,
    ):
        hit = (np.asarray(hdus["GROUPDQ"].data) & flags.JUMP_DET).any(axis=1)
        assert hit.any()
        usable = (slopes["DQ"].data & flags.DO_NOT_USE) == 0
        np.testing.assert_array_equal(hit[usable], (slopes["DQ"].data & flags.JUMP_DET)[usable] > 0)
    tsoar.run(exposure, refs, out=tmp_path / "only", only_through="linearity")
    assert sorted(p.name[-14:] for p in (tmp_path / "only").iterdir()) == ["linearity.fits"] * 2


SETTINGS = [
    ("one_over_f.method=masked",),
    ("one_over_f.method=median",),
    ("one_over_f.level=slope",),
    ("one_over_f.method=masked", "one_over_f.level=slope"),
    ("jump.method=two_point",),
    ("ramp_fit.method=ols",),
    ("motion.follow=false", "extract.radius=12"),
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s[-1])
def test_every_method_runs_and_finds_the_transit(tiny, tmp_path, quick, settings):
    result = tsoar.run(*opened(tiny), out=tmp_path, config=tsoar.load_config(overrides=settings), products="spectra")
    flux = result.spectra.flux.sel(order=1).values[:, 300:2000].astype(float).sum(axis=1)
    depth = 1 - flux[tiny.light < 1].mean() / flux[tiny.light == 1].mean()
    assert depth == pytest.approx(0.02, abs=1e-3)
    assert not (tmp_path / "rateints").exists()


@pytest.mark.parametrize(
    "step", ["dq_init", "saturation", "refpix", "linearity", "dark_current", "one_over_f", "jump", "clean"]
)
def test_every_step_can_be_left_out(tiny, tmp_path, quick, step):
    result = tsoar.run(*opened(tiny), out=tmp_path, config=tsoar.load_config(skip=(step,)), products="spectra")
    assert np.isfinite(result.spectra.flux.sel(order=1).values[:, 300:2000]).mean() > 0.95
    assert step not in result.plan.steps


def test_few_integrations_take_the_fields_methods_and_say_so(tmp_path, quick):
    tiny = tiny_exposure(tmp_path / "few", n_int=3, segments=1, transit=0)
    result = tsoar.run(*opened(tiny), out=tmp_path / "out")
    assert "too few for a deep stack" in " ".join(result.diagnostics["notes"])
    assert result.plan.config.one_over_f.method == "masked"
    assert np.isfinite(result.spectra.flux.sel(order=1).values[:, 300:2000]).mean() > 0.95


def test_two_groups_and_one_integration_work_and_one_group_does_not(tmp_path, quick):
    tiny = tiny_exposure(tmp_path / "two", n_int=1, n_groups=2, segments=1)
    result = tsoar.run(*opened(tiny), out=tmp_path / "out")
    notes = " ".join(result.diagnostics["notes"])
    assert "2 groups" in notes and "1 integration" in notes
    assert not (result.out / "lightcurves.nc").exists()
    assert np.nanmedian(result.spectra.flux.sel(order=1)[0, 300:2000]) > 100
    one = tiny_exposure(tmp_path / "one", n_int=2, n_groups=1, segments=1)
    with pytest.raises(InputError, match="at least 2"):
        tsoar.run(*opened(one), out=tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_starts_from_slopes(tiny, done, tmp_path, quick):
    """Row A2: from rateints, from the averaged image, from an array."""
    later = tsoar.run(tsoar.open(done.out / "rateints"), out=tmp_path / "ints")
    flux = later.spectra.flux.sel(order=1).values[:, 300:2000].astype(float).sum(axis=1)
    assert 1 - flux[tiny.light < 1].mean() / flux[tiny.light == 1].mean() == pytest.approx(0.02, abs=5e-4)
    assert "groups are gone" in " ".join(later.diagnostics["notes"])
    image = tsoar.run(tsoar.open(done.out / "rate.fits"), out=tmp_path / "rate")
    slopes = tsoar.open(done.out / "rate.fits").slopes()
    array = tsoar.run(tsoar.from_array(slopes.slope[0], slopes.err[0], dq=slopes.dq[0]), out=tmp_path / "array")
    for result in (image, array):
        assert np.nanmedian(np.abs(result.traces.y.sel(order=1)[0].values - done.traces.y.sel(order=1)[0].values)) < 0.1


def test_a_dead_column_and_a_saturated_star(tmp_path, quick):
    tiny = tiny_exposure(tmp_path / "dead", n_int=9, n_groups=3, segments=1)
    mask = fits.getdata(tiny.refs / "file_mask.fits", "DQ").astype(np.uint32)
    mask[:, 1000] = flags.DO_NOT_USE
    result = tsoar.run(tsoar.open(tiny.uncal), tsoar.references(tiny.refs, mask=mask), out=tmp_path / "out", products="spectra")
    assert not result.spectra.valid.sel(order=1)[:, 1000].any()
    assert result.spectra.valid.sel(order=1)[:, 1001].all()
    low = np.full((96, 2048), 9000, np.float32)
    with pytest.raises(InputError, match="saturated"):
        tsoar.run(tsoar.open(tiny.uncal), tsoar.references(tiny.refs, saturation=low), out=tmp_path / "never")


def test_what_cannot_work_is_refused(tiny, tmp_path):
    exposure, refs = opened(tiny)
    for changes, text in (
        ({"products": "some"}, "products"),
        ({"workers": 0}, "workers"),
        ({"save": ("refpics",)}, "refpix"),
        ({"only_through": "junp"}, "jump"),
        ({"baseline": "a:b"}, "a:b"),
    ):
        with pytest.raises(ConfigError, match=text):
            tsoar.run(exposure, refs, out=tmp_path / "out", **changes)
    with pytest.raises(ConfigError, match="reference"):
        tsoar.run(exposure, out=tmp_path / "out")
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        tsoar.run(exposure, refs, out=blocked / "out")


def test_a_full_disk_leaves_nothing_half_written(tiny, tmp_path, monkeypatch, quick):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with pytest.raises(OutputError, match="No space left"):
        tsoar.run(*opened(tiny), out=tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.fits*"))


def test_x1dints_has_a_table_per_order(tiny, tmp_path, quick):
    result = tsoar.run(*opened(tiny), out=tmp_path, save=("x1dints",), products="spectra")
    with fits.open(next(tmp_path.glob("*_x1dints.fits"))) as hdus:
        assert [h.header["SPORDER"] for h in hdus[1:]] == [1, 2, 3]
        assert len(hdus[1].data) == 12
        np.testing.assert_allclose(hdus[1].data["FLUX"][0, 500], result.spectra.flux.sel(order=1)[0, 500])


def test_json_survives_what_is_not_finite(tmp_path):
    datasets.write_json({"a": np.nan, "b": np.float32(2), "c": [np.int64(1), np.array([np.inf])]}, tmp_path / "x.json")
    assert datasets.read_json(tmp_path / "x.json") == {"a": None, "b": 2.0, "c": [1, [None]]}


@pytest.mark.slow
def test_slope_files_open_in_the_observatorys_models(done):
    """Without a warning (pytest makes them errors)."""
    datamodels = pytest.importorskip("stdatamodels.jwst.datamodels")
    with datamodels.open(sorted((done.out / "rateints").glob("*.fits"))[0]) as model:
        assert type(model).__name__ == "CubeModel"
        assert model.data.shape == (6, 96, 2048)
        assert model.var_rnoise.dtype.newbyteorder("=") == np.float32
    with datamodels.open(done.out / "rate.fits") as model:
        assert type(model).__name__ == "ImageModel"


def test_inputs_are_never_touched(tiny, tmp_path, quick):
    copy = tmp_path / "copy"
    shutil.copytree(tiny.folder, copy)
    before = {p.name: p.read_bytes() for p in copy.glob("*.fits")}
    tsoar.run(tsoar.open(copy), tsoar.references(copy / "refs"), out=copy, products="spectra")
    assert before == {p.name: p.read_bytes() for p in copy.glob("*_uncal.fits")}


def test_references_of_the_wrong_kind_of_array_and_frames_without_a_star(tiny, tmp_path):
    plane = np.ones((96, 2048), np.float32)
    for kind, array in (("dark", plane), ("linearity", plane[None]), ("gain", plane[None])):
        with pytest.raises(ReferenceFileError, match="has shape"):
            tsoar.run(tsoar.open(tiny.uncal), tsoar.references(tiny.refs, **{kind: array}), out=tmp_path / "out")
    for kind, value in (("gain", 0), ("readnoise", np.nan), ("mask", 1)):
        with pytest.raises(InputError, match="no usable pixel"):
            tsoar.run(tsoar.open(tiny.uncal), tsoar.references(tiny.refs, **{kind: plane * value}), out=tmp_path / "out")
    dark = tiny_exposure(tmp_path / "dark", n_int=8, n_groups=2, segments=1, brightness=0.0)
    with pytest.raises(InputError, match="no starlight"):
        tsoar.run(tsoar.open(dark.uncal), tsoar.references(dark.refs), out=tmp_path / "out")
