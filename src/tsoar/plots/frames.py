"""Looks at frames: before and after a step, along a column, group by group, maps (F3 to F7, F10, F11, F18)."""

from __future__ import annotations

from typing import Any, SupportsFloat

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar.plots.style import (
    DARK,
    SMALL,
    bright_norm,
    centred_limits,
    colour_bar,
    detector_axes,
    heading,
    legend,
    legend_above,
    new_figure,
    noise_limits,
    plain,
    robust_limits,
    show_image,
)
from tsoar.series.residuals import nanmedian

SHOWN = 12
"""Groups drawn at most."""
BEFORE, AFTER = "#E69F00", "#0072B2"
_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}


def saturation_reference(limit: NDArray[np.floating], counts: NDArray[np.floating] | None = None) -> Figure:
    """Saturation limits (y, x) [raw DN]; below how far up a frame of raw counts (y, x) comes, column by column (F3).

    What is not checked (NaN, or a limit beyond the 16 bits of the converter) is grey.
    """
    checked = np.where(np.isfinite(limit) & (limit < 65536), limit, np.nan)
    unchecked = int(np.count_nonzero(~np.isfinite(checked)))
    rows = 1 if counts is None else 2
    figure, axes = new_figure(rows, 1, height=0.8 + 2.0 * rows, sharex=True)
    ax = axes[0, 0]
    show_image(ax, checked, limits=robust_limits(checked, 0.5, 99.5), label="limit [DN]")
    middle = nanmedian(checked)
    heading(ax, f"saturation limits: median {middle:.0f} DN, {unchecked} of {limit.size} pixels not checked")
    detector_axes(ax, bottom=counts is None)
    if counts is not None:
        low = axes[1, 0]
        share = np.where(np.isfinite(checked), counts / checked, -np.inf)
        highest = share.max(axis=0)
        highest = np.where(np.isfinite(highest), highest, np.nan)
        low.plot(np.arange(highest.size), highest, ".", markersize=2, color=AFTER, rasterized=True)
        low.axhline(1, color=DARK, linewidth=1, linestyle="--")
        low.set_ylim(0, max(1.1, 1.05 * robust_limits(highest, 0, 100)[1]))
        low.set_ylabel("highest counts / limit")
        low.set_xlabel("column [px]")
        heading(low, f"last group: pixels at or above their limit: {np.count_nonzero(share >= 1)}")
        plain(low)
    return figure


def before_after(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    *,
    step: str = "the step",
    group: int | None = None,
    unit: str = "DN",
) -> Figure:
    """A frame (y, x) before and after a step, and what the step took away (F4, F6, F10).

    Both on one scale that shows the noise of the dark parts where the step changes little, each on its own otherwise;
    the difference about zero, unless it lies far off zero everywhere.
    """
    taken = np.asarray(before, np.float64) - after
    low, high = robust_limits(after)
    small = robust_limits(np.abs(taken))[1] < 0.5 * (high - low)
    figure, axes = new_figure(3, 1, height=6.2, sharex=True, sharey=True)
    top, middle, bottom = axes[:, 0]
    if small:
        shared = Normalize(*noise_limits(np.stack([before, after]), 3.0, 12.0))
        norms: tuple[Normalize, Normalize] = (shared, shared)
    else:
        norms = (Normalize(*robust_limits(before)), bright_norm(after))
    where = "" if group is None else f", group {group}"
    for ax, image, norm, word in ((top, before, norms[0], "before"), (middle, after, norms[1], "after")):
        show_image(ax, image, norm=norm, label=f"signal [{unit}]")
        heading(ax, f"{word} {step}{where}: median {_number(nanmedian(image))} {unit}")
        detector_axes(ax, bottom=False)
    low, high = robust_limits(taken)
    about_zero = low <= 0 <= high or min(abs(low), abs(high)) < 0.1 * max(abs(low), abs(high))
    if about_zero:
        show_image(bottom, taken, limits=centred_limits(taken), cmap="RdBu_r", label=f"difference [{unit}]")
    else:
        show_image(bottom, taken, limits=(low, high), label=f"difference [{unit}]")
    heading(bottom, f"taken away: median {_number(nanmedian(taken))}, 1 to 99 % {_number(low)} to {_number(high)} {unit}")
    detector_axes(bottom)
    return figure


def _number(value: SupportsFloat) -> str:
    number = float(value)
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def column_profile(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    column: int,
    *,
    step: str = "the step",
    group: int | None = None,
    unit: str = "DN",
) -> Figure:
    """One column of a frame (y, x) along its rows before and after a step: raw, less its median, and what was taken (F5, F7).

    The second panel is scaled to the dark half of the column, where steps that change little can be seen.
    """
    y = np.arange(before.shape[0])
    pair = [
        (np.asarray(image, np.float64)[:, column], word, colour)
        for image, word, colour in ((before, "before", BEFORE), (after, "after", AFTER))
    ]
    figure, axes = new_figure(3, 1, height=6.4, sharex=True, height_ratios=(1.2, 1.2, 1))
    raw, level, taken = axes[:, 0]
    reach = [1e-9]
    for values, word, colour in pair:
        style: dict[str, Any] = {"color": colour, "linewidth": 2.4 if word == "before" else 0.9, "drawstyle": "steps-mid"}
        raw.plot(y, values, label=f"{word} {step}", **style)
        off = values - nanmedian(values)
        level.plot(y, off, label=f"{word}, median {_number(nanmedian(values))} {unit} subtracted", **style)
        reach.append(3.5 * float(nanmedian(np.abs(off))))
    level.set_ylim(-max(reach), 2 * max(reach))
    change = pair[0][0] - pair[1][0]
    taken.plot(y, change, color=DARK, linewidth=0.9, drawstyle="steps-mid")
    heading(raw, f"column {column}" + ("" if group is None else f", group {group}"))
    heading(taken, "taken away")
    for ax, label in ((raw, f"signal [{unit}]"), (level, f"less median [{unit}]"), (taken, f"difference [{unit}]")):
        plain(ax)
        ax.set_ylabel(label)
        legend(ax, loc="upper right")
    taken.set_xlabel("row [px]")
    taken.set_xlim(-0.5, y.size - 0.5)
    return figure


def groups(data: NDArray[np.floating], *, integration: int | None = None, unit: str = "DN") -> Figure:
    """All groups (g, y, x) of an integration on one scale (F11); of more than 12 some are chosen evenly."""
    n = data.shape[0]
    chosen = np.unique(np.linspace(0, n - 1, min(n, SHOWN)).round().astype(int))
    columns = 1 if chosen.size <= 2 else 2
    rows = -(-chosen.size // columns)
    figure, axes = new_figure(rows, columns, width=11, height=0.9 + 1.35 * rows, sharex=True, sharey=True)
    norm = bright_norm(data[chosen[-1]])
    for ax in axes.flat[chosen.size :]:
        ax.set_visible(False)
    shown = None
    for k, (ax, g) in enumerate(zip(axes.flat, chosen, strict=False)):
        shown = show_image(ax, data[g], norm=norm, cmap="viridis")
        text = f"group {g}: median {_number(nanmedian(data[g]))} {unit}"
        ax.text(0.01, 0.93, text, transform=ax.transAxes, va="top", fontsize=SMALL, bbox=_BOX)
        if k % columns == 0:
            ax.set_ylabel("row [px]")
        if k >= chosen.size - columns:
            ax.set_xlabel("column [px]")
            ax.tick_params(labelbottom=True)
    heading(axes[0, 0], "all groups" if integration is None else f"groups of integration {integration}")
    if shown is not None:
        colour_bar(shown, axes.flat, f"signal [{unit}], arcsinh scale")
    return figure


def wavelength_map(wavelength: NDArray[np.floating], traces: NDArray[np.floating] | None = None) -> Figure:
    """Wavelength (o, y, x) [um] of every pixel for orders 1, 2, 3; traces (o, x) are drawn when given (F18)."""
    n = wavelength.shape[0]
    figure, axes = new_figure(n, 1, height=0.7 + 1.9 * n, sharex=True, sharey=True)
    for o, ax in enumerate(axes[:, 0]):
        show_image(ax, wavelength[o], limits=robust_limits(wavelength[o], 0, 100), cmap="viridis", label="wavelength [µm]")
        _contours(ax, wavelength[o])
        if traces is not None and np.isfinite(traces[o]).any():
            ax.plot(np.arange(traces.shape[1]), traces[o], color="black", linewidth=1.1, label="trace")
            legend_above(ax)
        finite = wavelength[o][np.isfinite(wavelength[o])]
        span = f"{finite.min():.3f} to {finite.max():.3f} µm" if finite.size else "not on this subarray"
        heading(ax, f"order {o + 1}: {span}")
        ax.set_xlim(-0.5, wavelength.shape[2] - 0.5)
        ax.set_ylim(-0.5, wavelength.shape[1] - 0.5)
        detector_axes(ax, bottom=o == n - 1)
    return figure


def _contours(ax: Axes, wavelength: NDArray[np.floating]) -> None:
    """Lines of equal wavelength every 0.2 um, labelled above the image's lower edge."""
    column = np.nanmax(np.where(np.isfinite(wavelength), wavelength, -np.inf), axis=0)
    known = np.flatnonzero(np.isfinite(column))
    if known.size < 2:
        return
    wave = column[known]
    marks = np.arange(np.ceil(wave.min() / 0.2) * 0.2, wave.max(), 0.2)
    for mark in marks:
        x = float(np.interp(-mark, -wave, known))  # wavelength falls with column
        ax.axvline(x, color="0.35", linewidth=0.6)
        ax.text(x + 4, 0.03 * wavelength.shape[0], f"{mark:.1f}", color=DARK, fontsize=SMALL - 1, va="bottom")
