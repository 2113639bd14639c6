"""Looks at flags: special pixels, maps by name, jumps by threshold (F1, F16, F36, row E8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar import flags
from tsoar.plots.style import (
    ALARM,
    DARK,
    GREY,
    SMALL,
    bright_norm,
    colour_bar,
    detector_axes,
    heading,
    legend,
    new_figure,
    plain,
    show_image,
)

COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe & Ito (2008), without the yellow that white swallows"""
MARKERS = "osD^vPX<>*"
PANELS = 8
"""flags drawn at most"""


def mark_pixels(ax: Axes, mask: NDArray[np.bool_], colour: str, *, marker: str = "s", label: str = "") -> None:
    """The True pixels of a mask (y, x), each large enough to be seen however few there are."""
    y, x = np.nonzero(mask)
    size = 2.8 if y.size < 1000 else 2.0 if y.size < 10000 else 1.0
    ax.plot(x, y, marker, color=colour, markersize=size, markeredgewidth=0, linestyle="none", label=label, rasterized=True)


def special_pixels(pixeldq: NDArray[np.unsignedinteger]) -> Figure:
    """Pixels with any flag but REFERENCE_PIXEL, on the detector and counted by name (F1). pixeldq (y, x).

    On the map a pixel is drawn under its rarest flag; DO_NOT_USE, which most others carry too, where it stands alone.
    """
    dark = (pixeldq & np.uint32(flags.REFERENCE_PIXEL)) != 0
    special = np.where(dark, 0, pixeldq)
    counts = dict(sorted(flags.count(special).items(), key=lambda item: -item[1]))
    figure, axes = new_figure(2, 1, height=3.6 + 0.24 * max(len(counts), 1), height_ratios=(9, 2 + 1.1 * max(len(counts), 1)))
    ax, bars = axes[:, 0]
    show_image(ax, np.where(dark, 1.0, 0.0), limits=(0, 6), cmap="Greys")
    names = [name for name in counts if name != "DO_NOT_USE"]
    order = (["DO_NOT_USE"] if "DO_NOT_USE" in counts else []) + names
    shade = {name: (COLOURS[i % 7], MARKERS[(i + i // 7) % 10]) for i, name in enumerate(names)} | {"DO_NOT_USE": (GREY, "o")}
    left = special.copy()
    drawn = []
    for name in reversed(order):  # the rarest first takes its pixels
        mask = (left & np.uint32(flags.PIXEL[name])) != 0
        left[mask] = 0
        drawn.append((name, mask))
    for name, mask in reversed(drawn):
        colour, marker = shade[name]
        mark_pixels(ax, mask, colour, marker=marker)
    some = int(np.count_nonzero(special))
    heading(ax, f"{some} special pixels ({100 * some / special.size:.2f} %), {int(dark.sum())} reference pixels (grey)")
    ax.set_xlim(-0.5, special.shape[1] - 0.5)
    ax.set_ylim(-0.5, special.shape[0] - 0.5)
    detector_axes(ax)
    place = np.arange(len(order))
    amounts = [counts[name] for name in order]
    bars.barh(place, amounts, color=[shade[name][0] for name in order], height=0.7)
    for k, n in zip(place, amounts, strict=True):
        bars.text(n, k, f" {n}", va="center", fontsize=SMALL)
    bars.set_yticks(place, order)
    bars.invert_yaxis()
    if amounts:
        bars.set_xscale("log")
        bars.minorticks_off()
        bars.set_xlim(0.5, 4 * max(amounts))
    bars.set_xlabel("pixels that carry the flag (a pixel with two counts twice)")
    plain(bars)
    return figure


def dq_map(
    dq: NDArray[np.unsignedinteger], names: str | Sequence[str] = "", frame: NDArray[np.floating] | None = None
) -> Figure:
    """Where each flag is set, one panel a name (F36).

    dq (y, x), or (g, y, x) with the number of groups in colour; ``names`` as `tsoar.flags.value` reads them, without any
    those that occur, most frequent first, 8 at most; ``frame`` (y, x) to show a rare flag on.
    """
    asked = names if isinstance(names, str) else ",".join(names)
    bits = flags.value(asked)
    cube = dq[None] if dq.ndim == 2 else dq
    counts = flags.count(np.bitwise_or.reduce(cube, axis=0))
    chosen = flags.names(bits).split("|") if bits else sorted(counts, key=lambda name: -counts[name])[:PANELS]
    chosen = chosen or [""]
    figure, axes = new_figure(len(chosen), 1, height=0.7 + 1.75 * len(chosen), sharex=True, sharey=True)
    fits = int(np.iinfo(cube.dtype).max)
    for ax, name in zip(axes[:, 0], chosen, strict=True):
        bit = flags.PIXEL.get(name, 0) & fits
        times = ((cube & cube.dtype.type(bit)) != 0).sum(axis=0)
        if frame is None:
            show_image(ax, np.zeros(times.shape), limits=(0, 1), cmap="Greys")
        else:
            show_image(ax, frame, norm=bright_norm(frame), cmap="Greys")
        y, x = np.nonzero(times)
        if len(cube) > 1 and y.size:
            size = 12 if y.size < 300 else 4 if y.size < 10000 else 1
            style: dict[str, Any] = {"marker": "s", "linewidths": 0, "rasterized": True}
            dots = ax.scatter(x, y, c=times[y, x], s=size, cmap="plasma", vmin=0.5, vmax=len(cube) + 0.5, **style)
            colour_bar(dots, ax, "groups", extend="neither", ticks=_whole(len(cube)))
        else:
            mark_pixels(ax, times > 0, ALARM)
        total = int(times.sum())
        what = f"{y.size} pixels" + (f", {total} reads" if len(cube) > 1 else "")
        heading(ax, f"{name}: {what} ({100 * y.size / times.size:.3g} %)" if name else "no flag is set")
        ax.set_xlim(-0.5, times.shape[1] - 0.5)
        ax.set_ylim(-0.5, times.shape[0] - 0.5)
        detector_axes(ax, bottom=name == chosen[-1])
    return figure


def _whole(n: int) -> list[int]:
    return list(range(1, n + 1, max(1, -(-n // 6))))


def jump_map(
    groupdq: Mapping[float, NDArray[np.unsignedinteger]],
    frame: NDArray[np.floating] | None = None,
    *,
    used: float | None = None,
) -> Figure:
    """Where JUMP_DET is set for several thresholds [sigma] (F16): group flags (g, y, x) by threshold.

    Colour is the group (from 0) of a pixel's first hit; ``used`` marks the threshold of the settings.
    """
    figure, axes = new_figure(len(groupdq), 1, height=0.7 + 1.9 * len(groupdq), sharex=True, sharey=True)
    dots = None
    for ax, (threshold, dq) in zip(axes[:, 0], sorted(groupdq.items()), strict=True):
        hit = (dq & np.uint8(flags.JUMP_DET)) != 0
        shape = hit.shape[1:]
        image = np.zeros(shape) if frame is None else frame
        show_image(ax, image, norm=None if frame is None else bright_norm(frame), limits=(0, 1), cmap="Greys")
        y, x = np.nonzero(hit.any(axis=0))
        first = hit.argmax(axis=0)[y, x]
        size = 5 if y.size < 5000 else 1.5
        style: dict[str, Any] = {"marker": "s", "linewidths": 0, "rasterized": True}
        dots = ax.scatter(x, y, c=first, s=size, cmap="plasma", vmin=0.5, vmax=max(hit.shape[0], 2) - 0.5, **style)
        mine = " (as set)" if used is not None and threshold == used else ""
        heading(ax, f"threshold {threshold:g} sigma{mine}: {int(hit.sum())} reads in {y.size} pixels")
        ax.set_xlim(-0.5, shape[1] - 0.5)
        ax.set_ylim(-0.5, shape[0] - 0.5)
        detector_axes(ax, bottom=threshold == max(groupdq))
    if dots is not None:
        n = int(next(iter(groupdq.values())).shape[0])
        colour_bar(dots, axes.flat, "group of the first hit", extend="neither", ticks=_whole(n - 1))
    return figure


def jump_sweep(sweep: NDArray[np.void], *, expected: tuple[float, float] | None = None, used: float | None = None) -> Figure:
    """Reads flagged as jumps against the threshold (E8).

    Parameters
    ----------
    sweep : structured (n,): threshold [sigma], reads (flagged by the test itself), neighbours (flagged beside them), noise
        (reads that Gaussian noise alone would flag).
    expected : reads that cosmic rays should spoil, least and most.
    used : threshold of the settings [sigma].
    """
    figure, axes = new_figure(height=4.4)
    ax = axes[0, 0]
    x = sweep["threshold"]
    ax.plot(x, np.maximum(sweep["reads"], 0.5), "o-", color=COLOURS[1], markersize=4, label="flagged by the test")
    together = sweep["reads"] + sweep["neighbours"]
    ax.plot(x, np.maximum(together, 0.5), "s--", color=COLOURS[4], markersize=3.5, label="with the neighbours of large hits")
    ax.plot(x, np.maximum(sweep["noise"], 1e-3), ":", color=DARK, linewidth=1.5, label="Gaussian noise alone")
    if expected is not None:
        label = f"cosmic rays expected, {expected[0]:.0f} to {expected[1]:.0f}"
        ax.axhspan(*expected, color=COLOURS[2], alpha=0.18, linewidth=0, label=label)
    if used is not None:
        ax.axvline(used, color="0.4", linewidth=1)
        ax.annotate(f" as set: {used:g}", (used, 0.3), xycoords=("data", "axes fraction"), fontsize=SMALL, color="0.3")
    ax.set_yscale("log")
    top = max(float(together.max(initial=1)), float(sweep["noise"].max(initial=1)), 0.0 if expected is None else expected[1])
    ax.set_ylim(0.5, 3 * top)
    ax.set_xlabel("threshold [sigma]")
    ax.set_ylabel("reads flagged in the integration")
    heading(ax, "jump threshold swept")
    plain(ax)
    legend(ax, loc="upper right")
    return figure
