"""Spectra and white light with values under the pointer; a click on the legend hides an order."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table
from bokeh.layouts import column
from bokeh.models import BoxAnnotation, ColumnDataSource, HoverTool, Whisker

from tsoar.plots.style import ORDER_COLOURS, hours, robust_limits
from tsoar.series.baseline import Baseline
from tsoar.series.lightcurves import FREE_COLUMNS, values_of
from tsoar.series.residuals import nanmedian
from tsoar.units import PPM
from tsoar.views.style import INK, figure, finish_legend


def spectra(data: xr.Dataset) -> Any:
    """Median spectrum of every order and the claimed error of one integration, as spectra.nc has them."""
    tips = [
        ("order", "@order"),
        ("column", "@column"),
        ("wavelength", "@wavelength{0.0000} µm"),
        ("flux", "@flux{0,0.0} DN/s"),
        ("error", "@relative{0,0} ppm"),
    ]
    above = HoverTool(tooltips=tips, mode="mouse")
    top = figure(
        hover=above, height=340, y_axis_type="log", title="median over time, where an order stands free", name="spectra"
    )
    under = HoverTool(tooltips=tips, mode="mouse")
    below = figure(hover=under, height=240, y_axis_type="log", x_range=top.x_range, title="claimed error of one integration")
    heights, errors = [np.empty(0)], [np.empty(0)]
    for order in (int(o) for o in data["order"].values):
        flux, error = values_of(data, order)
        middle = nanmedian(flux, axis=0)
        wavelength = data["wavelength"].sel(order=order).values
        first, last = FREE_COLUMNS[order]
        column_of = np.arange(wavelength.size)
        free = (column_of >= first) & (column_of < last)
        x = np.flatnonzero(free & np.isfinite(wavelength) & (np.nan_to_num(middle) > 0))
        if x.size == 0:
            continue
        relative = PPM * nanmedian(error[:, x], axis=0) / middle[x]
        f32 = np.float32
        source = ColumnDataSource(
            {
                "order": np.full(x.size, order, np.int32),
                "column": x.astype(np.int32),
                "wavelength": wavelength[x].astype(f32),
                "flux": middle[x].astype(f32),
                "relative": relative.astype(f32),
            }
        )
        style: dict[str, Any] = {"source": source, "color": ORDER_COLOURS[order], "legend_label": f"order {order}"}
        top.line("wavelength", "flux", line_width=1.3, **style)
        style.pop("legend_label")
        below.line("wavelength", "relative", line_width=1.2, **style)
        heights.append(middle[x])
        errors.append(relative)
    low, high = robust_limits(np.concatenate(heights), 2, 100)
    top.y_range.update(start=0.5 * max(low, 1e-4 * high), end=2 * high)
    low, high = robust_limits(np.concatenate(errors), 0, 97)
    below.y_range.update(start=0.7 * max(low, 1e-3), end=1.5 * max(high, 1e-2))
    top.yaxis.axis_label = "flux in the box [DN/s]"
    below.yaxis.axis_label = "error [ppm]"
    for panel in (top, below):  # few: labels of a logarithmic axis run into each other
        panel.yaxis[0].ticker.update(desired_num_ticks=3, num_minor_ticks=0)
    for panel in (top, below):
        panel.xaxis.axis_label = "wavelength [µm]"
    if top.legend:
        finish_legend(top)
    return column(top, below, sizing_mode="stretch_width")


def white_light(table: Table, baseline: Baseline) -> Any:
    """White light [ppm] of each order and of both together with errors; the event's contacts as a band."""
    time = np.asarray(table["time"], np.float64)
    x, label = hours(time, baseline)
    tips = [
        ("integration", "@integration"),
        ("time", "@x{0.000} h"),
        ("flux − 1", "@y{0,0} ppm"),
        ("error", "@error{0,0} ppm"),
    ]
    hover = HoverTool(tooltips=tips)
    panel = figure(hover=hover, height=380, name="white_light")
    if baseline.event is not None:
        contacts, _ = hours(np.asarray(baseline.event), baseline)
        panel.add_layout(
            BoxAnnotation(left=contacts[0], right=contacts[3], fill_color="#808080", fill_alpha=0.10, level="underlay")
        )
        panel.add_layout(
            BoxAnnotation(left=contacts[1], right=contacts[2], fill_color="#808080", fill_alpha=0.08, level="underlay")
        )
    shown = []
    for end, name, colour in (
        ("_order2", "order 2", ORDER_COLOURS[2]),
        ("_order1", "order 1", ORDER_COLOURS[1]),
        ("", "orders 1 and 2 together", INK),
    ):
        flux, error = (np.asarray(table[f"{k}{end}"], np.float64) for k in ("flux", "flux_err"))
        if not np.isfinite(flux).any():
            continue
        y, e = PPM * (flux - 1), PPM * error
        source = ColumnDataSource(
            {
                "x": x,
                "integration": np.arange(x.size, dtype=np.int32),
                "y": y.astype(np.float32),
                "error": e.astype(np.float32),
                "lower": (y - e).astype(np.float32),
                "upper": (y + e).astype(np.float32),
                "fill": baseline.mask.astype(np.float32),
            }
        )
        points = panel.scatter(
            "x", "y", source=source, size=5, line_color=colour, fill_color=colour, fill_alpha="fill", legend_label=name
        )
        bars = Whisker(
            source=source, base="x", lower="lower", upper="upper", line_color=colour, upper_head=None, lower_head=None
        )
        panel.add_layout(bars)
        points.js_link("visible", bars, "visible")
        shown.append(points)
    hover.renderers = shown
    if len(shown) == 3:
        shown[2].visible = False  # nearly order 1: shown when asked for
        for bars in panel.select({"type": Whisker}):
            if bars.source is shown[2].data_source:
                bars.visible = False
    if panel.legend:
        finish_legend(panel)
    panel.xaxis.axis_label = label
    panel.yaxis.axis_label = "flux − 1 [ppm]"
    return column(panel, sizing_mode="stretch_width")
