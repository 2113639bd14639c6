"""Looks at white light: the curve, its power spectrum, its scatter against bin size (F33, F34, F35)."""

from __future__ import annotations

import numpy as np
import xarray as xr
from astropy.table import Table
from matplotlib.figure import Figure

from tsoar.plots.style import (
    ALARM,
    DARK,
    ORDER_COLOURS,
    SMALL,
    heading,
    hours,
    legend,
    new_figure,
    plain,
    robust_limits,
    shade_event,
)
from tsoar.series.baseline import Baseline
from tsoar.series.residuals import detrend
from tsoar.units import PPM


def white_light(table: Table, baseline: Baseline | None = None) -> Figure:
    """White light of each order and of both together, with errors (F33)."""
    curves = {"order 1": "_order1", "order 2": "_order2", "orders 1 and 2 together": ""}
    curves = {text: end for text, end in curves.items() if np.isfinite(np.asarray(table[f"flux{end}"])).any()}
    if len(curves) == 2:  # one order and "both", which is the same
        del curves["orders 1 and 2 together"]
    time = np.asarray(table["time"], np.float64)
    x, label = hours(time, baseline)
    outside = np.ones(time.size, bool) if baseline is None else baseline.mask
    rows = max(len(curves), 1)
    figure, axes = new_figure(rows, 2, width=11, height=0.8 + 2.1 * rows, sharex=True)
    for (left, right), (text, end) in zip(axes, curves.items(), strict=False):
        flux, error = (np.asarray(table[f"{name}{end}"], np.float64) for name in ("flux", "flux_err"))
        residual, freedom = detrend(time[outside], flux[outside])
        scatter = float(np.sqrt(np.nansum(residual**2) / max(int(freedom), 1)))
        claimed = float(np.nanmedian(error[outside]))
        colour = ORDER_COLOURS.get(int(end[-1]) if end else 0, DARK)
        for ax, y, e in ((left, flux, error), (right, PPM * (flux - 1), PPM * error)):
            style = {"fmt": "o", "markersize": 2.7, "color": colour, "ecolor": colour, "elinewidth": 0.7}
            ax.errorbar(x[outside], y[outside], e[outside], **style)
            if not outside.all():
                ax.errorbar(x[~outside], y[~outside], e[~outside], **style, markerfacecolor="white")
            plain(ax)
            shade_event(ax, time, baseline)
        low, high = robust_limits(flux, 0.5, 99.5)
        room = 0.1 * (high - low) + claimed
        left.set_ylim(low - room, high + room)
        left.ticklabel_format(axis="y", useOffset=False)
        left.set_ylabel("relative flux")
        heading(left, text)
        low, high = robust_limits(PPM * (flux[outside] - 1), 1, 99)
        room = PPM * 2.5 * max(scatter, claimed)
        right.set_ylim(low - room, high + room)
        right.set_ylabel("flux $-$ 1 [ppm]")
        heading(right, f"outside the event: scatter {PPM * scatter:.0f} ppm, claimed {PPM * claimed:.0f} ppm")
    for ax in axes[-1]:
        ax.set_xlabel(label)
    return figure


def white_psd(spectrum: xr.Dataset) -> Figure:
    """Power spectrum of the white light with noise level and false-alarm line (F34), from `tsoar.series.psd`."""
    figure, axes = new_figure(height=3.8)
    ax = axes[0, 0]
    plain(ax)
    ax.set_xlabel("frequency [mHz]")
    ax.set_ylabel("power density [ppm$^2$/mHz]")
    if not spectrum.sizes["frequency"]:
        heading(ax, "too few integrations for a spectrum")
        return figure
    frequency = 1e3 * spectrum["frequency"].values
    power = 1e-3 * spectrum["power"].values
    noise, alarm = 1e-3 * spectrum.attrs["noise"], 1e-3 * spectrum.attrs["false_alarm"]
    ax.plot(frequency, power, color=ORDER_COLOURS[1], linewidth=1)
    ax.axhline(noise, color="black", linewidth=1, label="white noise of the claimed errors")
    chance = f"{100 * spectrum.attrs['alarm']:g} %"
    ax.axhline(alarm, color=ALARM, linewidth=1.3, linestyle="--", label=f"noise alone gets here in {chance} of cases")
    ax.set_yscale("log")
    ax.set_ylim(noise / 100, 3 * max(alarm, float(power.max())))
    ax.set_xlim(0, float(frequency[-1]))
    top = ax.twiny()
    top.set_xlim(ax.get_xlim())
    marks: dict[float, float] = {}
    for minutes in (60, 20, 10, 5, 3, 2, 1.5, 1):
        place = 1e3 / (60 * minutes)
        if max(marks, default=-1.0) + 0.04 * frequency[-1] < place < frequency[-1]:  # apart from the one before
            marks[place] = minutes
    top.set_xticks(list(marks), [f"{m:g}" for m in marks.values()])
    top.tick_params(labelsize=SMALL)
    top.set_xlabel("period [min]")
    legend(ax, loc="lower right")
    return figure


def rms_binning(binned: xr.Dataset, *, title: str = "white light outside the event") -> Figure:
    """Scatter against bin size with the 1/sqrt(N) line and its spread (F35), from `tsoar.series.binning`."""
    figure, axes = new_figure(width=7, height=4.4)
    ax = axes[0, 0]
    plain(ax)
    heading(ax, title)
    ax.set_xlabel("integrations per bin")
    ax.set_ylabel("scatter of bin means [ppm]")
    if not binned.sizes["size"]:
        heading(ax, "too few integrations to bin")
        return figure
    size, spread = binned["size"].values, binned["spread"].values
    ax.fill_between(size, spread[:, 0], spread[:, 3], color="0.9", linewidth=0, label="95 % of white noise")
    ax.fill_between(size, spread[:, 1], spread[:, 2], color="0.8", linewidth=0, label="68 %")
    ax.plot(size, binned["white"], color="black", linewidth=1, label="scatter / $\\sqrt{N}$")
    ax.plot(size, binned["claimed"], color=ALARM, linewidth=1.2, linestyle="--", label="claimed error / $\\sqrt{N}$")
    ax.plot(size, binned["rms"], "o-", color=ORDER_COLOURS[1], markersize=4, linewidth=1.2, label="measured")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ticks = [n for n in (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500) if n <= size[-1]]
    ax.set_xticks(ticks, [str(n) for n in ticks])
    ax.minorticks_off()
    top = float(max(binned["rms"].max(), spread.max()))
    bottom = float(min(binned["rms"].min(), spread[:, 1].min(), binned["claimed"].min()))
    ax.set_ylim(0.7 * bottom, 1.3 * top)
    levels = [v * 10.0**k for k in range(-1, 6) for v in (1, 2, 5) if 0.7 * bottom < v * 10.0**k < 1.3 * top]
    ax.set_yticks(levels, [f"{v:g}" for v in levels])
    legend(ax, loc="lower left")
    return figure
