"""Figures of a study: settings against each other, by noise, white light and spectrum."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from tsoar.plots.style import (
    ALARM,
    DARK,
    GREY,
    ORDER_COLOURS,
    SMALL,
    centred_limits,
    colour_bar,
    heading,
    hours,
    legend,
    legend_above,
    new_figure,
    plain,
)
from tsoar.units import PPM

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255", "#44AA99", "#999933")
"""Okabe & Ito (2008), and three of Tol's muted ones"""
FEW = 10
"""settings that can be told apart by colour; more are a scale"""
SURE = 3.0
SCALE = LinearSegmentedColormap.from_list("dark viridis", matplotlib.colormaps["viridis"](np.linspace(0, 0.85, 64)))
"""viridis without its yellow, which white paper swallows"""
SHORT = 0.85
"""[um] order 2 is drawn below it: above, order 1 has the same wavelengths and far more light"""


def study_ranking(data: xr.Dataset) -> Figure:
    """All settings by the noise of the spectrum's bins, and what each does to white light's depth."""
    noise, error = data["noise"].values, data["noise_err"].values
    order = [int(k) for k in np.argsort(np.where(np.isfinite(noise), noise, np.inf))]
    names = [str(data["setting"].values[k]) for k in order]
    y = np.arange(len(order))
    depths = "change_1" in data
    ratios = {"width_ratios": [1.0, 1.0]} if depths else None
    figure, axes = new_figure(
        1, 2 if depths else 1, width=10.0, height=1.2 + 0.19 * len(order), sharey=True, gridspec_kw=ratios
    )
    ax = axes[0, 0]
    ax.axvline(1, color=DARK, linewidth=0.8)
    ax.errorbar(noise[order], y, xerr=error[order], fmt="o", markersize=4, color=ORDER_COLOURS[1], elinewidth=1)
    ax.set_yticks(y, names, fontsize=SMALL - 1)
    ax.set_ylim(len(order) - 0.4, -2.4 if depths else -0.6)  # room for the legend
    ax.set_xlabel("noise of the bins over the reference's")
    values = noise[np.isfinite(noise)]
    if values.size and values.max() > 1.6 * np.median(values):
        ax.set_xscale("log")
        marks = [t for t in (0.9, 1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100) if values.min() * 0.98 <= t <= values.max() * 1.05]
        ax.set_xticks(marks, [f"{t:g}" for t in marks])
        ax.minorticks_off()
    heading(ax, "noise")
    plain(ax)
    if depths:
        beside = axes[0, 1]
        change, sigma = data["change_1"].values[order], data["change_err_1"].values[order]
        far = np.abs(change) > SURE * sigma
        for which, colour, label in ((~far, GREY, "within chance"), (far, ALARM, "more than 3 errors")):
            beside.errorbar(
                change[which], y[which], xerr=sigma[which], fmt="o", markersize=4, color=colour, elinewidth=1, label=label
            )
        beside.axvline(0, color=DARK, linewidth=0.8)
        top = float(np.nanmax(np.abs(change) + sigma, initial=1.0))
        if top > 100:
            beside.set_xscale("symlog", linthresh=10, linscale=1)
            powers = [10.0**k for k in range(1, int(np.log10(top)) + 1)]
            beside.set_xticks([-p for p in powers[::-1]] + [0.0] + powers)
            beside.set_xticks([], minor=True)
            beside.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
        beside.set_xlim(-1.6 * top, 1.6 * top)
        beside.set_xlabel("change of the depth, order 1 [ppm]")
        heading(beside, "depth of white light against the reference's")
        legend(beside, loc="upper right")
        plain(beside)
        beside.tick_params(labelleft=False)
    return figure


def study_part(
    data: xr.Dataset, settings: Sequence[int], labels: Sequence[str], values: Sequence[float | None], unit: str = ""
) -> Figure:
    """One part of a study: noise, scatter and sensitivity by setting; white light and spectrum minus the reference's.

    ``settings``: rows of ``data``; ``labels``; ``values``: the number that is swept, None where a setting is no part of it.
    """
    depths = "change_bin" in data
    rows = 3 if depths else 2
    few = len(settings) <= FEW
    height = (1.0 + 0.24 * len(settings)) + 2.7 * (rows - 1)
    figure, axes = new_figure(
        rows, 1, width=10.0, height=height, height_ratios=[1.0 + 0.24 * len(settings), *[2.7] * (rows - 1)]
    )
    swept = [k for k, v in enumerate(values) if v is not None]
    colours = colours_of(len(settings), values)
    _numbers(axes[0, 0], data, settings, labels, colours)
    _white(axes[1, 0], data, settings, labels, colours, few)
    if depths:
        _spectrum(axes[2, 0], data, settings, labels, colours)
    if not few and len(swept) > FEW:
        numbers = [float(v) for v in values if v is not None]
        norm = matplotlib.colors.Normalize(min(numbers), max(numbers))
        scale = matplotlib.cm.ScalarMappable(norm, SCALE)
        colour_bar(scale, axes[1:, 0], unit, extend="neither")
    return figure


def colours_of(n: int, values: Sequence[float | None]) -> list[str]:
    """A colour for each setting: distinct ones for few, a scale for a sweep."""
    if n <= FEW:
        return list(COLOURS[:n])
    known = [float(v) for v in values if v is not None]
    low, high = (min(known), max(known)) if len(known) > 1 else (0.0, 1.0)
    rest = iter(COLOURS * (1 + n // len(COLOURS)))
    return [
        matplotlib.colors.to_hex(SCALE((float(v) - low) / (high - low))) if v is not None and len(known) > FEW else next(rest)
        for v in values
    ]


def _numbers(ax, data, settings, labels, colours):  # type: ignore[no-untyped-def]
    y = np.arange(len(settings))
    rows = list(settings)
    ax.axvline(1, color=DARK, linewidth=0.8)
    marks = (("noise", "o", "noise of the bins over the reference's"), ("over_limit_1", "s", "scatter over limit, order 1"),
             ("sensitivity_1", "x", "sensitivity, order 1"), ("sensitivity_2", "+", "sensitivity, order 2"))  # fmt: skip
    shades = {
        "noise": DARK,
        "over_limit_1": ORDER_COLOURS[1],
        "sensitivity_1": ORDER_COLOURS[1],
        "sensitivity_2": ORDER_COLOURS[2],
    }
    for name, mark, label in marks:
        if name in data:
            style = {"markerfacecolor": "none"} if mark == "s" else {}
            ax.plot(data[name].values[rows], y, mark, color=shades[name], markersize=5, label=label, **style)
    ax.errorbar(data["noise"].values[rows], y, xerr=data["noise_err"].values[rows], fmt="none", color=DARK, elinewidth=1)
    ax.set_yticks(y, labels, fontsize=SMALL)
    for text, colour in zip(ax.get_yticklabels(), colours, strict=True):
        text.set_color(colour if colour != "#E69F00" else "#a06f00")
    ax.set_ylim(len(rows) - 0.4, -0.6)
    everything = np.concatenate([data[n].values[rows] for n, *_ in marks if n in data])
    high = float(np.nanmax(everything, initial=1.0))
    if high > 2:
        ax.set_xscale("log")
        ticks = [t for t in (0.8, 1, 1.2, 1.5, 2, 3, 5, 10, 20, 50, 100) if np.nanmin(everything) * 0.97 <= t <= high * 1.05]
        ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
    ax.set_xlabel("ratio")
    legend_above(ax)
    plain(ax)


def _white(ax, data, settings, labels, colours, few):  # type: ignore[no-untyped-def]
    reference = data["white"].values[0, 0]
    mid = data.attrs.get("mid_event")
    time = data["time"].values
    x, text = hours(time)
    if mid is not None:
        x, text = 24 * (time - float(mid)), "time from mid-event [h]"
    lines = []
    for k, label, colour in zip(settings, labels, colours, strict=True):
        if k == 0:
            continue
        lines.append(PPM * (data["white"].values[k, 0] - reference))
        ax.plot(x, lines[-1], "-", linewidth=1.0, marker=".", markersize=3, color=colour, label=label if few else None)
    ax.axhline(0, color=DARK, linewidth=0.8)
    if "outside" in data and not data["outside"].values.all():
        inside = x[data["outside"].values == 0]
        ax.axvspan(inside.min(), inside.max(), color="0.5", alpha=0.10, linewidth=0, zorder=0)
    if lines:
        ax.set_ylim(*centred_limits(np.array(lines), 99.5, 1.15))
    ax.set_xlabel(text)
    ax.set_ylabel("difference [ppm]")
    heading(ax, "white light of order 1 minus the reference's (band: the event)")
    plain(ax)


def _spectrum(ax, data, settings, labels, colours):  # type: ignore[no-untyped-def]
    shown = []
    for k, _label, colour in zip(settings, labels, colours, strict=True):
        if k == 0:
            continue
        for o, style in ((0, "-"), (1, ":")):
            change = PPM * data["change_bin"].values[k, o]
            wavelength = data["wavelength"].values[o]
            use = np.isfinite(change) & np.isfinite(wavelength) & ((o == 0) | (wavelength < SHORT))
            ax.plot(wavelength[use], change[use], style, linewidth=1.0, color=colour)
            shown.append(change[use])
    error = PPM * data["depth_bin_err"].values[0]
    for o in (0, 1):
        wavelength = data["wavelength"].values[o]
        use = np.isfinite(error[o]) & np.isfinite(wavelength) & ((o == 0) | (wavelength < SHORT))
        ax.fill_between(wavelength[use], -error[o][use], error[o][use], color="0.5", alpha=0.12, linewidth=0)
        shown.append(error[o][use])
    ax.axhline(0, color=DARK, linewidth=0.8)
    ax.set_ylim(*centred_limits(np.concatenate(shown), 99.0, 1.2))
    ax.set_xlabel("wavelength [µm]")
    ax.set_ylabel("change of depth [ppm]")
    heading(ax, "planet's spectrum minus the reference's (order 1: lines, order 2: dotted; band: error of a spectrum)")
    plain(ax)
