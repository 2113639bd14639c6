"""What stands in each other's way in a figure as it is drawn."""

from matplotlib.backends.backend_agg import FigureCanvasAgg


def crowded(figure, dpi=40):
    """Texts beside panels that leave the figure, lie on a panel or on each other, in words; none: [].

    Drawn by matplotlib itself, whose boxes are exact: the judge of `tsoar.plots.layout`, which only counts. What lies inside a
    panel is not looked at. Boxes may touch by a pixel and a half.
    """
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    shown = [ax for ax in figure.axes if ax.get_visible()]
    panels = [(ax.get_title("left") or ax.get_label() or "panel", ax.get_window_extent(renderer)) for ax in shown if ax.axison]
    texts = [one for ax in shown for one in beside(ax, renderer)]
    texts += [("a legend of the figure", legend.get_window_extent(renderer)) for legend in figure.legends]
    if figure.get_suptitle():
        texts.append(("the figure's title", figure._suptitle.get_window_extent(renderer)))
    edge = figure.bbox
    out = [f"{name!r} leaves the figure" for name, box in texts if outside(box, edge)]
    out += [f"{name!r} on {panel!r}" for name, box in texts for panel, area in panels if overlap(box, area)]
    pairs = ((a, b) for k, a in enumerate(texts) for b in texts[:k])
    return out + [f"{a[0]!r} on {b[0]!r}" for a, b in pairs if overlap(a[1], b[1])]


def beside(ax, renderer):
    """Headings, labels, numbers of a panel and of second axes at its edges, with their boxes."""
    found = [ax.title, *([t] if (t := ax._left_title).get_text() else [])]
    axes = [ax.xaxis, ax.yaxis] * ax.axison + [c.xaxis for c in ax.child_axes if c.get_label() != "inside"]
    for axis in axes:
        if axis.get_visible():
            found += [axis.label, axis.offsetText]
            found += [t for tick in axis._update_ticks() for t in (tick.label1, tick.label2)]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in found if t.get_visible() and t.get_text()]
    if (legend := ax.get_legend()) and outside(box := legend.get_window_extent(renderer), ax.bbox):
        boxes.append(("a legend", box))
    return boxes


def outside(box, edge, slack=1.5):
    return box.x0 < edge.x0 - slack or box.y0 < edge.y0 - slack or box.x1 > edge.x1 + slack or box.y1 > edge.y1 + slack


def overlap(a, b, slack=1.5):
    return min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack


def panels(figure):
    """Axes that are not colour bars, of a figure in which all can be read."""
    told = crowded(figure)
    assert not told, told
    return [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
