"""Figures of how traces, spectra and light curves came about: what is drawn and written on the axes."""

import numpy as np
import pytest

from tests.plots.legible import panels
from tests.synthetic import make_spectra
from tsoar import plots
from tsoar.plots.curves import deepest_line
from tsoar.series.baseline import Baseline, find_baseline
from tsoar.series.lightcurves import light_curves
from tsoar.series.white import white_light
from tsoar.spectra.centroids import StartProfile, start_profile

N, NX = 40, 300


@pytest.fixture(scope="module")
def spectra():
    return make_spectra(n=N)


@pytest.fixture(scope="module")
def baseline(spectra):
    table = white_light(spectra)
    return find_baseline(*(np.asarray(table[k]) for k in ("time", "flux", "flux_err")))


@pytest.fixture(scope="module")
def rows():
    """Smooth rows, measured rows with noise, which are valid; order 3 is not there."""
    x = np.arange(NX)
    smooth = np.stack([40 + 0.05 * x, 120 - 0.02 * x, np.full(NX, np.nan)])
    measured = smooth + np.random.default_rng(0).normal(0, 0.02, smooth.shape)
    valid = np.isfinite(measured)
    valid[1, :100] = False
    return smooth, measured, valid


def words(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def test_start_profiles():
    y = np.arange(160)[:, None]
    image = (500 * np.exp(-0.5 * ((y - 60) / 6) ** 2) + np.zeros((160, NX))).astype(np.float32)
    expected = np.stack([np.full(NX, 61.0), np.full(NX, 130.0), np.full(NX, np.nan)])
    start = start_profile(image, np.ones(image.shape, bool), expected, 0)
    assert start.centre == pytest.approx(60, abs=0.05)
    assert start.flux[start.rows == 60] == pytest.approx(500)
    assert start.smooth.max() < 400  # smoothed by 10 px
    assert start_profile(image, np.ones(image.shape, bool), expected, 2) is None
    axes = panels(plots.start_profiles({1: start, 2: start._replace(column=77)}))
    assert [ax.get_title("left") for ax in axes] == [f"order 1, column {start.column}", "order 2, column 77"]
    assert axes[0].get_ylabel() == "slope [DN/s]"
    assert "maximum: row 60.0" in words(axes[0])[-1]


def test_centroids(rows):
    smooth, measured, valid = rows
    axes = panels(plots.centroids(measured, valid, smooth))
    assert [ax.get_title("left") for ax in axes] == [
        f"order 1: {NX} of {NX} columns measured",
        f"order 2: {NX - 100} of {NX} columns measured",
    ]
    lines = {line.get_label(): line.get_xdata() for line in axes[1].lines}
    assert lines["centroid"].tolist() == list(range(100, NX))
    assert lines["not measured or not believed"].tolist() == list(range(100))
    assert axes[-1].get_xlabel() == "column [px]"
    (ax,) = panels(plots.centroids_on_image(np.ones((160, NX)), measured, valid))
    assert words(ax) == ["order 1", "order 2"]
    assert ax.images[0].origin == "lower"
    assert ax.lines[1].get_xdata()[0] == 100


def test_splines_are_shown_against_the_model(rows):
    smooth, measured, valid = rows
    centroid = measured + 0.5
    centroid[0, :7] = smooth[0, :7]  # held: not measured
    axes = panels(plots.trace_splines(measured, valid, smooth, centroid, smooth - 0.25))
    assert len(axes) == 2
    drawn = {line.get_label(): line for line in axes[0].lines}
    np.testing.assert_allclose(drawn["spline: the trace"].get_ydata(), 0.25)
    assert drawn["centroid (maximum)"].get_xdata()[0] == 7
    assert np.median(drawn["middle of the edges"].get_ydata()) == pytest.approx(0.25, abs=0.01)
    scatter = int(axes[0].get_title("left").split()[-2])
    assert scatter == pytest.approx(20, abs=4)  # [mpx]
    low, high = axes[0].get_ylim()
    assert low < 0 < high


def test_background():
    sky = np.where(np.arange(NX) < 100, 3.0, 5.0) * np.ones((60, 1))
    dark = np.ones((60, NX), bool)
    dark[20:40] = False
    image = sky + np.where(dark, 0.5, 400)
    top, below = panels(plots.background(image, sky, dark))
    measured, model = (line.get_ydata() for line in below.lines)
    np.testing.assert_allclose(measured - model, 0.5)
    assert top.images[0].origin == "lower"
    assert below.get_ylabel() == "slope [DN/s]"


def test_one_over_f_masks_share_a_scale():
    rng = np.random.default_rng(1)
    images = {name: rng.normal(level, 2, (60, NX)) for name, level in (("none", 7.0), ("mask", 0.0), ("run", 3.0))}
    figure = plots.one_over_f_masks(images, integration=4)
    axes = panels(figure)
    assert [ax.get_title("left") for ax in axes] == ["none, integration 4", "mask, integration 4", "run, integration 4"]
    assert len({im.get_clim() for ax in axes for im in ax.images}) == 1
    low, high = axes[0].images[0].get_clim()
    assert low < -2 < 2 < high < 12
    assert abs(float(np.median(axes[0].images[0].get_array().compressed()))) < 0.2


def test_all_light_curves(spectra, baseline):
    curves = light_curves(spectra, baseline.mask)
    axes = panels(plots.light_curves(curves, baseline))
    assert [ax.get_title("left") for ax in axes] == ["order 1: 400 of 2040 light curves", "order 2: 400 of 1057 light curves"]
    assert len(axes[0].collections[0].get_segments()) == 400
    middle = axes[0].lines[0].get_ydata()
    assert middle[N // 2] == pytest.approx(0.975, abs=0.002)
    assert axes[0].get_xlabel() == "time from mid-event [h]"


def test_close_up_is_about_the_deepest_line(spectra, baseline):
    figure = plots.spectra_closeup(spectra, baseline)
    (ax,) = panels(figure)
    assert words(ax) == ["outside, median", "in the event, median"]
    (inset,) = ax.child_axes
    line = float(spectra["wavelength"].sel(order=1)[900])
    assert inset.get_xlim()[0] < line < inset.get_xlim()[1]
    assert len(inset.collections[0].get_segments()) == baseline.mask.sum()
    outside, inside = (np.median(line.get_ydata()) for line in inset.lines[:2])
    assert inside / outside == pytest.approx(0.975, abs=0.003)
    assert deepest_line(np.arange(100.0), np.where(np.arange(100) == 50, 0.6, 1.0)) == 50


def test_outliers(spectra):
    data = spectra.copy(deep=True)
    data["replaced"] = (data["flux"].dims, np.zeros(data["flux"].shape, np.uint8))
    data["replaced"][7, 0, 1000] = 1
    data["flux"][9, 1, 800] += 40 * data["flux_err"][9, 1, 800]
    left, right, second, _ = panels(plots.outliers(data))
    assert left.get_title("left") == f"order 1: 1 of {N * 2040} values replaced"
    assert left.lines[0].get_xdata().tolist() == [1000]
    assert right.lines[0].get_ydata().sum() == 1
    assert second.get_ylim()[1] > 40  # what was missed is seen
    assert left.get_ylim()[1] < 12
    assert left.get_ylabel() == "deviation [sigma]"


def test_next_to_nothing():
    few = make_spectra(n=3, columns={1: (10, 12)})
    few["replaced"] = (few["flux"].dims, np.zeros(few["flux"].shape, np.uint8))
    none = np.full((3, 30), np.nan)
    no = np.zeros((3, 30), bool)
    base = Baseline(np.array([True, True, False]), None, "asked")
    dark = np.full((20, 30), np.nan)
    start = StartProfile(3, np.arange(5), np.zeros(5, np.float32), np.zeros(5, np.float32), 2.0)
    for figure in (
        plots.start_profiles({}),
        plots.start_profiles({1: start}),
        plots.centroids(none, no, none),
        plots.centroids_on_image(dark, none, no),
        plots.trace_splines(none, no, none, none, none),
        plots.background(dark, np.zeros((20, 30)), dark > 0),
        plots.one_over_f_masks({"a": dark}),
        plots.light_curves(light_curves(few, base.mask), base),
        plots.light_curves(light_curves(make_spectra(n=3, columns={3: (0, 9)}), base.mask)),
        plots.spectra_closeup(few, base),
        plots.spectra_closeup(make_spectra(n=3, columns={3: (0, 9)}), base),
        plots.outliers(few),
    ):
        panels(figure)
