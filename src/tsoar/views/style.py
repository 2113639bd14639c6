"""One look for all interactive views: narrow screens first, no tool that takes the page's own scrolling away."""

from __future__ import annotations

from typing import Any

import matplotlib
from bokeh.models import BoxZoomTool, HoverTool, PanTool, ResetTool, WheelZoomTool
from bokeh.plotting import figure as bokeh_figure

DIVERGING = [matplotlib.colors.to_hex(c) for c in matplotlib.colormaps["RdBu_r"](range(256))]
FAINT = "#8c8c8c"
INK = "#262626"


def figure(*, hover: HoverTool | None = None, height: int = 300, **options: Any) -> Any:
    """A figure as wide as the page: box zoom by choice, scrolling and dragging left to the page until a tool is chosen."""
    tools: list[Any] = [PanTool(), BoxZoomTool(), WheelZoomTool(), ResetTool()]
    if hover is not None:
        tools.append(hover)
    made = bokeh_figure(
        tools=tools,
        active_drag=None,
        active_scroll=None,
        height=height,
        sizing_mode="stretch_width",
        min_width=260,
        toolbar_location="below",
        **options,
    )
    made.toolbar.logo = None
    made.title.text_font_size = "13px"
    made.title.text_font_style = "normal"
    made.xgrid.grid_line_color = made.ygrid.grid_line_color = "#e4e4e4"
    made.outline_line_color = "#b0b0b0"
    for axis in (made.xaxis, made.yaxis):
        axis.axis_label_text_font_style = "normal"
    return made


def finish_legend(figure: Any, **options: Any) -> None:
    """A legend in one row above the plot; a click on an entry hides what it names."""
    legend = figure.legend[0]
    figure.add_layout(legend, "above")
    legend.update(
        click_policy="hide",
        orientation="horizontal",
        border_line_color=None,
        label_text_font_size="12px",
        padding=2,
        spacing=10,
        **options,
    )
