"""The arithmetic of a noise budget: variances out of the event, their parts, and how they hang together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from astropy import units as u
from astropy.table import Table
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.series.lightcurves import FREE_COLUMNS
from tsoar.series.residuals import detrend, median_factor, nanmedian
from tsoar.units import PPM

Bool = NDArray[np.bool_]
ALL = "all steps"
WITHOUT_1F = "without one_over_f"
MOST_LAGS = 64
"""Of columns."""
FAR = 33
"""Lags from here on: what all columns share, no neighbours."""
MOST_TIMES = 20
"""Lags of integrations."""
BAND = 64
"""Columns of a band of the table."""
MEDIAN_ERROR = 1.2533
"""Standard error of a median over that of a mean, for Gaussian noise: sqrt(pi / 2)."""
PARTS = ("photon", "read", "one_over_f")
SUMMARY = (
    *("part_photon", "part_read", "part_one_over_f", "excess", "excess_err", "total", "mean", "part_claimed", "over_claimed"),
)


def split(curves: Mapping[str, xr.Dataset], spectra: Mapping[str, xr.Dataset], outside: Bool) -> xr.Dataset:
    """Variances outside the event and their parts, by setting, order and column; summaries; correlations.

    Parameters
    ----------
    curves, spectra : light curves (`tsoar.series.light_curves`) and spectra.nc by name of the setting; the first is the one
        whose photon and read noise are the limit of all.
    outside : (i,) integrations outside the event.

    Returns
    -------
    Dataset (budget.nc): relative variances ``variance``, ``claimed`` (setting, order, column), ``photon``, ``read``,
    ``one_over_f`` (order, column), ``counts`` (1 where a column counts); over (setting, order), as ratios to the limit:
    ``part_photon`` ..., ``excess`` and ``excess_err``, ``total`` (typical column), ``mean`` (of all columns),
    ``part_claimed``, and ``over_claimed`` (scatter over claimed error);
    ``column_correlation``, ``time_correlation``, ``white_correlation`` with what white noise gives.
    """
    names = list(curves)
    first = spectra[names[0]]
    orders = [o for o in FREE_COLUMNS if o in first["order"].values]
    nx, time = first.sizes["column"], first["time"].values[outside]
    shape = (len(names), len(orders), nx)
    variance, claimed = np.full(shape, np.nan), np.full(shape, np.nan)
    freedom = np.zeros(shape, np.int64)
    residuals: dict[tuple[int, int], F64] = {}
    for s, name in enumerate(names):
        for k, o in enumerate(orders):
            curve = curves[name].sel(order=o)
            flux, error = (
                curve[n].transpose("integration", "column").values[outside].astype(np.float64) for n in ("flux", "flux_err")
            )
            residual, freedom[s, k] = detrend(time, flux, 1)
            with np.errstate(divide="ignore", invalid="ignore"):
                variance[s, k] = np.where(freedom[s, k] > 0, np.nansum(residual**2, axis=0) / freedom[s, k], np.nan)
            claimed[s, k] = nanmedian(error, axis=0) ** 2
            residuals[s, k] = residual
    level = curves[names[0]]["level"].sel(order=orders).values.astype(np.float64)
    parts = {n: first[f"variance_{n}"].sel(order=orders).values / level**2 for n in ("photon", "read")}
    parts["one_over_f"] = (first["error_1f"].sel(order=orders).values / level) ** 2
    limit = parts["photon"] + parts["read"]
    counts = (freedom >= 0.9 * outside.sum() - 2).all(axis=0) & np.isfinite(variance).all(axis=0) & (limit > 0)
    for k, o in enumerate(orders):
        low, high = FREE_COLUMNS[o]
        counts[k, :low], counts[k, high:] = False, False
    dims = ("setting", "order", "column")
    words = {"photon": "photon noise", "read": "read noise", "one_over_f": "1/f noise inside columns"}
    one = {"units": "1"}
    data: dict[str, Any] = {
        "variance": (dims, variance, one | {"long_name": "relative variance outside the event, after a straight line"}),
        "claimed": (dims, claimed, one | {"long_name": "claimed relative variance"}),
        "freedom": (dims, freedom, {"long_name": "degrees of freedom of variance"}),
        "wavelength": (dims[1:], first["wavelength"].sel(order=orders).values, {"units": "um"}),
        "counts": (dims[1:], counts.astype(np.uint8), {"long_name": "1 where the column counts"}),
    }
    data |= {n: (dims[1:], parts[n], one | {"long_name": f"relative variance by {words[n]}"}) for n in PARTS}
    table = xr.Dataset(data, {"setting": names, "order": orders, "column": np.arange(nx)})
    table = table.assign({n: (("setting", "order"), v) for n, v in totals(table).items()})
    table = table.assign(correlations(residuals, counts, np.flatnonzero(outside), time, names, orders))
    return table.assign_attrs(integrations=int(outside.sum()))


def totals(data: xr.Dataset, columns: slice = slice(None)) -> dict[str, F64]:
    """Parts of the variance over the limit's (setting, order), in some columns; NaN where no column counts.

    What is expected is a mean over columns. What is measured is held, column by column, against what is expected there (limit
    and 1/f noise), and the median of that, freed of small-sample bias, is not moved by outlying columns nor by parts that
    change with wavelength. So total = 1 + one_over_f + excess. What the variance rises by without one_over_f
    counts as 1/f noise.
    """
    some = data.isel(column=columns)
    shape = (some.sizes["setting"], some.sizes["order"])
    out = {n: np.full(shape, np.nan) for n in SUMMARY}
    for k in range(shape[1]):
        use = some["counts"].values[k].astype(bool)
        if not use.any():
            continue
        photon, read, inside = (some[n].values[k, use] for n in PARTS)
        limit = photon + read
        known = 1 + inside / limit
        out["part_photon"][:, k], out["part_read"][:, k] = np.mean(photon / limit), np.mean(read / limit)
        out["part_one_over_f"][:, k] = np.mean(known) - 1
        for s in range(shape[0]):
            free, variance, claimed = (some[n].values[s, k, use] for n in ("freedom", "variance", "claimed"))
            small = median_factor(free) ** 2
            out["total"][s, k] = np.median(variance / limit / known / small) * np.mean(known)
            out["mean"][s, k] = np.mean(variance / limit)
            out["part_claimed"][s, k] = np.mean(claimed / limit)
            out["over_claimed"][s, k] = np.sqrt(np.median(variance / claimed / small))
            out["excess_err"][s, k] = MEDIAN_ERROR * out["total"][s, k] * np.sqrt(2 / np.median(free) / use.sum())
            if some["setting"].values[s] == WITHOUT_1F:
                out["part_one_over_f"][s, k] += out["total"][s, k] - out["total"][0, k]
        out["excess"][:, k] = out["total"][:, k] - 1 - out["part_one_over_f"][:, k]
    return out


def correlations(
    residuals: Mapping[tuple[int, int], F64],
    counts: Bool,
    when: NDArray[np.int64],
    time: F64,
    names: list[str],
    orders: list[int],
) -> dict[str, Any]:
    """Correlation of the residuals by column lag and by time lag, its expectation for white noise, and errors."""
    nx, lags, times = counts.shape[1], np.arange(MOST_LAGS + 1), np.arange(min(MOST_TIMES, when.size // 2) + 1)
    shape = (len(names), len(orders))
    by_column: NDArray[np.float64] = np.full((*shape, lags.size), np.nan)
    by_time, white = np.full((*shape, times.size), np.nan), np.full((*shape, times.size), np.nan)
    column_err, time_err = np.full((len(orders), lags.size), np.nan), np.full((len(orders), times.size), np.nan)
    x = (time - time.mean()) / (np.ptp(time) or 1.0)
    q, _ = np.linalg.qr(np.column_stack([np.ones_like(x), x]))
    maker = np.eye(x.size) - q @ q.T  # what a straight line leaves of white noise
    pairs = [np.nonzero(when[:, None] + k == when[None, :]) for k in times]
    expected = np.array([maker[p].mean() if p[0].size else np.nan for p in pairs]) / np.diag(maker).mean()
    number = np.array([p[0].size for p in pairs])
    for (s, k), residual in residuals.items():
        use = np.flatnonzero(counts[k])
        if use.size < 2 * MOST_LAGS:
            continue
        z: F64 = np.full(residual.shape, np.nan)
        z[:, use] = residual[:, use] / np.sqrt(np.nanmean(residual[:, use] ** 2, axis=0))
        there: Bool = np.isfinite(z)
        z = np.where(there, z, 0.0)
        for lag in lags:
            both = there[:, : nx - lag] & there[:, lag:]
            if both.any():
                by_column[s, k, lag] = (z[:, : nx - lag] * z[:, lag:]).sum() / both.sum()
                column_err[k, lag] = 1 / np.sqrt(both.sum() * (x.size - 2) / x.size)
        mean = z.sum(axis=1) / there.sum(axis=1)
        mean = mean / np.sqrt(np.mean(mean**2))
        for t, (a, b) in enumerate(pairs):
            if a.size:
                both = there[a] & there[b]
                by_time[s, k, t] = (z[a] * z[b]).sum() / both.sum()
                white[s, k, t] = (mean[a] * mean[b]).mean()
                time_err[k, t] = 1 / np.sqrt(both.sum())
    with np.errstate(divide="ignore"):
        white_err = 1 / np.sqrt(number.astype(np.float64))
    dims = ("setting", "order")
    return {
        "column_lag": (("column_lag",), lags, {"units": "pixel"}),
        "time_lag": (("time_lag",), times, {"long_name": "integrations"}),
        "column_correlation": (
            (*dims, "column_lag"),
            by_column,
            {"long_name": "correlation of columns so far apart; white noise: 0"},
        ),
        "column_correlation_err": (("order", "column_lag"), column_err, {"long_name": "scatter of it for white noise"}),
        "time_correlation": ((*dims, "time_lag"), by_time, {"long_name": "mean over columns of the correlation in time"}),
        "time_correlation_err": (("order", "time_lag"), time_err, {"long_name": "scatter of it for white noise"}),
        "white_correlation": ((*dims, "time_lag"), white, {"long_name": "the same of the mean of all columns"}),
        "white_correlation_err": (("time_lag",), white_err, {"long_name": "scatter of it for white noise"}),
        "time_expected": (("time_lag",), expected, {"long_name": "what the straight line makes of white noise"}),
    }


def by_band(data: xr.Dataset, columns: int = BAND) -> Table:
    """budget.ecsv: the parts by order, setting and band of columns."""
    rows = []
    for start in range(0, data.sizes["column"], columns):
        here = slice(start, start + columns)
        found, some = totals(data, here), data.isel(column=here)
        for k, order in enumerate(data["order"].values):
            use = some["counts"].values[k].astype(bool)
            if use.sum() < columns // 4:
                continue
            wave = float(some["wavelength"].values[k, use].mean())
            limit = PPM * float(np.sqrt(np.median((some["photon"] + some["read"]).values[k, use])))
            for s, name in enumerate(data["setting"].values):
                values = (found[n][s, k] for n in SUMMARY)
                rows.append((int(order), str(name), wave, start, int(use.sum()), limit, *(float(v) for v in values)))
    found_names = [n.removeprefix("part_") for n in SUMMARY]
    names = ("order", "setting", "wavelength", "first", "n_columns", "limit", *found_names)
    words = {
        "setting": "as the run, or with a step left out",
        "wavelength": "mean of the band",
        "limit": "photon and read noise of one integration and column (median)",
        "photon": "part of the limit's variance",
        "read": "part of the limit's variance",
        "one_over_f": "1/f noise over the limit's variance; without one_over_f: and what the variance rises by",
        "excess": "total - 1 - one_over_f: variance not accounted for",
        "excess_err": "its statistical error",
        "total": "variance out of the event over the limit's, of the typical column",
        "mean": "the same, mean of all columns: outliers count in full",
        "claimed": "claimed variance over the limit's",
        "over_claimed": "scatter over claimed error",
    }
    if not rows:
        return Table(names=names)
    table = Table(rows=rows, names=names)
    table["wavelength"].unit, table["limit"].unit = u.um, u.Unit("1e-6")
    for name, text in words.items():
        table[name].info.description = text
    order = np.lexsort((np.asarray(table["wavelength"]), np.asarray(table["setting"]) != ALL, np.asarray(table["order"])))
    return table[order]


def rows_of(data: xr.Dataset) -> list[list[str]]:
    """The printed table, one row an order and setting."""
    rows = []
    for k, order in enumerate(data["order"].values):
        for s, name in enumerate(data["setting"].values):
            v = {n: float(data[n].values[s, k]) for n in SUMMARY}
            if not np.isfinite(v["total"]):
                continue
            rows.append(
                [
                    str(int(order)),
                    str(name),
                    f"{v['part_photon']:.3f}",
                    f"{v['part_read']:.3f}",
                    f"{v['part_one_over_f']:.3f}",
                    f"{v['excess']:+.3f} +- {v['excess_err']:.3f}",
                    f"{v['total']:.3f}",
                    f"{v['mean']:.3f}",
                    f"{np.sqrt(v['total']):.3f}",
                    f"{v['over_claimed']:.3f}",
                ]
            )
    return rows


def correlation_lines(data: xr.Dataset) -> list[str]:
    """What remains of the run itself: neighbours, all columns, and time, a line an order."""
    lines = []
    for k, order in enumerate(data["order"].values):
        near, near_err = float(data["column_correlation"].values[0, k, 1]), float(data["column_correlation_err"].values[k, 1])
        if not np.isfinite(near):
            continue
        far = data["column_correlation"].values[0, k, FAR:]
        far_err = data["column_correlation_err"].values[k, FAR:]
        shared, shared_err = float(np.nanmean(far)), float(np.nanmean(far_err) / np.sqrt(far.size))
        later, later_err = float(data["time_correlation"].values[0, k, 1]), float(data["time_correlation_err"].values[k, 1])
        all_of, all_err = float(data["white_correlation"].values[0, k, 1]), float(data["white_correlation_err"].values[1])
        lines.append(
            f"order {int(order)}: correlation of neighbouring columns {near:+.4f} +- {near_err:.4f}, of columns {FAR} to "
            f"{MOST_LAGS} apart {shared:+.4f} +- {shared_err:.4f} (white noise 0); of one integration with the next "
            f"{later:+.4f} +- {later_err:.4f}, of all columns together {all_of:+.2f} +- {all_err:.2f} (white noise "
            f"{float(data['time_expected'].values[1]):+.4f})"
        )
    return lines
