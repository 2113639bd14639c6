"""One look for all figures, without pyplot and without touching global settings.

Colours: Okabe & Ito (2008) for lines, cividis and viridis for images, RdBu_r centred on zero for deviations: told apart
with any colour vision.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.plots.layout import ABOVE, HEADING, Panels
from tsoar.series.baseline import Baseline

ORDER_COLOURS = {1: "#0072B2", 2: "#D55E00", 3: "#009E73"}
GREY = "0.55"
DARK = "0.15"
ALARM = "#CC79A7"
DPI = 130
SMALL = 9


def new_figure(
    rows: int = 1, columns: int = 1, *, width: float = 9.0, height: float = 4.0, **subplots: Any
) -> tuple[Figure, NDArray[Any]]:
    """A figure and its axes (rows, columns), laid out so that nothing overlaps."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout=Panels(), facecolor="white")
    axes = figure.subplots(rows, columns, squeeze=False, **subplots)
    for ax in axes.flat:
        ax.tick_params(labelsize=SMALL)
    return figure, axes


def plain(ax: Axes) -> None:
    """Of a graph of lines: faint grid, no box."""
    ax.grid(True, color="0.9", linewidth=0.7)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def legend(ax: Axes, **where: Any) -> None:
    """A legend that does not hide the data."""
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=SMALL, frameon=True, framealpha=0.85, edgecolor="none", **where)


def legend_above(ax: Axes) -> None:
    """A legend in one line over the right end of an image."""
    if handles := ax.get_legend_handles_labels()[0]:
        style: dict[str, Any] = {"ncols": len(handles), "fontsize": SMALL, "frameon": False, "columnspacing": 1.2}
        made = ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, **style)
        made.set_label(ABOVE)


def heading(ax: Axes, text: str) -> None:
    """What this panel shows, at its left."""
    ax.set_title(text, loc="left", fontsize=HEADING, y=1.0)  # at a fixed height: matplotlib does not search for one


MANY = 100_000
"""values that are enough for a percentile: its error is then far below what can be seen"""


def robust_limits(values: NDArray[Any], low: float = 1.0, high: float = 99.0) -> tuple[float, float]:
    """Percentiles of what is finite, never equal; (0, 1) when nothing is. Of more than `MANY` values some, evenly chosen."""
    some = np.asarray(values).ravel()
    if low > 0 and high < 100:
        some = some[:: some.size // MANY | 1]  # odd: every column of an image, whose number is even, has its turn
    finite = some[np.isfinite(some)]
    if finite.size == 0:
        return 0.0, 1.0
    a, b = (float(v) for v in np.percentile(finite, (low, high)))
    return (a, b) if b > a else (a - 0.5, b + 0.5)


def centred_limits(values: NDArray[Any], high: float = 99.0, room: float = 1.0) -> tuple[float, float]:
    """Limits symmetric about zero: a percentile of what lies off it, times ``room``."""
    top = room * robust_limits(np.abs(values), 1.0, high)[1]
    return -top, top


def noise_limits(image: NDArray[Any], below: float = 2.5, above: float = 3.5) -> tuple[float, float]:
    """Limits that show the noise of the dark parts, in sigmas about the 30 % level; what is bright saturates.

    image (..., y, x); the noise is that between neighbouring rows, which neither sky nor stripes along columns enter.
    """
    image = np.asarray(image)
    rows = image.size // MANY | 1
    upper, lower = image[..., 1::rows, :], image[..., :-1:rows, :]
    finite = lower[np.isfinite(lower)]
    if finite.size == 0:
        return 0.0, 1.0
    middle = float(np.percentile(finite, 30))
    steps = np.abs(upper - lower)[upper + lower <= 2 * middle]  # sum and difference of pure noise are independent
    sigma = max(1.05 * float(np.median(steps)) if steps.size else 0.0, 1e-12)  # 1.4826 / sqrt(2)
    return middle - below * sigma, middle + above * sigma


class Arcsinh(AsinhNorm):
    """A scale with given limits: matplotlib would transform the whole image to look for limits that it has."""

    def autoscale_None(self, A: Any) -> None:
        """Nothing to do."""


def bright_norm(image: NDArray[Any]) -> AsinhNorm:
    """Arcsinh scale that shows sky and star together."""
    low, high = robust_limits(image, 0.5, 99.7)
    sky = robust_limits(image, 5.0, 40.0)
    return Arcsinh(linear_width=max(sky[1] - sky[0], 2e-3 * (high - low)), vmin=low, vmax=high)


def _ticks(norm: AsinhNorm) -> list[float]:
    """Zero and powers of ten (with 3 between them where there are few) that stand apart on an arcsinh scale."""
    top = max(abs(norm.vmin or 0.0), abs(norm.vmax or 0.0))
    powers = 10.0 ** np.arange(-3, np.log10(max(top, 1e-2)) + 1)
    marks = np.sort(np.concatenate([-powers, -3 * powers, [0.0], powers, 3 * powers]))
    marks = marks[(marks >= (norm.vmin or 0.0)) & (marks <= (norm.vmax or 0.0))]
    places = dict(zip(marks.tolist(), norm(marks).tolist(), strict=True))
    kept: list[float] = []
    for mark in sorted(places, key=lambda m: (m != 0, not np.isclose(np.log10(abs(m) or 1) % 1, 0), -abs(m))):
        if all(abs(places[mark] - places[other]) > 0.09 for other in kept):
            kept.append(mark)
    return sorted(kept)


def show_image(
    ax: Axes,
    image: NDArray[Any],
    *,
    limits: tuple[float, float] | None = None,
    norm: Normalize | None = None,
    cmap: str = "cividis",
    extent: tuple[float, float, float, float] | None = None,
    label: str = "",
) -> AxesImage:
    """An image with row 0 at the bottom and NaN in grey; ``label`` gives it a colour bar."""
    norm = norm or Normalize(*(limits or robust_limits(image)))
    colours = matplotlib.colormaps[cmap].with_extremes(bad="0.7")
    shown = ax.imshow(image, origin="lower", aspect="auto", norm=norm, cmap=colours, extent=extent)
    if extent is None:  # rows and columns of a detector: few numbers, each is five objects to make and draw
        ax.locator_params(axis="x", nbins=6)
        ax.locator_params(axis="y", nbins=4)
    if label:
        colour_bar(shown, ax, label)
    return shown


def colour_bar(
    shown: ScalarMappable, panels: Axes | Iterable[Axes], label: str, *, extend: str = "both", ticks: list[int] | None = None
) -> None:
    """The scale of ``shown`` at the right of one or several panels."""
    beside = [panels] if isinstance(panels, Axes) else list(panels)
    figure = beside[0].figure
    engine = figure.get_layout_engine()
    assert isinstance(engine, Panels)
    place = figure.add_axes((0.0, 0.0, 0.1, 1.0), label="<colorbar>")
    bar = figure.colorbar(shown, cax=place, extend=extend, ticks=ticks)
    if isinstance(shown.norm, AsinhNorm):
        bar.set_ticks(marks := _ticks(shown.norm), labels=[f"{t:g}" for t in marks])
        bar.minorticks_off()
    bar.set_label(label, fontsize=SMALL)
    place.tick_params(labelsize=SMALL)
    engine.bars.append((place, beside))


def detector_axes(ax: Axes, *, bottom: bool = True) -> None:
    """Labels of a detector image."""
    ax.set_ylabel("row [px]")
    if bottom:
        ax.set_xlabel("column [px]")


def hours(time: NDArray[Any], baseline: Baseline | None = None) -> tuple[F64, str]:
    """Time [d] as hours from mid-event where there is one, from the first integration otherwise; and what to write there."""
    time = np.asarray(time, np.float64)
    if baseline is not None and baseline.mid is not None:
        return 24 * (time - baseline.mid), "time from mid-event [h]"
    return 24 * (time - time[0]), "time from the first integration [h]"


def shade_event(ax: Axes, time: NDArray[Any], baseline: Baseline | None) -> None:
    """First to fourth contact as a band, lighter where ingress and egress are; nothing without an event."""
    if baseline is None or baseline.event is None:
        return
    x, _ = hours(np.asarray(baseline.event), baseline)
    limits = ax.get_xlim()
    ax.axvspan(x[0], x[3], color="0.5", alpha=0.10, linewidth=0, zorder=0)
    ax.axvspan(x[1], x[2], color="0.5", alpha=0.08, linewidth=0, zorder=0)
    ax.set_xlim(limits)
