"""Figures of the detector stage: what is drawn, counted and written, not the pixels."""

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import AsinhNorm

from tests.plots.legible import panels
from tsoar import flags, plots
from tsoar.blocks import Readout
from tsoar.plots.ramps import fitted_line, pieces
from tsoar.series.clock import clock_spectrum
from tsoar.soss.traces import expected_traces
from tsoar.soss.wavelength import wavelength_map

READOUT = Readout("SUBSTRIP96", (96, 2048), (1, 1803), 6, 2.214, 2.214)
BIT = flags.PIXEL


@pytest.fixture(scope="module")
def frame():
    out = np.random.default_rng(1).normal(30, 8, (96, 300)).astype(np.float32)
    out[30:45] += 4000
    return out


def title(ax):
    return ax.get_title("left")


def upright(figure):
    shown = [im for ax in figure.axes for im in ax.images]
    assert shown
    assert all(im.origin == "lower" for im in shown)
    return shown


def dots(ax):
    """Marker positions (x, y) of all plotted points and scatters."""
    points = [np.column_stack(line.get_data()) for line in ax.lines if line.get_linestyle() == "None"]
    points += [np.asarray(c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)]
    return {tuple(int(v) for v in p) for part in points for p in part}


# -- flags ------------------------------------------------------------------------------------------------------------


def test_special_pixels_leave_out_reference_pixels_and_draw_the_rarest_flag():
    dq = np.zeros((20, 50), np.uint32)
    dq[:, :4] = flags.REFERENCE_PIXEL | flags.DO_NOT_USE
    dq[5, 10:14] = BIT["HOT"] | flags.DO_NOT_USE
    dq[6, 20] = BIT["DEAD"] | BIT["HOT"]
    dq[7, 30] = flags.DO_NOT_USE
    ax, bars = panels(plots.special_pixels(dq))
    assert title(ax) == "6 special pixels (0.60 %), 80 reference pixels (grey)"
    names = [t.get_text() for t in bars.get_yticklabels()]
    widths = dict(zip(names, [int(p.get_width()) for p in bars.patches], strict=True))
    assert widths == {"DO_NOT_USE": 5, "HOT": 5, "DEAD": 1}
    drawn = [{tuple(map(int, p)) for p in np.column_stack(line.get_data())} for line in ax.lines]
    assert drawn == [{(30, 7)}, {(x, 5) for x in range(10, 14)}, {(20, 6)}]
    assert not np.any([im.get_cmap().name == "jet" for im in ax.images])


def test_no_special_pixel_is_said():
    ax, _ = panels(plots.special_pixels(np.zeros((20, 50), np.uint32)))
    assert title(ax).startswith("0 special pixels")


def test_dq_map_by_name(frame):
    dq = np.zeros((4, 96, 300), np.uint8)
    dq[2:, 10, 20], dq[1, 11, 21] = flags.SATURATED, flags.JUMP_DET
    figure = plots.dq_map(dq, "SATURATED,JUMP_DET,DEAD", frame)
    axes = panels(figure)
    assert [title(ax).split(":")[0] for ax in axes] == ["SATURATED", "JUMP_DET", "DEAD"]
    assert "1 pixels, 2 reads" in title(axes[0])
    assert "0 pixels, 0 reads" in title(axes[2])
    assert dots(axes[0]) == {(20, 10)}
    assert dots(axes[1]) == {(21, 11)}
    colours = next(c for c in axes[0].collections if isinstance(c, PathCollection)).get_array()
    assert colours.tolist() == [2]
    assert axes[-1].get_xlabel() == "column [px]"
    upright(figure)


def test_dq_map_without_names_shows_what_occurs():
    dq = np.zeros((96, 300), np.uint32)
    dq[0, :5], dq[1, :2] = BIT["HOT"], BIT["TELEGRAPH"]
    assert [title(ax).split(":")[0] for ax in panels(plots.dq_map(dq))] == ["HOT", "TELEGRAPH"]
    (ax,) = panels(plots.dq_map(np.zeros_like(dq)))
    assert title(ax) == "no flag is set"


def test_jump_map_by_threshold(frame):
    loose, strict = np.zeros((2, 5, 96, 300), np.uint8)
    loose[1, 50, 60], loose[3, 50, 60], loose[4, 70, 80] = (flags.JUMP_DET,) * 3
    strict[4, 70, 80] = flags.JUMP_DET
    axes = panels(plots.jump_map({10.0: strict, 4.0: loose}, frame, used=4.0))
    assert title(axes[0]) == "threshold 4 sigma (as set): 3 reads in 2 pixels"
    assert title(axes[1]) == "threshold 10 sigma: 1 reads in 1 pixels"
    assert dots(axes[0]) == {(60, 50), (80, 70)}
    first = next(c for c in axes[0].collections if isinstance(c, PathCollection)).get_array()
    assert sorted(first.tolist()) == [1, 4]  # groups count from 0


def test_jump_sweep():
    rows = [(3.0, 900, 100, 950, 800.0), (5.0, 100, 90, 180, 0.5), (9.0, 0, 0, 0, 1e-15)]
    names = ("threshold", "reads", "neighbours", "pixels", "noise")
    table = np.array(rows, [(n, "f8") for n in names])
    (ax,) = panels(plots.jump_sweep(table, expected=(40, 200), used=4.75))
    lines = {line.get_label(): list(line.get_ydata()) for line in ax.lines}
    assert lines["flagged by the test"] == [900, 100, 0.5]  # none is drawn at the foot of the logarithmic scale
    assert lines["with the neighbours of large hits"][:2] == [1000, 190]
    assert ax.get_yscale() == "log"
    assert "cosmic rays expected, 40 to 200" in [t.get_text() for t in ax.get_legend().get_texts()]
    assert ax.get_xlabel() == "threshold [sigma]"


# -- frames -----------------------------------------------------------------------------------------------------------


def test_before_after_of_a_small_change_shares_one_scale(frame):
    even = np.where(np.arange(96)[:, None] % 2, 1.5, -2.0).astype(np.float32)
    figure = plots.before_after(frame + even, frame, step="refpix", group=3)
    axes = panels(figure)
    shown = upright(figure)
    assert shown[0].get_clim() == shown[1].get_clim()
    low, high = shown[2].get_clim()
    assert low == -high
    assert shown[2].get_cmap().name == "RdBu_r"
    assert title(axes[0]).startswith("before refpix, group 3: median")
    assert np.allclose(shown[2].get_array(), np.broadcast_to(even, frame.shape), atol=1e-3)
    assert sum("[DN]" in ax.get_ylabel() for ax in figure.axes) == 3


def test_before_after_of_a_bias_has_its_own_scales(frame):
    bias = np.random.default_rng(2).normal(12000, 1500, frame.shape)
    shown = upright(plots.before_after(frame + bias, frame, step="superbias"))
    assert shown[0].get_clim()[0] > 5000
    assert isinstance(shown[1].norm, AsinhNorm)
    assert shown[2].get_cmap().name == "cividis"  # far off zero everywhere: not a deviation
    assert shown[2].get_clim()[0] > 5000


def test_column_profile(frame):
    bias = np.random.default_rng(3).normal(12000, 1500, frame.shape)
    raw, level, taken = panels(plots.column_profile(frame + bias, frame, 7, step="superbias", group=0))
    assert title(raw) == "column 7, group 0"
    assert np.allclose(taken.lines[0].get_ydata(), bias[:, 7])
    assert all(abs(np.median(line.get_ydata())) < 1e-6 for line in level.lines)
    assert taken.get_xlabel() == "row [px]"
    assert raw.get_ylabel() == "signal [DN]"


def test_saturation_reference_leaves_out_what_is_not_checked(frame):
    limit = np.full(frame.shape, 50000, np.float32)
    limit[0, 0], limit[0, 1] = np.nan, 65536
    counts = np.full(frame.shape, 25000, np.float32)
    counts[40, 100], counts[0, 1] = 51000, 65535
    top, low = panels(plots.saturation_reference(limit, counts))
    assert title(top) == "saturation limits: median 50000 DN, 2 of 28800 pixels not checked"
    assert title(low).endswith(": 1")
    share = low.lines[0].get_ydata()
    assert share[100] == pytest.approx(1.02)
    assert share[1] == pytest.approx(0.5)
    panels(plots.saturation_reference(limit))


def test_groups_on_one_scale(frame):
    data = np.arange(1, 16)[:, None, None] * frame
    figure = plots.groups(data, integration=4)
    shown = upright(figure)
    assert len(shown) == 12
    assert len({id(im.norm) for im in shown}) == 1
    told = [ax.texts[0].get_text() for ax in figure.axes if ax.texts]
    assert told[0].startswith("group 0:")
    assert told[-1].startswith("group 14:")
    assert len(panels(plots.groups(data[:1]))) == 1


def test_wavelength_map():
    traces = expected_traces(READOUT)
    figure = plots.wavelength_map(wavelength_map(READOUT, traces), traces)
    axes = panels(figure)
    assert title(axes[0]) == "order 1: 0.847 to 2.833 µm"
    assert title(axes[2]) == "order 3: not on this subarray"
    assert np.array_equal(axes[0].lines[-1].get_ydata(), traces[0], equal_nan=True)
    assert "wavelength [µm]" in [ax.get_ylabel() for ax in figure.axes]
    place = {t.get_text(): t.get_position()[0] for t in axes[0].texts}
    assert place["2.8"] < place["1.4"] < place["1.0"]


# -- the clock ----------------------------------------------------------------------------------------------------------


def test_clocking_numbers_the_reads_in_order():
    whole, near, line = panels(plots.clocking(READOUT))
    assert "2.214 s" in title(whole)
    assert whole.images[0].get_array()[95, 2047] == 0
    assert whole.images[0].get_array()[0, 0] == pytest.approx(2.214 - 2 * 108e-5 - 13e-5)
    numbers = {t.get_text(): t.get_position() for t in near.texts if t.get_text().isdigit()}
    assert numbers["0"][0] == pytest.approx(2047, abs=0.1)
    assert numbers["108"][0] == pytest.approx(2046, abs=0.1)
    assert numbers["95"][1] < numbers["94"][1] < numbers["0"][1]
    assert line.get_xlabel() == "time from the start of the frame [ms]"
    assert line.patches[1].get_width() == pytest.approx(0.12)


def test_clock_psd_has_units_and_the_pixel_scale():
    noise = np.random.default_rng(5).normal(0, 7, (2, 96, 2048))
    spectrum = clock_spectrum(noise, np.ones((96, 2048), bool), READOUT)
    figure = plots.clock_psd(spectrum, spectrum)
    ax = panels(figure)[0]
    assert ax.get_ylabel() == "power of one read [DN$^2$/Hz]"
    assert ax.get_xlabel() == "frequency along the clock [Hz]"
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    upper = ax.child_axes[0]
    assert "pixel times" in upper.get_xlabel()
    forward = upper._functions[0]
    assert forward(np.array([50e3, 1e5 / 108])).tolist() == pytest.approx([2, 108])
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert {"before the 1/f correction", "after it"} <= set(labels)
    assert any(t.startswith(("white 7", "white 6.9")) for t in labels)
    assert "926 Hz" in ax.texts[0].get_text()


# -- ramps ------------------------------------------------------------------------------------------------------------


def test_pieces_break_at_hits_and_spoilt_groups():
    dq = np.array([0, 0, flags.JUMP_DET, 0, flags.DO_NOT_USE, 0, 0, flags.SATURATED], np.uint8)
    assert pieces(dq) == [slice(0, 2), slice(2, 4), slice(5, 7)]
    data = 10.0 * np.arange(8) + np.where(np.arange(8) >= 2, 500, 0)
    line = fitted_line(data, dq, 10.0)
    assert np.allclose(line[[0, 1, 2, 3, 5, 6]], data[[0, 1, 2, 3, 5, 6]])
    assert np.isnan(line[[4, 7]]).all()


def test_ramp_with_a_hit():
    dq = np.array([0, 0, flags.JUMP_DET, 0, 0, flags.SATURATED], np.uint8)
    data = 100.0 * np.arange(1, 7) + np.where(np.arange(6) >= 2, 9000, 0)
    figure = plots.ramp(
        data,
        dq,
        20.0,
        5.0,
        pixel=(4, 5),
        words="group 3: JUMP_DET, a sudden step",
        error=0.5,
        read_noise=7.0,
        expected=101.0,
        sigma=12.0,
        threshold=5.0,
    )
    axes = panels(figure)
    top, steps, below, corner = axes
    assert title(top) == "pixel at row 4, column 5"
    assert (top.get_ylabel(), below.get_ylabel(), below.get_xlabel()) == ("signal [DN]", "less line [DN]", "group")
    labels = [t.get_text() for t in top.get_legend().get_texts()]
    assert {"SATURATED", "JUMP_DET"} <= set(labels)
    assert any("20 $\\pm$ 0.5 DN/s" in t for t in labels)
    used = next(line for line in steps.lines if line.get_label() == "used")
    assert used.get_xdata().tolist() == [0.5, 2.5, 3.5]
    low, high = steps.get_ylim()
    assert low < 41 < 161 < high < 500  # the band about what is expected, not the hit
    assert "9100" in [t.get_text() for t in steps.texts]  # which stands at the edge with its value
    assert "JUMP_DET, a sudden step" in corner.texts[0].get_text().replace("\n   ", " ")


def test_ramp_without_a_slope():
    dq = np.full(4, flags.DO_NOT_USE, np.uint8)
    axes = panels(plots.ramp(np.arange(4.0), dq, np.nan, 5.0, pixel=(0, 0)))
    assert axes[3].texts[0].get_text() == "no flags"
    assert not [t for t in axes[0].get_legend().get_texts() if "DN/s" in t.get_text()]


def test_linearity_check_finds_the_curve():
    rng = np.random.default_rng(7)
    rate = rng.uniform(500, 6000, (80, 200))
    true = rate * np.arange(1, 7)[:, None, None] + rng.normal(0, 3, (6, 80, 200))
    curved = true * (1 - 1e-6 * true)
    dq = np.zeros(true.shape, np.uint8)
    dq[3, :40] = flags.JUMP_DET
    (ax,) = panels(plots.linearity_check(curved, true, dq))
    series = {c.get_label(): c.lines[0].get_data() for c in ax.containers}
    for x, _ in series.values():
        assert len(x) == 16
        assert (np.diff(x) > 0).all()
    x, after = series["after it"]
    assert np.abs(after - 1).max() < 0.003
    x, before = series["before linearity"]
    # of v (1 - a v) with v = r g the difference between g - 1 and g is r (1 - a r (2 g - 1)): groups 6 and 2
    r = x / 6
    assert np.allclose(before, (1 - 11e-6 * r) / (1 - 3e-6 * r), atol=0.003)
    assert "8000 unflagged pixels" in title(ax)
    (ax,) = panels(plots.linearity_check(curved[:2], true[:2], dq[:2]))
    assert "too few" in ax.texts[0].get_text()


def test_frames_of_nothing_are_drawn():
    """All NaN, all equal, one group: a figure, no warning (warnings are errors here)."""
    nothing, zeros = np.full((12, 30), np.nan, np.float32), np.zeros((12, 30), np.float32)
    dq = np.zeros((4, 12, 30), np.uint8)
    for figure in (
        plots.before_after(nothing, nothing, group=1),
        plots.before_after(zeros, zeros),
        plots.column_profile(nothing, nothing, 3),
        plots.saturation_reference(nothing, zeros),
        plots.groups(np.stack([nothing, nothing])),
        plots.dq_map(dq, "JUMP_DET", nothing),
        plots.jump_map({4.0: dq}, nothing),
        plots.linearity_check(zeros[None], zeros[None], dq[:1]),
        plots.ramp(np.full(4, np.nan), dq[:, 0, 0], np.nan, 5.0, pixel=(0, 0)),
        plots.wavelength_map(np.full((3, 12, 30), np.nan)),
    ):
        assert panels(figure)
