"""From the survey's images to the deep stack: star and sky apart, templates of motion and width, odd pixels (row G1).

Pure functions on arrays; `tsoar.reduce.survey` feeds them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import spline_filter1d, uniform_filter1d

from tsoar.blocks import F32, F64, Each
from tsoar.detector.one_over_f import bridge
from tsoar.jit import kernel
from tsoar.medians import column_medians
from tsoar.params import Annotated, Ge, Gt, Unit, doc


@dataclass(frozen=True, slots=True)
class SurveyParams:
    """The first pass over a sample of integrations."""

    integrations: Annotated[int, Ge(1), doc("how many integrations are looked at, spread evenly; all if there are fewer")] = 32
    minimum: Annotated[
        int, Ge(2), doc("with fewer integrations than this there is no deep stack: the field's per-integration methods")
    ] = 8
    noisy: Annotated[
        float,
        Gt(0),
        Unit("sigma"),
        doc("pixels whose scatter inside ramps exceeds their noise model by this are left out"),
    ] = 3.5
    odd: Annotated[
        float,
        Gt(0),
        Unit("sigma"),
        doc("deep pixels further from their neighbours in the row lend their template from those"),
    ] = 8.0


def sample_of(n: int, wanted: int) -> NDArray[np.int64]:
    """Numbers of ``wanted`` integrations spread evenly over ``n`` (all if fewer).

    >>> sample_of(10, 4).tolist()
    [1, 3, 6, 8]
    """
    if n <= wanted:
        return np.arange(n)
    return np.floor((np.arange(wanted) + 0.5) * n / wanted).astype(np.int64)


LOCAL = (5, 9)
"""(rows, columns) about a pixel whose differences from their neighbours say what is usual there"""


def odd_pixels(image: F32, usable: NDArray[np.bool_], noise: F32, limit: float) -> tuple[NDArray[np.bool_], F32]:
    """Pixels of the deep image (y, x) that do not fit their neighbours in the row, and the image repaired along the row.

    Compared with the median of the 8 nearest pixels of the same row (the star changes slowly along a row); the yardstick
    is the local scatter about that median, not below ``noise`` (y, x). Unusable pixels count as odd.
    """
    nx = image.shape[1]
    holes = np.pad(np.where(usable, image, np.float32(np.nan)), ((0, 0), (4, 4)), constant_values=np.nan)
    expected = column_medians(np.stack([holes[:, k : k + nx] for k in (2, 3, 5, 6)]))
    alone = ~np.isfinite(expected)  # the two on either side are bad
    around = np.lib.stride_tricks.sliding_window_view(holes, 9, axis=1)[alone]
    expected[alone] = column_medians(np.delete(around, 4, axis=1).T)
    away = np.abs(image - expected)
    odd = ~usable | ~(away <= limit * noise) | ~np.isfinite(image)
    # what neighbouring pixels differ by anyway: pixel response (1 %) and steep light; asked only where noise is exceeded
    ys, xs = np.nonzero(usable & np.isfinite(away) & (away > limit * noise))
    half_y, half_x = LOCAL[0] // 2, LOCAL[1] // 2
    padded = np.pad(
        np.where(usable & np.isfinite(away), away, np.float32(0)), ((half_y, half_y), (half_x, half_x)), mode="symmetric"
    )
    windows = np.lib.stride_tricks.sliding_window_view(padded, LOCAL)[ys, xs].reshape(ys.size, LOCAL[0] * LOCAL[1])
    local = column_medians(np.ascontiguousarray(windows.T, np.float32))
    odd[ys, xs] = ~(away[ys, xs] <= limit * np.maximum(1.4826 * local, np.broadcast_to(noise, image.shape)[ys, xs]))
    return odd, bridge(np.where(odd, np.float32(np.nan), image))


def motion_templates(
    star: F32, trace: F64, radius: float, centre: F64 | None = None, columns: int = 15, each: Each = map
) -> tuple[F32, F32, F32]:
    """Change of each order's image with trace row and with width, near its trace, and half the second derivative.

    star (3, y, x); trace (3, x). A move up by dy changes the image by -S' dy + S'' dy^2 / 2; a profile wider by a factor
    1 + w by -w (S + (y - centre) S'), light kept; ``centre`` (3, x) is the trace unless given. Pixel response does not
    move with the star, so derivatives are those of a smooth star: profiles are laid on a common grid about the trace,
    averaged over ``columns`` neighbours and differentiated as splines (central differences see 2 to 3 % too
    little motion; pixel structure of 1 % in the derivative would take another per cent).
    """
    gradient, stretch, curvature = np.zeros_like(star), np.zeros_like(star), np.zeros_like(star)
    step = 0.5
    s = np.arange(-radius - 6, radius + 6.25, step)
    core = np.abs(s) <= 10

    def fill(o: int) -> None:
        x = np.flatnonzero(np.isfinite(trace[o]))
        if not x.size:
            return
        low = max(int(trace[o, x].min() + s[0]) - BEYOND, 0)  # only rows that the order comes near to
        cut = np.s_[o, low : int(trace[o, x].max() + s[-1]) + 2 + BEYOND]
        image, y = star[cut][:, x], trace[o, x]
        around = np.pad(image.astype(np.float64), ((BEYOND, BEYOND), (0, 0)), mode="edge")
        grid = down_columns(around, np.clip(y - low + s[:, None] + BEYOND, 1, len(around) - 3))
        light = np.maximum(grid[core].mean(axis=0), 0)
        mean_light = np.maximum(uniform_filter1d(light, columns, mode="nearest"), 1e-3 * light.max())
        shape = uniform_filter1d(grid, columns, axis=1, mode="nearest") / mean_light
        spline = spline_filter1d(shape, axis=0, mode="mirror")
        again = spline_filter1d(spline, axis=0, mode="mirror")  # its differences are splines through the derivatives
        middle = trace if centre is None else centre
        out = (gradient[o], stretch[o], curvature[o])
        _derivatives(spline, again, light, x, y, middle[o, x], -s[0], step, radius, low, low + len(image), *out)

    for _ in each(fill, range(star.shape[0])):
        pass
    return gradient, stretch, curvature


BEYOND = 12
"""rows by which an image is continued for its spline: the frame's edge is felt 0.27 per row (`scipy.ndimage` takes as many)"""


def down_columns(values: F64, place: F64) -> F64:
    """Columns of ``values`` (n, x) at the rows ``place`` (m, x), by cubic splines; 0 where ``place`` is NaN.

    Rows between 1 and n - 3 can be asked for. Like `scipy.ndimage.map_coordinates` at whole columns, without its splines
    along the other axis, which there do nothing: eight times faster.
    """
    out = np.empty_like(place)
    _splines(spline_filter1d(values, axis=0, mode="mirror"), place, out)
    return out


@kernel
def _splines(coefficients, place, out):
    for i in range(place.shape[0]):
        for x in range(place.shape[1]):
            p = place[i, x]
            if not p >= 1:
                out[i, x] = 0
                continue
            k = int(p)
            t = p - k
            u = 1 - t
            total = u * u * u * coefficients[k - 1, x] + t * t * t * coefficients[k + 2, x]
            total += (4 - 3 * t * t * (2 - t)) * coefficients[k, x] + (4 - 3 * u * u * (2 - u)) * coefficients[k + 1, x]
            out[i, x] = total / 6


@kernel
def _derivatives(spline, again, light, columns, trace, centre, start, step, radius, low, high, gradient, stretch, curvature):
    """What motion and width change in the rows from ``low`` to ``high`` of an order's ``columns``: out (y, x).

    spline (n, columns): of the profiles, a point every ``step`` px from ``start`` px below the trace on; again: the spline
    through its own coefficients.
    """
    for y in range(low, high):
        for j in range(columns.size):
            away = y - trace[j]
            if not abs(away) <= radius:
                continue
            p = (away + start) / step
            k = int(p)
            t = p - k
            u = 1 - t
            b0, b1, b2, b3 = u * u * u / 6, (4 - 3 * t * t * (2 - t)) / 6, (4 - 3 * u * u * (2 - u)) / 6, t * t * t / 6
            a0, a1, a2, a3 = again[k - 1, j], again[k, j], again[k + 1, j], again[k + 2, j]
            here = b0 * a0 + b1 * a1 + b2 * a2 + b3 * a3
            before = b0 * again[k - 2, j] + b1 * a0 + b2 * a1 + b3 * a2
            after = b0 * a1 + b1 * a2 + b2 * a3 + b3 * again[k + 3, j]
            value = b0 * spline[k - 1, j] + b1 * spline[k, j] + b2 * spline[k + 1, j] + b3 * spline[k + 2, j]
            first = light[j] * (after - before) / (2 * step)
            gradient[y, columns[j]] = -first
            stretch[y, columns[j]] = -(light[j] * value + (y - centre[j]) * first)
            curvature[y, columns[j]] = 0.5 * light[j] * (after - 2 * here + before) / (step * step)


def noisy_pixels(
    scatter: F32, expected: F32, usable: NDArray[np.bool_], n_sample: int, n_differences: int, limit: float
) -> NDArray[np.bool_]:
    """Pixels noisier inside ramps than their model.

    scatter (y, x): median over the sample of the mean absolute deviation of the differences inside a ramp; expected: what
    the noise model gives. Needs 3 differences; scatter over *time* is not used (it flags trace edges that move).
    """
    if n_differences < 3:
        return np.zeros(scatter.shape, bool)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = scatter / expected
    few = np.s_[::3, ::3]  # tell the median to 0.05 per cent
    typical = np.nanmedian(ratio[few][usable[few]])
    return usable & ~(ratio / typical <= 1 + limit / np.sqrt(n_sample * (n_differences - 1) / 2))
