"""Looks at what is taken off beside the star: 1/f offsets by method, and the sky (F25)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar.plots.style import (
    GREY,
    ORDER_COLOURS,
    colour_bar,
    detector_axes,
    heading,
    legend,
    new_figure,
    noise_limits,
    plain,
    robust_limits,
    show_image,
)
from tsoar.series.residuals import nanmedian


def one_over_f_masks(images: Mapping[str, NDArray[np.floating]], *, integration: int | None = None) -> Figure:
    """One group difference with column offsets measured in several ways, by name: without and with the mask ... (F25).

    images (y, x) [DN], all on the colour scale of the last one's noise.
    """
    last = list(images.values())[-1]
    low, high = (v - float(nanmedian(last)) for v in noise_limits(last))
    figure, axes = new_figure(len(images), 1, height=0.6 + 1.75 * len(images), sharex=True, sharey=True)
    shown = None
    for ax, (name, image) in zip(axes[:, 0], images.items(), strict=True):
        shown = show_image(ax, image - nanmedian(image), limits=(low, high))
        heading(ax, name + ("" if integration is None else f", integration {integration}"))
        detector_axes(ax, bottom=ax is axes[-1, 0])
    if shown is not None:
        colour_bar(shown, axes.flat, "difference $-$ its median [DN]")
    return figure


def background(
    image: NDArray[np.floating], sky: NDArray[np.floating], dark: NDArray[np.bool_], *, unit: str = "DN/s"
) -> Figure:
    """The sky (y, x) that is taken off the slope image (y, x), and both along the columns where there is no star.

    dark (y, x): pixels outside the traces.
    """
    figure, axes = new_figure(2, 1, height=5.0, sharex=True, height_ratios=(1.3, 1))
    top, below = axes[:, 0]
    show_image(top, sky, cmap="viridis", label=f"sky [{unit}]")
    heading(top, "sky background")
    top.set_ylabel("row [px]")
    x = np.arange(image.shape[1])
    use = dark & np.isfinite(image)
    measured, model = (nanmedian(np.where(use, v, np.nan), axis=0) for v in (image, sky))
    below.plot(
        x, measured, color=GREY, linewidth=0.7, label="image, median of rows outside the traces (wings of the star in it)"
    )
    below.plot(x, model, color=ORDER_COLOURS[1], linewidth=1.4, label="sky, the same rows")
    low, high = robust_limits(np.concatenate([measured, model]), 0.5, 99.5)
    room = 0.15 * (high - low)
    below.set_ylim(low - room, high + 2.5 * room)
    below.set_xlim(-0.5, x.size - 0.5)
    below.set_ylabel(f"slope [{unit}]")
    below.set_xlabel("column [px]")
    legend(below, loc="upper right")
    plain(below)
    return figure
