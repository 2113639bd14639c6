"""Looks at traces: on the image, moving in time, and as extraction boxes (F23, F24, F26)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar.plots.style import (
    ORDER_COLOURS,
    bright_norm,
    detector_axes,
    heading,
    hours,
    legend_above,
    new_figure,
    plain,
    robust_limits,
    shade_event,
    show_image,
)
from tsoar.series.baseline import Baseline
from tsoar.series.residuals import nanmedian


def mean_traces(traces: xr.Dataset) -> dict[int, tuple[NDArray, NDArray]]:
    """Smooth and measured trace rows (x,) by order: those of the deep stack where stored, else medians over time."""
    out = {}
    for order in traces["order"].values:
        one = traces.sel(order=order)
        smooth = one["y_deep"].values if "y_deep" in one else nanmedian(one["y"].values, axis=0)
        if "y_deep_raw" in one:
            measured = one["y_deep_raw"].values
        else:
            measured = nanmedian(one["y_raw"].values, axis=0) if "y_raw" in one else np.full(smooth.shape, np.nan)
        if np.isfinite(smooth).any():
            out[int(order)] = smooth, measured
    return out


def traces_on_image(image: NDArray[np.floating], traces: xr.Dataset, *, title: str = "traces", unit: str = "DN/s") -> Figure:
    """Traces of all orders on a slope image (y, x), and measured centres minus the smooth traces (F23)."""
    figure, axes = new_figure(2, 1, height=5.2, sharex=True, height_ratios=(1.5, 1))
    top, below = axes[:, 0]
    show_image(top, image, norm=bright_norm(image), cmap="Greys", label=f"slope [{unit}]")
    far = [0.1]
    for order, (smooth, measured) in mean_traces(traces).items():
        colour, x = ORDER_COLOURS[order], np.arange(smooth.size)
        top.plot(x, smooth, color=colour, linewidth=1.3, label=f"order {order}")
        off = np.where(measured == smooth, np.nan, measured - smooth)  # equal: not measured, taken from the model
        if np.isfinite(off).any():
            below.plot(x, off, ".", color=colour, markersize=2, rasterized=True)
            far.append(float(np.abs(robust_limits(off, 3, 97)).max()))
    top.set_xlim(-0.5, image.shape[1] - 0.5)
    top.set_ylim(-0.5, image.shape[0] - 0.5)
    below.set_ylim(-1.5 * max(far), 1.5 * max(far))
    heading(top, title)
    legend_above(top)
    top.set_ylabel("row [px]")
    plain(below)
    below.axhline(0, color="0.3", linewidth=0.8)
    below.set_ylabel("measured $-$ trace [px]")
    below.set_xlabel("column [px]")
    return figure


def trace_motion(traces: xr.Dataset, baseline: Baseline | None = None) -> Figure:
    """Motion of each order in time, and the change of width where it was fitted (F24)."""
    x, label = hours(traces["time"].values, baseline)
    orders = [int(o) for o in traces["order"].values]
    measured = {(k, o): _measured(traces, k, o) for k in ("shift", "width") if k in traces for o in orders}
    panels = [which for which, (values, _) in measured.items() if np.isfinite(values).any()]
    figure, axes = new_figure(max(len(panels), 1), 1, height=0.7 + 1.7 * max(len(panels), 1), sharex=True)
    for ax, (name, order) in zip(axes[:, 0], panels, strict=False):
        values, error = measured[name, order]
        factor = 1e3
        if name == "shift":
            values = values - nanmedian(values)
        ax.errorbar(
            x,
            factor * values,
            factor * error,
            fmt="o",
            markersize=2.5,
            color=ORDER_COLOURS[order],
            ecolor="0.7",
            elinewidth=0.8,
        )
        low, high = robust_limits(factor * values, 0.5, 99.5)
        room = 0.15 * (high - low) + 2 * factor * float(np.nan_to_num(nanmedian(error)))
        ax.set_ylim(low - room, high + room)
        plain(ax)
        shade_event(ax, traces["time"].values, baseline)
        ax.set_ylabel("motion [mpx]" if name == "shift" else "width [1/1000]")
        claimed = f", median error {factor * np.nanmedian(error):.2g}" if np.isfinite(error).any() else ""
        heading(ax, f"order {order}: rms {factor * np.nanstd(values):.2g}{claimed} {'mpx' if name == 'shift' else '/ 1000'}")
    axes[-1, 0].set_xlabel(label)
    return figure


def _measured(traces: xr.Dataset, name: str, order: int) -> tuple[NDArray, NDArray]:
    """Values and errors (i,), NaN where none was fitted (no error): an order may have borrowed another's motion."""
    one = traces.sel(order=order)
    values = one[name].values.astype(np.float64)
    if f"{name}_err" not in one:
        return values, np.full(values.shape, np.nan)
    error = one[f"{name}_err"].values.astype(np.float64)
    return np.where(error > 0, values, np.nan), np.where(error > 0, error, np.nan)


def apertures(
    image: NDArray[np.floating],
    rows: NDArray[np.floating],
    radius: float,
    *,
    orders: tuple[int, ...] = (1, 2, 3),
    unit: str = "DN/s",
) -> Figure:
    """Extraction boxes of half height ``radius`` [px] about the trace rows (o, x) on a slope image (y, x) (F26)."""
    figure, axes = new_figure(height=3.4)
    ax = axes[0, 0]
    show_image(ax, image, norm=bright_norm(image), cmap="Greys", label=f"slope [{unit}]")
    for order, y in zip(orders, rows, strict=True):
        if np.isfinite(y).any():
            x, colour = np.arange(y.size), ORDER_COLOURS[order]
            ax.fill_between(x, y - radius, y + radius, color=colour, alpha=0.18, linewidth=0)
            ax.plot(x, y - radius, color=colour, linewidth=1, label=f"order {order}")
            ax.plot(x, y + radius, color=colour, linewidth=1)
    ax.set_xlim(-0.5, image.shape[1] - 0.5)
    ax.set_ylim(-0.5, image.shape[0] - 0.5)
    heading(ax, f"boxes of radius {radius:g} px")
    legend_above(ax)
    detector_axes(ax)
    return figure
