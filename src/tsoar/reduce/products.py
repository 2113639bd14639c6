"""Writes what a run leaves: netCDF, ECSV, FITS, diagnostics with verdicts, figures and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar import flags, plots
from tsoar.blocks import Reference
from tsoar.io import datasets, rateints
from tsoar.io.exposure import Exposure
from tsoar.io.references import References
from tsoar.reduce import finish
from tsoar.reduce.calibrate import calibrate
from tsoar.reduce.chain import Buffers, Recipe, detector_stage
from tsoar.reduce.looks import Looks, look
from tsoar.reduce.plan import Plan
from tsoar.reduce.stream import RateSums
from tsoar.report.page import png, write_report
from tsoar.soss.subarrays import reference_pixels

STATUS = {
    "dq_init": "S_DQINIT",
    "saturation": "S_SATURA",
    "superbias": "S_SUPERB",
    "refpix": "S_REFPIX",
    "linearity": "S_LINEAR",
    "dark_current": "S_DARK",
    "one_over_f": "S_CLNFNS",
    "jump": "S_JUMP",
    "ramp_fit": "S_RAMP",
}
REFERENCE_KEYWORD = {
    "mask": "R_MASK",
    "saturation": "R_SATURA",
    "superbias": "R_SUPERB",
    "linearity": "R_LINEAR",
    "dark": "R_DARK",
    "gain": "R_GAIN",
    "readnoise": "R_READNO",
}
TYPICAL_GAIN, TYPICAL_CDS_NOISE = 1.61, 10.4  # [e-/DN], [DN]: in-flight NIRISS, for slopes that come without references


def header_keywords(plan: Plan, references: References | None) -> dict[str, str]:
    """Status of every step and names of the references, as the observatory's products carry them."""
    out = {key: "COMPLETE" if step in plan.steps else "SKIPPED" for step, key in STATUS.items()}
    for kind, key in REFERENCE_KEYWORD.items():
        if kind in plan.references:
            out[key] = plan.references[kind]
    return out


def slopes_pixeldq(exposure: Exposure) -> NDArray[np.uint32]:
    """Pixels that are DO_NOT_USE in every integration of a start from slopes (judged on up to 16 of them)."""
    n = exposure.n_integrations
    looked = np.unique(np.linspace(0, n - 1, min(n, 16)).round().astype(int))
    always = np.full(exposure.readout.shape, 0xFFFFFFFF, np.uint32)
    for i in looked:
        s = exposure.slopes(slice(int(i), int(i) + 1))
        bad = ~np.isfinite(s.slope[0])
        always &= s.dq[0] | np.where(bad, flags.DO_NOT_USE, 0).astype(np.uint32)
    return always | np.where(reference_pixels(exposure.readout), flags.REFERENCE_PIXEL | flags.DO_NOT_USE, 0).astype(np.uint32)


def slopes_references(exposure: Exposure) -> tuple[Reference, Reference]:
    """Gain and read noise for slopes that come without references: typical values, for weights only."""
    shape = exposure.readout.shape
    corner = exposure.readout.corner
    return (
        Reference("gain", np.full(shape, TYPICAL_GAIN, np.float32), None, corner, "typical"),
        Reference("readnoise", np.full(shape, TYPICAL_CDS_NOISE, np.float32), None, corner, "typical"),
    )


def write_all(
    exposure: Exposure,
    plan: Plan,
    recipe: Recipe,
    series: dict[str, NDArray[Any]],
    rate: dict[str, NDArray[Any]] | None,
    out: Path,
    options: dict[str, Any],
    run_record: dict[str, Any],
) -> None:
    """All products but the slope cubes (written by the stream) and run.json (written last, by the caller)."""
    time, digest = exposure.time, plan.digest
    spectra = finish.spectra_dataset(recipe, series, time, plan.config, digest)
    traces = finish.traces_dataset(recipe, series, time, digest)
    datasets.write_dataset(spectra, out / "spectra.nc")
    datasets.write_dataset(traces, out / "traces.nc")
    series.clear()
    traces = traces.drop_vars(["y", "y_raw", "valid"])  # written; the figures need the deep trace and the motion
    datasets.write_dataset(finish.deep_dataset(recipe, digest), out / "deep.nc")
    if rate is not None:
        rateints.write_rate(out / "rate.fits", exposure, header_keywords(plan, None), number=None, **rate)
    if "x1dints" in options["save"]:
        rateints.write_x1dints(out / f"{exposure.stem}_nis_x1dints.fits", exposure, spectra)
    looks = look(plan, recipe, spectra, options["baseline"], exposure.readout.n_groups)
    if looks.curves is not None:
        datasets.write_dataset(looks.curves.assign_attrs(settings=digest), out / "lightcurves.nc")
    if looks.white is not None and looks.baseline is not None:
        looks.white.meta |= {"settings": digest, "baseline": looks.baseline.how}
        datasets.write_table(looks.white, out / "white_light.ecsv")
    notes = [*plan.notes, *exposure.repairs, *looks.notes]
    facts = recipe.deep.facts | {"baseline": "none" if looks.baseline is None else looks.baseline.how}
    diagnostics = {"exposure": exposure.stem, "numbers": looks.numbers, "facts": facts, "notes": notes}
    datasets.write_json(diagnostics, out / "diagnostics.json")
    drawn = [(name, png(figure)) for name, figure in figures(exposure, recipe, spectra, traces, looks)]
    for name, data in drawn:
        with datasets.atomic(out / "figures" / f"{name}.png") as part:
            part.write_bytes(data)
    titled = [(name, TITLES[name], data, plots.CAPTIONS[name]) for name, data in drawn]
    title = f"{exposure.header.get('TARGPROP') or exposure.header.get('TARGNAME') or exposure.stem}"
    write_report(out / "report.html", title=title, run=run_record, diagnostics=diagnostics, figures=titled, notes=notes)


TITLES = {
    "group_differences": "Group differences before and after the 1/f correction",
    "traces_on_image": "Traces",
    "trace_motion": "Trace motion",
    "apertures": "Apertures",
    "spectra": "Spectra",
    "light_curve_image": "Light curves",
    "sensitivity": "Sensitivity: scatter over claimed error",
    "white_light": "White light",
    "white_psd": "Power spectrum of the white light",
    "rms_binning": "Scatter against bin size",
}


def figures(
    exposure: Exposure, recipe: Recipe, spectra: xr.Dataset, traces: xr.Dataset, looks: Looks
) -> list[tuple[str, Figure]]:
    """The figures of the report, in its order: (name of the plot function, figure)."""
    image = recipe.deep.total
    out: list[tuple[str, Figure]] = []
    if recipe.calibration is not None and recipe.readout.n_groups > 1:
        out.append(("group_differences", plots.group_differences(*differences_of(exposure, recipe), integration=0)))
    out.append(("traces_on_image", plots.traces_on_image(image, traces)))
    if spectra.sizes["integration"] > 1:
        out.append(("trace_motion", plots.trace_motion(traces, looks.baseline)))
    out.append(("apertures", plots.apertures(image, recipe.deep.trace, recipe.extract.radius)))
    out.append(("spectra", plots.spectra(spectra)))
    if looks.curves is not None:
        out.append(("light_curve_image", plots.light_curve_image(looks.curves, looks.baseline)))
    if looks.sensitivity is not None:
        out.append(("sensitivity", plots.sensitivity(looks.sensitivity)))
    if looks.white is not None:
        out.append(("white_light", plots.white_light(looks.white, looks.baseline)))
    if looks.psd is not None:
        out.append(("white_psd", plots.white_psd(looks.psd)))
    if looks.binning is not None:
        out.append(("rms_binning", plots.rms_binning(looks.binning)))
    return out


def differences_of(exposure: Exposure, recipe: Recipe, integration: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Group differences (g - 1, y, x) [DN] of one integration before and after the 1/f correction."""
    b = Buffers.make(recipe.readout)
    assert recipe.calibration is not None
    exposure.read_raw(integration, b.raw)
    calibrate(b.raw, b.data, b.dq, recipe.calibration)
    before = np.diff(b.data, axis=0)
    after: list[NDArray[np.float32]] = []
    detector_stage(recipe, b, lambda step: after.append(np.diff(b.data, axis=0)) if step == "one_over_f" else None)
    return before, after[0]


def average(rate: RateSums) -> dict[str, NDArray[Any]]:
    """The averaged slope image: inverse-variance mean, its two variances, error, flags (DNU only if no integration is good)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        none = rate.weight == 0
        slope = np.where(none, np.nan, rate.total / rate.weight)
        var_p = np.where(rate.inverse_p > 0, 1 / rate.inverse_p, 0)
        var_r = np.where(rate.inverse_r > 0, 1 / rate.inverse_r, 0)
    bits = np.uint32(flags.DO_NOT_USE)
    dq = np.where(none, rate.any_flag | bits, rate.any_flag & ~bits).astype(np.uint32)
    f32 = np.float32
    err = np.where(none, np.nan, np.sqrt(var_p + var_r))
    return {
        "slope": slope.astype(f32),
        "err": err.astype(f32),
        "dq": dq,
        "var_poisson": var_p.astype(f32),
        "var_rnoise": var_r.astype(f32),
    }
