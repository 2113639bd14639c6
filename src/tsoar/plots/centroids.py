"""Looks at how the traces came about: start profiles, centroids, splines over them (F19 to F22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar.plots.style import (
    DARK,
    GREY,
    ORDER_COLOURS,
    bright_norm,
    heading,
    legend,
    legend_above,
    new_figure,
    plain,
    robust_limits,
    show_image,
)
from tsoar.spectra.centroids import StartProfile

Rows = NDArray[np.floating]


def start_profiles(starts: Mapping[int, StartProfile], *, unit: str = "DN/s") -> Figure:
    """The profiles from which the orders are walked, and their maxima (F19), from `tsoar.spectra.centroids`."""
    n = max(len(starts), 1)
    figure, axes = new_figure(1, n, width=9.5, height=3.4)
    for ax, (order, start) in zip(axes[0], starts.items(), strict=False):
        shown = start.flux != 0
        rows = start.rows >= 0
        ax.step(start.rows[shown], start.flux[shown], where="mid", color=GREY, linewidth=1.0, label="profile")
        ax.plot(start.rows[rows], start.smooth[rows], color=ORDER_COLOURS[order], linewidth=1.6, label="smoothed")
        ax.axvline(start.centre, color=DARK, linewidth=0.9, linestyle="--", label=f"maximum: row {start.centre:.2f}")
        ax.set_ylim(min(0.0, 1.1 * float(start.flux.min())), 1.45 * float(max(start.flux.max(), 1e-6)))  # room for the legend
        heading(ax, f"order {order}, column {start.column}")
        ax.set_xlabel("row [px]")
        legend(ax, loc="upper left")
        plain(ax)
    axes[0, 0].set_ylabel(f"slope [{unit}]")
    return figure


def _of_orders(*rows: Rows) -> list[int]:
    """Orders (index + 1) with anything finite in all of ``rows`` (3, x)."""
    return [o + 1 for o in range(rows[0].shape[0]) if all(np.isfinite(r[o]).any() for r in rows)]


def centroids(rows: Rows, valid: NDArray[np.bool_], expected: Rows) -> Figure:
    """Centroids (3, x) [px] walked along each order, those that are not believed apart, on the published model (F20)."""
    orders = _of_orders(rows, expected)
    figure, axes = new_figure(max(len(orders), 1), 1, height=0.7 + 1.7 * max(len(orders), 1), sharex=True)
    x = np.arange(rows.shape[1])
    for ax, order in zip(axes[:, 0], orders, strict=False):
        y, use, model = rows[order - 1], valid[order - 1], expected[order - 1]
        held = ~use & np.isfinite(y)
        ax.plot(x, model, color=DARK, linewidth=0.9, label="published model", zorder=3)
        ax.plot(x[held], y[held], ".", color=GREY, markersize=1.6, rasterized=True, label="not measured or not believed")
        style: dict[str, Any] = dict(color=ORDER_COLOURS[order], markersize=1.8, rasterized=True)
        ax.plot(x[use], y[use], ".", **style, label="centroid")
        low, high = robust_limits(np.concatenate([y, model]), 0, 100)
        ax.set_ylim(low - 0.05 * (high - low), high + 0.45 * (high - low))  # room for the legend
        heading(ax, f"order {order}: {int(use.sum())} of {x.size} columns measured")
        ax.set_ylabel("row [px]")
        legend(ax, loc="upper center", ncols=3, markerscale=4)
        plain(ax)
    axes[-1, 0].set_xlim(-0.5, x.size - 0.5)
    axes[-1, 0].set_xlabel("column [px]")
    return figure


def centroids_on_image(image: NDArray[np.floating], rows: Rows, valid: NDArray[np.bool_], *, unit: str = "DN/s") -> Figure:
    """Centroids (3, x) that are believed, on the slope image (y, x) (F21)."""
    figure, axes = new_figure(height=3.4)
    ax = axes[0, 0]
    show_image(ax, image, norm=bright_norm(image), cmap="Greys", label=f"slope [{unit}]")
    x = np.arange(rows.shape[1])
    for order in _of_orders(rows):
        use = valid[order - 1] & np.isfinite(rows[order - 1])
        if use.any():
            colour = ORDER_COLOURS[order]
            ax.plot(x[use], rows[order - 1][use], ".", color=colour, markersize=1.2, rasterized=True, label=f"order {order}")
    ax.set_xlim(-0.5, image.shape[1] - 0.5)
    ax.set_ylim(-0.5, image.shape[0] - 0.5)
    ax.set_xlabel("column [px]")
    ax.set_ylabel("row [px]")
    heading(ax, "centroids, column by column")
    legend_above(ax)
    for handle in getattr(ax.get_legend(), "legend_handles", []):
        handle.set_markersize(6)
    return figure


def trace_splines(measured: Rows, valid: NDArray[np.bool_], smooth: Rows, centroid: Rows, expected: Rows) -> Figure:
    """Measured rows and the spline over them, both minus the published model, order by order (F22).

    measured, valid (3, x): midpoints between the edges of the profile, what the spline follows; smooth (3, x): the trace;
    centroid (3, x): maxima of the smoothed profile, the other definition; expected (3, x): the model.
    """
    orders = _of_orders(smooth, expected)
    figure, axes = new_figure(max(len(orders), 1), 1, height=0.7 + 1.9 * max(len(orders), 1), sharex=True)
    x = np.arange(smooth.shape[1])
    for ax, order in zip(axes[:, 0], orders, strict=False):
        k, colour = order - 1, ORDER_COLOURS[order]
        use = valid[k] & np.isfinite(measured[k])
        own = np.isfinite(centroid[k]) & (centroid[k] != smooth[k])
        maxima, points, line = (v[k] - expected[k] for v in (centroid, measured, smooth))
        ax.plot(x[own], maxima[own], ".", color="0.8", markersize=1.6, rasterized=True, label="centroid (maximum)")
        ax.plot(x[use], points[use], ".", color=GREY, markersize=1.8, rasterized=True, label="middle of the edges")
        ax.plot(x, line, color=colour, linewidth=1.5, label="spline: the trace")
        ax.axhline(0, color=DARK, linewidth=0.8)
        scatter = 1.4826 * float(np.median(np.abs((points - line)[use]))) if use.any() else float("nan")
        told = f"{int(use.sum())} columns, scatter {1e3 * scatter:.0f} mpx" if use.any() else "not measured"
        heading(ax, f"order {order}: {told}")
        low, high = robust_limits(np.concatenate([line, points[use], maxima[own]]), 1, 99)
        low, high = min(low, 0.0), max(high, 0.0)
        room = 0.15 * (high - low) + 0.05
        ax.set_ylim(low - room, high + 3.5 * room)
        ax.set_ylabel("row $-$ model [px]")
        legend(ax, loc="upper right", ncols=3, markerscale=4)
        plain(ax)
    axes[-1, 0].set_xlim(-0.5, x.size - 0.5)
    axes[-1, 0].set_xlabel("column [px]")
    return figure
