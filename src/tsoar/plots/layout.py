"""Where the panels of a figure stand: each gets the room that is written beside it, without drawing that first.

matplotlib's constrained layout asks every tick label of every panel for its box, twice, which took half the time of the
figures of a report. Here the longest label of an axis says how far its numbers reach; labels and headings are put beyond
them, those of a column of panels in line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.cbook import is_math_text
from matplotlib.figure import FigureBase
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import LayoutEngine

HEADING = 10
"""size of the line above a panel [pt]"""
LINE = 1.2
"""height of a line of text over the size of its letters"""
TICK, PAD = 7.0, 4.0
"""a tick with the gap to its number; gap between numbers and label [pt], as matplotlib has them"""
EDGE, GAP = 4.0, 8.0
"""free at the edges of the figure; between what belongs to neighbouring panels [pt]"""
OVERHANG = 8.0
"""half a number below or beside the end of an axis [pt]"""
BAR, BESIDE = 9.0, 7.0
"""width of a colour bar, its distance from the panel [pt]"""

SIDES = {"left": 0, "right": 1, "bottom": 0, "top": 1}


@dataclass(slots=True)
class Room:
    """What stands outside the box of a panel, on each side of it [pt]."""

    numbers: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SIDES, 0.0))
    """ticks and their numbers alone"""
    all: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SIDES, 0.0))


class Panels(LayoutEngine):
    """Places the panels of `tsoar.plots.style.new_figure` and their colour bars whenever the figure is drawn."""

    _adjust_compatible = False
    _colorbar_gridspec = False

    def __init__(self) -> None:
        super().__init__()
        self.bars: list[tuple[Axes, list[Axes]]] = []
        """each colour bar, and the panels at whose right it stands"""

    def execute(self, fig: FigureBase) -> None:
        """Set the position of everything; twice, as the numbers on an axis depend on its length."""
        for _ in range(2):
            self.place(fig)

    def place(self, fig: FigureBase) -> None:
        """Give every panel the room that it needs as it stands."""
        renderer: RendererBase = fig._get_renderer()  # type: ignore[attr-defined]
        width, height = (72 * v for v in fig.get_size_inches())  # type: ignore[attr-defined]
        panels = [ax for ax in fig.axes if ax.get_subplotspec() is not None and ax.get_visible()]
        grid = panels[0].get_subplotspec().get_gridspec()
        rooms = {ax: room_of(ax, renderer) for ax in panels}
        for ax in panels:
            above_panel(ax, rooms[ax], renderer)
        bars = {bar: room_of(bar, renderer) for bar, _ in self.bars}
        for bar, beside in self.bars:
            last = max(beside, key=lambda ax: ax.get_subplotspec().colspan.stop)
            rooms[last].all["right"] += BESIDE + BAR + bars[bar].all["right"]
        left = edges(rooms, "colspan", ("left", "right"), grid.get_width_ratios() or [1] * grid.ncols, width - 2 * EDGE)
        legends = [legend.get_window_extent(renderer).height * 72 / fig.dpi + GAP for legend in fig.legends]
        head = 1.5 * HEADING * LINE if fig.get_suptitle() else 0.0
        foot = max(legends, default=0.0)
        ratios = grid.get_height_ratios() or [1] * grid.nrows
        down = edges(rooms, "rowspan", ("top", "bottom"), ratios, height - 2 * EDGE - head - foot)
        numbers = np.zeros(grid.ncols)
        for ax in panels:
            k = ax.get_subplotspec().colspan.start
            numbers[k] = max(numbers[k], rooms[ax].numbers["left"])
        for ax in panels:
            spec = ax.get_subplotspec()
            x0, x1 = EDGE + left[spec.colspan.start][0], EDGE + left[spec.colspan.stop - 1][1]
            y1, y0 = (height - EDGE - head - v for v in (down[spec.rowspan.start][0], down[spec.rowspan.stop - 1][1]))
            rooms[ax].numbers["left"] = numbers[spec.colspan.start]
            put(ax, (x0, y0, x1 - x0, y1 - y0), rooms[ax], (width, height))
        for bar, beside in self.bars:
            boxes = [ax.get_position() for ax in beside]
            y0, y1 = height * min(b.y0 for b in boxes), height * max(b.y1 for b in boxes)
            put(bar, (width * max(b.x1 for b in boxes) + BESIDE, y0, BAR, y1 - y0), bars[bar], (width, height))


def edges(
    rooms: dict[Axes, Room], span: str, sides: tuple[str, str], ratios: list[float], length: float
) -> list[tuple[float, float]]:
    """Start and end [pt] of the boxes in each column (row) of a grid that is ``length`` long with what stands beside them."""
    n = len(ratios)
    before, after = np.full(n, 0.0), np.full(n, 0.0)
    for ax, room in rooms.items():
        cells = getattr(ax.get_subplotspec(), span)
        before[cells.start] = max(before[cells.start], room.all[sides[0]])
        after[cells.stop - 1] = max(after[cells.stop - 1], room.all[sides[1]])
    before[0], after[-1] = max(before[0], OVERHANG), max(after[-1], OVERHANG)
    free = max(length - before.sum() - after.sum() - GAP * (n - 1), 0.1 * length)  # too much to write: boxes all the same
    sizes = free * np.asarray(ratios) / np.sum(ratios)
    start = np.cumsum(before + sizes + after + GAP) - (sizes + after + GAP)
    return list(zip(start.tolist(), (start + sizes).tolist(), strict=True))


def room_of(ax: Axes, renderer: RendererBase) -> Room:
    """What the axes of a panel (and second ones at its top) need."""
    room = Room()
    for axis in (ax.xaxis, ax.yaxis, *(child.xaxis for child in ax.child_axes if child.get_label() != INSIDE)):
        if ax.axison and axis.get_visible():
            side = axis.get_label_position()
            numbers = reach(axis, side, renderer)
            size = axis.label.get_fontsize()
            label = PAD + LINE * size if axis.label.get_text() and axis.label.get_visible() else 0.0
            room.numbers[side] = max(room.numbers[side], numbers)
            room.all[side] = max(room.all[side], numbers + label)
    return room


INSIDE = "inside"
"""label of a panel within a panel, which needs no room"""


def reach(axis: Axis, side: str, renderer: RendererBase) -> float:
    """How far ticks and numbers of an axis stand off its panel [pt]."""
    style = axis.get_tick_params()
    if not style.get(f"label{side}", side in ("left", "bottom")):
        return 0.0
    font = FontProperties(size=style.get("labelsize", "medium"))
    high = LINE * font.get_size_in_points()
    texts = axis.get_major_formatter().format_ticks(axis.get_majorticklocs())
    texts += axis.get_minor_formatter().format_ticks(axis.get_minorticklocs())
    longest = sorted(texts, key=len)[-2:]
    if not any(longest):
        return 0.5 * TICK
    turn = math.radians(style.get("labelrotation", style.get("rotation", 0.0)))
    if side in ("bottom", "top") and not turn:
        return TICK + high
    dpi = axis.get_figure(root=True).dpi
    wide = max(renderer.get_text_width_height_descent(t, font, is_math_text(t))[0] for t in longest) * 72 / dpi
    if side in ("left", "right"):
        turn = 0.5 * math.pi - turn
    return TICK + abs(wide * math.sin(turn)) + abs(high * math.cos(turn))


def above_panel(ax: Axes, room: Room, renderer: RendererBase) -> None:
    """Put the heading above axes at the top, and above the power of ten that the numbers at the left may share."""
    text = ax.get_title("left")
    if not text:
        return
    shared = LINE * HEADING if ax.yaxis.get_major_formatter().get_offset() else 0.0
    above = max(room.all["top"], shared) + 6.0
    ax.set_title(text, loc="left", fontsize=HEADING, y=1.0, pad=above)
    room.all["top"] = above + LINE * HEADING * (1 + text.count("\n"))


def put(ax: Axes, box: tuple[float, float, float, float], room: Room, size: tuple[float, float]) -> None:
    """Place a panel and the labels of its axes; box: x, y, width, height [pt] in a figure of this size [pt]."""
    x, y, w, h = box
    ax.set_position((x / size[0], y / size[1], w / size[0], h / size[1]))
    ax.set_in_layout(True)
    for axis, length in ((ax.xaxis, h), (ax.yaxis, w)):
        side = axis.get_label_position()
        off = (room.numbers[side] + PAD) / length
        place = (1 + off) if SIDES[side] else -off
        axis.set_label_coords(*((0.5, place) if axis is ax.xaxis else (place, 0.5)))
