"""Looks up the ramp: one pixel with its line, and the detector's linearity (F8, F9)."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import F64
from tsoar.plots.dq import COLOURS
from tsoar.plots.style import DARK, GREY, SMALL, heading, legend, new_figure, plain, robust_limits

SPOILT = flags.DO_NOT_USE | flags.SATURATED | flags.AD_FLOOR
MARK = {"SATURATED": ("s", COLOURS[0]), "JUMP_DET": ("^", COLOURS[3]), "DO_NOT_USE": ("X", DARK), "AD_FLOOR": ("v", COLOURS[5])}


def pieces(groupdq: NDArray[np.unsignedinteger]) -> list[slice]:
    """The runs of usable groups (g,) between hits and spoilt groups; a run begins at the group of a hit."""
    out: list[slice] = []
    start = None
    for g, bits in enumerate([int(b) for b in groupdq]):
        if bits & SPOILT:
            if start is not None:
                out.append(slice(start, g))
            start = None
        elif start is None:
            start = g
        elif bits & flags.JUMP_DET:
            out.append(slice(start, g))
            start = g
    if start is not None:
        out.append(slice(start, len(groupdq)))
    return out


def fitted_line(data: NDArray[np.floating], groupdq: NDArray[np.unsignedinteger], step: float) -> F64:
    """Line of ``step`` [DN per group] through each run of 2 or more usable groups, level with its mean (g,); NaN elsewhere."""
    line = np.full(len(data), np.nan)
    g = np.arange(len(data))
    for run in pieces(groupdq):
        if run.stop - run.start < 2:
            continue  # a line through one point says nothing
        line[run] = step * g[run] + np.mean(np.asarray(data[run], np.float64) - step * g[run])
    return line


def ramp(
    data: NDArray[np.floating],
    groupdq: NDArray[np.unsignedinteger],
    slope: float,
    tgroup: float,
    *,
    pixel: tuple[int, int],
    words: str = "",
    error: float | None = None,
    read_noise: float | None = None,
    expected: float | None = None,
    sigma: float | None = None,
    threshold: float | None = None,
) -> Figure:
    """One pixel's ramp with its line and residuals, and its differences against what was expected (F8).

    Parameters
    ----------
    data, groupdq : (g,) calibrated groups [DN] and their flags.
    slope, error : of the ramp fit [DN/s]; a NaN slope draws no line.
    tgroup : [s].
    pixel : row, column.
    words : its flags in words, written under the panels.
    read_noise : of a single read [DN], as error bars of the residuals.
    expected, sigma : what the deep stack says of one difference, and its noise [DN]; with ``threshold`` the band outside
        which a difference is a hit.
    """
    n = len(data)
    g = np.arange(n)
    line = fitted_line(data, groupdq, slope * tgroup) if np.isfinite(slope) else np.full(n, np.nan)
    figure, axes = new_figure(2, 2, width=9.5, height=4.6, sharex="col", height_ratios=(1.6, 1), width_ratios=(1.2, 1))
    top, below, steps = axes[0, 0], axes[1, 0], axes[0, 1]
    flagged = np.asarray(groupdq) != 0
    _dots(top, g, np.asarray(data, np.float64), groupdq)
    for k, run in enumerate(pieces(groupdq) if np.isfinite(slope) else []):
        told = f"fit: {slope:.4g}" + ("" if error is None else f" $\\pm$ {error:.2g}") + " DN/s"
        top.plot(g[run], line[run], color=COLOURS[1], linewidth=1.3, label=told if k == 0 else "")
    top.set_ylabel("signal [DN]")
    heading(top, f"pixel at row {pixel[0]}, column {pixel[1]}")
    legend(top, loc="best")
    rest = np.asarray(data, np.float64) - line
    if read_noise is not None and np.isfinite(read_noise):
        below.errorbar(g, rest, read_noise, fmt="none", ecolor="0.7", elinewidth=1)
    _dots(below, g, rest, groupdq, named=False)
    below.axhline(0, color=COLOURS[1], linewidth=1)
    below.set_ylabel("less line [DN]")
    below.set_xlabel("group")
    middle = 0.5 * (g[1:] + g[:-1])
    difference = np.diff(np.asarray(data, np.float64))
    if expected is not None and np.isfinite(expected):
        steps.axhline(expected, color=COLOURS[2], linewidth=1.2, label="deep stack")
        if sigma is not None and threshold is not None and np.isfinite(sigma):
            band = threshold * sigma
            label = f"$\\pm$ {threshold:g} sigma"
            steps.axhspan(expected - band, expected + band, color=COLOURS[2], alpha=0.13, linewidth=0, label=label)
    if np.isfinite(slope):
        steps.axhline(slope * tgroup, color=COLOURS[1], linewidth=1, linestyle="--", label="slope of the fit")
    good = ~flagged[1:] & ~((np.asarray(groupdq[:-1]) & SPOILT) != 0)
    steps.plot(middle[good], difference[good], "o", color=DARK, markersize=4, label="used")
    low, high = _reach(
        difference[good] if good.any() else difference,
        expected,
        None if sigma is None or threshold is None else threshold * sigma,
    )
    left = np.flatnonzero(~good)
    inside = left[(difference[left] >= low) & (difference[left] <= high)]
    steps.plot(middle[inside], difference[inside], "o", color=GREY, markerfacecolor="none", markersize=5, label="left out")
    for k in np.setdiff1d(left, inside):  # far off: at the edge, with its value
        up = bool(difference[k] > high)
        steps.plot(middle[k], high if up else low, "^" if up else "v", color=GREY, clip_on=False)
        steps.annotate(f"{difference[k]:.0f}", (middle[k], high if up else low), (5, -8 if up else 4),
                       textcoords="offset points", fontsize=SMALL, color="0.3", annotation_clip=False)  # fmt: skip
    steps.set_ylim(low, high)
    steps.set_ylabel("group difference [DN]")
    steps.set_xlabel("group")
    steps.tick_params(labelbottom=True)
    heading(steps, "differences")
    ticks = g if n <= 12 else g[:: -(-n // 8)]
    for ax in (top, below, steps):
        plain(ax)
        ax.set_xticks(ticks)
        ax.margins(x=0.05) if ax is steps else ax.margins(x=0.05, y=0.12)
    corner = axes[1, 1]
    corner.axis("off")
    corner.legend(*steps.get_legend_handles_labels(), loc="upper left", ncols=2, fontsize=SMALL, frameon=False)
    text = "\n".join(textwrap.fill(line, 54, subsequent_indent="   ") for line in (words or "no flags").split("\n"))
    corner.text(0.0, 0.38, text, fontsize=SMALL, va="top", transform=corner.transAxes)
    return figure


def _reach(used: F64, expected: float | None, band: float | None) -> tuple[float, float]:
    """Limits that hold the differences used and the band about the expected one."""
    values = [float(v) for v in used if np.isfinite(v)]
    if expected is not None and np.isfinite(expected):
        values += [expected] if band is None or not np.isfinite(band) else [expected - band, expected + band]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.1 * (high - low) or 1.0
    return low - room, high + room


def _dots(ax: Axes, g: NDArray[np.integer], values: F64, groupdq: NDArray[np.unsignedinteger], named: bool = True) -> None:
    """Groups as points, each flag with a symbol of its own around the point."""
    ax.plot(g, values, "o", color=DARK, markersize=3.5)
    for name, (marker, colour) in MARK.items():
        on = (np.asarray(groupdq) & flags.PIXEL[name]) != 0
        if on.any():
            label = name if named else ""
            ax.plot(g[on], values[on], marker, color=colour, markersize=9, markerfacecolor="none", label=label)


def linearity_check(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    groupdq: NDArray[np.unsignedinteger],
    pixeldq: NDArray[np.unsignedinteger] | None = None,
    *,
    bins: int = 16,
    faintest: float = 300.0,
) -> Figure:
    """Last over first group difference against the fluence at the last group, before and after linearity (F9).

    before, after, groupdq (g, y, x) of one integration [DN, bias removed]; pixels with any flag are left out, and those
    whose fluence is below ``faintest`` [DN] a group, where the ratio is all noise. Points: medians in bins of fluence
    with their errors (1.2533 sigma / sqrt(n)); behind them the pixels after the step.
    """
    n = before.shape[0]
    figure, axes = new_figure(height=4.2)
    ax = axes[0, 0]
    good = (np.asarray(groupdq) == 0).all(axis=0)
    if pixeldq is not None:
        good &= np.asarray(pixeldq) == 0
    good &= after[-1] > faintest * n
    fluence = np.asarray(after[-1], np.float64)[good]
    heading(ax, f"difference {n - 1} over difference 1: {fluence.size} unflagged pixels above {faintest:g} DN a group")
    ax.axhline(1, color=DARK, linewidth=0.9)
    if n < 3 or fluence.size < 20:
        ax.text(0.5, 0.6, "too few groups or bright pixels", ha="center", transform=ax.transAxes, fontsize=SMALL)
    else:
        edges = np.unique(np.quantile(fluence, np.linspace(0, 1, bins + 1)))
        which = np.clip(np.searchsorted(edges, fluence, side="right") - 1, 0, edges.size - 2)
        centre = np.array([np.median(fluence[which == k]) for k in range(edges.size - 1)])
        reach = [0.02]
        for data, colour, marker, label in (
            (before, COLOURS[0], "s", "before linearity"),
            (after, COLOURS[1], "o", "after it"),
        ):
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = ((data[-1] - data[-2]) / (data[1] - data[0]))[good].astype(np.float64)
            if data is after:
                some = slice(None, None, max(1, ratio.size // 20000))
                ax.plot(fluence[some], ratio[some], ",", color="0.75", zorder=0, rasterized=True)
            middle = np.array([np.nanmedian(ratio[which == k]) for k in range(edges.size - 1)])
            spread = np.array([1.4826 * np.nanmedian(np.abs(ratio[which == k] - m)) for k, m in enumerate(middle)])
            error = 1.2533 * spread / np.sqrt(np.bincount(which, minlength=edges.size - 1))
            ax.errorbar(centre, middle, error, fmt=marker, color=colour, markersize=4.5, elinewidth=1, label=label)
            reach.append(float(np.nanmax(np.abs(middle - 1) + 2 * error)))
        ax.set_ylim(1 - 1.6 * max(reach), 1 + 1.6 * max(reach))
        low, high = robust_limits(fluence, 0, 99.9)
        ax.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    ax.set_xlabel("fluence at the last group [DN]")
    ax.set_ylabel("last / first difference")
    plain(ax)
    legend(ax, loc="best")
    return figure
