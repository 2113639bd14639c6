"""Writes what a run leaves: netCDF, ECSV, FITS, diagnostics with verdicts, figures and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsoar import flags, plots
from tsoar.blocks import Reference
from tsoar.io import datasets, rateints
from tsoar.io.exposure import Exposure
from tsoar.io.references import References
from tsoar.reduce import finish
from tsoar.reduce.chain import Recipe
from tsoar.reduce.looks import Looks, look
from tsoar.reduce.memory import what_is_there_stays
from tsoar.reduce.pictures import figures, live_views
from tsoar.reduce.plan import Plan
from tsoar.reduce.stream import RateSums
from tsoar.report.page import Picture, png, write_report
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
LONGEST_TITLE = 200  # characters: real names of targets have a few dozen at most
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


@what_is_there_stays()
def write_all(
    exposure: Exposure,
    references: References | None,
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
        notes_x1d = header_keywords(plan, references)
        rateints.write_x1dints(out / f"{exposure.stem}_nis_x1dints.fits", exposure, spectra, notes_x1d)
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
    pictures = []
    for drawn in figures(exposure, references, plan, recipe, spectra, traces, looks):
        data = png(drawn.figure)
        with datasets.atomic(out / "figures" / f"{drawn.name}.png") as part:
            part.write_bytes(data)
        pictures.append(Picture(drawn.stop, data, plots.CAPTIONS[drawn.caption], drawn.still))
    write_report(
        out / "report.html",
        title=target(exposure),
        run=run_record,
        diagnostics=diagnostics,
        pictures=pictures,
        about=about(exposure, plan, looks),
        live=live_views(spectra, looks),
        notes=notes,
    )


def target(exposure: Exposure) -> str:
    """What was observed, as the header says; the file's name where it does not."""
    return str(exposure.header.get("TARGPROP") or exposure.header.get("TARGNAME") or exposure.stem)[:LONGEST_TITLE]


def about(exposure: Exposure, plan: Plan, looks: Looks) -> list[tuple[str, str]]:
    """What the summary says of the exposure: name and text."""
    header, readout, n = exposure.header, exposure.readout, exposure.n_integrations
    rows = [("target", target(exposure)), ("exposure", exposure.stem)]
    observed = [str(header[k]).strip() for k in ("DATE-OBS", "TIME-OBS") if header.get(k)]
    programme = [f"{word} {header[k]}" for word, k in (("programme", "PROGRAM"), ("observation", "OBSERVTN")) if header.get(k)]
    pi = [f"PI {header['PI_NAME']}"] if header.get("PI_NAME") else []
    if observed or programme:
        rows.append(("observed", ", ".join([" ".join(observed)] * bool(observed) + programme + pi)))
    groups = f" of {readout.n_groups} groups ({readout.tgroup:g} s each)" if plan.kind == "uncal" else f", from {plan.kind}"
    count = f"{n} integration{'s' if n > 1 else ''}{groups}, {readout.subarray}, {readout.filter}"
    rows.append(("data", count + (f", {len(exposure.segments)} segments" if len(exposure.segments) > 1 else "")))
    if n > 1:
        rows.append(("length", f"{24 * float(np.ptp(exposure.time)) * n / (n - 1):.2f} h"))
    rows.append(("event", "not looked for: one integration" if looks.baseline is None else looks.baseline.how))
    return rows


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
