"""Looks at a fit: white light with its model, the planet's spectrum, residuals, a corner of the parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.plots.style import DARK, GREY, ORDER_COLOURS, SMALL, colour_bar, heading, legend, new_figure, plain, show_image
from tsoar.units import PPM

ACROSS = 256
"""Bins across the residual image: columns are averaged to as many, so that what they share stands out."""
NAMES = {
    "t0": "$t_0$ [s]",
    "period": "period [min]",
    "a_over_r": "$a/R_*$",
    "inclination": "inclination [°]",
    "depth": "depth [ppm]",
    "q1": "$q_1$",
    "q2": "$q_2$",
    "ln_jitter": "ln jitter",
}
SCALES = {"t0": 86400.0, "period": 1440.0, "depth": PPM}


def fit_white_light(product: xr.Dataset, t0: float) -> Figure:
    """White light of each order over its baseline with the fitted event, and residuals below, from fit.nc."""
    orders = [int(o) for o in product["order"].values if np.isfinite(product["white_flux"].sel(order=o)).any()]
    figure, axes = new_figure(2, max(len(orders), 1), width=10.5, height=5.2, sharex=True, sharey="row", height_ratios=(2.2, 1))
    x = 24 * (product["time"].values - t0)
    for (top, below), order in zip(axes.T, orders, strict=False):
        one = product.sel(order=order)
        flux, error, model, curve, residual = (
            one[f"white_{n}"].values for n in ("flux", "flux_err", "model", "curve", "residual")
        )
        level = model / curve
        style: dict[str, Any] = dict(fmt="o", markersize=2.7, color=ORDER_COLOURS[order], elinewidth=0.7)
        top.errorbar(x, flux / level, error / level, **style)
        top.plot(x, curve, color=DARK, linewidth=1.2, zorder=3)
        below.errorbar(x, PPM * residual, PPM * error, **style)
        below.axhline(0, color=DARK, linewidth=0.9)
        left = residual[np.isfinite(residual)]
        heading(top, f"order {order}: white light over its baseline, fitted event")
        heading(
            below, f"rms {PPM * float(np.sqrt(np.mean(left**2))):.0f} ppm, claimed {PPM * float(np.nanmedian(error)):.0f} ppm"
        )
        below.set_xlabel("time from mid-event [h]")
        for ax in (top, below):
            plain(ax)
    axes[0, 0].set_ylabel("relative flux")
    axes[0, 0].ticklabel_format(axis="y", useOffset=False)
    axes[1, 0].set_ylabel("residual [ppm]")
    if "baseline" in product.attrs:
        figure.suptitle(f"baseline: {product.attrs['baseline']}", x=0.01, ha="left", fontsize=SMALL)
    return figure


def fit_spectrum(table: Table) -> Figure:
    """The planet's spectrum: every bin, and where bins are many, means of neighbours on top (planet_spectrum.ecsv)."""
    figure, axes = new_figure(width=10, height=4.6)
    ax = axes[0, 0]
    plain(ax)
    heights = []
    for order in np.unique(np.asarray(table["order"])):
        rows = table[np.asarray(table["order"]) == order]
        w, depth, error = (np.asarray(rows[n], np.float64) for n in ("wavelength", "depth", "depth_err"))
        half = np.asarray(rows["half_width"], np.float64)
        colour = ORDER_COLOURS[int(order)]
        style: dict[str, Any] = dict(fmt="o", color=colour, elinewidth=1.0, zorder=3)
        many = w.size > 200
        if not many:
            ax.errorbar(w, PPM * depth, PPM * error, half, markersize=3.5, label=f"order {order}", **style)
            sure = error <= 5 * np.median(error)  # what is less sure may leave the picture
            heights += [PPM * (depth - 1.5 * error)[sure], PPM * (depth + 1.5 * error)[sure]]
            continue
        ax.errorbar(w, PPM * depth, PPM * error, fmt=".", markersize=1.5, color=colour, elinewidth=0.3, alpha=0.18, zorder=1)
        pieces = np.array_split(np.arange(w.size), max(w.size // 32, 1))
        weight = [error[p] ** -2.0 for p in pieces]
        mean = np.array([np.average(depth[p], weights=v) for p, v in zip(pieces, weight, strict=True)])
        mean_err = np.array([v.sum() ** -0.5 for v in weight])
        centre = np.array([w[p].mean() for p in pieces])
        width = np.array([0.5 * (w[p[-1]] - w[p[0]]) for p in pieces])
        label = f"order {order}: means of about {len(pieces[0])} bins"
        ax.errorbar(centre, PPM * mean, PPM * mean_err, width, markersize=4, label=label, **style)
        sure = mean_err <= 3 * np.median(mean_err)  # what is less sure may leave the picture
        heights += [PPM * (mean - 4 * mean_err)[sure], PPM * (mean + 4 * mean_err)[sure]]
    if heights:
        low, high = (float(f(np.concatenate(heights))) for f in (np.min, np.max))
        ax.set_ylim(low - 0.05 * (high - low), high + 0.15 * (high - low))
    ax.set_xlabel("wavelength [µm]")
    ax.set_ylabel("depth [ppm]")
    heading(ax, f"{table.meta.get('planet', 'planet')}: {len(table)} bins")
    legend(ax, loc="upper right", ncols=2)
    return figure


def fit_residuals(product: xr.Dataset, t0: float) -> Figure:
    """Residuals of all bins in units of their errors, time against wavelength, from fit.nc.

    More bins than pixels across are averaged and multiplied by the root of their number: noise of the claimed errors keeps a
    scatter of 1, and what neighbours share grows.
    """
    orders = [int(o) for o in product["order"].values if np.isfinite(product["model"].sel(order=o)).any()]
    figure, axes = new_figure(1, max(len(orders), 1), width=10.5, height=4.6, sharey=True)
    x = 24 * (product["time"].values - t0)
    step = float(np.median(np.diff(x)))
    shown = None
    for ax, order in zip(axes[0], orders, strict=False):
        one = product.sel(order=order)
        fitted = np.flatnonzero(np.isfinite(one["model"].values).any(axis=0))
        wavelength = one["wavelength"].values[fitted]
        fitted = fitted[np.argsort(wavelength)]
        wavelength = one["wavelength"].values[fitted]
        sigmas = ((one["flux"] - one["model"]) / one["flux_err"]).values[:, fitted]
        size = -(-fitted.size // ACROSS)
        pieces = np.array_split(np.arange(fitted.size), -(-fitted.size // size))
        there = np.isfinite(sigmas)
        total = np.stack([np.where(there, sigmas, 0.0)[:, p].sum(1) for p in pieces], 1)
        count = np.stack([there[:, p].sum(1) for p in pieces], 1)
        image = np.where(count > 0, total / np.sqrt(np.maximum(count, 1)), np.nan)
        centre = np.array([wavelength[p].mean() for p in pieces])
        extent = (-0.5, centre.size - 0.5, float(x[0]) - 0.5 * step, float(x[-1]) + 0.5 * step)
        shown = show_image(ax, image, limits=(-3.5, 3.5), cmap="RdBu_r", extent=extent)
        marks = np.unique(np.linspace(0, centre.size - 1, 6).round().astype(int))
        ax.set_xticks(marks, [f"{centre[m]:.2f}" for m in marks])
        heading(
            ax,
            f"order {order}: rms {float(np.sqrt(np.nanmean(image**2))):.3f}"
            + (f", sums of {size} columns" if size > 1 else ""),
        )
        ax.set_xlabel("wavelength [µm]")
    axes[0, 0].set_ylabel("time from mid-event [h]")
    if shown is not None:
        colour_bar(shown, axes.flat, "residual over its error")
    return figure


def fit_corner(names: list[str], values: F64, covariance: F64, samples: tuple[list[str], NDArray[Any]] | None = None) -> Figure:
    """White light's parameters against each other: ellipses of the least squares (1 and 2 sigma), and posterior samples.

    ``samples``: their names and values (s, p). Times are seconds from the fitted middle.
    """
    keep = [k for k, n in enumerate(names) if covariance[k, k] > 0]
    n = max(len(keep), 1)
    figure, axes = new_figure(n, n, width=1.2 + 1.25 * n, height=1.0 + 1.2 * n)
    scale = np.array([SCALES.get(names[k].rpartition("_")[0] or names[k], SCALES.get(names[k], 1.0)) for k in keep])
    offset = np.array([values[k] if names[k] == "t0" else 0.0 for k in keep])
    centre = (values[keep] - offset) * scale
    spread = covariance[np.ix_(keep, keep)] * np.outer(scale, scale)
    sigma = np.sqrt(np.diag(spread))
    drawn = None
    if samples is not None:
        drawn = (samples[1][:, [samples[0].index(names[k]) for k in keep]] - offset) * scale
    for r in range(n):
        for c in range(n):
            ax = axes[r, c]
            if c > r or not keep:
                ax.set_visible(False)
                continue
            ax.set_xlim(centre[c] - 3.5 * sigma[c], centre[c] + 3.5 * sigma[c])
            ax.tick_params(labelsize=6.5)
            ax.xaxis.set_major_locator(MaxNLocator(2, prune="both"))
            ax.tick_params(axis="x", labelrotation=45)
            if r == c:
                grid = np.linspace(centre[c] - 3.5 * sigma[c], centre[c] + 3.5 * sigma[c], 100)
                ax.plot(grid, np.exp(-0.5 * ((grid - centre[c]) / sigma[c]) ** 2), color=DARK, linewidth=1.1)
                if drawn is not None:
                    counts, edges = np.histogram(drawn[:, c], 25, ax.get_xlim())
                    ax.stairs(counts / max(counts.max(), 1), edges, color=ORDER_COLOURS[1], linewidth=1)
                ax.set_yticks([])
                ax.set_ylim(0, 1.15)
            else:
                if drawn is not None:
                    ax.plot(drawn[:, c], drawn[:, r], ".", markersize=1, color=ORDER_COLOURS[1], alpha=0.25, rasterized=True)
                pair = spread[np.ix_([c, r], [c, r])]
                size, axis = np.linalg.eigh(pair / np.outer(sigma[[c, r]], sigma[[c, r]]))
                for level in (1.0, 2.0):
                    _ellipse(ax, centre[[c, r]], size, axis, sigma[[c, r]], level)
                ax.set_ylim(centre[r] - 3.5 * sigma[r], centre[r] + 3.5 * sigma[r])
                ax.yaxis.set_major_locator(MaxNLocator(3, prune="both"))
            ax.ticklabel_format(useOffset=False)
            if r == n - 1:
                ax.set_xlabel(_label(names[keep[c]]), fontsize=7.5)
            else:
                ax.set_xticklabels([])
            if c == 0 and r > 0:
                ax.set_ylabel(_label(names[keep[r]]), fontsize=7.5)
            elif c > 0:
                ax.set_yticklabels([])
    return figure


def _label(name: str) -> str:
    kind, _, order = name.rpartition("_")
    return f"{NAMES[kind]}, {order}" if kind in NAMES else NAMES.get(name, name)


def _ellipse(ax: Any, centre: F64, size: F64, axis: F64, sigma: F64, level: float) -> None:
    """Contour of a Gauss at ``level`` sigma: an ellipse in units of sigma, stretched to the axes."""
    from matplotlib.transforms import Affine2D

    angle = float(np.degrees(np.arctan2(axis[1, 1], axis[0, 1])))
    root = 2 * level * np.sqrt(np.maximum(size, 0))
    style: dict[str, Any] = dict(fill=False, edgecolor=DARK if level == 1 else GREY, linewidth=1.0)
    patch = Ellipse((0, 0), root[1], root[0], angle=angle, **style)
    patch.set_transform(Affine2D().scale(*sigma).translate(*centre) + ax.transData)
    ax.add_patch(patch)
