"""Where the panels of a figure stand: each gets the room that is written beside it, without drawing that first.

matplotlib's constrained layout asks every tick label of every panel for its box, twice, which took half the time of the
figures of a report. Here the longest number of an axis says how far its numbers reach, and labels and headings are put
beyond them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure, FigureBase
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import LayoutEngine
from numpy.typing import ArrayLike

HEADING = 10
"""size of the line above a panel [pt]"""
LINE = 1.2
"""height of a line of text over the size of its letters"""
TICK, PAD = 7.0, 4.0
"""a tick with the gap to its number; gap between numbers and label [pt], as matplotlib has them"""
EDGE, GAP = 4.0, 6.0
"""free at the edges of the figure; between what belongs to neighbouring panels [pt]"""
OVERHANG = 8.0
"""half a number below or beside the end of an axis [pt]"""
BAR, BESIDE = 9.0, 7.0
"""width of a colour bar, its distance from the panel [pt]"""

INSIDE, ABOVE = "inside", "above"
"""labels of a panel within a panel, which needs no room, and of a legend that stands in the line of the heading"""

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
            self.place(cast("Figure", fig))

    def place(self, figure: Figure) -> None:
        """Give every panel the room that it needs as it stands."""
        panels = {ax: spec for ax in figure.axes if (spec := ax.get_subplotspec()) is not None and ax.get_visible()}
        if not panels:
            return
        renderer: RendererBase = figure._get_renderer()  # type: ignore[attr-defined]
        width, height = (72 * float(v) for v in figure.get_size_inches())
        rooms = {ax: room_of(ax, renderer) for ax in panels}
        for ax, room in rooms.items():
            put_heading(ax, room)
        bars = {bar: room_of(bar, renderer) for bar, _ in self.bars}
        for bar, beside in self.bars:
            last = max(beside, key=lambda ax: panels[ax].colspan.stop)
            rooms[last].all["right"] += BESIDE + BAR + bars[bar].all["right"]
        legends = [legend.get_window_extent(renderer).height * 72 / figure.dpi + GAP for legend in figure.legends]
        foot = EDGE + max(legends, default=0.0)
        top = height - EDGE - (1.5 * LINE * HEADING if figure.get_suptitle() else 0.0)
        grid = next(iter(panels.values())).get_gridspec()
        columns = {ax: spec.colspan for ax, spec in panels.items()}
        rows = {ax: spec.rowspan for ax, spec in panels.items()}
        across = boxes(rooms, columns, ("left", "right"), grid.get_width_ratios() or [1] * grid.ncols, width - 2 * EDGE)
        down = boxes(rooms, rows, ("top", "bottom"), grid.get_height_ratios() or [1] * grid.nrows, top - foot)
        for ax, room in rooms.items():
            (x0, x1), (y0, y1) = across[ax], down[ax]
            put(ax, (EDGE + x0, top - y1, x1 - x0, y1 - y0), room, (width, height))
        for bar, beside in self.bars:
            x, low, high = (f(v for ax in beside for v in side[ax]) for f, side in ((max, across), (min, down), (max, down)))
            put(bar, (EDGE + x + BESIDE, top - high, BAR, high - low), bars[bar], (width, height))


def boxes(
    rooms: dict[Axes, Room], cells: dict[Axes, range], sides: tuple[str, str], ratios: ArrayLike, length: float
) -> dict[Axes, tuple[float, float]]:
    """First and last edge [pt] of each panel's box along one side of a grid that is ``length`` long with all that is beside.

    cells: the columns (rows) of the grid that a panel takes; ratios: of their sizes.
    """
    shares = np.asarray(ratios, np.float64) / np.sum(ratios)
    n = shares.size
    before, after = np.zeros(n), np.zeros(n)
    before[0] = after[-1] = OVERHANG
    for ax, room in rooms.items():
        before[cells[ax].start] = max(before[cells[ax].start], room.all[sides[0]])
        after[cells[ax].stop - 1] = max(after[cells[ax].stop - 1], room.all[sides[1]])
    taken = float(before.sum() + after.sum()) + GAP * (n - 1)
    free = max(length - taken, 0.1 * length)  # too much to write: boxes all the same
    sizes = free * shares
    ends = np.cumsum(before + sizes + after + GAP) - after - GAP
    return {ax: (float((ends - sizes)[c.start]), float(ends[c.stop - 1])) for ax, c in cells.items()}


def room_of(ax: Axes, renderer: RendererBase) -> Room:
    """What the axes of a panel (and second ones at its top) need."""
    room = Room()
    for axis in (ax.xaxis, ax.yaxis, *(child.xaxis for child in ax.child_axes if child.get_label() != INSIDE)):
        if ax.axison and axis.get_visible():
            side = axis.get_label_position()
            numbers = reach(axis, side, renderer)
            label = PAD + LINE * float(axis.label.get_fontsize()) if axis.label.get_text() else 0.0
            room.numbers[side] = max(room.numbers[side], numbers)
            room.all[side] = max(room.all[side], numbers + label)
            for end in ("left", "right") if side in ("bottom", "top") and numbers > TICK else ():
                room.all[end] = max(room.all[end], OVERHANG)
    return room


def reach(axis: Axis, side: str, renderer: RendererBase) -> float:
    """How far ticks and numbers of an axis stand off its panel [pt]."""
    style = axis.get_tick_params()
    if not style.get(f"label{side}", side in ("left", "bottom")):
        return 0.0
    font = FontProperties(size=style.get("labelsize", "medium"))
    high = LINE * font.get_size_in_points()
    texts = axis.get_major_formatter().format_ticks(list(axis.get_majorticklocs()))
    texts += axis.get_minor_formatter().format_ticks(list(axis.get_minorticklocs()))
    longest = sorted(texts, key=len)[-2:]
    if not any(longest):
        return 0.5 * TICK
    turn = math.radians(style.get("labelrotation", style.get("rotation", 0.0)))
    if side in ("bottom", "top") and not turn:
        return TICK + high
    wide = max(renderer.get_text_width_height_descent(t, font, is_math_text(t))[0] for t in longest)
    wide /= float(renderer.points_to_pixels(1.0))  # type: ignore[arg-type]
    if side in ("left", "right"):
        turn = 0.5 * math.pi - turn
    return TICK + abs(wide * math.sin(turn)) + abs(high * math.cos(turn))


def put_heading(ax: Axes, room: Room) -> None:
    """Put the heading of a panel above axes at the top, and above the power of ten that the numbers at the left may share."""
    text = ax.get_title("left")
    shared = LINE * HEADING if ax.yaxis.get_major_formatter().get_offset() else 0.0
    room.all["top"] = max(room.all["top"], shared)
    above = room.all["top"] + 6.0
    if text:
        ax.set_title(text, loc="left", fontsize=HEADING, y=1.0, pad=above)
    legend = ax.get_legend()
    if text or (legend is not None and legend.get_label() == ABOVE):
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
