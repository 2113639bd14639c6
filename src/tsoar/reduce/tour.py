"""The figures of a walk through the detector steps, in order (list F, first half)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tsoar import detector, flags, plots
from tsoar.blocks import Ramps
from tsoar.detector.saturation import prepare as limits
from tsoar.errors import ConfigError
from tsoar.plots.ramps import fitted_line
from tsoar.reduce.plan import CALIBRATION
from tsoar.reduce.walk import Walk, flag_words
from tsoar.series.clock import clock_spectrum, difference_residuals
from tsoar.soss.wavelength import wavelength_map

COLUMN = 1500
"""shown as a profile unless another is asked for: orders 1 and 2 lie far apart there"""
FIELD, TUTORIAL = 4.0, 10.0
"""jump thresholds of the field and of the tutorial [sigma]"""

Look = tuple[str, str, Callable[[], Figure]]
"""name of the figure (step and what it shows), of the plot function (key of `tsoar.plots.CAPTIONS`), what draws it"""


def looks(walked: Walk, column: int | None = None, keep: bool = True) -> Iterator[Look]:
    """Every figure of the detector stage for one integration, each drawn when its last item is called.

    Pixels whose ramps are shown are drawn at random with the settings' ``seed``. Without ``keep`` the walk's calibration
    steps go once they have been shown, all but the last: of long ramps they take much room.
    """
    readout = walked.exposure.readout
    if not walked.stages:
        yield from slope_looks(walked)
        return
    column = min(COLUMN, readout.shape[1] - 1) if column is None else column
    yield "clocking", "clocking", partial(plots.clocking, readout)
    for past, step in pairwise(list(walked.stages)):
        yield from step_looks(walked, step, walked.stages[past], walked.stages[step], column)
        if not keep and past in CALIBRATION and past != walked.early:
            del walked.stages[past]
    if walked.slopes is not None:
        yield from slope_looks(walked)
        for row, place in chosen_pixels(walked):
            yield f"ramp_fit_pixel_{row}_{place}", "ramp", partial(pixel_figure, walked, row, place)


def step_looks(walked: Walk, step: str, before: Ramps, after: Ramps, column: int) -> Iterator[Look]:
    """What one step did."""
    references, n = walked.references, after.data.shape[1]
    old, new, last = before.data[0], after.data[0], n - 1
    if step == "dq_init":
        yield f"{step}_special_pixels", "special_pixels", partial(plots.special_pixels, after.pixeldq)
    elif step == "saturation":
        assert references is not None
        limit, _ = limits(references.cut("saturation", after.readout), after.readout, walked.plan.config.saturation)
        yield f"{step}_reference", "saturation_reference", partial(plots.saturation_reference, limit, new[-1])
        frames = walked.stages.get("superbias", after).data[0]  # the star is seen better without the bias
        yield f"{step}_first_last", "saturated", partial(plots.saturated, after.groupdq[0], frames)
    elif step in ("superbias", "refpix", "linearity", "dark_current"):
        if step == "refpix":  # its levels go up and down: the group in which they matter most
            last = int(np.abs(np.nanmedian(old - new, axis=(1, 2))).argmax())
        draw = partial(plots.before_after, old[last], new[last], step=step, group=last)
        yield f"{step}_before_after", "before_after", draw
    if step in ("superbias", "refpix"):
        draw = partial(plots.column_profile, old[last], new[last], column, step=step, group=last)
        yield f"{step}_profile_{column}", "column_profile", draw
    elif step == "linearity":
        stripes = column_offsets(walked)
        draw = partial(plots.linearity_check, old - stripes, new - stripes, after.groupdq[0], after.pixeldq)
        yield f"{step}_check", "linearity_check", draw
    elif step == "one_over_f":
        yield f"{step}_differences", "group_differences", partial(differences, walked, old, new)
        if n > 2:
            yield f"{step}_psd", "clock_psd", partial(psd_look, walked, before, after)
    elif step == "jump":
        yield f"{step}_by_threshold", "jump_map", partial(jump_look, walked)
    if step == walked.early:
        yield f"{step}_groups", "groups", partial(plots.groups, new, integration=walked.integration)


def column_offsets(walked: Walk) -> NDArray[np.float32] | np.float32:
    """What the 1/f step takes from the groups (g, y, x) [DN]; 0 when it was not walked."""
    if "one_over_f" not in walked.stages or not walked.early:
        return np.float32(0)
    offsets: NDArray[np.float32] = walked.stages[walked.early].data[0] - walked.stages["one_over_f"].data[0]
    return offsets


def differences(walked: Walk, old: NDArray[np.float32], new: NDArray[np.float32]) -> Figure:
    """Group differences before and after 1/f."""
    return plots.group_differences(np.diff(old, axis=0), np.diff(new, axis=0), integration=walked.integration)


def psd_look(walked: Walk, before: Ramps, after: Ramps) -> Figure:
    """Power along the clock before and after 1/f, on the same pixels."""
    dq, near = walked.last.groupdq[0], walked.near()  # hits are holes
    spectra = []
    for ramps in (before, after):
        residuals, good, reads = difference_residuals(ramps.data[0], dq, after.pixeldq, near)
        spectra.append(clock_spectrum(residuals, good, after.readout, reads))
    return plots.clock_psd(*spectra)


def slope_looks(walked: Walk) -> Iterator[Look]:
    """Slope image, wavelengths, and flags by name."""
    assert walked.slopes is not None
    slope = walked.slopes.slope[0]
    corrected = walked.striped if "one_over_f" in walked.plan.steps else None
    title = f"slope image of integration {walked.integration}"
    yield "ramp_fit_slope_image", "slope_image", partial(plots.slope_image, slope, corrected, title=title)
    yield "wavelengths", "wavelength_map", partial(wavelength_look, walked)
    yield from dq_looks(walked, "")


def wavelength_look(walked: Walk) -> Figure:
    """Wavelengths of the orders on the detector, with the traces of the walk."""
    return plots.wavelength_map(wavelength_map(walked.exposure.readout, walked.traces), walked.traces)


def jumps_with(walked: Walk, threshold: float, neighbours: float | None = None) -> NDArray[np.uint8]:
    """Group flags (g, y, x) with another jump threshold [sigma], everything else as set."""
    assert walked.references is not None
    assert walked.recipe is not None
    names = [name for name in walked.stages if name != "jump"]
    ramps = walked.stages[names[-1]].with_(pixeldq=walked.recipe.pixeldq)
    params = replace(walked.plan.config.jump, threshold=threshold)
    if neighbours is not None:
        params = replace(params, neighbours=neighbours)
    gain, readnoise = (walked.references.cut(kind, ramps.readout) for kind in ("gain", "readnoise"))
    deep = walked.recipe.deep if walked.recipe.has_deep else None
    return detector.jump(ramps, gain, readnoise, deep, walked.model, params).groupdq[0]


def jump_look(walked: Walk) -> Figure:
    """Jumps with the field's threshold, the one set, and the tutorial's."""
    used = walked.plan.config.jump.threshold
    maps = {t: jumps_with(walked, t) for t in sorted({FIELD, used, TUTORIAL})}
    return plots.jump_map(maps, walked.last.data[0, -1], used=used)


def dq_looks(walked: Walk, names: str) -> Iterator[Look]:
    """Maps by flag name (F36): of the groups' flags and of the pixels', whichever can carry the names asked for."""
    if not walked.stages:
        assert walked.slopes is not None
        yield "flags", "dq_map", partial(plots.dq_map, walked.slopes.dq[0], names)
        return
    ramps = walked.last
    bits = flags.value(names)
    group = flags.names(bits & sum(flags.GROUP.values()))
    pixel = flags.names(bits & ~sum(flags.GROUP.values()))
    if group or not bits:
        yield "flags_of_groups", "dq_map", partial(plots.dq_map, ramps.groupdq[0], group, ramps.data[0, -1])
    if pixel or not bits:
        yield "flags_of_pixels", "dq_map", partial(plots.dq_map, ramps.pixeldq, pixel)


# -- single pixels -----------------------------------------------------------------------------------------------------


def chosen_pixels(walked: Walk) -> list[tuple[int, int]]:
    """A pixel each, drawn with the settings' seed: bright, hit, partly saturated, special; where there is one."""
    assert walked.slopes is not None
    rng = np.random.default_rng(walked.plan.config.seed)
    ramps = walked.last
    slope = walked.slopes.slope[0]
    clean = (ramps.pixeldq == 0) & np.isfinite(slope)
    group = ramps.groupdq[0]
    hit = ((group & np.uint8(flags.JUMP_DET)) != 0).any(axis=0)
    full = (group & np.uint8(flags.SATURATED)) != 0
    bright = clean & (slope > np.nanpercentile(slope, 97)) & (group == 0).all(axis=0)
    special = (ramps.pixeldq != 0) & ((ramps.pixeldq & np.uint32(flags.REFERENCE_PIXEL | flags.DO_NOT_USE)) == 0)
    out = []
    for mask in (bright, clean & hit & ~full.any(axis=0), clean & full.any(axis=0), special):
        places = np.argwhere(mask)
        if len(places):
            row, column = places[rng.integers(len(places))]
            out.append((int(row), int(column)))
    return list(dict.fromkeys(out))


def pixel_look(walked: Walk, row: int, column: int) -> tuple[list[str], Figure]:
    """One pixel's ramp: its numbers and flags in words, and the figure (F8).

    Raises
    ------
    ConfigError
        For a pixel that is not on the subarray, or an exposure without ramps.
    """
    ny, nx = walked.exposure.readout.shape
    if not (0 <= row < ny and 0 <= column < nx):
        raise ConfigError(f"--pixel {row},{column}: expected a row of 0 to {ny - 1} and a column of 0 to {nx - 1}")
    if not walked.stages or walked.slopes is None:
        raise ConfigError(f"--pixel {row},{column}: {walked.exposure.stem} has no ramps to show, expected counts (uncal)")
    assert walked.recipe is not None
    ramps, tgroup = walked.last, walked.exposure.readout.tgroup
    data, dq = ramps.data[0, :, row, column].astype(np.float64), ramps.groupdq[0, :, row, column]
    counts = walked.stages["counts"].data[0, :, row, column]
    slope, error = (float(p[0, row, column]) for p in (walked.slopes.slope, walked.slopes.err))
    line = fitted_line(data, dq, slope * tgroup) if np.isfinite(slope) else np.full(data.size, np.nan)
    words = flag_words(int(ramps.pixeldq[row, column]), dq)
    expected = None if walked.model is None else float(walked.model[row, column])
    sigma = float(np.sqrt(walked.recipe.sigma2[row, column])) if walked.model is not None else None
    noise = float(np.sqrt(walked.recipe.noise.read2[row, column]))
    told = [f"row {row}, column {column}, integration {walked.integration}; groups counted from 0"]
    told.append(f"{'group':>5} {'counts':>8} {'signal [DN]':>12} {'line':>10} {'residual':>9}  flags")
    for g in range(data.size):
        fitted = f"{line[g]:10.1f} {data[g] - line[g]:9.1f}" if np.isfinite(line[g]) else f"{'-':>10} {'-':>9}"
        told.append(f"{g:5d} {counts[g]:8.0f} {data[g]:12.1f} {fitted}  {flags.names(int(dq[g])) or '-'}".rstrip())
    fit = f"slope {slope:.4g} +- {error:.2g} DN/s" if np.isfinite(slope) else "no slope"
    told.append(fit if expected is None else f"{fit}; the deep stack expects {expected / tgroup:.4g}")
    told += words
    figure = plots.ramp(
        data,
        dq,
        slope,
        tgroup,
        pixel=(row, column),
        words="\n".join(words),
        error=error,
        read_noise=noise,
        expected=expected,
        sigma=sigma,
        threshold=walked.plan.config.jump.threshold,
    )
    return told, figure


def pixel_figure(walked: Walk, row: int, column: int) -> Figure:
    """The figure of `pixel_look` alone."""
    return pixel_look(walked, row, column)[1]
