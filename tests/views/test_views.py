"""Interactive views: the data inside them, and pages that are the same bytes whatever was made before."""

import json
import re

import numpy as np
import pytest
from bokeh.models import ColumnDataSource, HoverTool, ImageURL, LinearColorMapper

from tests.synthetic import make_spectra, outside
from tsoar import views
from tsoar.series.baseline import Baseline
from tsoar.series.lightcurves import bin_spectra, filled_sum, filled_sums, light_curves
from tsoar.series.white import white_light
from tsoar.views.light_curve_image import on_rows, time_rows

N = 40


@pytest.fixture(scope="module")
def spectra():
    return make_spectra(n=N)


@pytest.fixture(scope="module")
def baseline(spectra):
    time = spectra["time"].values
    mid = float(time.mean())
    event = tuple(mid + np.array([-0.225, -0.15, 0.15, 0.225]) * N * 38.5 / 86400)
    return Baseline(outside(N), event, "known")


@pytest.fixture(scope="module")
def curves(spectra, baseline):
    return views.binned_curves(spectra, baseline.mask)


def made(spectra, baseline, curves):
    time = spectra["time"].values
    return {
        "image": views.light_curve_image(curves, time, baseline),
        "spectra": views.spectra(spectra),
        "white": views.white_light(white_light(spectra, baseline.mask), baseline),
    }


def test_sums_over_many_bins_are_those_of_single_ones():
    rng = np.random.default_rng(3)
    flux, error = rng.uniform(50, 60, (9, 30)), rng.uniform(1, 2, (9, 30))
    flux[rng.random(flux.shape) < 0.1] = np.nan
    starts, base = np.array([0, 4, 11]), np.arange(9) < 5
    total, noise = filled_sums(flux, error, starts, base)
    for k, (a, b) in enumerate(zip(starts, [4, 11, 30], strict=True)):
        one = filled_sum(flux[:, a:b], error[:, a:b], base)
        np.testing.assert_allclose((total[:, k], noise[:, k]), one, rtol=1e-12)


def test_binned_curves_are_those_of_bins_in_wavelength(spectra, baseline, curves):
    first, second = curves
    assert (first.order, second.order) == (1, 2)
    assert first.flux.shape == (N, 510)
    edges = first.low + first.step * np.arange(511)
    one = light_curves(bin_spectra(spectra, edges=edges, columns={1: (0, 2048)}, baseline=baseline.mask), baseline.mask).sel(
        order=1
    )
    np.testing.assert_allclose(first.flux, one["flux"].values, rtol=2e-6)
    np.testing.assert_allclose(first.error, np.nanmedian(one["flux_err"].values, axis=0), rtol=2e-6)
    small = views.binned_curves(spectra, baseline.mask, budget=40 * N)
    assert [c.flux.shape for c in small] == [(N, 40), (N, 40)]
    assert views.binned_curves(make_spectra(n=3, columns={3: (0, 9)}), np.ones(3, bool)) == []


def test_rows_of_time():
    even = np.arange(5) * 0.1
    assert time_rows(even).tolist() == [0, 1, 2, 3, 4]
    assert time_rows(np.array([0, 0.1, 0.2, 0.5, 0.6])).tolist() == [0, 1, 2, 5, 6]
    assert time_rows(np.array([0, 0.1, 0.2, 90.0, 90.1])).tolist() == [0, 1, 2, 3, 4]  # a day between: no empty rows
    shown = on_rows(np.full((2, 3), 0.99, np.float32), np.array([0, 2]))
    np.testing.assert_allclose(shown[[0, 2]], -10_000, rtol=1e-3)
    assert np.isnan(shown[1]).all()


def test_light_curve_image(spectra, baseline, curves):
    view = views.light_curve_image(curves, spectra["time"].values, baseline)
    panel = view.select_one({"name": "image1"})
    (source,) = [r.data_source for r in panel.renderers]
    np.testing.assert_allclose(source.data["image"][0], 1e6 * (curves[0].flux - 1), rtol=1e-4, atol=0.1)
    (mapper,) = view.select({"type": LinearColorMapper})  # both images share it
    assert mapper.low == -mapper.high
    assert 25_000 < mapper.high < 120_000
    assert panel.yaxis.axis_label == "time from mid-event [h]"
    assert panel.toolbar.active_drag is None and panel.toolbar.active_scroll is None
    curve = next(s for s in view.select({"type": ColumnDataSource}) if s.name == "curve")
    np.testing.assert_array_equal(curve.data["fill"], baseline.mask)
    tips = {name for hover in view.select({"type": HoverTool}) for name, _ in hover.tooltips}
    assert {"wavelength", "time", "deviation", "integration", "error"} <= tips


def test_spectra_and_white_light(spectra, baseline):
    view = views.spectra(spectra)
    sources = {int(s.data["order"][0]): s.data for s in view.select({"type": ColumnDataSource})}
    assert set(sources) == {1, 2, 3}
    np.testing.assert_allclose(sources[1]["flux"], np.median(spectra["flux"].sel(order=1)[:, 4:2044], axis=0), rtol=1e-6)
    assert sources[2]["column"].min() == 700  # where the order stands free
    table = white_light(spectra, baseline.mask)
    white = views.white_light(table, baseline)
    shown = [r.data_source.data for r in white.select_one({"name": "white_light"}).renderers]
    np.testing.assert_allclose(shown[1]["y"], 1e6 * (np.asarray(table["flux_order1"]) - 1), rtol=1e-5, atol=0.01)
    assert [item.label.value for item in white.select_one({"name": "white_light"}).legend[0].items] == [
        "order 2",
        "order 1",
        "orders 1 and 2 together",
    ]


def test_two_integrations_are_enough():
    spectra = make_spectra(n=2)
    alone = Baseline(np.ones(2, bool), None, "all")
    divs, _ = views.embed(made(spectra, alone, views.binned_curves(spectra, alone.mask)))
    assert len(divs) == 3


def test_the_same_bytes_whatever_was_made_before(spectra, baseline, curves):
    first = views.embed(made(spectra, baseline, curves))
    ColumnDataSource({"x": [1]})
    ImageURL()
    second = views.embed(made(spectra, baseline, curves))
    assert first == second
    divs, script = first
    assert list(divs) == ["image", "spectra", "white"]
    data = json.loads(re.search(r'id="views-data">(.*?)</script>', script, re.S)[1])
    assert set(data) == {"views"}
    roots = json.loads(re.search(r"embed_items\(docs, \[(.*)\]\)", script)[1])["roots"]
    assert {f'id="{element}"' in "".join(divs.values()) for element in roots.values()} == {True}


def test_text_does_not_leave_the_script(spectra):
    view = views.spectra(spectra)
    view.select_one({"name": "spectra"}).title.text = "</script><script>alert(1)</script>"
    _, script = views.embed({"a": view})
    assert script.count("<script") == script.count("</script>") == 2
    assert "alert(1)" in script


def test_the_library_is_whole():
    text = views.library()
    assert text.count("<script") == text.count("</script>") == 1
    assert "src=" not in text[:200]
    assert len(text) < 2_500_000
