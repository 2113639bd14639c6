"""The figures and views of the report: what is drawn, from which product, at which stop of the tour."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch
from typing import NamedTuple

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar import plots
from tsoar.blocks import Ramps
from tsoar.config import Config
from tsoar.io.exposure import Exposure
from tsoar.io.references import References
from tsoar.medians import column_medians
from tsoar.reduce.chain import BAD, SPOILT, Recipe
from tsoar.reduce.looks import Looks
from tsoar.reduce.plan import Plan
from tsoar.report.page import Live
from tsoar.soss.traces import expected_traces
from tsoar.spectra.centroids import edge_midpoints, start_profile


class Drawn(NamedTuple):
    """A figure on its way into the report."""

    stop: str
    """anchor of its stop in `tsoar.report.tour`"""
    name: str
    """of its file; its caption is that of the plot function ``caption``"""
    caption: str
    figure: Figure
    still: bool = False
    """an interactive view shows the same"""


def figures(
    exposure: Exposure,
    references: References | None,
    plan: Plan,
    recipe: Recipe,
    spectra: xr.Dataset,
    traces: xr.Dataset,
    looks: Looks,
) -> Iterator[Drawn]:
    """Every figure of the report, stop by stop, one at a time."""
    if recipe.calibration is not None and recipe.readout.n_groups > 1:
        yield from detector_figures(exposure, references, plan, recipe)
    yield from trace_figures(recipe, plan.config, spectra, traces, looks)
    yield from series_figures(spectra, looks)


STOP_OF = {
    "dq_init_special_pixels": "dq",
    "saturation_first_last": "saturation",
    "superbias_*": "superbias",
    "refpix_*": "refpix",
    "linearity_check": "linearity",
    "dark_current_before_after": "dark",
    "one_over_f_*": "one_over_f",
    "jump_*": "jumps",
    "ramp_fit_slope_image": "slopes",
    "wavelengths": "wavelengths",
}
"""Where a figure of `tsoar.reduce.tour.looks` belongs, by the pattern of its name; the others are left to `tsoar inspect`."""
PIXELS = 2
"""Single ramps shown."""


def detector_figures(
    exposure: Exposure, references: References | None, plan: Plan, recipe: Recipe, integration: int = 0
) -> Iterator[Drawn]:
    """What the detector steps did to one integration: it is walked once more."""
    # here because these modules look at runs, which end with this one
    from tsoar.reduce.save import calibrated
    from tsoar.reduce.tour import looks
    from tsoar.reduce.walk import Walk, late_steps

    assert references is not None
    counts = exposure.ramps(slice(integration, integration + 1))
    early = Walk(exposure, references, plan, integration, {"counts": counts} | calibrated(counts, references, plan))
    walked, calibration = late_steps(early, recipe), early.last
    del early  # its steps go as they have been shown
    ramps = 0
    for name, caption, draw in looks(walked, keep=False):
        ramps += caption == "ramp"
        if caption == "ramp" and ramps <= PIXELS:
            yield Drawn("jumps" if ramps > 1 else "slopes", name, caption, draw())
        stop = next((s for pattern, s in STOP_OF.items() if fnmatch(name, pattern)), "")
        if stop:
            yield Drawn(stop, name, caption, draw())
    ways = one_over_f_ways(recipe, calibration, walked.stages.get("one_over_f"))
    masks = plots.one_over_f_masks(ways, integration=integration)
    yield Drawn("one_over_f", "one_over_f_masks", "one_over_f_masks", masks)


def one_over_f_ways(recipe: Recipe, before: Ramps, after: Ramps | None) -> dict[str, NDArray[np.float32]]:
    """The first group difference (y, x) [DN] by what was taken off its columns.

    Medians without and with the trace mask, and what the run takes off.
    """
    data, dq = before.data[0], before.groupdq[0]
    bad = ((recipe.pixeldq & BAD) != 0) | (((dq[0] | dq[1]) & SPOILT) != 0)
    hole = np.float32(np.nan)
    first = np.where(bad, hole, data[1] - data[0])
    beside = np.where(recipe.near, hole, first)
    ways = {
        "median of the whole column taken off": first - np.nan_to_num(column_medians(first)),
        "median of the rows beside the traces taken off": first - np.nan_to_num(column_medians(beside)),
    }
    if after is not None:
        name = f"as in this run (method {recipe.one_over_f.method})"
        ways[name] = np.where(bad, hole, after.data[0, 1] - after.data[0, 0])
    return ways


def trace_figures(recipe: Recipe, config: Config, spectra: xr.Dataset, traces: xr.Dataset, looks: Looks) -> Iterator[Drawn]:
    """Traces of the deep image, their motion, the sky, the boxes."""
    deep, image = recipe.deep, recipe.deep.total
    good = (recipe.noise.usable > 0) & ~deep.odd
    expected = expected_traces(recipe.readout)
    found = {o + 1: start_profile(deep.light, good, deep.trace, o, recipe.centroids) for o in (0, 1)}
    starts = {order: start for order, start in found.items() if start is not None}
    if starts:
        yield Drawn("traces", "start_profiles", "start_profiles", plots.start_profiles(starts))
    yield Drawn("traces", "centroids", "centroids", plots.centroids(deep.trace_raw, deep.trace_valid, expected))
    on_image = plots.centroids_on_image(image, deep.trace_raw, deep.trace_valid)
    yield Drawn("traces", "centroids_on_image", "centroids_on_image", on_image)
    middles, measured = edge_midpoints(deep.light, good, deep.trace, config.traces.edges)
    splines = plots.trace_splines(middles, measured, deep.trace, deep.trace_raw, expected)
    yield Drawn("traces", "trace_splines", "trace_splines", splines)
    yield Drawn("traces", "traces_on_image", "traces_on_image", plots.traces_on_image(image, traces))
    if spectra.sizes["integration"] > 1:
        yield Drawn("motion", "trace_motion", "trace_motion", plots.trace_motion(traces, looks.baseline))
    yield Drawn("background", "background", "background", plots.background(image, deep.sky, good & ~recipe.near))
    boxes = plots.apertures(image, deep.trace, recipe.extract.radius)
    yield Drawn("extraction", "apertures", "apertures", boxes)


def series_figures(spectra: xr.Dataset, looks: Looks) -> Iterator[Drawn]:
    """Spectra, light curves and what is learned from them; of a single integration only its spectrum."""
    yield Drawn("spectra", "spectra", "spectra", plots.spectra(spectra), still=True)
    if looks.baseline is not None and not looks.baseline.mask.all():
        yield Drawn("spectra", "spectra_closeup", "spectra_closeup", plots.spectra_closeup(spectra, looks.baseline))
    if spectra.sizes["integration"] > 2:
        yield Drawn("spectra", "outliers", "outliers", plots.outliers(spectra))
    if looks.curves is not None:
        image = plots.light_curve_image(looks.curves, looks.baseline)
        yield Drawn("light_curves", "light_curve_image", "light_curve_image", image, still=True)
        yield Drawn("light_curves", "light_curves", "light_curves", plots.light_curves(looks.curves, looks.baseline))
    if looks.sensitivity is not None:
        yield Drawn("sensitivity", "sensitivity", "sensitivity", plots.sensitivity(looks.sensitivity))
    if looks.white is not None:
        white = plots.white_light(looks.white, looks.baseline)
        yield Drawn("white_light", "white_light", "white_light", white, still=True)
    if looks.psd is not None:
        yield Drawn("psd", "white_psd", "white_psd", plots.white_psd(looks.psd))
    if looks.binning is not None:
        yield Drawn("binning", "rms_binning", "rms_binning", plots.rms_binning(looks.binning))


HINTS = {
    "light_curves": "Click on a wavelength for its light curve and on a moment for its spectrum, both below; "
    "point for values; the tools beneath each view zoom and move it.",
    "spectra": "Point for values; a click on an order in the legend hides it.",
    "white_light": "Point for values; a click in the legend hides or shows a curve. Open points lie in or near the event.",
}


def live_views(spectra: xr.Dataset, looks: Looks) -> Live | None:
    """The interactive views for the stops that have one; None where there is nothing to look at over time."""
    from tsoar import views

    if looks.curves is None or looks.baseline is None or looks.white is None:
        return None
    made = {"spectra": views.spectra(spectra)}
    curves = views.binned_curves(spectra, looks.baseline.mask)
    if curves:
        made["light_curves"] = views.light_curve_image(curves, spectra["time"].values, looks.baseline)
        made["white_light"] = views.white_light(looks.white, looks.baseline)
    elements, script = views.embed(made)
    return Live(elements, views.library() + script, HINTS)
