"""The tutorial's algorithms (JWebbinar 2, "Exploring TSO Products") in plain Python, as a notebook has them.

Slopes in, light curves out: 1/f as the median of every column outside a mask around the traces; centroids walked column
by column, the maximum of the Gaussian-smoothed profile near the last one; a least-squares B-spline with ten inner knots;
sums over an aperture of +-15 px with fractional edges, column by column; outliers against the scaled, median-filtered
median spectrum; light curves. Written from their description, for time and for comparison, not for use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.interpolate import LSQUnivariateSpline
from scipy.ndimage import gaussian_filter1d, median_filter

from benchmarks.clock import timed

KNOTS = 10
RADIUS = 15.0
START = {1: (2043, 4, 75.0), 2: (1700, 700, 200.0)}
"""order -> first and last column, row to start at where the image says nothing better"""


def one_over_f(slopes: Any, mask: Any) -> Any:
    """Column medians of every slope image (i, y, x) outside ``mask`` (y, x) taken out."""
    out = np.copy(slopes)
    for i in range(slopes.shape[0]):
        for x in range(slopes.shape[2]):
            rows = ~mask[:, x]
            if rows.any():
                out[i, :, x] -= np.nanmedian(slopes[i, rows, x])
    return out


def trace(image: Any, good: Any, first: int, last: int, row: float, radius: float = 20, sigma: float = 10, cut: float = 100):
    """Centroids (columns, rows) from column ``first`` to ``last``: maxima of the smoothed profile near the one before."""
    rows = np.arange(image.shape[0])
    columns = np.arange(first, last, -1 if last < first else 1)
    found = np.zeros(columns.size)
    for k, x in enumerate(columns):
        column = np.copy(image[:, x])
        smooth = median_filter(column, size=5)
        residual = column - smooth
        spread = 1.4826 * np.nanmedian(np.abs(residual - np.nanmedian(residual)))
        bad = ~good[:, x] | ~np.isfinite(column) | (np.abs(residual) > cut * spread)
        column[bad] = smooth[bad]
        column[~np.isfinite(column)] = 0
        filtered = gaussian_filter1d(column - np.median(column), sigma)
        near = np.abs(rows - row) < radius
        row = found[k] = rows[near][np.argmax(filtered[near])]
    return columns, found


def spline(columns: Any, rows: Any) -> Any:
    """Rows of a least-squares cubic B-spline with `KNOTS` inner knots, at columns in rising order."""
    order = np.argsort(columns)
    x, y = columns[order].astype(float), rows[order]
    knots = np.linspace(x[0], x[-1], KNOTS + 2)[1:-1]
    return x.astype(int), LSQUnivariateSpline(x, y, knots)(x)


def aperture(image: Any, columns: Any, rows: Any, radius: float = RADIUS) -> Any:
    """Sums (column,) over +-``radius`` px about ``rows``, edges by the share of the pixel inside."""
    flux = np.zeros(columns.size)
    for k, (x, y) in enumerate(zip(columns, rows, strict=True)):
        low, high = y - radius, y + radius
        first, last = int(np.floor(low + 0.5)), int(np.floor(high + 0.5))
        total = 0.0
        for row in range(max(first, 0), min(last, image.shape[0] - 1) + 1):
            share = min(row + 0.5, high) - max(row - 0.5, low)
            value = image[row, x]
            if np.isfinite(value):
                total += share * value
        flux[k] = total
    return flux


def replace_outliers(flux: Any, width: int = 11, sigma: float = 10.0) -> Any:
    """Spectra (i, column) with points off the scaled, median-filtered median spectrum replaced by it."""
    reference = median_filter(np.median(flux, axis=0), width)
    out = np.copy(flux)
    for i in range(flux.shape[0]):
        model = reference * np.median(flux[i]) / np.median(reference)
        residual = flux[i] - model
        spread = 1.4826 * np.median(np.abs(residual - np.median(residual)))
        far = np.abs(residual) > sigma * spread
        out[i, far] = model[far]
    return out


def light_curves(flux: Any) -> tuple[Any, Any]:
    """Normalised light curves (i, column) and their sum (i,)."""
    curves = flux / np.median(flux, axis=0)
    white = flux.sum(axis=1)
    return curves, white / np.median(white)


def read(paths: list[str]) -> tuple[Any, Any]:
    """Slopes (i, y, x) and flags of segments."""
    from astropy.io import fits

    slopes, flags = [], []
    for path in paths:
        with fits.open(path, memmap=False) as hdus:
            slopes.append(hdus["SCI"].data.astype(float))
            flags.append(hdus["DQ"].data & 1)
    return np.concatenate(slopes), np.concatenate(flags)


def all_of_it(paths: list[str], limit: int | None = None) -> dict[str, Any]:
    """Slopes in files to light curves of orders 1 and 2, with seconds of every step; ``limit`` integrations at most."""
    import warnings

    warnings.simplefilter("ignore", RuntimeWarning)  # medians of columns without a pixel
    seconds: dict[str, list[float]] = {}
    with timed(seconds):
        with timed(seconds, "reading "):
            slopes, flags = read(paths)
        slopes, flags = slopes[:limit], flags[:limit]
        deep = np.nanmedian(slopes, axis=0)
        usable = flags.min(axis=0) == 0
        mask = np.zeros(deep.shape, bool)
        starts = {}
        for order, (first, last, row) in START.items():
            image = deep if order == 1 else order_two(deep)
            columns, rows = trace(image, usable, first, last, row)
            starts[order] = rows[0]
            x, y = spline(columns, rows)
            for column, centre in zip(x, y, strict=True):
                mask[max(int(centre - 20), 0) : int(centre + 21), column] = True
        with timed(seconds, "1/f "):
            clean = one_over_f(slopes, mask)
        traces: dict[int, list[Any]] = {order: [] for order in START}
        with timed(seconds, "centroids "):
            for i in range(clean.shape[0]):
                for order, (first, last, _) in START.items():
                    image = clean[i] if order == 1 else order_two(clean[i])
                    traces[order].append(trace(image, flags[i] == 0, first, last, starts[order]))
        with timed(seconds, "splines "):
            smooth = {order: [spline(*one) for one in traces[order]] for order in START}
        with timed(seconds, "apertures "):
            flux = {order: np.array([aperture(clean[i], *smooth[order][i]) for i in range(clean.shape[0])]) for order in START}
        with timed(seconds, "light curves "):
            white = {order: light_curves(replace_outliers(flux[order]))[1] for order in START}
    n = clean.shape[0]
    return {"seconds": seconds, "n": n, "white": {str(order): curve.tolist() for order, curve in white.items()}}


def order_two(image: Any) -> Any:
    """The image without order 1, so that its light does not pull the centroids: rows below 78 left out."""
    cut = np.copy(image)
    cut[:78] = 0
    return cut
