"""Looks at the planet's spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar.plots.style import DARK, ORDER_COLOURS, heading, legend, new_figure, plain
from tsoar.units import PPM


def recovered_spectrum(bins: NDArray[Any]) -> Figure:
    """The planet's spectrum as recovered beside the one that was put in, and the difference in sigmas.

    bins: structured array with order, wavelength, half_width [um], depth, error, injected.
    """
    figure, axes = new_figure(2, 1, height=5.5, sharex=True, height_ratios=(2.2, 1))
    top, below = axes[:, 0]
    for order in np.unique(bins["order"]):
        b = bins[bins["order"] == order]
        colour = ORDER_COLOURS[int(order)]
        style: dict[str, Any] = dict(fmt="o", markersize=3.5, color=colour, elinewidth=1.0)
        top.errorbar(
            b["wavelength"], PPM * b["depth"], PPM * b["error"], b["half_width"], label=f"order {order}, recovered", **style
        )
        pulls = (b["depth"] - b["injected"]) / b["error"]
        label = f"order {order}: mean {pulls.mean():+.2f}, rms {np.sqrt(np.mean(pulls**2)):.2f}"
        below.plot(b["wavelength"], pulls, "o", markersize=3.5, color=colour, label=label)
    line = np.argsort(bins["wavelength"])
    top.plot(bins["wavelength"][line], PPM * bins["injected"][line], color=DARK, linewidth=1.2, label="put in", zorder=3)
    below.axhspan(-1, 1, color="0.92", linewidth=0)
    below.axhline(0, color=DARK, linewidth=0.8)
    reach = max(3.0, 1.1 * float(np.abs((bins["depth"] - bins["injected"]) / bins["error"]).max(initial=0)))
    below.set_ylim(-reach, 1.6 * reach)  # room for the legend
    legend(top, loc="upper left", ncols=3)
    legend(below, loc="upper left", ncols=2)
    heading(top, "planet's spectrum in bins of 32 columns")
    heading(below, "recovered minus put in, over its error")
    top.set_ylabel("depth [ppm]")
    below.set_ylabel("sigma")
    below.set_xlabel("wavelength [µm]")
    low, high = PPM * bins["injected"].min(initial=1), PPM * bins["injected"].max(initial=0)
    spread = PPM * float(np.percentile(bins["error"], 90)) if bins.size else 1.0
    top.set_ylim(low - 4 * spread, high + 6 * spread)
    for ax in (top, below):
        plain(ax)
    return figure
