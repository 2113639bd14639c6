"""Traces and their motion."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tsoar.scoring.limits import F64
from tsoar.scoring.products import Products, dataset
from tsoar.scoring.rows import Row, row
from tsoar.scoring.truth import COLUMNS, Truth

RANGES = (
    ("order 1", 1, 0, COLUMNS),
    ("order 2, columns 700-1700", 2, 700, 1700),
    ("order 2, columns 1000-1700", 2, 1000, 1700),
    ("order 3, columns <850", 3, 0, 850),
)
"""Name, order, first column, last + 1."""


def definitions(truth: Truth) -> dict[str, F64]:
    """What is called a trace: (order, column) each."""
    found = {"published trace": truth.trace, "centre of light": truth.centroid}
    return found | ({"midpoint of edges": truth.edges} if truth.edges is not None else {})


def traces(products: Products, truth: Truth) -> list[Row]:
    """Offset from and rms about each definition of the trace, after one constant; motion.

    True motion is taken out of each integration and the median over integrations is compared: what is left is a matter
    of the trace's shape. The definitions differ by tenths of a pixel because profiles are not symmetric; "rms" is about
    the nearest. Motion is relative to its mean.
    """
    if products.traces is None:
        return []
    rows: list[Row] = []
    data = dataset(products.traces, truth, ("y", "valid", "shift"))
    with data:
        present = data["order"].values.tolist()
        for name, order, first, last in RANGES:
            if order in present:
                rows += shape(data, truth, name, order, slice(first, last))
        for order in present:
            if order in (1, 2, 3):
                rows += motion(data, truth, int(order))
    return rows


def shape(data: xr.Dataset, truth: Truth, name: str, order: int, columns: slice) -> list[Row]:
    """Rows for the shape of one trace; none without a valid column."""
    one = data.sel(order=order).isel(column=columns)
    found: dict[str, F64] = {}
    for label, variable in (("", "y"), (" of y_raw", "y_raw")):
        if variable in one:
            y = one[variable].transpose("integration", "column").values.astype(np.float64)
            valid = (one["valid"].transpose("integration", "column").values > 0) & np.isfinite(y)
            y = np.where(valid, y - truth.drift_y[:, None], np.nan)
            enough = valid.mean(axis=0) >= 0.5
            middle = np.full(y.shape[1], np.nan)
            if enough.any():
                middle[enough] = np.nanmedian(y[:, enough], axis=0)
            found[label] = middle
    rows: list[Row] = []
    for label, middle in found.items():
        results = {}
        for definition, true in definitions(truth).items():
            away = middle - true[order - 1, columns]
            away = away[np.isfinite(away)]
            if away.size > 1:
                results[definition] = (float(away.mean()), float(away.std()), away.size)
        if not results:
            continue
        nearest = min(results, key=lambda definition: results[definition][1])
        note = f"about: {nearest}; {results[nearest][2]} columns"
        rows.append(row("traces", f"{name}: rms{label}", results[nearest][1], "px", "0", note))
        if label == "":
            for definition, (offset, rms, _) in results.items():
                title = f"{name}: offset from {definition}"
                rows.append(row("traces", title, offset, "px", "0 (by definition)", f"rms about it {rms:.4f} px"))
    return rows


def motion(data: xr.Dataset, truth: Truth, order: int) -> list[Row]:
    """Rows for the motion that one order shows."""
    shift = data["shift"].sel(order=order).values.astype(np.float64)
    use = np.isfinite(shift)
    if use.sum() < 3:
        return []
    true = truth.drift_y[use] - truth.drift_y[use].mean()
    error = shift[use] - shift[use].mean() - true
    rms = float(np.sqrt(np.sum(error**2) / (use.sum() - 1)))
    name = f"order {order}: motion"
    rows = [row("traces", f"{name}, rms error", 1e3 * rms, "mpx", "0", f"true motion {1e3 * true.std():.3g} mpx rms")]
    if "shift_err" in data:
        claimed = data["shift_err"].sel(order=order).values[use].astype(np.float64)
        if np.isfinite(claimed).any() and np.nanmedian(claimed) > 0:
            value = rms / float(np.sqrt(np.nanmean(claimed**2)))
            rows.append(row("traces", f"{name}, error over claimed", value, "", f"1 +- {1 / np.sqrt(2 * use.sum()):.2g}"))
    power = float(np.sum(true**2))
    if power > 0:
        uncertain = rms / np.sqrt(power)
        value = float(np.sum(true * (error + true))) / power
        rows.append(
            row("traces", f"{name}, measured over true", value, "", f"1 +- {uncertain:.2g}", "slope of a straight line")
        )
    return rows
