"""Figures: what is drawn and written on the axes, not the pixels."""

import inspect
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import AsinhNorm

from tests.plots.legible import panels
from tests.synthetic import CADENCE, START, make_spectra
from tsoar import flags, plots
from tsoar.plots.style import centred_limits, hours, noise_limits, robust_limits
from tsoar.series.baseline import Baseline, find_baseline
from tsoar.series.binning import rms_binning
from tsoar.series.lightcurves import bin_spectra, light_curves
from tsoar.series.psd import power_spectrum
from tsoar.series.sensitivity import sensitivity
from tsoar.series.white import white_light

N = 40


@pytest.fixture(scope="module")
def spectra():
    return make_spectra(n=N)


@pytest.fixture(scope="module")
def baseline(spectra):
    table = white_light(spectra)
    return find_baseline(*(np.asarray(table[k]) for k in ("time", "flux", "flux_err")))


@pytest.fixture(scope="module")
def table(spectra, baseline):
    return white_light(spectra, baseline.mask)


@pytest.fixture(scope="module")
def traces():
    rng = np.random.default_rng(0)
    y = np.stack([40 + np.zeros(300), 100 + 0.1 * np.arange(300), np.full(300, np.nan)])
    per = ("integration", "order")
    data = {
        "y_deep": (("order", "column"), y),
        "y_deep_raw": (("order", "column"), y + rng.normal(0, 0.02, y.shape)),
        "shift": (per, 0.005 * rng.normal(size=(N, 3))),
        "shift_err": (per, np.full((N, 3), 0.001)),
        "width": (per, np.zeros((N, 3))),
        "width_err": (per, np.zeros((N, 3))),
        "time": (("integration",), START + np.arange(N) * CADENCE),
    }
    return xr.Dataset(data, {"order": [1, 2, 3]})


@pytest.fixture(scope="module")
def image():
    out = np.random.default_rng(1).normal(3, 1, (160, 300)).astype(np.float32)
    out[30:50] += 400
    out[5, 7] = np.nan
    return out


def images_are_upright(figure):
    shown = [im for ax in figure.axes for im in ax.images]
    assert shown
    assert all(im.origin == "lower" for im in shown)
    return shown


def test_every_figure_has_a_caption_and_is_public():
    functions = {n for n in plots.__all__ if inspect.isfunction(getattr(plots, n))}
    assert functions == set(plots.CAPTIONS)
    for name, text in plots.CAPTIONS.items():
        assert "Wrong:" in text, name
        assert text.endswith("."), name
        assert "  " not in text, name


def test_figures_leave_global_settings_alone(table, baseline, image):
    before = dict(matplotlib.rcParams)
    panels(plots.white_light(table, baseline))
    panels(plots.slope_image(image))
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_not_imported():
    code = "import sys, tsoar.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_group_differences(image):
    before = np.stack([image] * 9)
    figure = plots.group_differences(before, before - 1, integration=7)
    axes = panels(figure)
    assert len(axes) == 12  # six of the eight or more, before and after
    shown = images_are_upright(figure)
    assert len({im.get_clim() for im in shown[:12]}) == 1
    assert "integration 7" in axes[0].get_title("left")
    assert axes[-1].get_xlabel() == "column [px]"
    low, high = shown[0].get_clim()
    assert -2 < low < 2 < high < 12  # the noise about the sky of 3, not the star of 400


def test_slope_image_and_saturated(image):
    figure = plots.slope_image(image, image + 1)
    assert len(panels(figure)) == 3
    shown = images_are_upright(figure)
    assert isinstance(shown[0].norm, AsinhNorm)
    low, high = shown[2].get_clim()  # what was taken away: a level of 1 on a scale about zero
    assert low == -high
    assert high > 0.9
    bar = next(ax for ax in figure.axes if ax.get_label() == "<colorbar>")
    assert bar.get_ylabel() == "slope [DN/s]"
    dq = np.zeros((5, 160, 300), np.uint8)
    dq[3:, 40, 10:20] = flags.SATURATED
    dq[0, 1, 1] = flags.JUMP_DET
    axes = panels(plots.saturated(dq, np.stack([image] * 5)))
    assert "0 of 48000" in axes[0].get_title("left")
    assert "10 of 48000" in axes[1].get_title("left")
    assert axes[1].lines[0].get_xdata().tolist() == list(range(10, 20))
    panels(plots.saturated(dq))


def test_traces(image, traces, baseline):
    axes = panels(plots.traces_on_image(image, traces))
    assert [t.get_text() for t in axes[0].get_legend().get_texts()] == ["order 1", "order 2"]  # order 3 is not there
    assert axes[1].get_ylabel() == "measured $-$ trace [px]"
    assert axes[1].get_ylim()[1] < 0.5
    motion = panels(plots.trace_motion(traces, baseline))
    assert len(motion) == 3  # three orders, no width
    assert motion[0].get_ylabel() == "motion [mpx]"
    assert motion[-1].get_xlabel() == "time from mid-event [h]"
    boxes = panels(plots.apertures(image, traces.y_deep.values, 15))[0]
    assert boxes.lines[0].get_ydata()[0] == 25
    assert boxes.lines[1].get_ydata()[0] == 55


def test_only_what_was_measured_is_drawn(image, traces):
    borrowed = traces.copy(deep=True)
    borrowed["shift_err"][:, 2] = np.nan
    borrowed["width"][5:9, 0], borrowed["width_err"][5:9, 0] = 1e-3, 1e-4
    borrowed["y_deep_raw"][0, :200] = borrowed["y_deep"][0, :200]
    motion = panels(plots.trace_motion(borrowed))
    assert [ax.get_ylabel() for ax in motion] == ["motion [mpx]", "motion [mpx]", "width [1/1000]"]
    assert np.isfinite(motion[2].lines[0].get_ydata()).sum() == 4
    below = panels(plots.traces_on_image(image, borrowed))[1]
    assert np.isfinite(below.lines[0].get_ydata()).sum() == 100


def test_white_light_of_one_order_is_drawn_once():
    table = white_light(make_spectra(n=20, columns={1: (4, 900)}))
    assert [ax.get_title("left") for ax in panels(plots.white_light(table))[::2]] == ["order 1"]


def test_spectra(spectra):
    axes = panels(plots.spectra(spectra))
    assert axes[0].get_ylabel() == "flux in the box [DN/s]"
    assert axes[1].get_xlabel() == "wavelength [µm]"
    assert len(axes[0].collections) == 3
    assert len(axes[0].collections[0].get_segments()) == N


def test_light_curve_image(spectra, baseline):
    curves = light_curves(spectra, baseline.mask)
    figure = plots.light_curve_image(curves, baseline)
    axes = panels(figure)
    assert [ax.get_title("left") for ax in axes] == ["order 1", "order 2"]
    assert axes[0].get_ylabel() == "time from mid-event [h]"
    shown = images_are_upright(figure)
    low, high = shown[0].get_clim()
    assert low == -high
    assert 25_000 < high < 120_000
    data = shown[0].get_array().filled(np.nan)
    assert data.shape == (N, 2040)
    assert np.nanmedian(data[N // 2]) == pytest.approx(-25_000, rel=0.1)
    marks = dict(zip([t.get_text() for t in axes[0].get_xticklabels()], axes[0].get_xticks(), strict=True))
    assert marks["1.5"] < marks["2.0"]  # wavelength grows to the right
    order = curves.sel(order=1)
    column = 2043 - round(marks["2.0"])
    assert float(order.wavelength[column]) == pytest.approx(2.0, abs=0.001)
    panels(plots.light_curve_image(light_curves(bin_spectra(spectra, resolution=60), baseline.mask)))


def test_sensitivity(spectra, baseline):
    result = sensitivity(light_curves(spectra, baseline.mask))
    axes = panels(plots.sensitivity(result))
    assert len(axes) == 3
    assert f"median {float(result['median'][0]):.3f}" in axes[0].get_title("left")
    levels = {line.get_ydata()[0] for line in axes[0].lines if line.get_linestyle() == ":"}
    assert levels == {float(result.low[0]), float(result.high[0])}


def test_white_light(table, baseline):
    axes = panels(plots.white_light(table, baseline))
    assert [ax.get_title("left") for ax in axes[::2]] == ["order 1", "order 2", "orders 1 and 2 together"]
    assert "claimed" in axes[1].get_title("left")
    assert axes[-1].get_xlabel() == "time from mid-event [h]"
    filled, hollow = (c.lines[0].get_xdata().size for c in axes[0].containers)
    assert (filled, hollow) == (baseline.mask.sum(), (~baseline.mask).sum())
    alone = panels(plots.white_light(table, Baseline(np.ones(N, bool), None, "none")))
    assert alone[-1].get_xlabel() == "time from the first integration [h]"


def test_power_and_binning(table, baseline):
    values = [np.asarray(table[k]) for k in ("time", "flux", "flux_err")]
    spectrum = power_spectrum(*values, baseline.mask)
    ax = plots.white_psd(spectrum).axes[0]
    assert ax.get_ylabel() == "power density [ppm$^2$/mHz]"
    assert ax.lines[1].get_ydata()[0] == pytest.approx(1e-3 * spectrum.attrs["noise"])
    binned = rms_binning(*values, baseline.mask)
    ax = panels(plots.rms_binning(binned))[0]
    np.testing.assert_array_equal(ax.lines[-1].get_ydata(), binned.rms)
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_figures_of_next_to_nothing():
    spectra = make_spectra(n=1, columns={1: (10, 12)})
    base = np.ones(1, bool)
    curves = light_curves(spectra, base)
    table = white_light(spectra, base)
    values = [np.asarray(table[k]) for k in ("time", "flux", "flux_err")]
    dark = np.full((20, 30), np.nan)
    for figure in (
        plots.spectra(spectra),
        plots.light_curve_image(curves),
        plots.sensitivity(sensitivity(curves)),
        plots.white_light(table),
        plots.white_psd(power_spectrum(*values)),
        plots.rms_binning(rms_binning(*values)),
        plots.slope_image(dark),
        plots.group_differences(dark[None], dark[None]),
        plots.apertures(dark, np.full((3, 30), np.nan), 15),
        plots.light_curve_image(light_curves(make_spectra(n=3, columns={}), np.ones(3, bool))),
        plots.spectra(make_spectra(n=3, columns={})),
        plots.white_light(white_light(make_spectra(n=3, columns={3: (0, 9)}))),
    ):
        panels(figure)


@pytest.mark.parametrize("cadence", [5.0, 11.0, 120.0])
def test_periods_stand_apart_at_any_cadence(cadence):
    time = np.arange(400) * cadence / 86400
    flux = 1 + 1e-4 * np.random.default_rng(0).normal(size=400)
    (axes, top) = panels(plots.white_psd(power_spectrum(time, flux, np.full(400, 1e-4))))
    for place, text in zip(top.get_xticks(), top.get_xticklabels(), strict=True):
        assert 1e3 / (60 * float(text.get_text())) == pytest.approx(place)
    assert axes.get_xlim() == top.get_xlim()


def test_limits_of_many_values_are_those_of_some():
    image = np.random.default_rng(0).normal(10, 2, (256, 2048)).astype(np.float32)
    image[:, ::2] += 1  # columns apart: both kinds must count
    exact = np.percentile(image, (1, 99))
    assert robust_limits(image) == pytest.approx(exact, abs=0.05)
    image[100, 1000] = 1e6
    assert robust_limits(image, 0, 100)[1] == 1e6  # the furthest value itself where it is asked for
    assert noise_limits(image) == pytest.approx((np.percentile(image, 30) - 5, np.percentile(image, 30) + 7), abs=0.2)


def test_limits_and_hours():
    assert robust_limits(np.array([np.nan])) == (0.0, 1.0)
    assert robust_limits(np.ones(5)) == (0.5, 1.5)
    assert centred_limits(np.array([-3.0, 1.0]), 100) == (-3.0, 3.0)
    low, high = noise_limits(np.random.default_rng(0).normal(10, 2, (200, 200)))
    assert (low, high) == (pytest.approx(9 - 5, abs=0.5), pytest.approx(9 + 7, abs=0.5))
    x, label = hours(np.array([1.0, 2.0]))
    assert x.tolist() == [0, 24]
    assert "first integration" in label
