"""One setting condensed: white light, light curves of bins, scatter and its limit; small enough to keep and to send."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from tsoar.blocks import F64
from tsoar.io.datasets import atomic
from tsoar.series.lightcurves import FREE_COLUMNS, bin_spectra, light_curves, values_of
from tsoar.series.residuals import nanmedian
from tsoar.series.sensitivity import sensitivity
from tsoar.series.white import WHITE_ORDERS, white_light

Bool = NDArray[np.bool_]


@dataclass
class Outcome:
    """What is kept of a setting; first axis of every array but ``outside``: orders 1 and 2."""

    arrays: dict[str, NDArray[Any]]
    """white, white_err, shift, width (o, i); bin_flux, bin_err (o, b, i); bin_wavelength (o, b); scatter, claimed, limit,
    light (o, x); outside (i,)"""
    numbers: dict[str, float] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Keep it; it has its name only when whole."""
        with atomic(path) as part, part.open("wb") as f:
            np.savez(f, numbers=np.array(json.dumps(self.numbers)), **self.arrays)  # type: ignore[arg-type]

    @classmethod
    def read(cls, path: Path) -> Outcome | None:
        """What `write` kept; None when it cannot be read."""
        try:
            with path.open("rb") as f, np.load(f) as z:
                arrays = {k: z[k] for k in z.files if k != "numbers"}
                return cls(arrays, json.loads(str(z["numbers"])))
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None


def bin_edges(wavelength: NDArray[np.floating], resolution: float) -> F64:
    """Edges [um] of bins of one resolving power over all wavelengths of the instrument; the same for every setting."""
    low, high = float(np.nanmin(wavelength)), float(np.nanmax(wavelength))
    return np.asarray(low * np.exp(np.arange(int(np.log(high / low) * resolution) + 2) / resolution))


def judge(spectra: xr.Dataset, limit: NDArray[np.floating], outside: Bool, edges: F64) -> Outcome:
    """Condense the spectra of a setting.

    Parameters
    ----------
    spectra : spectra.nc.
    limit : (i, 3, x) errors [DN/s] that photons and reads alone would leave.
    outside : (i,) integrations outside the event.
    edges : of the bins [um].
    """
    spectra = spectra.sel(order=list(WHITE_ORDERS))
    curves = light_curves(spectra, outside)
    judged = sensitivity(curves)
    out: dict[str, NDArray[Any]] = {"outside": outside}
    white = white_light(spectra, outside)
    out["white"] = np.stack([np.asarray(white[f"flux_order{o}"], np.float64) for o in WHITE_ORDERS])
    out["white_err"] = np.stack([np.asarray(white[f"flux_err_order{o}"], np.float64) for o in WHITE_ORDERS])
    for name in ("shift", "width"):
        out[name] = spectra[name].transpose("order", "integration").values.astype(np.float64)
    columns = {o: FREE_COLUMNS[o] for o in WHITE_ORDERS}
    binned = light_curves(bin_spectra(spectra, edges=edges, columns=columns, baseline=outside), outside)
    for name, source in (("bin_flux", "flux"), ("bin_err", "flux_err")):
        out[name] = binned[source].transpose("order", "bin", "integration").values
    out["bin_wavelength"] = binned["wavelength"].values
    counts = np.isfinite(judged["running"].values)
    level = curves["level"].values.astype(np.float64)
    below = np.stack([nanmedian(limit[outside, o - 1], axis=0) for o in WHITE_ORDERS]) / level
    for name, values in (("scatter", judged["scatter"].values), ("claimed", judged["claimed"].values), ("limit", below)):
        out[name] = np.where(counts, values, np.nan).astype(np.float32)
    out["light"] = level.astype(np.float32)
    factor = float(judged.attrs["median_factor"])
    numbers: dict[str, float] = {}
    for k, o in enumerate(WHITE_ORDERS):
        flux, _ = values_of(spectra, o)
        numbers[f"sensitivity_{o}"] = float(judged["median"].values[k])
        numbers[f"over_limit_{o}"] = float(nanmedian(out["scatter"][k] / out["limit"][k])) / factor
        numbers[f"columns_{o}"] = float(counts[k].sum())
        numbers[f"filled_{o}"] = 100 * float(np.isnan(flux[:, counts[k]]).mean()) if counts[k].any() else float("nan")
    if "n_jumps" in spectra:
        numbers["jumps"] = float(spectra["n_jumps"].mean())
    numbers["replaced"] = float(spectra["replaced"].sum()) / max(float((spectra["valid"] > 0).sum()), 1.0)
    return Outcome(out, numbers)
