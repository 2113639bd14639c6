"""Looks at many curves at once: all light curves, spectra in and out of the event, what outliers are left (F28, F29, F32)."""

from __future__ import annotations

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar.plots.layout import INSIDE
from tsoar.plots.style import (
    ALARM,
    DARK,
    GREY,
    ORDER_COLOURS,
    SMALL,
    colour_bar,
    heading,
    hours,
    legend,
    new_figure,
    plain,
    robust_limits,
    shade_event,
)
from tsoar.series.baseline import Baseline
from tsoar.series.lightcurves import values_of
from tsoar.series.residuals import nanmedian

DRAWN = 400
"""Light curves drawn at most in one panel."""


def light_curves(
    curves: xr.Dataset, baseline: Baseline | None = None, *, columns: dict[int, tuple[int, int]] | None = None
) -> Figure:
    """All light curves on top of each other, coloured by wavelength, with their median (F29).

    columns: [first, last + 1) of each order; default: where the order stands free.
    """
    from tsoar.plots.spectra import free_columns

    orders = [int(o) for o in curves["order"].values if int(o) in (1, 2) and np.isfinite(curves["flux"].sel(order=o)).any()]
    figure, axes = new_figure(1, max(len(orders), 1), width=10.5, height=4.4, sharex=True)
    x, label = hours(curves["time"].values, baseline)
    colours = matplotlib.colormaps["cividis"]
    for ax, order in zip(axes[0], orders, strict=False):
        one = curves.sel(order=order)
        flux, wavelength = one["flux"].values, one["wavelength"].values
        first, last = (columns or {}).get(order, (0, wavelength.size))
        inside = (np.arange(wavelength.size) >= first) & (np.arange(wavelength.size) < last)
        free = inside & free_columns(order, curves, wavelength.size) & np.isfinite(wavelength)
        lit = np.flatnonzero(free & np.isfinite(flux).any(axis=0))
        chosen = lit[np.unique(np.linspace(0, lit.size - 1, min(lit.size, DRAWN)).round().astype(int))]
        w = wavelength[chosen]
        place = (w - w.min()) / max(float(np.ptp(w)), 1e-9)
        lines = [np.column_stack([x, flux[:, c]]) for c in chosen]
        drawn = LineCollection(lines, colors=colours(place), linewidths=0.5, alpha=0.25, rasterized=True)
        ax.add_collection(drawn)
        middle = nanmedian(flux[:, lit], axis=1)
        ax.plot(x, middle, color=DARK, linewidth=1.6, label="median of all")
        low, high = robust_limits(flux[:, lit], 0.5, 99.5)
        ax.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
        ax.set_xlim(float(x.min()) - 0.02 * float(np.ptp(x)), float(x.max()) + 0.02 * float(np.ptp(x)) + 1e-9)
        heading(ax, f"order {order}: {chosen.size} of {lit.size} light curves")
        ax.set_xlabel(label)
        ax.ticklabel_format(axis="y", useOffset=False)
        plain(ax)
        shade_event(ax, curves["time"].values, baseline)
        legend(ax, loc="lower left")
        scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(float(w.min()), float(w.max())), colours)
        colour_bar(scale, ax, "wavelength [µm]", extend="neither")
    axes[0, 0].set_ylabel("flux over its level outside the event")
    return figure


def deepest_line(wavelength: NDArray[np.floating], flux: NDArray[np.floating], half: int = 20) -> int:
    """Column (x,) in which a spectrum lies deepest below its neighbours ``half`` columns away; else the brightest."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.full(flux.shape, np.nan)
        around = 0.5 * (flux[: -2 * half] + flux[2 * half :])
        ratio[half:-half] = flux[half:-half] / around
    ratio[~np.isfinite(wavelength) | ~(flux > 0.3 * np.nanmax(flux))] = np.nan
    return int(np.nanargmin(ratio)) if np.isfinite(ratio).any() else int(np.nanargmax(flux))


def spectra_closeup(data: xr.Dataset, baseline: Baseline, *, order: int = 1, width: int = 60) -> Figure:
    """Spectra in and out of the event with a close-up of ``width`` columns about the deepest line (F28)."""
    flux, error = values_of(data, order)
    wavelength = data["wavelength"].sel(order=order).values
    outside = baseline.mask
    inside = ~outside
    if baseline.event is not None:
        time = data["time"].values
        inside = (time > baseline.event[1]) & (time < baseline.event[2])
    figure, axes = new_figure(height=4.6)
    ax = axes[0, 0]
    plain(ax)
    out, err = nanmedian(flux[outside], axis=0), nanmedian(error, axis=0)
    lit = np.isfinite(out) & np.isfinite(wavelength)
    heading(ax, f"order {order}: {int(outside.sum())} integrations outside the event, {int(inside.sum())} in it")
    ax.set_xlabel("wavelength [µm]")
    ax.set_ylabel("flux in the box [DN/s]")
    if not lit.any():
        return figure
    ax.plot(wavelength[lit], out[lit], color=ORDER_COLOURS[1], linewidth=0.9, label="outside, median")
    dim = nanmedian(flux[inside], axis=0) if inside.any() else None
    if dim is not None:
        ax.plot(wavelength[lit], dim[lit], color=ORDER_COLOURS[2], linewidth=0.9, label="in the event, median")
    top = robust_limits(out, 0, 99.8)[1]
    ax.set_ylim(0, 1.9 * top)
    legend(ax, loc="upper left")
    middle = deepest_line(wavelength, out)
    near = np.abs(np.arange(out.size) - middle) <= width // 2
    near &= lit
    inset = ax.inset_axes((0.36, 0.56, 0.62, 0.42), label=INSIDE)
    inset.set_facecolor("white")
    for which, colour in ((outside, ORDER_COLOURS[1]), (inside, ORDER_COLOURS[2])):
        lines = [np.column_stack([wavelength[near], f[near]]) for f in flux[which][:100]]
        inset.add_collection(LineCollection(lines, colors=colour, linewidths=0.4, alpha=0.3))
        if which.any():
            inset.plot(wavelength[near], nanmedian(flux[which][:, near], axis=0), color=colour, linewidth=1.3)
    values = np.concatenate([out[near], out[near] if dim is None else dim[near]])
    room = 0.1 * float(np.ptp(values[np.isfinite(values)])) + 3 * float(nanmedian(err[near]))
    inset.set_ylim(float(np.nanmin(values)) - room, float(np.nanmax(values)) + room)
    inset.set_xlim(float(wavelength[near].min()), float(wavelength[near].max()))
    inset.tick_params(labelsize=SMALL - 1)
    ax.indicate_inset_zoom(inset, edgecolor=DARK)
    return figure


def outliers(data: xr.Dataset, *, orders: tuple[int, ...] = (1, 2)) -> Figure:
    """Spectra after the outlier treatment: distance of the furthest values from what is expected, and what was replaced (F32).

    The expectation is the median spectrum times the integration's brightness (median over columns of the ratio to it).
    """
    orders = tuple(o for o in orders if o in data["order"].values and np.isfinite(values_of(data, o)[0]).any())
    figure, axes = new_figure(max(len(orders), 1), 2, width=10.5, height=0.8 + 2.1 * max(len(orders), 1), width_ratios=(2.2, 1))
    for (left, right), order in zip(axes, orders, strict=False):
        flux, error = values_of(data, order)
        level = nanmedian(flux, axis=0)
        bright = level > nanmedian(error, axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            scale = nanmedian(flux[:, bright] / level[bright], axis=1) if bright.any() else np.ones(flux.shape[0])
            pull = (flux - scale[:, None] * level) / error
        replaced = data["replaced"].sel(order=order).transpose("integration", ...).values.astype(bool)
        seen = np.isfinite(pull).any(axis=0)
        x = np.flatnonzero(seen)
        kept = np.where(replaced, np.nan, pull)[:, seen]
        high, low = _ends(kept)
        left.fill_between(x, low, high, step="mid", color=GREY, alpha=0.5, linewidth=0, label="furthest values")
        i, c = np.nonzero(replaced)
        left.plot(c, pull[i, c], "o", color=ALARM, markersize=3, label=f"replaced: {i.size}")
        far = max(6.0, float(np.nanmax(np.abs([low, high]), initial=0.0)))
        left.set_ylim(-1.15 * far, 1.5 * far)
        left.set_xlim(-0.5, flux.shape[1] - 0.5)
        left.set_ylabel("deviation [sigma]")
        heading(left, f"order {order}: {i.size} of {int(np.isfinite(flux).sum())} values replaced")
        legend(left, loc="upper right", ncols=2)
        counts = replaced.sum(axis=1)
        right.step(np.arange(counts.size), counts, where="mid", color=ORDER_COLOURS[order], linewidth=1)
        right.set_ylim(-0.2, max(3.0, 1.15 * float(counts.max(initial=0))))
        right.set_ylabel("replaced values")
        heading(right, "per integration")
        for ax in (left, right):
            plain(ax)
    axes[-1, 0].set_xlabel("column [px]")
    axes[-1, 1].set_xlabel("integration")
    return figure


def _ends(values: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Largest and smallest value of each column (i, x), 0 where there is none."""
    some = np.isfinite(values).any(axis=0)
    high, low = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    high[some], low[some] = np.nanmax(values[:, some], axis=0), np.nanmin(values[:, some], axis=0)
    return high, low
