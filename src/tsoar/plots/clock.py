"""Looks at the clock: how the detector is read, and the power of its noise along that path (F14, F15)."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from tsoar.blocks import Readout
from tsoar.plots.dq import COLOURS
from tsoar.plots.style import DARK, SMALL, heading, legend, new_figure, plain, show_image
from tsoar.soss.subarrays import OVERHEAD, PIXEL_CLOCK, pixel_time


def clocking(readout: Readout) -> Figure:
    """How a frame is read (F14): the time of every pixel, the order inside the last columns, and two columns on the clock."""
    ny, nx = readout.shape
    clock = pixel_time(readout)
    figure, axes = new_figure(3, 1, height=6.4, height_ratios=(1.5, 1.5, 0.8))
    whole, near, line = axes[:, 0]
    show_image(whole, clock, limits=(0, readout.tframe), cmap="viridis", label="time of the read [s]")
    heading(whole, f"{readout.subarray}: a frame of {readout.tframe:.3f} s, columns from high to low (1/f noise is a column)")
    arrow = {"arrowstyle": "-|>", "color": "white", "linewidth": 2}
    whole.annotate("", (0.35 * nx, 0.5 * ny), (0.65 * nx, 0.5 * ny), arrowprops=arrow)
    whole.text(0.5 * nx, 0.56 * ny, f"slow: {1e3 * PIXEL_CLOCK * (ny + OVERHEAD):.2f} ms a column", color="white", ha="center")
    whole.annotate("", (0.93 * nx, 0.1 * ny), (0.93 * nx, 0.9 * ny), arrowprops=arrow)
    whole.text(0.92 * nx, 0.5 * ny, "fast: 10 µs a pixel", color="white", ha="right", va="center", rotation=90, fontsize=SMALL)
    whole.set_xlabel("column [px]")
    whole.set_ylabel("row [px]")
    _corner(near, ny, nx)
    _timeline(line, ny)
    return figure


def _corner(ax: Axes, ny: int, nx: int) -> None:
    """The first columns that are read, at both ends, with the number of each read."""
    columns, rows = min(7, nx), min(3, ny // 2)
    first = range(nx - columns, nx)
    place = {**{ny - 1 - k: 2 * rows - k for k in range(rows)}, **{k: k for k in range(rows)}}
    for x in first:
        for y, height in place.items():
            number = (nx - 1 - x) * (ny + OVERHEAD) + (ny - 1 - y)
            ax.add_patch(Rectangle((x - 0.4, height - 0.4), 0.8, 0.8, facecolor="0.93", edgecolor="0.7"))
            ax.text(x - 0.05, height, f"{number}", ha="center", va="center", fontsize=SMALL)
        ax.text(x, rows, "⋮", ha="center", va="center", fontsize=11)
        ax.annotate("", (x + 0.32, -0.3), (x + 0.32, 2 * rows + 0.3), arrowprops={"arrowstyle": "-|>", "color": COLOURS[1]})
        if x > first[0]:  # the overhead leads from the end of a column to the start of the next
            path = {"arrowstyle": "-|>", "color": COLOURS[0], "linestyle": "--", "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", (x - 0.5, 2 * rows + 0.4), (x - 0.5, -0.4), arrowprops=path)
    told = f"dashed: {OVERHEAD} pixel\ntimes of overhead,\nnothing is read"
    ax.text(first[0] - 0.9, rows, told, fontsize=SMALL, ha="right", va="center", color=COLOURS[0])
    ax.set_xlim(first[0] - 3.2, nx - 0.4)
    ax.set_ylim(-0.8, 2 * rows + 0.8)
    ax.set_xticks(list(first))
    ax.set_yticks(list(place.values()), [str(y) for y in place])
    ax.set_xlabel("column [px]")
    ax.set_ylabel("row [px]")
    ax.spines[["top", "right"]].set_visible(False)
    heading(ax, "tick of the pixel clock at which each pixel is read, first columns")


def _timeline(ax: Axes, ny: int) -> None:
    """Two columns and their overheads on a time axis."""
    read, gap = ny * PIXEL_CLOCK * 1e3, OVERHEAD * PIXEL_CLOCK * 1e3
    for k in range(2):
        start = k * (read + gap)
        ax.add_patch(Rectangle((start, 0), read, 1, facecolor=COLOURS[5], edgecolor=DARK, alpha=0.6))
        ax.add_patch(Rectangle((start + read, 0), gap, 1, facecolor=COLOURS[0], edgecolor=DARK, alpha=0.8))
        name = "first column" if k == 0 else "next column"
        ax.text(start + read / 2, 0.5, f"{name}: {ny} pixels, {read:.2f} ms", ha="center", va="center", fontsize=SMALL)
    ax.annotate(f"{gap:.2f} ms", (read + gap / 2, 1.02), (read + gap / 2, 1.45), ha="center", fontsize=SMALL,
                arrowprops={"arrowstyle": "-", "color": "0.4"})  # fmt: skip
    ax.set_xlim(0, 2 * (read + gap))
    ax.set_ylim(0, 1.8)
    ax.set_yticks([])
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_xlabel("time from the start of the frame [ms]")


def clock_psd(spectrum: xr.Dataset, after: xr.Dataset | None = None) -> Figure:
    """Power of a single read along the clock, before and (when given) after the 1/f correction (F15).

    Datasets of `tsoar.series.clock.clock_spectrum`. The upper axis says after how many pixel times a wave repeats.
    """
    figure, axes = new_figure(height=4.8)
    ax = axes[0, 0]
    f, tick = spectrum["frequency"].values, float(spectrum.attrs["pixel_time"])
    _points(ax, spectrum, COLOURS[0], "s", "before the 1/f correction" if after is not None else "measured")
    if after is not None:
        _points(ax, after, COLOURS[1], "o", "after it")
    fit, pink, white = spectrum["fit"].values, spectrum.attrs["pink"], spectrum.attrs["white"]
    told = f"white {white:.3g} DN a read + ({pink:.3g} DN)$^2$ / f"
    ax.plot(f, fit, color=DARK, linewidth=1.2, label=told)
    line = 1 / float(spectrum.attrs["line_time"])
    ax.axvline(line, color="0.5", linewidth=1, linestyle=":")
    told = f" one column: {line:.0f} Hz"
    ax.annotate(told, (line, 0.03), xycoords=("data", "axes fraction"), fontsize=SMALL, color="0.3")
    ax.set_xscale("log")
    ax.set_yscale("log")
    shown = np.concatenate([d["power"].values + d["power_err"].values for d in (spectrum, after) if d is not None])
    if (shown > 0).any():
        ax.set_ylim(max(shown[shown > 0].min() / 3, 1e-5 * shown.max()), 3 * shown.max())
    ax.set_xlabel("frequency along the clock [Hz]")
    ax.set_ylabel("power of one read [DN$^2$/Hz]")
    heading(ax, f"noise along the clock, {100 * float(spectrum.attrs['used']):.0f} % of its ticks used")

    def turn(values: NDArray[np.floating]) -> NDArray[np.floating]:
        with np.errstate(divide="ignore"):
            return 1 / (np.asarray(values, np.float64) * tick)

    upper = ax.secondary_xaxis("top", functions=(turn, turn))
    upper.set_xlabel("period [pixel times of 10 µs]", fontsize=SMALL)
    upper.tick_params(labelsize=SMALL)
    plain(ax)
    legend(ax, loc="upper right")
    return figure


def _points(ax: Axes, spectrum: xr.Dataset, colour: str, marker: str, label: str) -> None:
    """Power with errors; where it is not significant, a triangle two errors above it."""
    f, power, error = (spectrum[name].values for name in ("frequency", "power", "power_err"))
    use = power > error
    style: dict[str, Any] = {"color": colour, "markersize": 4}
    ax.errorbar(f[use], power[use], np.minimum(error, 0.9 * power)[use], fmt=marker, elinewidth=0.9, label=label, **style)
    ax.plot(f[~use], np.maximum(power, 0)[~use] + 2 * error[~use], "v", markerfacecolor="none", **style)
