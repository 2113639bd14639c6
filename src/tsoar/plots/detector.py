"""Looks at frames: saturation, group differences before and after 1/f, slope images (F2, F12, F13, F17)."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar import flags
from tsoar.plots.style import (
    ALARM,
    SMALL,
    bright_norm,
    centred_limits,
    colour_bar,
    detector_axes,
    heading,
    new_figure,
    noise_limits,
    show_image,
)

SHOWN = 6
"""Group differences drawn at most."""


def saturated(groupdq: NDArray[np.unsignedinteger], frames: NDArray[np.floating] | None = None) -> Figure:
    """Saturated pixels in the first and last group (F2).

    groupdq (g, y, x) of one integration; frames (g, y, x) [DN] to show them on.
    """
    groups = (0, groupdq.shape[0] - 1)
    figure, axes = new_figure(2, 1, height=4.6, sharex=True, sharey=True)
    for ax, group, name in zip(axes[:, 0], groups, ("first", "last"), strict=True):
        full = (groupdq[group] & flags.SATURATED) > 0
        if frames is None:
            show_image(ax, np.zeros(full.shape), limits=(-0.3, 1), cmap="Greys")
        else:
            show_image(ax, frames[group], norm=bright_norm(frames[group]), cmap="Greys", label="signal [DN]")
        y, x = np.nonzero(full)
        ax.plot(x, y, "s", color=ALARM, markersize=6 if y.size < 50 else 2.2, markeredgewidth=0, rasterized=True)
        heading(ax, f"{name} group ({group}): {full.sum()} of {full.size} pixels saturated")
        detector_axes(ax, bottom=group == groups[1])
    return figure


def group_differences(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    *,
    integration: int | None = None,
    corrected: str = "1/f corrected",
) -> Figure:
    """Group differences of an integration before and after the 1/f correction, side by side (F12, F13).

    before, after (k, y, x) [DN]; of more than 6 differences some are chosen evenly.
    """
    chosen = np.unique(np.linspace(0, before.shape[0] - 1, min(before.shape[0], SHOWN)).round().astype(int))
    limits = noise_limits(after[chosen])
    figure, axes = new_figure(chosen.size, 2, width=11, height=0.9 + 1.25 * chosen.size, sharex=True, sharey=True)
    shown = None
    for row, k in zip(axes, chosen, strict=True):
        for ax, images in zip(row, (before, after), strict=True):
            shown = show_image(ax, images[k], limits=limits)
        row[0].set_ylabel("row [px]")
        row[0].text(0.01, 0.93, f"group {k + 1} $-$ {k}", transform=row[0].transAxes, va="top", fontsize=SMALL, bbox=_BOX)
    where = "" if integration is None else f" of integration {integration}"
    heading(axes[0, 0], f"differences{where}")
    heading(axes[0, 1], corrected)
    for ax in axes[-1]:
        ax.set_xlabel("column [px]")
    if shown is not None:
        colour_bar(shown, axes.flat, "difference [DN]")
    return figure


_BOX = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5}


def slope_image(
    slope: NDArray[np.floating], before: NDArray[np.floating] | None = None, *, title: str = "slope image", unit: str = "DN/s"
) -> Figure:
    """A slope image (y, x); when it is given, what it was ``before`` the 1/f correction, and what that took away (F17)."""
    panels = [(slope, title)] if before is None else [(before, f"{title}, before the 1/f correction"), (slope, "after it")]
    rows = len(panels) + (before is not None)
    figure, axes = new_figure(rows, 1, height=0.6 + 2.2 * rows, sharex=True, sharey=True)
    norm = bright_norm(panels[0][0])
    for ax, (image, text) in zip(axes[:, 0], panels, strict=False):
        show_image(ax, image, norm=norm, cmap="viridis", label=f"slope [{unit}]")
        heading(ax, text)
        detector_axes(ax, bottom=ax is axes[-1, 0])
    if before is not None:
        taken = before - slope
        show_image(axes[-1, 0], taken, limits=centred_limits(taken), cmap="RdBu_r", label=f"difference [{unit}]")
        heading(axes[-1, 0], "taken away: a level a column")
        detector_axes(axes[-1, 0])
    return figure
