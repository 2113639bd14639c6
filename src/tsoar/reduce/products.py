"""Writes what a run leaves: netCDF, ECSV, FITS, diagnostics with verdicts, figures and the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsoar import flags
from tsoar.blocks import Reference
from tsoar.io import datasets, rateints
from tsoar.io.exposure import Exposure
from tsoar.io.references import References
from tsoar.reduce import finish
from tsoar.reduce.chain import Recipe
from tsoar.reduce.plan import Plan
from tsoar.reduce.stream import RateSums

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
TYPICAL_GAIN, TYPICAL_CDS_NOISE = 1.61, 10.4  # [e-/DN], [DN]: instrument.md 5, for slopes that come without references


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
    from tsoar.soss.subarrays import reference_pixels

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
    rate: RateSums | None,
    out: Path,
    options: dict[str, Any],
    run_record: dict[str, Any],
) -> None:
    """All products but the slope cubes (written by the stream) and run.json (written last, by the caller)."""
    time, digest = exposure.time, plan.digest
    spectra = finish.spectra_dataset(recipe, series, time, plan.config, digest)
    traces = finish.traces_dataset(recipe, series, time, digest)
    deep = finish.deep_dataset(recipe, digest)
    datasets.write_dataset(spectra, out / "spectra.nc")
    datasets.write_dataset(traces, out / "traces.nc")
    datasets.write_dataset(deep, out / "deep.nc")
    rate_image = None
    if rate is not None:
        rate_image = average(rate)
        rateints.write_rate(out / "rate.fits", exposure, header_keywords(plan, None), **rate_image)
    if "x1dints" in options["save"]:
        rateints.write_x1dints(out / f"{exposure.stem}_nis_x1dints.fits", exposure, spectra)
    numbers, extra, figures = look(exposure, plan, recipe, spectra, traces, out, options)
    notes = [*plan.notes, *exposure.repairs, *extra.pop("notes", [])]
    diagnostics = {"exposure": exposure.stem, "numbers": numbers, "facts": recipe.deep.facts | extra, "notes": notes}
    datasets.write_json(diagnostics, out / "diagnostics.json")
    write_figures_and_report(out, exposure, run_record, diagnostics, figures)


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
