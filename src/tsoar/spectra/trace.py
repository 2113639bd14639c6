"""Smooth traces of a deep image (row C3): what is measured where it can be, the published model where it cannot.

The model's shape (PASTASOSS) is good to 0.1 px. So the edge midpoints give the wheel angle and an offset first; a spline
then follows only what is left over, which is nearly flat. Where an order cannot be told from its neighbour, or is too
faint, the trace stays on the model with the offset of the nearest columns measured: a plain centroid slides up to 10 px
towards order 1 there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import make_lsq_spline

from tsoar.blocks import F32, F64, Each, Readout
from tsoar.params import Annotated, Ge, Gt, Unit, doc
from tsoar.soss.traces import ANGLE_LIMIT, REFERENCE_ANGLE, expected_traces
from tsoar.spectra.centroids import CentroidParams, EdgeParams, centroids, edge_midpoints

DEGREE = 3
LOCAL = 150
"""columns nearest to a stretch that is held, whose offset from the model it takes"""
FEWEST = 100
"""measured columns below which an order is the model and a constant"""


@dataclass(frozen=True, slots=True)
class TraceParams:
    """How the traces of the deep image are measured and smoothed."""

    knots: Annotated[int, Ge(0), doc("inner knots of the spline along the trace")] = 10
    outlier: Annotated[
        float, Gt(0), Unit("sigma"), doc("columns further from the spline are left out (field stars on the trace)")
    ] = 4.0
    last_column: Annotated[int, Gt(900), doc("order 2 is held to the model from here on: it is faint")] = 1750
    edges: EdgeParams = field(default_factory=EdgeParams)
    centroids: CentroidParams = field(default_factory=CentroidParams)


@dataclass(frozen=True, slots=True)
class Traces:
    """Traces of a deep image; orders 1, 2, 3 are index 0, 1, 2."""

    y: F64
    """(3, x) smooth rows: middle between the half-maximum edges; NaN where an order is not on the subarray"""
    y_raw: F64
    """(3, x) centroids (maxima of the Gaussian-smoothed profile), +0.5 to +1 px above ``y`` by definition"""
    valid: NDArray[np.bool_]
    """(3, x) centroids that can be believed"""
    expected: F64
    """(3, x) the published model at the header's wheel angle"""
    pwcpos_fit: float
    """wheel angle that the traces show [deg]"""
    offset_fit: tuple[float, ...]
    """rows that the measured traces lie above the model at the fitted angle, medians per order"""
    rms: tuple[float, ...]
    """robust scatter of the measured columns about the smooth trace, per order [px]; NaN where none was measured"""
    method: tuple[str, ...]
    """how each order's trace came about"""


def smooth_trace(columns: F64, y: F64, valid: NDArray[np.bool_], knots: int = 10, outlier: float = 4.0) -> F64:
    """Least-squares B-spline of rows ``y`` (n,) over rising ``columns`` (n,), at all columns; ``valid`` (n,) ones count.

    Inner knots lie at even shares of the valid columns, so gaps do not matter; outliers are left out, renewed until
    nothing changes. Fewer columns than a spline needs give a line; none give NaN.
    """
    use = valid & np.isfinite(y)
    smooth = np.full(columns.shape, np.nan)
    for _ in range(10):
        x = columns[use].astype(np.float64)
        if x.size == 0:
            return smooth
        if x.size < 4 * (DEGREE + 1):
            smooth = np.polynomial.Polynomial.fit(x, y[use], min(1, x.size - 1))(columns)
            return np.asarray(smooth, np.float64)
        inner = min(knots, x.size // 8)
        t = np.quantile(x, np.arange(1, inner + 1) / (inner + 1))
        t = np.concatenate([np.repeat(x[0], DEGREE + 1), t, np.repeat(x[-1], DEGREE + 1)])
        spline = make_lsq_spline(x, y[use], t, k=DEGREE)
        smooth = np.asarray(spline(np.clip(columns, x[0], x[-1])), np.float64)
        with np.errstate(invalid="ignore"):
            rest = np.abs(y - smooth)
        limit = outlier * max(1.4826 * float(np.median(rest[use])), 1e-6)
        renewed = valid & (rest <= limit)
        if (renewed == use).all():
            break
        use = renewed
    return smooth


def measure_traces(
    image: F32, good: NDArray[np.bool_], readout: Readout, params: TraceParams = TraceParams(), each: Each = map
) -> Traces:
    """Traces of orders 1 to 3 on a deep image (y, x) without sky; good (y, x): pixels that may be used.

    Raises
    ------
    InputError
        When the header's wheel angle is not within 245.76 +- 0.25 deg.
    """
    expected = expected_traces(readout)
    angle, offset = readout.pwcpos, 0.0
    model = expected
    for _ in range(2):  # the second time with profiles aligned to what the first one found
        middles, measured = edge_midpoints(image, good, model + offset, params.edges, each)
        measured[1, params.last_column :] = False
        angle, offset = _fit_angle(middles[0], measured[0], readout, angle, offset)
        model = expected_traces(readout, pwcpos=angle)
    columns = np.arange(readout.shape[1], dtype=np.float64)
    smooth = np.full_like(model, np.nan)
    offsets, rms, method = [], [], []
    for o in range(3):
        known = np.isfinite(model[o])
        use = measured[o] & known
        if use.sum() < FEWEST:
            own = float(np.median((middles[o] - model[o])[use])) if use.sum() > 30 else offset
            smooth[o] = model[o] + own
            offsets.append(own)
            rms.append(float("nan"))
            method.append("model at the fitted angle" if known.any() else "not on the subarray")
            continue
        away = middles[o] - model[o]
        first = smooth_trace(columns, away, use, params.knots, params.outlier)
        spread = 1.4826 * float(np.median(np.abs(away - first)[use]))
        use &= np.abs(away - first) <= params.outlier * max(spread, 1e-3)
        rest, held = _with_held(away, use, known)
        final = smooth_trace(columns, rest, np.isfinite(rest), params.knots, np.inf)
        smooth[o, known] = (model[o] + final)[known]
        offsets.append(float(np.median(away[use])))
        rms.append(1.4826 * float(np.median(np.abs((middles[o] - smooth[o])[use]))))
        text = f"edge midpoints of columns {np.flatnonzero(use)[0]}-{np.flatnonzero(use)[-1]}, spline over the model"
        method.append(text + (f"; model on {held} columns" if held else ""))
    raw, valid = centroids(image, good & np.isfinite(image), smooth, params.centroids)
    return Traces(smooth, raw, valid, expected, angle, tuple(offsets), tuple(rms), tuple(method))


def _with_held(away: F64, use: NDArray[np.bool_], known: NDArray[np.bool_]) -> tuple[F64, int]:
    """Offsets from the model (x,), stretches that were not measured held to the nearest measured columns' median."""
    rest = np.where(use, away, np.nan)
    x = np.flatnonzero(use)
    before, after = known.copy(), known.copy()
    before[x[0] :] = False
    after[: x[-1] + 1] = False
    rest[before] = np.median(away[x[:LOCAL]])
    rest[after] = np.median(away[x[-LOCAL:]])
    return rest, int(before.sum() + after.sum())


def _fit_angle(middles: F64, measured: NDArray[np.bool_], readout: Readout, angle: float, offset: float) -> tuple[float, float]:
    """Wheel angle [deg] and vertical offset [px] at which the model meets order 1 best; unchanged if it is not seen."""
    if measured.sum() < FEWEST:
        return angle, offset
    columns = np.flatnonzero(measured)
    use = np.ones(columns.size, bool)
    limits = REFERENCE_ANGLE - ANGLE_LIMIT, REFERENCE_ANGLE + ANGLE_LIMIT
    for _ in range(8):
        step = 0.01 if angle + 0.01 <= limits[1] else -0.01
        model = expected_traces(readout, pwcpos=angle)[0, columns]
        slope = (expected_traces(readout, pwcpos=angle + step)[0, columns] - model) / step
        a = np.stack([slope, np.ones(columns.size)], axis=1)
        rest = middles[columns] - model
        (turn, offset), *_ = np.linalg.lstsq(a[use], rest[use], rcond=None)
        away = np.abs(rest - a @ (turn, offset))
        use = away <= 4 * max(1.4826 * float(np.median(away)), 1e-3)
        angle = float(np.clip(angle + turn, *limits))
    return angle, float(offset)
