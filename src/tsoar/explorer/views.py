"""The explorer's drawings: each view owns a Bokeh figure and takes what the session computed.

Images go to the browser as one byte a pixel (colours settled here, with the scales of `tsoar.plots`), beside the values
and flags as they are, for the pointer to read. Row 0 is at the bottom; colours can be told apart with any colour vision.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
import numpy as np
from bokeh.models import (
    BoxAnnotation,
    ColorBar,
    ColumnDataSource,
    CrosshairTool,
    CustomJSHover,
    Div,
    FixedTicker,
    HoverTool,
    LinearColorMapper,
    Range1d,
    Span,
)
from bokeh.plotting import figure as Figure
from matplotlib.colors import AsinhNorm, Normalize, to_hex
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F32, F64
from tsoar.explorer.session import Change, Frame, LightCurve, Profile, Ramp
from tsoar.plots.style import ORDER_COLOURS, bright_norm, centred_limits, noise_limits, robust_limits
from tsoar.series.lightcurves import FREE_COLUMNS

NOW, BEFORE, PICKED = "#0072B2", "#8c8c8c", "#D55E00"
FLAG_COLOURS = {"JUMP_DET": "#D55E00", "SATURATED": "#CC79A7", "DO_NOT_USE": "#000000"}
COLOURS = {"counts": "cividis", "bright": "viridis", "noise": "cividis", "change": "RdBu_r"}
SHADES = 255
"""of the colour scale; one more stands for NaN"""
NAN_COLOUR = "#b3b3b3"
MOST_MARKS = 20_000
"""flagged pixels that are drawn; more would only hide the frame and slow the browser"""
EVERY = 8
"""columns between the points of a drawn trace"""
TOOLS = "pan,box_zoom,wheel_zoom,reset,save"


def new_figure(name: str, height: int, x: str, y: str, **more: Any) -> Figure:
    """A figure as wide as the page allows; scrolling the page does not zoom it."""
    p = Figure(
        name=name,
        height=height,
        sizing_mode="stretch_width",
        min_width=300,
        tools=TOOLS,
        toolbar_location="above",
        active_drag="box_zoom",
        x_axis_label=x,
        y_axis_label=y,
        output_backend="canvas",
        **more,
    )
    p.toolbar.logo = None
    p.grid.grid_line_color = "#ececec"
    p.axis.axis_label_text_font_style = "normal"
    return p


def title(name: str) -> Div:
    """What stands over a figure; unlike Bokeh's own it breaks where the window is narrow."""
    return Div(name=f"{name} title", sizing_mode="stretch_width", styles={"font-size": "12px", "color": "#1a1a1a"})


def plain_legend(p: Figure, location: str) -> None:
    """A legend that does not hide the data; a click on an entry hides its curve."""
    p.legend.location = location
    p.legend.label_text_font_size = "11px"
    p.legend.background_fill_alpha = 0.7
    p.legend.click_policy = "hide"


# -- frames ------------------------------------------------------------------------------------------------------------


def norm_of(values: F32, kind: str) -> Normalize:
    """The colour scale for a frame (y, x) of this kind, from every fourth column."""
    some = np.asarray(values)[:, ::4]
    if kind == "change":
        return Normalize(*(centred_limits(some, 99.5) if np.any(some[np.isfinite(some)]) else (-1.0, 1.0)))
    if kind == "bright":
        return bright_norm(some)
    return Normalize(*(noise_limits(some) if kind == "noise" else robust_limits(some)))


def shades(values: F32, norm: Normalize) -> NDArray[np.uint8]:
    """Place of every value (y, x) on the scale, 0 to 254; 255 where there is none."""
    finite = np.isfinite(values)
    at = np.clip(np.asarray(norm(np.where(finite, values, norm.vmin or 0.0))), 0, 1) * (SHADES - 1)
    return np.where(finite, np.rint(at), SHADES).astype(np.uint8)


def marks(norm: Normalize) -> list[tuple[float, str]]:
    """Where the colour bar has ticks (0 to 254), and what stands there."""
    low, high = float(norm.vmin or 0.0), float(norm.vmax or 0.0)
    if isinstance(norm, AsinhNorm):
        top = max(abs(low), abs(high), 1e-2)
        powers = 10.0 ** np.arange(np.floor(np.log10(top)), np.floor(np.log10(top)) - 5, -1)
        wanted = [0.0, *powers, *-powers, *3 * powers, *-3 * powers]
    else:
        wanted = list(MaxNLocator(5).tick_values(low, high))
    kept: dict[float, str] = {}
    for value in wanted:
        at = float(norm(value)) if low <= value <= high else -1.0
        if 0 <= at <= 1 and all(abs(at * (SHADES - 1) - other) > 0.1 * SHADES for other in kept):
            kept[at * (SHADES - 1)] = f"{value:.6g}"
    return sorted(kept.items())


def palette(name: str) -> list[str]:
    """The colours of a map of matplotlib."""
    return [to_hex(c) for c in matplotlib.colormaps[name](np.linspace(0, 1, SHADES))]


def flag_script() -> str:
    """What turns flag bits into names under the pointer."""
    table = ",".join(f"['{name}',{bit}]" for name, bit in flags.PIXEL.items())
    return (
        f"const names=[{table}].filter(([n, bit]) => (value & bit) !== 0).map(([n]) => n);"
        "return names.length ? names.join(' | ') : 'none';"
    )


@dataclass
class FrameView:
    """The frame, with flagged pixels, traces and the pixel that was picked."""

    title: Div
    figure: Figure
    source: ColumnDataSource
    flagged: ColumnDataSource
    traces: ColumnDataSource
    picked: ColumnDataSource
    mapper: LinearColorMapper
    bar: ColorBar
    column: Span

    @classmethod
    def make(cls, shape: tuple[int, int]) -> FrameView:
        """An empty frame of ``shape`` (rows, columns)."""
        ny, nx = shape
        p = new_figure(
            "frame", 330, "column [px]", "row [px]", x_range=Range1d(-0.5, nx - 0.5), y_range=Range1d(-0.5, ny - 0.5)
        )
        p.grid.visible = False
        source = ColumnDataSource({"image": [], "value": [], "dq": []})
        colours = palette("viridis")
        mapper = LinearColorMapper(palette=[*colours, NAN_COLOUR], low=0, high=SHADES)
        image = p.image("image", x=-0.5, y=-0.5, dw=nx, dh=ny, color_mapper=mapper, source=source)
        hover = HoverTool(
            renderers=[image],
            tooltips=[("row, column", "$y{0}, $x{0}"), ("value", "@value{0.00}"), ("flags", "@dq{custom}")],
            formatters={"@dq": CustomJSHover(code=flag_script())},
        )
        flagged = ColumnDataSource({"x": [], "y": [], "colour": []})
        p.scatter("x", "y", source=flagged, marker="square", size=4, color="colour", line_color=None, alpha=0.9)
        traces = ColumnDataSource({"x": [], "y": [], "colour": [], "dash": []})
        p.multi_line("x", "y", source=traces, line_color="colour", line_dash="dash", line_width=1.2)
        picked = ColumnDataSource({"x": [], "y": []})
        p.scatter("x", "y", source=picked, marker="square", size=11, fill_color=None, line_color=PICKED, line_width=2)
        column = Span(dimension="height", line_color=PICKED, line_width=1, line_alpha=0.6)
        p.add_layout(column)
        bar = ColorBar(
            color_mapper=LinearColorMapper(palette=colours, low=0, high=SHADES - 1),
            ticker=FixedTicker(ticks=[]),
            height=10,
            padding=4,
            title_text_font_style="normal",
            title_text_font_size="11px",
        )
        p.add_layout(bar, "below")
        p.add_tools(hover)
        return cls(title("frame"), p, source, flagged, traces, picked, mapper, bar, column)

    def show(self, frame: Frame, marked: str = "", norm: Normalize | None = None) -> None:
        """Draw a frame; ``marked`` names the flag whose pixels are marked ("": none)."""
        norm = norm or norm_of(frame.values, frame.kind)
        colours = palette(COLOURS[frame.kind])
        self.mapper.palette = [*colours, NAN_COLOUR]
        self.bar.color_mapper.palette = colours
        ticks = marks(norm)
        self.bar.ticker.ticks = [at for at, _ in ticks]
        self.bar.major_label_overrides = dict(ticks)
        self.bar.title = f"{'change' if frame.kind == 'change' else 'value'} [{frame.unit}]"
        self.source.data = {"image": [shades(frame.values, norm)], "value": [frame.values], "dq": [frame.dq]}
        told = frame.title
        x, y = np.empty(0, int), np.empty(0, int)
        if marked:
            y, x = np.nonzero(frame.dq & np.uint32(flags.PIXEL[marked]))
            told += f"; {y.size} pixels {marked}"
            if y.size > MOST_MARKS:
                told += f" (too many to mark, {MOST_MARKS} of them are)"
                some = np.linspace(0, y.size - 1, MOST_MARKS).astype(int)
                y, x = y[some], x[some]
        self.flagged.data = {"x": x, "y": y, "colour": [FLAG_COLOURS.get(marked, PICKED)] * x.size}
        self.title.text = escape(told)

    def pick(self, y: int, x: int) -> None:
        """Mark the pixel and its column."""
        self.picked.data = {"x": [x], "y": [y]}
        self.column.location = x

    def show_traces(self, trace: F64, radius: float) -> None:
        """Traces (3, x) and the edges of their apertures; an empty array takes them away."""
        lines: dict[str, list[Any]] = {"x": [], "y": [], "colour": [], "dash": []}
        for o, rows in enumerate(trace):
            x = np.arange(rows.size)[::EVERY]
            for shift, dash in ((0.0, "solid"), (-radius, "dashed"), (radius, "dashed")):
                lines["x"].append(x)
                lines["y"].append(rows[::EVERY] + shift)
                lines["colour"].append(ORDER_COLOURS[o + 1] if dash == "solid" else "#ffffff")
                lines["dash"].append(dash)
        self.traces.data = lines


# -- one pixel, one column -----------------------------------------------------------------------------------------------


@dataclass
class RampView:
    """A pixel's ramp before and after a step, above its first group, and what the fit leaves."""

    title: Div
    figure: Figure
    residual: Figure
    before: ColumnDataSource
    after: ColumnDataSource
    fit: ColumnDataSource
    left: ColumnDataSource

    @classmethod
    def make(cls) -> RampView:
        """Empty."""
        p = new_figure("ramp", 250, "time since the start of the integration [s]", "above its first group [DN]")
        before, after = (ColumnDataSource({"x": [], "y": [], "flags": []}) for _ in range(2))
        fit = ColumnDataSource({"x": [], "y": []})
        left = ColumnDataSource({"x": [], "y": [], "colour": [], "flags": []})
        p.line("x", "y", source=before, color=BEFORE, line_dash="dotted", line_width=2)
        was = p.scatter(
            "x", "y", source=before, marker="square", size=7, fill_color="white", line_color=BEFORE, legend_label="before"
        )
        p.multi_line("x", "y", source=fit, color=PICKED, line_width=2, legend_label="fit")
        now = p.scatter("x", "y", source=after, size=8, color=NOW, legend_label="after")
        plain_legend(p, "top_left")
        q = new_figure("residual", 130, "time since the start of the integration [s]", "data − fit [DN]", x_range=p.x_range)
        q.toolbar_location = None
        q.add_layout(Span(location=0, dimension="width", line_color=PICKED))
        rest = q.scatter("x", "y", source=left, size=8, color="colour")
        tips = [("time [s]", "@x{0.0}"), ("DN", "@y{0.0}"), ("flags", "@flags")]
        p.add_tools(HoverTool(renderers=[was, now], tooltips=tips))
        q.add_tools(HoverTool(renderers=[rest], tooltips=tips))
        return cls(title("ramp"), p, q, before, after, fit, left)

    def show(self, ramp: Ramp, y: int, x: int, label: str, fitted: bool) -> None:
        """Draw; ``label`` names the step, "" shows no before; ``fitted``: the values are those the fit is about."""
        text = f"row {y}, column {x}"
        if np.isfinite(ramp.slope):
            text += f": {ramp.slope:.2f} ± {ramp.slope_err:.2f} DN/s"
        else:
            text += ": no slope"
        self.title.text = text + (
            f"; before and after {label}" if label else "; as the fit gets it" if fitted else "; raw counts"
        )
        names = [flags.names(int(b)) or "none" for b in ramp.groupdq]
        for source, values in ((self.before, ramp.before), (self.after, ramp.after)):
            first = values[0] if values.size else 0
            source.data = {"x": ramp.time, "y": values.astype(np.float64) - first, "flags": names}
        if not label:
            self.before.data = {"x": [], "y": [], "flags": []}
        shown = fitted and ramp.after.size > 0
        pieces = ramp.pieces if shown and np.isfinite(ramp.fit).any() else ()
        first = float(ramp.after[0]) if ramp.after.size else 0.0
        self.fit.data = {"x": [ramp.time[list(p)] for p in pieces], "y": [ramp.fit[list(p)] - first for p in pieces]}
        left = ramp.after - ramp.fit if shown else np.empty(0)
        colours = [PICKED if b else NOW for b in ramp.groupdq] if shown else []
        self.left.data = {"x": ramp.time if shown else [], "y": left, "colour": colours, "flags": names if shown else []}
        self.residual.visible = bool(shown)
        for item, there in zip(self.figure.legend.items, (bool(label), bool(pieces), True), strict=True):
            item.visible = there


@dataclass
class ProfileView:
    """A column of the frame, with the rows of the traces and the apertures."""

    title: Div
    figure: Figure
    before: ColumnDataSource
    after: ColumnDataSource
    spans: dict[int, Span]
    boxes: dict[int, BoxAnnotation]

    @classmethod
    def make(cls, ny: int) -> ProfileView:
        """Empty, for a frame of ``ny`` rows."""
        p = new_figure("profile", 300, "row [px]", "DN", x_range=Range1d(-0.5, ny - 0.5))
        before, after = (ColumnDataSource({"x": [], "y": []}) for _ in range(2))
        p.line("x", "y", source=before, color=BEFORE, line_dash="dotted", line_width=2, legend_label="before")
        now = p.step("x", "y", source=after, color=NOW, mode="center", legend_label="after")
        plain_legend(p, "top_right")
        p.add_tools(HoverTool(renderers=[now], tooltips=[("row", "@x"), ("value", "@y{0.00}")], mode="vline"))
        spans, boxes = {}, {}
        for o, colour in ORDER_COLOURS.items():
            spans[o] = Span(dimension="height", line_color=colour, line_width=2, visible=False)
            boxes[o] = BoxAnnotation(fill_color=colour, fill_alpha=0.10, line_color=colour, line_alpha=0.4, visible=False)
            p.add_layout(boxes[o])
            p.add_layout(spans[o])
        return cls(title("profile"), p, before, after, spans, boxes)

    def show(self, profile: Profile, x: int, label: str) -> None:
        """Draw; where a large pedestal hides the rest each curve is shown about its own median."""
        before, after = profile.before.astype(np.float64), profile.after.astype(np.float64)
        with np.errstate(all="ignore"):
            middles = [float(np.nanmedian(v)) if np.isfinite(v).any() else 0.0 for v in (before, after)]
        off = abs(middles[0] - middles[1]) > 1000
        rows = np.arange(before.size)
        for source, values, middle in ((self.before, before, middles[0]), (self.after, after, middles[1])):
            source.data = {"x": rows, "y": values - middle if off else values}
        slopes = profile.unit != "DN"
        if slopes:  # there is no frame before them
            self.before.data = {"x": [], "y": []}
        self.figure.legend.items[0].visible = not slopes
        orders = ", ".join(f"order {o} at row {row:.2f}" for o, row in profile.traces.items()) or "no trace here"
        self.title.text = f"column {x}, {label}: {orders}"
        self.figure.yaxis.axis_label = f"about the median [{profile.unit}]" if off else f"value [{profile.unit}]"
        for o in ORDER_COLOURS:
            there = o in profile.traces
            self.spans[o].visible = self.boxes[o].visible = there
            if there:
                row = profile.traces[o]
                self.spans[o].location = row
                self.boxes[o].left, self.boxes[o].right = row - profile.radius, row + profile.radius


# -- spectra and light curves ------------------------------------------------------------------------------------------------


@dataclass
class SpectrumView:
    """The integration's spectrum with the settings of the page, over that with the run's, and the change."""

    title: Div
    figure: Figure
    change: Figure
    now: dict[int, ColumnDataSource]
    run: dict[int, ColumnDataSource]
    picked: Span

    @classmethod
    def make(cls) -> SpectrumView:
        """Empty."""
        p = new_figure("spectrum", 280, "wavelength [µm]", "flux in the box [DN/s]", y_axis_type="log")
        q = new_figure("change", 170, "wavelength [µm]", "now / run − 1 [%]", x_range=p.x_range)
        q.toolbar_location = None
        now = {o: ColumnDataSource({"x": [], "y": [], "change": [], "column": []}) for o in ORDER_COLOURS}
        run = {o: ColumnDataSource({"x": [], "y": []}) for o in ORDER_COLOURS}
        lines = []
        for o, colour in ORDER_COLOURS.items():
            p.line("x", "y", source=run[o], color=BEFORE, line_width=3, line_alpha=0.5)
            lines.append(p.line("x", "y", source=now[o], color=colour, legend_label=f"order {o}"))
            q.line("x", "change", source=now[o], color=colour)
        plain_legend(p, "bottom_right")
        p.legend.orientation = "horizontal"
        p.add_tools(
            HoverTool(renderers=lines, tooltips=[("µm", "@x{0.0000}"), ("column", "@column"), ("DN/s", "@y{0.0}")]),
            CrosshairTool(dimensions="height", line_color="#999999"),
        )
        picked = Span(dimension="height", line_color=PICKED, line_width=1.5)
        p.add_layout(picked)
        return cls(title("spectrum"), p, q, now, run, picked)

    def value(self, order: int, column: int) -> float:
        """Flux drawn for a column of an order [DN/s]; NaN: none."""
        return float(np.asarray(self.now[order].data["y"])[column])

    def show(self, change: Change, wavelength: F64, i: int) -> None:
        """Draw all orders; flux that is not positive has no place on a logarithmic axis."""
        columns = np.arange(wavelength.shape[1])
        for o in ORDER_COLOURS:
            w = wavelength[o - 1]
            free = (columns >= FREE_COLUMNS[o][0]) & (columns < FREE_COLUMNS[o][1])
            flux, run = (np.where(free & (f > 0), f, np.nan) for f in (change.now.flux[o - 1], change.run.flux[o - 1]))
            ratio = 100 * np.where(free, change.ratio[o - 1], np.nan)
            self.now[o].data = {"x": w, "y": flux, "change": ratio, "column": columns}
            self.run[o].data = {"x": w, "y": run}
        self.title.text = (
            f"spectrum of integration {i}, orders where they stand free (grey: with the run's settings); click a wavelength"
        )


@dataclass
class CurveView:
    """A light curve."""

    title: Div
    figure: Figure
    source: ColumnDataSource
    bars: ColumnDataSource
    here: ColumnDataSource

    @classmethod
    def make(cls) -> CurveView:
        """Empty."""
        p = new_figure("curve", 280, "time since the first integration [h]", "flux over level outside the event")
        source = ColumnDataSource({"x": [], "y": [], "fill": [], "integration": []})
        bars = ColumnDataSource({"x0": [], "x1": [], "y0": [], "y1": []})
        here = ColumnDataSource({"x": [], "y": []})
        p.segment("x0", "y0", "x1", "y1", source=bars, color="#a8c4d8")
        points = p.scatter("x", "y", source=source, size=6, fill_color="fill", line_color=NOW)
        p.scatter("x", "y", source=here, size=13, fill_color=None, line_color=PICKED, line_width=2)
        tips = [("integration", "@integration"), ("hours", "@x{0.000}"), ("flux", "@y{0.000000}")]
        p.add_tools(HoverTool(renderers=[points], tooltips=tips))
        return cls(title("curve"), p, source, bars, here)

    def show(self, curve: LightCurve | str, i: int) -> None:
        """Draw a light curve with integration ``i`` marked, or say why there is none."""
        if isinstance(curve, str):
            self.title.text = curve
            self.source.data = {"x": [], "y": [], "fill": [], "integration": []}
            self.bars.data = {"x0": [], "x1": [], "y0": [], "y1": []}
            self.here.data = {"x": [], "y": []}
            return
        hours = 24 * (curve.time - curve.time[0])
        fill = [NOW if out else "#ffffff" for out in curve.outside]
        self.source.data = {"x": hours, "y": curve.flux, "fill": fill, "integration": np.arange(hours.size)}
        low, high = curve.flux - curve.flux_err, curve.flux + curve.flux_err
        self.bars.data = {"x0": hours, "x1": hours, "y0": low, "y1": high}
        self.here.data = {"x": hours[i : i + 1], "y": curve.flux[i : i + 1]}
        together = f", {curve.n_columns} columns about it" if curve.n_columns > 1 else ""
        none = "" if np.isfinite(curve.flux).any() else ": no valid spectra there"
        self.title.text = (
            f"order {curve.order}, {curve.wavelength:.4f} µm (column {curve.column}{together}){none}; "
            "open points are in or near the event; click one to go there"
        )


def listed(lines: list[str] | tuple[str, ...], heading: str = "") -> str:
    """Lines of text as HTML, escaped."""
    head = f"<b>{escape(heading)}</b>" if heading else ""
    return head + "<ul style='margin:.2rem 0;padding-left:1.1rem'>" + "".join(f"<li>{escape(t)}</li>" for t in lines) + "</ul>"
