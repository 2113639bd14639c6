"""Looks at spectra and at light curves by wavelength (F27, F30, F31)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar.plots.style import (
    GREY,
    ORDER_COLOURS,
    centred_limits,
    colour_bar,
    heading,
    hours,
    legend,
    new_figure,
    plain,
    robust_limits,
    show_image,
)
from tsoar.series.baseline import Baseline
from tsoar.series.lightcurves import FREE_COLUMNS, values_of
from tsoar.series.residuals import nanmedian
from tsoar.units import PPM

DRAWN = 150
"""Spectra drawn at most."""


def spectra(data: xr.Dataset) -> Figure:
    """All spectra on top of each other, and the claimed relative error of one integration (F27)."""
    figure, axes = new_figure(2, 1, height=6.0, sharex=True, height_ratios=(1.6, 1))
    top, below = axes[:, 0]
    n = data.sizes["integration"]
    chosen = np.unique(np.linspace(0, n - 1, min(n, DRAWN)).round().astype(int))
    heights, errors = [], []
    for order in (int(o) for o in data["order"].values):
        flux, error = values_of(data, order)
        wavelength = data["wavelength"].sel(order=order).values
        middle = nanmedian(flux, axis=0)
        lit = np.isfinite(wavelength) & np.isfinite(middle)
        free = lit & free_columns(order, data, wavelength.size)
        if not free.any():
            continue
        colour = ORDER_COLOURS[order]
        lines = [np.column_stack([wavelength[free], f[free]]) for f in flux[chosen]]
        top.add_collection(LineCollection(lines, colors=GREY, linewidths=0.4, alpha=0.5, rasterized=True))
        top.plot(wavelength, np.where(lit & ~free, middle, np.nan), color=colour, linewidth=0.6, alpha=0.4)
        top.plot(wavelength, np.where(free, middle, np.nan), color=colour, linewidth=0.9, label=f"order {order}, median")
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = PPM * np.where(free & (middle > 0), nanmedian(error, axis=0) / middle, np.nan)
        below.plot(wavelength, relative, color=colour, linewidth=0.8)
        heights.append(middle[free & (middle > 0)])
        errors.append(relative[np.isfinite(relative)])
    if any(h.size for h in heights):
        low, high = robust_limits(np.concatenate(heights), 2, 100)
        top.set_yscale("log", subs=(2, 5))
        top.set_ylim(0.4 * max(low, 1e-4 * high), 2 * high)
        low, high = robust_limits(np.concatenate(errors), 0, 98)
        below.set_yscale("log", subs=(2, 5))  # numbers at each of the lesser ticks would not fit
        below.set_ylim(0.7 * low, 1.5 * high)
        legend(top, loc="lower right")
    heading(top, f"{chosen.size} of {n} integrations")
    top.set_ylabel("flux in the box [DN/s]")
    below.set_ylabel("error of one integration [ppm]")
    below.set_xlabel("wavelength [µm]")
    for ax in (top, below):
        plain(ax)
    return figure


def free_columns(order: int, data: xr.Dataset, n: int) -> NDArray[np.bool_]:
    """Columns (x,) on which an order stands alone; every bin does."""
    first, last = FREE_COLUMNS[order] if "column" in data.dims else (0, n)
    return (np.arange(n) >= first) & (np.arange(n) < last)


def light_curve_image(curves: xr.Dataset, baseline: Baseline | None = None, *, orders: tuple[int, ...] = (1, 2)) -> Figure:
    """Deviation [ppm] of every light curve from its baseline, wavelength by time, one panel an order (F30)."""
    orders = tuple(o for o in orders if o in curves["order"].values and np.isfinite(curves["flux"].sel(order=o)).any())
    figure, axes = new_figure(1, max(len(orders), 1), width=10.5, height=5.0, sharey=True)
    x, label = hours(curves["time"].values, baseline)
    step = float(np.median(np.diff(x))) if x.size > 1 else 1.0
    deviation, lengths = {}, {}
    for order in orders:
        one = curves.sel(order=order)
        wavelength = one["wavelength"].values
        free = free_columns(order, curves, wavelength.size) & np.isfinite(wavelength)
        lit = np.flatnonzero(free & np.isfinite(one["flux"].values).any(axis=0))
        columns = np.arange(lit[0], lit[-1] + 1)
        columns = columns[np.isfinite(wavelength[columns])]
        if wavelength[columns[0]] > wavelength[columns[-1]]:
            columns = columns[::-1]
        deviation[order], lengths[order] = PPM * (one["flux"].values[:, columns] - 1), wavelength[columns]
    limits = centred_limits(np.concatenate([d.ravel() for d in deviation.values()] or [np.empty(0)]), 96, 1.15)
    shown = None
    for ax, order in zip(axes[0], orders, strict=False):
        w = lengths[order]
        extent = (-0.5, w.size - 0.5, float(x[0]) - 0.5 * step, float(x[-1]) + 0.5 * step)
        shown = show_image(ax, deviation[order], limits=limits, cmap="RdBu_r", extent=extent)
        _wavelength_ticks(ax, w)
        heading(ax, f"order {order}")
        ax.set_xlabel("wavelength [µm]")
    axes[0, 0].set_ylabel(label)
    if shown is not None:
        colour_bar(shown, axes.flat, "flux $-$ 1 [ppm]")
    return figure


def _wavelength_ticks(ax: Axes, wavelength: NDArray[np.floating]) -> None:
    """Ticks at round wavelengths on an axis of columns along which they increase."""
    low, high = float(wavelength[0]), float(wavelength[-1])
    step = next((s for s in (0.01, 0.02, 0.05, 0.1, 0.2) if (high - low) / s <= 8), 0.5)
    marks = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    places = np.interp(marks, wavelength, np.arange(wavelength.size))
    ax.set_xticks(places, [f"{m:.{2 if step < 0.1 else 1}f}" for m in marks])


def sensitivity(result: xr.Dataset, *, orders: tuple[int, ...] = (1, 2, 3)) -> Figure:
    """Scatter over claimed error by wavelength, with running median and its minimum and maximum (F31)."""
    orders = tuple(o for o in orders if o in result["order"].values and int(result["n"].sel(order=o)) > 0)
    figure, axes = new_figure(max(len(orders), 1), 1, height=0.8 + 1.9 * max(len(orders), 1))
    dim = "bin" if "bin" in result.dims else "column"
    for ax, order in zip(axes[:, 0], orders, strict=False):
        one = result.sel(order=order)
        w, ratio, running = one["wavelength"].values, one["ratio"].values, one["running"].values
        use = np.isfinite(running)
        ax.plot(w[use], ratio[use], ".", color=GREY, markersize=2.5, alpha=0.6, rasterized=True)
        ax.plot(w[use], running[use], color=ORDER_COLOURS[order], linewidth=1.6, label="running median")
        ax.axhline(1, color="black", linewidth=0.9)
        low, high, middle = (float(one[k]) for k in ("low", "high", "median"))
        for level in (low, high):
            ax.axhline(level, color=ORDER_COLOURS[order], linewidth=1, linestyle=":")
        heading(ax, f"order {order}: median {middle:.3f}, running median {low:.3f} to {high:.3f}, {int(one['n'])} {dim}s")
        bottom, top = robust_limits(ratio[use], 0.5, 99)
        ax.set_ylim(min(bottom, low, 0.8) - 0.05, max(top, high, 1.2) + 0.1)
        ax.set_xlim(float(w[use].min()) - 0.01, float(w[use].max()) + 0.01)
        ax.set_ylabel("scatter / error")
        plain(ax)
    axes[-1, 0].set_xlabel("wavelength [µm]")
    return figure
