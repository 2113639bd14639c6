"""Looks at a proof: the noise budget of a run, and what came back of what was put in."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tsoar.plots.style import DARK, GREY, ORDER_COLOURS, SMALL, heading, legend, new_figure, plain
from tsoar.units import PPM

PART_COLOURS = {"photon": "#56B4E9", "read": "#F0E442", "one_over_f": "#CC79A7", "excess": "#D55E00"}
PART_NAMES = {"photon": "photon", "read": "read", "one_over_f": "1/f", "excess": "excess"}
RUNNING = 81
"""Columns of the running medians."""


def _shown(data: xr.Dataset, name: str = "variance") -> list[int]:
    return [k for k in range(data.sizes["order"]) if data["counts"].values[k].sum() > RUNNING]


def budget(data: xr.Dataset) -> Figure:
    """Variance over the limit's by wavelength: photon, read and 1/f stacked, what is measured on top (budget.nc)."""
    shown = _shown(data)
    figure, axes = new_figure(max(len(shown), 1), 1, width=9.5, height=1.0 + 2.3 * max(len(shown), 1))
    for ax, k in zip(axes[:, 0], shown, strict=False):
        wave, parts, total, _ = _running(data, k)
        floor = np.zeros(wave.size)
        for name in ("photon", "read", "one_over_f"):
            colour, top = PART_COLOURS[name], floor + parts[name]
            ax.fill_between(wave, floor, top, color=colour, alpha=0.75, linewidth=0, label=PART_NAMES[name])
            floor = top
        ax.fill_between(wave, floor, total, where=total > floor, color=PART_COLOURS["excess"], alpha=0.35, linewidth=0,
                        label="excess", interpolate=True)  # fmt: skip
        ax.plot(wave, total, color=DARK, linewidth=1.3, label="measured")
        ax.axhline(1, color=DARK, linewidth=0.8, linestyle=":")
        ax.set_ylim(0, 1.15 * max(float(np.nanmax(total)), float(np.nanmax(floor)), 1.2))
        ax.set_xlim(wave.min(), wave.max())
        plain(ax)
        one = {n: float(data[n].values[0, k]) for n in ("total", "excess", "excess_err")}
        heading(
            ax,
            f"order {int(data['order'].values[k])}: variance {one['total']:.3f} of the limit's, "
            f"excess {one['excess']:+.3f} ± {one['excess_err']:.3f}",
        )
        ax.set_ylabel("variance over limit")
    legend(axes[0, 0], loc="lower right", ncols=5)
    axes[-1, 0].set_xlabel("wavelength [µm]")
    return figure


def _running(data: xr.Dataset, k: int, setting: int = 0) -> tuple[Any, dict[str, Any], Any, Any]:
    """Wavelength, parts, measured and claimed variance over the limit's: running medians over the columns that count."""
    from tsoar.series.residuals import median_factor
    from tsoar.series.sensitivity import running_median

    use = np.flatnonzero(data["counts"].values[k])
    wave = data["wavelength"].values[k, use]
    use, wave = use[np.argsort(wave)], np.sort(wave)
    limit = (data["photon"] + data["read"]).values[k, use]
    parts = {n: running_median(data[n].values[k, use] / limit, RUNNING) for n in ("photon", "read", "one_over_f")}
    measured = data["variance"].values[setting, k, use] / limit / median_factor(data["freedom"].values[setting, k, use]) ** 2
    claimed = data["claimed"].values[setting, k, use] / limit
    return wave, parts, running_median(measured, RUNNING), running_median(claimed, RUNNING)


def budget_steps(data: xr.Dataset) -> Figure:
    """The same with steps left out, order by order: bars of the parts, and the mean over all columns (budget.nc)."""
    shown = _shown(data)
    figure, axes = new_figure(1, max(len(shown), 1), width=10.5, height=1.4 + 0.45 * data.sizes["setting"], sharey=True)
    names = [str(n) for n in data["setting"].values]
    y = np.arange(len(names))[::-1]
    for ax, k in zip(axes[0], shown, strict=False):
        left = np.zeros(y.size)
        for name in ("photon", "read", "one_over_f", "excess"):
            size = data["excess" if name == "excess" else f"part_{name}"].values[:, k]
            size = np.maximum(size, 0) if name == "excess" else size
            ax.barh(y, size, left=left, color=PART_COLOURS[name], height=0.62, alpha=0.8, label=PART_NAMES[name])
            left = left + size
        total, mean = data["total"].values[:, k], data["mean"].values[:, k]
        ax.plot(total, y, "|", color=DARK, markersize=15, markeredgewidth=1.8, label="measured")
        ax.plot(mean, y, "D", color=DARK, markersize=4, label="mean of all columns")
        top = 1.18 * float(np.max([total, left]))
        beyond = mean > top
        ax.set_xlim(0, top)
        for place, value in zip(y[beyond], mean[beyond], strict=True):
            ax.annotate(f"mean {value:.1f} →", (top, place), ha="right", va="center", fontsize=SMALL)
        ax.axvline(1, color=DARK, linewidth=0.8, linestyle=":")
        plain(ax)
        heading(ax, f"order {int(data['order'].values[k])}")
        ax.set_xlabel("variance over limit")
    axes[0, 0].set_yticks(y, names)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=6, fontsize=SMALL, frameon=False)
    return figure


def budget_correlation(data: xr.Dataset) -> Figure:
    """What remains, across columns and in time, with the range of white noise (budget.nc)."""
    shown = [k for k in _shown(data) if np.isfinite(data["column_correlation"].values[0, k, 1])]
    figure, axes = new_figure(max(len(shown), 1), 2, width=10.5, height=0.8 + 2.2 * max(len(shown), 1))
    for row, k in zip(axes, shown, strict=False):
        order = int(data["order"].values[k])
        lag, time = data["column_lag"].values[1:], data["time_lag"].values[1:]
        err = data["column_correlation_err"].values[k, 1:]
        row[0].fill_between(lag, -2 * err, 2 * err, color=GREY, alpha=0.3, linewidth=0, label="white noise, 95 %")
        row[0].plot(lag, data["column_correlation"].values[0, k, 1:], "o", color=ORDER_COLOURS[order], markersize=3)
        row[0].axhline(0, color=DARK, linewidth=0.8)
        heading(row[0], f"order {order}: columns so far apart")
        expected = data["time_expected"].values[1:]
        err, wide = data["time_correlation_err"].values[k, 1:], data["white_correlation_err"].values[1:]
        row[1].fill_between(time, expected - 2 * wide, expected + 2 * wide, color=GREY, alpha=0.15, linewidth=0,
                            label="white noise, 95 %: all columns together")  # fmt: skip
        row[1].fill_between(time, expected - 2 * err, expected + 2 * err, color=GREY, alpha=0.6, linewidth=0,
                            label="single columns")  # fmt: skip
        row[1].plot(time, data["white_correlation"].values[0, k, 1:], "s", color=DARK, markersize=3.5, fillstyle="none",
                    label="all columns together")  # fmt: skip
        row[1].plot(time, data["time_correlation"].values[0, k, 1:], "o", color=ORDER_COLOURS[order], markersize=3.5,
                    label="mean of single columns")  # fmt: skip
        heading(row[1], f"order {order}: integrations so far apart")
        row[0].set_ylabel("correlation")
        for ax in row:
            plain(ax)
            ax.xaxis.set_major_locator(MaxNLocator(7, integer=True))
    axes[-1, 0].set_xlabel("column lag [px]")
    axes[-1, 1].set_xlabel("time lag [integrations]")
    style: dict[str, Any] = dict(ncols=2, fontsize=SMALL, frameon=False)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left", **style)
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower right", **style)
    return figure


def budget_claimed(data: xr.Dataset) -> Figure:
    """Claimed error and scatter by wavelength, in ppm of one integration and column, and their ratio (budget.nc)."""
    figure, axes = new_figure(2, 1, width=9.5, height=5.0, sharex=True, height_ratios=(1.6, 1))
    top, below = axes[:, 0]
    for k in _shown(data):
        order = int(data["order"].values[k])
        wave, _, measured, claimed = _running(data, k)
        use = np.flatnonzero(data["counts"].values[k])
        use = use[np.argsort(data["wavelength"].values[k, use])]
        limit = np.sqrt((data["photon"] + data["read"]).values[k, use])
        colour = ORDER_COLOURS[order]
        own = data["variance"].values[0, k, use] / data["claimed"].values[0, k, use]
        top.plot(wave, PPM * np.sqrt(data["variance"].values[0, k, use]), ".", color=colour, markersize=1.5, alpha=0.25)
        top.plot(wave, PPM * np.sqrt(claimed) * limit, color=colour, linewidth=1.3, label=f"order {order}: claimed")
        below.plot(wave, np.sqrt(own), ".", color=colour, markersize=1.5, alpha=0.2)
        ratio = np.sqrt(measured / claimed)
        below.plot(wave, ratio, color=colour, linewidth=1.5, label=f"order {order}: median {np.median(ratio):.3f}")
    top.set_yscale("log")
    top.set_ylabel("scatter (points), error (line) [ppm]")
    heading(top, f"one integration, one column; {data.attrs.get('integrations', '')} integrations out of the event")
    below.axhline(1, color=DARK, linewidth=0.9)
    below.set_ylim(0.5, 1.7)
    below.set_ylabel("scatter over claimed")
    below.set_xlabel("wavelength [µm]")
    for ax in (top, below):
        plain(ax)
        legend(ax, loc="upper center", ncols=3)
    return figure


def injection_spectrum(table: Table) -> Figure:
    """Depths that were put in and came back, and their difference with the errors of the pair (injection.ecsv)."""
    figure, axes = new_figure(2, 1, width=9.5, height=5.2, sharex=True, height_ratios=(1.2, 1))
    top, below = axes[:, 0]
    limits: list[float] = []
    heights: list[float] = []
    for order in np.unique(np.asarray(table["order"])):
        rows = table[np.asarray(table["order"]) == order]
        w, half, put, back, diff, err, single = (
            np.asarray(rows[n], np.float64)
            for n in ("wavelength", "half_width", "injected", "recovered", "difference", "error", "single")
        )
        colour = ORDER_COLOURS[int(order)]
        style: dict[str, Any] = dict(fmt="o", color=colour, markersize=3, elinewidth=0.9)
        turn = np.argsort(w)
        top.errorbar(w, PPM * back, PPM * err, half, label=f"order {order}: came back", **style)
        top.plot(w[turn], PPM * put[turn], color=DARK, linewidth=1, zorder=3, label="put in" if not limits else None)
        below.fill_between(w[turn], -PPM * single[turn], PPM * single[turn], color=colour, alpha=0.12, linewidth=0,
                           label=f"order {order}: error of this exposure alone")  # fmt: skip
        below.errorbar(w, PPM * diff, PPM * err, half, **style)
        sure = single < 4 * np.median(single)  # what the exposure hardly measures may leave the picture
        limits.append(PPM * float(np.max((np.abs(diff) + 2 * err)[sure])))
        heights += [*(PPM * put[sure]), *(PPM * (back - 2 * err)[sure]), *(PPM * (back + 2 * err)[sure])]
        mean = np.average(diff, weights=np.maximum(err, 1e-12) ** -2.0)
        known = np.sum(np.maximum(err, 1e-12) ** -2.0) ** -0.5
        heading(top if order == 1 else below, f"order {order}: recovered - injected {PPM * mean:+.1f} ± {PPM * known:.1f} ppm")
    below.axhline(0, color=DARK, linewidth=0.9)
    low, high = min(heights), max(heights)
    room = max(high - low, 1.0)
    top.set_ylim(low - 0.15 * room, high + 0.45 * room)
    room = 1.6 * max(max(limits), 1.0)
    below.set_ylim(-room, room)
    for ax in (top, below):
        plain(ax)
        legend(ax, loc="upper right", ncols=3)
    top.set_ylabel("depth [ppm]")
    below.set_ylabel("recovered − injected [ppm]")
    below.set_xlabel("wavelength [µm]")
    return figure


def injection_drift(table: Table) -> Figure:
    """Trace motion that was put in and came back, integration by integration, and the difference (injection_drift.ecsv)."""
    figure, axes = new_figure(2, 1, width=9, height=4.8, sharex=True, height_ratios=(1.4, 1))
    top, below = axes[:, 0]
    for order in np.unique(np.asarray(table["order"])):
        rows = table[np.asarray(table["order"]) == order]
        i, put, back = (np.asarray(rows[n], np.float64) for n in ("integration", "injected", "recovered"))
        style: dict[str, Any] = dict(marker="o", markersize=2.7, linewidth=0, color=ORDER_COLOURS[int(order)])
        top.plot(i, 1e3 * back, label=f"order {order}: came back", **style)
        below.plot(
            i, 1e3 * (back - put), label=f"order {order}: rms {1e3 * np.sqrt(np.mean((back - put) ** 2)):.2f} mpx", **style
        )
        if order == np.asarray(table["order"])[0]:
            top.plot(i, 1e3 * put, color=DARK, linewidth=1.1, label="put in")
    below.axhline(0, color=DARK, linewidth=0.9)
    span = float(np.ptp(below.dataLim.intervaly)) or 1.0
    below.set_ylim(below.dataLim.y0 - 0.1 * span, below.dataLim.y1 + 0.35 * span)
    for ax, where in ((top, "lower right"), (below, "upper center")):
        plain(ax)
        legend(ax, loc=where, ncols=3)
    heading(top, "trace motion from its mean, the exposure's own taken off")
    top.set_ylabel("motion [mpx]")
    below.set_ylabel("difference [mpx]")
    below.set_xlabel("integration")
    return figure
