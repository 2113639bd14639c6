"""White light: all columns of an order added up, without letting holes that come and go move the curve (row D5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from astropy import units as u
from astropy.table import Table
from numpy.typing import NDArray

from tsoar.series.lightcurves import FREE_COLUMNS, filled_sum, usable_columns, values_of
from tsoar.series.residuals import nanmedian
from tsoar.units import TIME_LONG_NAME

WHITE_ORDERS = (1, 2)
"""Order 3 lies on the wings of order 1 and repeats its wavelengths: not in white light."""


def white_light(
    spectra: xr.Dataset,
    baseline: NDArray[np.bool_] | None = None,
    *,
    columns: Mapping[int, tuple[int, int]] = FREE_COLUMNS,
) -> Table:
    """White light of orders 1 and 2, and of both together.

    Parameters
    ----------
    spectra : spectra.nc.
    baseline : (i,), integrations outside the event: there the median becomes 1 (over all integrations when not given).
    columns : [first, last + 1) of each order: order 1 all of it, order 2 where it stands free of order 1.

    Returns
    -------
    Table with time [d], flux_order1, flux_err_order1, flux_order2, flux_err_order2, flux, flux_err [1]. An order without
    light is NaN, and ``flux`` is then the other alone. ``meta`` says which columns and wavelengths [um] were added up, how
    many of their values were missing and made up for (`filled_sum`), and the level [DN/s] of 1.
    """
    n = spectra.sizes["integration"]
    outside = np.ones(n, bool) if baseline is None else np.asarray(baseline, bool)
    table = Table()
    table["time"] = spectra["time"].values * u.d
    table["time"].info.description = TIME_LONG_NAME
    meta: dict[str, object] = {}
    both, variance = np.zeros(n), np.zeros(n)
    for order in WHITE_ORDERS:
        total = noise = np.full(n, np.nan)
        if order in spectra["order"].values:
            flux, error = values_of(spectra, order)
            x = np.arange(flux.shape[1])
            use = usable_columns(flux) & (x >= columns[order][0]) & (x < columns[order][1])
            if use.any():
                total, noise = filled_sum(flux[:, use], error[:, use], outside)
                both, variance = both + total, variance + noise**2
                wavelength = spectra["wavelength"].sel(order=order).values[use]
                meta[f"order{order}"] = {
                    "columns": [int(x[use].min()), int(x[use].max()) + 1],
                    "n_columns": int(use.sum()),
                    "wavelength_um": [round(float(np.nanmin(wavelength)), 5), round(float(np.nanmax(wavelength)), 5)],
                    "filled": int(np.isnan(flux[:, use]).sum()),
                    "level_dn_s": float(nanmedian(total[outside])),
                }
        _add(table, f"order{order}", total, noise, outside)
    if not meta:
        both[:], variance[:] = np.nan, np.nan
    _add(table, "", both, np.sqrt(variance), outside)
    meta["together"] = [o for o in WHITE_ORDERS if f"order{o}" in meta]
    meta["baseline_integrations"] = int(outside.sum())
    table.meta.update(meta)
    return table


def _add(table: Table, name: str, total: NDArray, noise: NDArray, outside: NDArray[np.bool_]) -> None:
    level = nanmedian(total[outside])
    what = name.replace("order", "order ") or "orders together"
    end = f"_{name}" if name else ""
    for column, values, text in (("flux", total, "white light"), ("flux_err", noise, "claimed error of white light")):
        table[column + end] = (values / level) * u.dimensionless_unscaled
        table[column + end].info.description = f"{text}, {what}, median outside the event = 1"
