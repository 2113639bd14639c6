"""Where panels stand: room for everything written beside them, without drawing it first."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tests.plots.legible import crowded
from tsoar.plots.layout import BAR, BESIDE
from tsoar.plots.style import bright_norm, heading, legend_above, new_figure, show_image


def test_the_judge_sees_what_is_in_the_way():
    figure, axes = new_figure(2, 1, height=3.0)
    figure.set_layout_engine(None)
    figure.subplots_adjust(left=0.01, hspace=0.05)
    heading(axes[1, 0], "below")
    axes[0, 0].set_xlabel("much too near")
    axes[0, 0].set_ylabel("too far left")
    told = crowded(figure)
    assert "'too far left' leaves the figure" in told
    assert "'much too near' on 'below'" in told
    assert any(line.startswith("'below' on ") for line in told)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 123456.0, 1e9])
@pytest.mark.parametrize("log", [False, True])
def test_numbers_of_any_length_have_room(scale, log):
    """Two columns of panels with headings, labels and a colour bar each."""
    figure, axes = new_figure(2, 2, height=5)
    for ax in axes.flat:
        show_image(ax, scale * np.arange(12.0).reshape(3, 4), label="scale [DN]", extent=(0, 1, scale, 7.3 * scale))
        heading(ax, "a panel")
        ax.set_xlabel("place [px]")
        ax.set_ylabel("height [DN]")
        if log:
            ax.set_yscale("log")
    assert crowded(figure) == []


def test_second_axes_turned_numbers_and_legends_have_room():
    figure, axes = new_figure(1, 2, height=3)
    left, right = axes[0]
    left.secondary_xaxis("top", functions=(lambda x: 2 * x, lambda x: x / 2)).set_xlabel("twice")
    heading(left, "above the second axis")
    right.set_xticks([0, 1], ["a long name", "another name"])
    right.tick_params(axis="x", labelrotation=45)
    right.plot([0, 1], label="line")
    right.set_xlabel("names")
    heading(right, "short")
    legend_above(right)
    figure.suptitle("all", x=0.01, ha="left")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center")
    assert crowded(figure) == []
    heights = [t.get_window_extent().y0 for t in (left._left_title, left.child_axes[0].xaxis.label)]
    assert heights[0] > heights[1]


def test_a_legend_above_has_room_without_a_heading():
    figure, axes = new_figure(2, 1, height=3)
    for ax in axes[:, 0]:
        ax.plot([0, 1], label="line")
        ax.set_xlabel("place [px]")
        legend_above(ax)
    assert crowded(figure) == []


def test_bars_stand_beside_their_panels_as_high_as_they_are():
    figure, axes = new_figure(3, 1, height=5, sharex=True, height_ratios=(2, 1, 1))
    for ax in axes[:, 0]:
        shown = show_image(ax, np.arange(6.0).reshape(2, 3), norm=bright_norm(np.arange(6.0)), label="signal [DN]")
    assert shown.norm.scaled()
    FigureCanvasAgg(figure).draw()
    boxes = [ax.get_position() for ax in axes[:, 0]]
    assert boxes[0].height == pytest.approx(2 * boxes[1].height)
    assert boxes[1].height == pytest.approx(boxes[2].height)
    for bar, box in zip(figure.axes[3:], boxes, strict=True):
        place = bar.get_position(original=True)
        assert (place.y0, place.y1) == pytest.approx((box.y0, box.y1))
        assert 72 * 9 * (place.x0 - box.x1) == pytest.approx(BESIDE)
        assert 72 * 9 * place.width == pytest.approx(BAR)


def test_a_figure_drawn_twice_stays_the_same():
    figure, axes = new_figure(1, 2)
    heading(axes[0, 0], "one")
    axes[0, 0].plot([0, 1e7])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    once = [ax.get_position().bounds for ax in figure.axes]
    canvas.draw()
    assert [ax.get_position().bounds for ax in figure.axes] == once
