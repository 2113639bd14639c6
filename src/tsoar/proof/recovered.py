"""What comes back of what was put in: two runs, before and after, held against each other (row G13).

Both runs hold the same photons but for those that were taken away, so the ratio of their spectra has almost none of the
star's noise: depths are compared far better than the exposure measures them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from astropy import units as u
from astropy.table import Table

from tsoar import flags
from tsoar.blocks import F64
from tsoar.errors import InputError
from tsoar.io import datasets
from tsoar.io.exposure import open_exposure
from tsoar.proof.inject import RECORD
from tsoar.reduce.run import Result
from tsoar.series.lightcurves import FREE_COLUMNS, values_of
from tsoar.series.residuals import nanmedian
from tsoar.units import PPM

COLUMNS = 32
"""Of a bin."""


@dataclass(frozen=True)
class Recovered:
    """What `compare` found and wrote."""

    out: Path
    spectrum: Table | None
    """by bin: wavelength, injected, recovered, difference, error ... (injection.ecsv)"""
    motion: Table | None
    """by integration and order: put in and recovered shift [px]"""
    numbers: dict[str, Any]
    """diagnostics/injection.json"""

    def summary(self) -> list[str]:
        """What a terminal should say, after the table."""
        lines = []
        for order, n in self.numbers.get("depth", {}).items():
            lines.append(
                f"order {order}: recovered - injected {n['difference_ppm']:+.1f} +- {n['error_ppm']:.1f} ppm of "
                f"{n['injected_ppm']:.0f} ppm; over bins chi2 {n['chi2']:.0f} of {n['bins']}, the exposure measures "
                f"this depth itself to {n['single_ppm']:.0f} ppm"
            )
        for order, n in self.numbers.get("drift", {}).items():
            lines.append(
                f"order {order}: recovered drift {n['recovered_px']:+.5f} +- {n['error_px']:.5f} px, injected "
                f"{n['injected_px']:+.5f} px; rms of the difference {1e3 * n['rms_px']:.2f} mpx"
            )
        if (hits := self.numbers.get("hits")) is not None:
            lines.append(
                f"hits: {hits['flagged']} of {hits['judged']} flagged ({hits['before']} of these pixels and integrations "
                f"were flagged before); {hits['unusable']} more fell on pixels that are not used"
            )
        return lines


def compare(
    original: Result | str | os.PathLike[str],
    injected: Result | str | os.PathLike[str],
    *,
    truth: str | os.PathLike[str] | None = None,
    n_columns: int = COLUMNS,
    figures: bool = True,
) -> Recovered:
    """Recovered minus injected, from the run on an exposure and the run on the same with something put in.

    Parameters
    ----------
    original, injected : what `tsoar.run` returned, or their folders.
    truth : injected.nc; found beside the injected exposure's files (by run.json) when not given.
    n_columns : neighbouring columns of a bin.
    figures : draw them too.

    Returns
    -------
    Recovered. Written into the injected run's folder: injection.ecsv, diagnostics/injection.json, figures.

    Raises
    ------
    InputError
        For folders that do not belong together, and for what is missing in them.
    """
    before, after = (r.out if isinstance(r, Result) else Path(r) for r in (original, injected))
    path = Path(truth) if truth is not None else record_of(after)
    known, one, other = (datasets.open_dataset(p) for p in (path, before / "spectra.nc", after / "spectra.nc"))
    with known, one, other:
        if "light_curve" not in known or "shift" not in known:
            raise InputError(f"{path}: not an {RECORD}; expected the one that `tsoar inject` wrote")
        check_pair(known, one, other, before, after, path)
        numbers: dict[str, Any] = {"what": str(known.attrs.get("what", "")), "original": before.name, "injected": after.name}
        spectrum = motion = None
        if float(known["light_curve"].min()) < 1:
            spectrum = depths(known, one, other, n_columns)
            numbers["depth"] = by_order(spectrum)
        if float(known["shift"].max() - known["shift"].min()) > 0:
            motion = shifts(known, one, other)
            numbers["drift"] = drift_numbers(motion)
        if known.sizes.get("hit", 0):
            numbers["hits"] = hits_found(known, before, after)
    if spectrum is not None:
        spectrum.meta |= {"what": numbers["what"]}
        datasets.write_table(spectrum, after / "injection.ecsv")
    if motion is not None:
        datasets.write_table(motion, after / "injection_drift.ecsv")
    datasets.write_json(numbers, after / "diagnostics" / "injection.json")
    if figures:
        draw(after, spectrum, motion)
    return Recovered(after, spectrum, motion, numbers)


def record_of(run: Path) -> Path:
    """injected.nc beside the files that a run was made of."""
    files = datasets.read_json(run / "run.json").get("performance", {}).get("files", {}).get("inputs", [])
    places = [Path(str(f)).parent / RECORD for f in files[:1]]
    found = next((p for p in places if p.exists()), None)
    if found is None:
        raise InputError(
            f"{run}: no {RECORD} beside the files of this run; expected a run on what `tsoar inject` wrote, second of the two "
            "folders (or say where the record is with --truth)"
        )
    return found


def check_pair(known: xr.Dataset, one: xr.Dataset, other: xr.Dataset, before: Path, after: Path, path: Path) -> None:
    """The same exposure, one with and one without: an InputError in words otherwise."""
    if before.resolve() == after.resolve():
        raise InputError(f"{before}: given twice; expected the run before and the run after the injection")
    for run, folder in ((one, before), (other, after)):
        same = run.sizes["integration"] == known.sizes["integration"] and run.sizes["column"] == known.sizes["column"]
        if not same or not np.allclose(run["time"].values, known["time"].values, rtol=0, atol=1e-6):
            raise InputError(
                f"{folder}: has other integrations than {path}; expected runs on the exposure that was injected into"
            )


def depths(known: xr.Dataset, one: xr.Dataset, other: xr.Dataset, n_columns: int) -> Table:
    """Recovered depth of every bin: the ratio of the runs against the light curve that was put in.

    Ratio = c (1 + a (T - 1)), least squares for c and a, errors from the residuals of each integration (White 1980,
    Econometrica 48, 817: noise is in the event alone). ``single`` is the error of the same depth by the injected run alone.
    """
    rows = []
    for o, (first, last) in FREE_COLUMNS.items():
        if o not in one["order"].values or o == 3:
            continue
        flux, error = values_of(one, o)
        changed, _ = values_of(other, o)
        curve = known["light_curve"].sel(order=o).values.astype(np.float64)
        depth, wave = (known[n].sel(order=o).values.astype(np.float64) for n in ("depth", "wavelength"))
        both = np.isfinite(flux) & np.isfinite(changed)
        use = (both.mean(axis=0) > 0.5) & (nanmedian(flux, axis=0) > 0) & np.isfinite(wave)
        x = np.arange(flux.shape[1])
        use &= (x >= first) & (x < last)
        for start in range(first, last, n_columns):
            here = use & (x >= start) & (x < start + n_columns)
            if not here.any():
                continue
            arrays = (flux[:, here], changed[:, here], error[:, here], curve[:, here], both[:, here])
            rows.append((o, start, int(here.sum()), *one_bin(*arrays, depth[here], wave[here])))
    names = (
        "order",
        "first",
        "n_columns",
        "wavelength",
        "half_width",
        "injected",
        "recovered",
        "difference",
        "error",
        "single",
    )
    words = {
        "wavelength": "mean over the bin, weighted with the light",
        "half_width": "half of the bin's width",
        "injected": "depth put in, weighted with the light",
        "recovered": "depth that came back",
        "difference": "recovered - injected",
        "error": "of the difference: both runs share their noise",
        "single": "error of this depth by the injected run alone (claimed errors, straight baseline)",
    }
    if not rows:
        raise InputError("the two runs have no columns in common that can be used; nothing to compare")
    table = Table(rows=rows, names=names)
    for name, text in words.items():
        table[name].info.description = text
    for name in ("wavelength", "half_width"):
        table[name].unit = u.um
    return table


def one_bin(flux: F64, changed: F64, error: F64, curve: F64, both: Any, depth: F64, wave: F64) -> tuple[float, ...]:
    """Wavelength, half width, injected, recovered, difference, error, single of one bin; arrays (i, x) of its columns."""
    total = np.where(both, flux, 0).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(both, changed, 0).sum(axis=1) / total
        model = np.where(both, flux * curve, 0).sum(axis=1) / total
        relative = np.sqrt((np.where(both, error, 0) ** 2).sum(axis=1)) / total
    good = np.isfinite(ratio) & np.isfinite(model) & (total > 0)
    weight = nanmedian(flux, axis=0)
    injected, where = float(np.average(depth, weights=weight)), float(np.average(wave, weights=weight))
    half = 0.5 * float(wave.max() - wave.min()) * (wave.size / max(wave.size - 1, 1))
    a, a_err = regress(model[good] - 1, ratio[good])
    design = np.column_stack([np.ones(good.sum()), np.linspace(-1, 1, good.size)[good], model[good] - 1])
    w = relative[good] ** -2
    single = float(np.sqrt(np.linalg.pinv(design.T @ (w[:, None] * design))[2, 2]))
    return where, half, injected, a * injected, (a - 1) * injected, a_err * injected, single * injected


def regress(x: F64, y: F64) -> tuple[float, float]:
    """Slope of y / c against x, with c its value at 0, and its error from the residuals, however they are spread."""
    design = np.column_stack([np.ones(x.size), x])
    inverse = np.linalg.pinv(design.T @ design)
    c, b = inverse @ (design.T @ y)
    left = y - design @ np.array([c, b])
    spread = inverse @ (design.T @ ((left**2 * x.size / max(x.size - 2, 1))[:, None] * design)) @ inverse
    return float(b / c), float(np.sqrt(spread[1, 1]) / abs(c))


def by_order(table: Table) -> dict[str, Any]:
    """Means over the bins of each order, weighted with their errors."""
    out = {}
    for o in np.unique(np.asarray(table["order"])):
        rows = table[np.asarray(table["order"]) == o]
        diff, err = np.asarray(rows["difference"]), np.maximum(np.asarray(rows["error"]), 1e-12)
        w = err**-2.0
        single = np.asarray(rows["single"]) ** -2.0
        out[str(int(o))] = {
            "injected_ppm": PPM * float(np.average(rows["injected"], weights=w)),
            "difference_ppm": PPM * float(np.average(diff, weights=w)),
            "error_ppm": PPM * float(w.sum() ** -0.5),
            "single_ppm": PPM * float(single.sum() ** -0.5),
            "chi2": float(np.sum((diff / err) ** 2)),
            "bins": len(rows),
        }
    return out


def shifts(known: xr.Dataset, one: xr.Dataset, other: xr.Dataset) -> Table:
    """Trace motion of both runs, order by order, and their difference, each from its mean [px]."""
    parts = []
    put = known["shift"].values
    for o in one["order"].values:
        a, b = (run["shift"].sel(order=o).values.astype(np.float64) for run in (one, other))
        if not np.isfinite(a).all() or not np.isfinite(b).all() or not b.any():
            continue
        found = (b - b.mean()) - (a - a.mean())
        parts += [(int(o), i, put[i] - put.mean(), found[i]) for i in range(put.size)]
    table = Table(rows=parts, names=("order", "integration", "injected", "recovered"))
    for name in ("injected", "recovered"):
        table[name].unit = u.pix
    return table


def drift_numbers(table: Table) -> dict[str, Any]:
    """End to end, by a straight line through what came back against what was put in."""
    out = {}
    for o in np.unique(np.asarray(table["order"])):
        rows = table[np.asarray(table["order"]) == o]
        x, y = np.asarray(rows["injected"], np.float64), np.asarray(rows["recovered"], np.float64)
        slope = float((x @ y) / (x @ x))
        error = float(np.sqrt(np.sum((y - slope * x) ** 2) / max(x.size - 1, 1) / (x @ x)))
        span = float(x[-1] - x[0])
        out[str(int(o))] = {
            "injected_px": span,
            "recovered_px": slope * span,
            "error_px": error * abs(span),
            "rms_px": float(np.sqrt(np.mean((y - x) ** 2))),
        }
    return out


def hits_found(known: xr.Dataset, before: Path, after: Path) -> dict[str, int]:
    """How many of the hits carry JUMP_DET in the injected run's slopes, and how many of the same pixels did before."""
    place = np.column_stack([known[f"hit_{n}"].values for n in ("integration", "row", "column")])
    planes = []
    for folder in (before, after):
        if not (folder / "rateints").is_dir():
            raise InputError(f"{folder}: no rateints; whether hits were flagged is in the slopes (run with --products all)")
        with open_exposure(folder / "rateints") as slopes:
            found = np.zeros(len(place), np.uint32)
            for i in np.unique(place[:, 0]):
                mine = place[:, 0] == i
                found[mine] = slopes.slopes(slice(int(i), int(i) + 1)).dq[0][place[mine, 1], place[mine, 2]]
            planes.append(found)
    unusable = (planes[0] & np.uint32(flags.DO_NOT_USE)) != 0
    jump = [(p & np.uint32(flags.JUMP_DET)) != 0 for p in planes]
    return {
        "injected": len(place),
        "judged": int((~unusable).sum()),
        "flagged": int((jump[1] & ~unusable).sum()),
        "before": int((jump[0] & ~unusable).sum()),
        "unusable": int(unusable.sum()),
    }


def draw(out: Path, spectrum: Table | None, motion: Table | None) -> None:
    """The figures, as PNG."""
    from tsoar import plots
    from tsoar.report.page import png

    figures = {}
    if spectrum is not None:
        figures["injection_spectrum"] = plots.injection_spectrum(spectrum)
    if motion is not None:
        figures["injection_drift"] = plots.injection_drift(motion)
    for name, figure in figures.items():
        data = png(figure)
        with datasets.atomic(out / "figures" / f"{name}.png") as part:
            part.write_bytes(data)
