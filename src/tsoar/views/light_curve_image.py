"""The light-curve image: hover for values, click for the light curve of that wavelength and the spectrum of that moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bokeh.layouts import column
from bokeh.models import ColorBar, ColumnDataSource, CustomJS, HoverTool, LinearColorMapper, Select, Span, Whisker
from numpy.typing import NDArray

from tsoar.blocks import F32, F64
from tsoar.plots.style import ORDER_COLOURS, centred_limits, hours
from tsoar.series.baseline import Baseline
from tsoar.units import PPM
from tsoar.views.curves import BinnedCurves
from tsoar.views.style import DIVERGING, FAINT, INK, figure

AVERAGES = ("1", "3", "9", "27")
"""Neighbouring bins that may be averaged for the light curve below."""

SHOW = """
const order = state.data.order[0], k = orders.indexOf(order)
const low = lows[k], step = steps[k], n = counts[k]
const values = images[k].data.image[0], errors = claimed[k].data.error
const half = (Number(average.value) - 1) / 2
const bin = Math.max(0, Math.min(n - 1, Math.floor((state.data.wavelength[0] - low) / step)))
const first = Math.max(0, bin - half), last = Math.min(n - 1, bin + half)
const rows = curve.data.row, y = [], lower = [], upper = [], error = []
let norm = 0
for (let b = first; b <= last; b++) if (errors[b] > 0) norm += 1 / (errors[b] * errors[b])
const sigma = Math.sqrt(1 / norm)
for (let i = 0; i < rows.length; i++) {
  let total = 0, weight = 0
  for (let b = first; b <= last; b++) {
    const v = values[rows[i] * n + b]
    if (isFinite(v) && errors[b] > 0) { const w = 1 / (errors[b] * errors[b]); total += w * v; weight += w }
  }
  const m = weight > 0 ? total / weight : NaN
  y.push(m); lower.push(m - sigma); upper.push(m + sigma); error.push(sigma)
}
let sum = 0, count = 0, squares = 0
for (let i = 0; i < y.length; i++) if (curve.data.outside[i] > 0 && isFinite(y[i])) { sum += y[i]; count++ }
const mean = sum / count
for (let i = 0; i < y.length; i++) if (curve.data.outside[i] > 0 && isFinite(y[i])) squares += (y[i] - mean) ** 2
const scatter = Math.sqrt(squares / Math.max(count - 1, 1))
const a = low + first * step, z = low + (last + 1) * step
curve.data = {...curve.data, y, lower, upper, error}
below.title.text = `order ${order}, ${a.toFixed(4)} to ${z.toFixed(4)} µm\n` +
  `scatter outside ${scatter.toFixed(0)} ppm, claimed ${sigma.toFixed(0)} ppm`
for (let j = 0; j < orders.length; j++) { marks[j].visible = j == k; marks[j].location = (a + z) / 2 }

const t = state.data.time[0]
let nearest = 0
for (let i = 0; i < rows.length; i++) if (Math.abs(curve.data.x[i] - t) < Math.abs(curve.data.x[nearest] - t)) nearest = i
for (let j = 0; j < orders.length; j++) {
  const picked = []
  for (let b = 0; b < counts[j]; b++) picked.push(images[j].data.image[0][rows[nearest] * counts[j] + b])
  claimed[j].data = {...claimed[j].data, picked}
  times[j].location = curve.data.x[nearest]
}
moment.location = curve.data.x[nearest]
across.title.text = `integration ${nearest} at ${curve.data.x[nearest].toFixed(3)} h: all wavelengths`
"""

TAP = """
const low = lows[k], high = low + steps[k] * counts[k]
if (cb_obj.x >= low && cb_obj.x <= high) state.data = {order: [order], wavelength: [cb_obj.x], time: [cb_obj.y]}
"""


def time_rows(time: NDArray[np.floating]) -> NDArray[np.int64]:
    """Row (i,) of each integration on an even time axis: gaps between integrations become empty rows.

    Where gaps would make it three times as long, integrations follow each other instead.
    """
    n = time.size
    if n < 2:
        return np.arange(n)
    step = float(np.median(np.diff(time)))
    rows = np.round((time - time[0]) / step).astype(np.int64) if step > 0 else np.arange(n)
    even = step > 0 and rows[-1] < 3 * n and bool((np.diff(rows) > 0).all())
    return rows if even else np.arange(n)


def on_rows(flux: F32, rows: NDArray[np.int64]) -> F32:
    """Deviation from 1 [ppm] (r, b) of curves (i, b) on their rows, NaN on empty ones."""
    out = np.full((int(rows[-1]) + 1, flux.shape[1]), np.nan, np.float32)
    out[rows] = PPM * (flux - 1)
    return out


def light_curve_image(curves: Sequence[BinnedCurves], time: F64, baseline: Baseline) -> Any:
    """Image of every order, the light curve of the wavelength clicked on, the spectrum of the moment clicked on.

    curves: from `binned_curves`; time (i,) [d].
    """
    x, label = hours(time, baseline)
    rows = time_rows(np.asarray(time, np.float64))
    step = float(np.median(np.diff(x))) if x.size > 1 else 1.0
    limits = centred_limits(np.concatenate([PPM * (c.flux.ravel() - 1) for c in curves]), 96, 1.15)
    mapper = LinearColorMapper(palette=DIVERGING, low=limits[0], high=limits[1], nan_color="#b3b3b3")
    images, claimed, marks, times, panels = [], [], [], [], []
    for c in curves:
        deviation = on_rows(c.flux, rows)
        n_bins = deviation.shape[1]
        source = ColumnDataSource({"image": [deviation]})
        hover = HoverTool(
            tooltips=[
                ("order", str(c.order)),
                ("wavelength", "$x{0.0000} µm"),
                ("time", "$y{0.000} h"),
                ("deviation", "@image{0,0} ppm"),
            ]
        )
        panel = figure(hover=hover, height=340, title=f"order {c.order}: click for a light curve", name=f"image{c.order}")
        panel.image(
            "image",
            source=source,
            x=c.low,
            y=float(x[0]) - 0.5 * step,
            dw=c.step * n_bins,
            dh=step * deviation.shape[0],
            color_mapper=mapper,
        )
        panel.x_range.range_padding = panel.y_range.range_padding = 0
        mark = Span(dimension="height", line_color=INK, line_width=1.5, line_dash="4 3", visible=False)
        moment = Span(dimension="width", line_color=INK, line_width=1, line_dash="2 4")
        panel.add_layout(mark)
        panel.add_layout(moment)
        bar = ColorBar(color_mapper=mapper, height=8, title="flux − 1 [ppm]", title_text_font_style="normal", padding=4)
        panel.add_layout(bar, "below")
        panel.yaxis.axis_label = label
        panel.xaxis.axis_label = "wavelength [µm]"
        centres = c.low + c.step * (np.arange(n_bins) + 0.5)
        at = {"wavelength": centres.astype(np.float32), "error": (PPM * c.error).astype(np.float32)}
        claimed.append(ColumnDataSource(at | {"picked": deviation[rows[0]]}))
        images.append(source)
        marks.append(mark)
        times.append(moment)
        panels.append(panel)
    curve = curve_source(curves[0], x, rows, baseline)
    below = light_curve_panel(curve, label)
    moment = Span(dimension="height", line_color=INK, line_width=1, line_dash="1 4")
    below.add_layout(moment)
    across = spectrum_panel(curves, claimed, limits)
    average = Select(title="bins averaged for the light curve", value="3", options=list(AVERAGES), width=220)
    best = curves[0].low + curves[0].step * (int(np.nanargmin(curves[0].error)) + 0.5)
    state = ColumnDataSource({"order": [curves[0].order], "wavelength": [best], "time": [float(x[x.size // 2])]}, name="state")
    shared = {
        "orders": [c.order for c in curves],
        "lows": [c.low for c in curves],
        "steps": [c.step for c in curves],
        "counts": [c.flux.shape[1] for c in curves],
        "state": state,
    }
    models = {"images": images, "claimed": claimed, "marks": marks, "times": times}
    more = {"curve": curve, "below": below, "across": across, "average": average, "moment": moment}
    show = CustomJS(args=shared | models | more, code=SHOW)
    state.js_on_change("data", show)
    average.js_on_change("value", show)
    for k, (c, panel) in enumerate(zip(curves, panels, strict=True)):
        panel.js_on_event("tap", CustomJS(args=shared | {"order": c.order, "k": k}, code=TAP))
    layout = column(*panels, average, below, across, sizing_mode="stretch_width")
    layout.tags = [show]  # `embed` has it run once, so that averages and marks agree with what is drawn first
    return layout


def curve_source(c: BinnedCurves, x: F64, rows: NDArray[np.int64], baseline: Baseline) -> ColumnDataSource:
    """The light curve shown first; the script renews it at once."""
    k = int(np.nanargmin(c.error))
    y, error = PPM * (c.flux[:, k].astype(np.float64) - 1), PPM * float(c.error[k])
    data = {
        "x": np.asarray(x, np.float64),
        "row": rows.astype(np.int32),
        "integration": np.arange(x.size, dtype=np.int32),
        "outside": np.asarray(baseline.mask, np.float32),
        "fill": np.where(baseline.mask, 1.0, 0.0).astype(np.float32),
        "y": y.astype(np.float32),
        "lower": (y - error).astype(np.float32),
        "upper": (y + error).astype(np.float32),
        "error": np.full(x.size, error, np.float32),
    }
    return ColumnDataSource(data, name="curve")


def light_curve_panel(curve: ColumnDataSource, label: str) -> Any:
    """Points with errors; open ones lie in or near the event."""
    hover = HoverTool(
        tooltips=[
            ("integration", "@integration"),
            ("time", "@x{0.000} h"),
            ("flux − 1", "@y{0,0} ppm"),
            ("error", "@error{0,0} ppm"),
        ]
    )
    below = figure(hover=hover, height=310, title="light curve\n ", name="light_curve")
    below.add_layout(
        Whisker(source=curve, base="x", lower="lower", upper="upper", line_color=FAINT, upper_head=None, lower_head=None)
    )
    points = below.scatter(
        "x", "y", source=curve, size=5, line_color=ORDER_COLOURS[1], fill_color=ORDER_COLOURS[1], fill_alpha="fill"
    )
    hover.renderers = [points]
    below.xaxis.axis_label = label
    below.yaxis.axis_label = "flux − 1 [ppm]"
    return below


def spectrum_panel(curves: Sequence[BinnedCurves], claimed: Sequence[ColumnDataSource], limits: tuple[float, float]) -> Any:
    """Deviation of one integration at all wavelengths."""
    hover = HoverTool(tooltips=[("wavelength", "@wavelength{0.0000} µm"), ("flux − 1", "@picked{0,0} ppm")])
    across = figure(hover=hover, height=260, title="one integration", name="across")
    for c, source in zip(curves, claimed, strict=True):
        colour = ORDER_COLOURS[c.order]
        across.scatter("wavelength", "picked", source=source, size=2.5, color=colour, legend_label=f"order {c.order}")
    across.y_range.update(start=1.5 * limits[0], end=1.5 * limits[1])
    across.legend.update(click_policy="hide", location="top_right", orientation="horizontal", border_line_color=None)
    across.xaxis.axis_label = "wavelength [µm]"
    across.yaxis.axis_label = "flux − 1 [ppm]"
    return across
