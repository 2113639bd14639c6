"""What stands behind the page: an exposure, its survey, the products of a run where there are any.

Everything asked here is computed when asked, from the counts of the one integration it is about, by the very functions
the run calls (`tsoar.reduce.chain`, `tsoar.reduce.save`, `tsoar.reduce.calibrate`): with the run's own settings the same
bits come out. What changes with a setting is that integration; the survey stays the one made with the run's settings.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tsoar import flags, jit
from tsoar.blocks import F32, F64, U8, U32
from tsoar.config import Config
from tsoar.errors import ConfigError, InputError
from tsoar.explorer import words
from tsoar.io.exposure import Exposure
from tsoar.io.references import References
from tsoar.reduce.calibrate import calibrate
from tsoar.reduce.chain import Buffers, Recipe, detector_stage, spectra_stage
from tsoar.reduce.plan import CALIBRATION, make_plan
from tsoar.reduce.run import Job, Progress, Result
from tsoar.reduce.save import calibrated
from tsoar.reduce.stream import Scratch
from tsoar.series.lightcurves import FREE_COLUMNS
from tsoar.soss.wavelength import wavelengths
from tsoar.spectra.optimal import box_light

RAW_STEPS = ("raw", *CALIBRATION, "one_over_f", "jump", "ramp_fit")
ORDERS = (1, 2, 3)
SPOILT = np.uint8(0xFF & ~(flags.PERSISTENCE | flags.JUMP_DET))  # as in the ramp fit: such a group's value is not used
KEPT = 3
"""integrations (each with its settings) that are not computed again when asked for again"""

NOTICEABLE = 0.1
"""of its error a column must change by to be counted"""

View = Literal["after", "before", "change"]


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings that can be turned on the page."""

    threshold: float
    """jump.threshold [sigma]"""
    radius: float
    """extract.radius [px]"""
    skip: frozenset[str] = frozenset()
    """steps left out"""


@dataclass(frozen=True, slots=True)
class Stage:
    """One integration after a step."""

    data: F32
    """(g, y, x) [DN]"""
    groupdq: U8
    """(g, y, x)"""
    pixeldq: U32
    """(y, x)"""


@dataclass(frozen=True, slots=True)
class Reduced:
    """One integration reduced with some settings."""

    late: dict[str, Stage]
    """after one_over_f and jump; empty for a start from slopes"""
    slope: F32
    """(y, x) [DN/s]"""
    err: F32
    """(y, x) [DN/s]"""
    dq: U32
    """(y, x)"""
    flux: F64
    """(3, x) [DN/s]"""
    flux_err: F64
    """(3, x) photon and read noise [DN/s]"""
    shift: F64
    """(3,) trace motion [px]"""
    n_jumps: int
    """JUMP_DET, pixels times groups"""
    n_saturated: int


@dataclass(frozen=True, slots=True)
class Frame:
    """One image to look at."""

    values: F32
    """(y, x)"""
    dq: U32
    """(y, x) flags of the pixel and of this group"""
    unit: str
    kind: str
    """how to scale colours: counts, bright, noise, change"""
    title: str


@dataclass(frozen=True, slots=True)
class Ramp:
    """One pixel of one integration."""

    time: NDArray[np.floating]
    """(g,) end of each group, from the start of the integration [s]"""
    before: F32
    """(g,) before the step [DN]"""
    after: F32
    """(g,) after it [DN]"""
    groupdq: U8
    fit: F64
    """(g,) the fitted line, NaN where the group does not count; it starts anew after a hit [DN]"""
    pieces: tuple[tuple[int, ...], ...]
    """groups that hang together in the fit"""
    slope: float
    """[DN/s]; NaN: none"""
    slope_err: float
    lines: tuple[str, ...]
    """flags in words; one line says so when there are none"""


@dataclass(frozen=True, slots=True)
class Profile:
    """One column of a frame."""

    before: F32
    """(y,)"""
    after: F32
    """(y,)"""
    unit: str
    traces: dict[int, float]
    """order -> row of its trace in this integration, where it has one"""
    radius: float
    """half height of the aperture [px]"""


@dataclass(frozen=True, slots=True)
class LightCurve:
    """One column (or some together) of one order through the exposure."""

    time: F64
    """(i,) [d]"""
    flux: F64
    """(i,) over its level outside the event"""
    flux_err: F64
    outside: NDArray[np.bool_]
    """(i,) outside the event"""
    order: int
    column: int
    wavelength: float
    """[um]"""
    n_columns: int


@dataclass(frozen=True, slots=True)
class Change:
    """One integration with other settings beside the same with the run's."""

    now: Reduced
    run: Reduced
    ratio: F64
    """(3, x) flux now over flux with the run's settings, minus 1"""
    sigmas: F64
    """(3, x) the same in units of the error"""

    def lines(self) -> list[str]:
        """The numbers, in words, of orders 1 and 2 where they stand free."""
        out = [f"{self.now.n_jumps} jump flags (pixels × groups); with the run's settings {self.run.n_jumps}"]
        for o in (0, 1):
            r, s = (v[o, slice(*FREE_COLUMNS[o + 1])] for v in (self.ratio, self.sigmas))
            use = np.isfinite(r) & np.isfinite(s)
            if not use.any():
                continue
            far = int(np.count_nonzero(np.abs(s[use]) > NOTICEABLE))
            out.append(
                f"order {o + 1}: median {percent(float(np.median(r[use])))}, {far} of {int(use.sum())} columns by more than "
                f"{NOTICEABLE} of their error, largest {np.abs(s[use]).max():.1f} times it"
                if np.any(r[use])
                else f"order {o + 1}: spectrum unchanged"
            )
        return out


@dataclass
class Session:
    """An exposure opened for looking; see `open_session`."""

    exposure: Exposure
    job: Job
    recipe: Recipe
    result: Result | None = None
    """products of a run, for its light curves"""
    _kept: dict[str, OrderedDict[Hashable, Any]] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=threading.RLock, repr=False)
    _buffers: Buffers | None = field(default=None, repr=False)

    # -- what there is -------------------------------------------------------------------------------------------------

    @property
    def steps(self) -> tuple[str, ...]:
        """What can be looked at, in order: "raw", the steps, and slopes as "ramp_fit"."""
        return RAW_STEPS if self.recipe.calibration is not None else ("ramp_fit",)

    @property
    def n_groups(self) -> int:
        """Groups of an integration; 1 for a start from slopes."""
        return max(self.exposure.n_groups, 1)

    @property
    def knobs(self) -> Knobs:
        """The settings of the run."""
        config = self.job.plan.config
        return Knobs(config.jump.threshold, config.extract.radius, frozenset(config.skip))

    @property
    def skippable(self) -> tuple[str, ...]:
        """Steps that can be switched off here."""
        return (*CALIBRATION, "one_over_f", "jump") if self.recipe.calibration is not None else ()

    # -- one integration -----------------------------------------------------------------------------------------------

    def reduced(self, i: int, knobs: Knobs | None = None) -> Reduced:
        """Integration ``i`` from counts to spectra.

        Raises
        ------
        InputError, ConfigError
            For an integration that is not there, settings out of range.
        """
        knobs = self._checked(i, knobs)
        return self._remember("reduced", (i, knobs), lambda: self._reduce(i, knobs))

    def recompute(self, i: int, knobs: Knobs | None = None) -> Change:
        """Integration ``i`` with these settings beside the same with the run's."""
        now, run = self.reduced(i, knobs), self.reduced(i)
        with np.errstate(divide="ignore", invalid="ignore"):
            return Change(now, run, now.flux / run.flux - 1, (now.flux - run.flux) / run.flux_err)

    def stage(self, i: int, step: str, knobs: Knobs | None = None) -> Stage:
        """Integration ``i`` after a step; where that is left out, after the last one before it that is not."""
        knobs = self._checked(i, knobs)
        if step not in self.steps[:-1]:
            raise ConfigError(f"step {step!r}: expected one of {', '.join(self.steps[:-1])}")
        off = knobs.skip | ({"one_over_f"} if self.recipe.one_over_f.level == "slope" else set())
        done = [s for s in self.steps[: self.steps.index(step) + 1] if s not in off][-1]
        if done in ("one_over_f", "jump"):
            return self.reduced(i, knobs).late[done]
        if done != "raw" and done == [s for s in CALIBRATION if s not in off][-1]:
            return self._remember("calibrated", (i, knobs.skip), lambda: self._calibrated(i, knobs))
        return self._remember("early", (i, knobs.skip), lambda: self._early(i, knobs))[done]

    def before(self, i: int, step: str, knobs: Knobs | None = None) -> Stage:
        """Integration ``i`` before a step; before the raw counts there is nothing but themselves."""
        place = self.steps.index(step) if step in self.steps else 0
        return self.stage(i, self.steps[place - 1] if place else step, knobs)

    def _checked(self, i: int, knobs: Knobs | None) -> Knobs:
        n = self.exposure.n_integrations
        if not 0 <= i < n:
            raise InputError(f"integration {i}: the exposure has {n} (0 to {n - 1})")
        knobs = knobs or self.knobs
        ny = self.exposure.readout.shape[0]
        if not (np.isfinite(knobs.threshold) and knobs.threshold > 0):
            raise ConfigError(f"jump threshold {knobs.threshold}: expected a number > 0 sigma")
        if not 1 < knobs.radius < ny / 2:
            raise ConfigError(f"aperture radius {knobs.radius}: expected a number between 1 and {ny // 2} px")
        unknown = knobs.skip - {*self.skippable, "clean"}
        if unknown:
            raise ConfigError(f"skip {min(unknown)!r}: expected one of {', '.join(self.skippable)}")
        return knobs

    def _remember(self, kind: str, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for this key, made now when it is not among the last few of its kind."""
        with self._lock:
            kept = self._kept.setdefault(kind, OrderedDict())
            if key not in kept:
                kept[key] = make()
                if len(kept) > KEPT:
                    kept.popitem(last=False)
            kept.move_to_end(key)
            return kept[key]

    def _scratch(self) -> Buffers:
        if self._buffers is None:
            self._buffers = Buffers.make(self.exposure.readout)
        return self._buffers

    def _with(self, knobs: Knobs) -> Recipe:
        """The recipe with other settings; calibration planes are prepared anew only when steps come or go."""
        recipe = self.recipe
        skip = knobs.skip | (recipe.skip & {"clean"})
        calibration = recipe.calibration
        if calibration is not None and skip & set(CALIBRATION) != recipe.skip & set(CALIBRATION):
            calibration = self._remember("planes", skip & set(CALIBRATION), lambda: self._without(skip).calibration())
        light = recipe.own_light  # what the optimal sum is scaled to: the light in the box
        if knobs.radius != recipe.extract.radius and recipe.extract.method == "optimal":
            light = self._remember("light", knobs.radius, lambda: box_light(recipe.deep, knobs.radius))
        return replace(
            recipe,
            calibration=calibration,
            own_light=light,
            skip=skip,
            jump=replace(recipe.jump, threshold=knobs.threshold),
            extract=replace(recipe.extract, radius=knobs.radius),
        )

    def _without(self, skip: frozenset[str]) -> Job:
        plan = self.job.plan
        every = (*CALIBRATION, *(s for s in plan.steps if s not in CALIBRATION))
        return replace(self.job, plan=replace(plan, steps=tuple(s for s in every if s not in skip)))

    def _reduce(self, i: int, knobs: Knobs) -> Reduced:
        recipe, b, late = self._with(knobs), self._scratch(), {}
        facts: dict[str, Any] = {}
        if recipe.calibration is not None:
            self.exposure.read_raw(i, b.raw)
            b.touched = None  # the scratch is shared by recipes with different settings

            def keep(step: str) -> None:
                late[step] = Stage(b.data.copy(), b.dq.copy(), recipe.pixeldq)

            facts = detector_stage(recipe, b, keep)
        else:
            self.job.fetch_slopes(i, b)
        n_jumps, n_saturated = int(facts.get("n_jumps", 0)), int(facts.get("n_saturated", 0))
        made = spectra_stage(recipe, b, facts)
        return Reduced(
            late,
            b.slope.copy(),
            b.err.copy(),
            b.flag.copy(),
            made.flux,
            np.sqrt(made.variance),
            np.array(made.shape.shift, np.float64),
            n_jumps,
            n_saturated,
        )

    def _calibrated(self, i: int, knobs: Knobs) -> Stage:
        """After all calibration steps, in one pass."""
        recipe = self._with(knobs)
        assert recipe.calibration is not None
        cube = (self.exposure.n_groups, *self.exposure.readout.shape)
        raw, data, dq = np.empty(cube, np.uint16), np.empty(cube, np.float32), np.empty(cube, np.uint8)
        self.exposure.read_raw(i, raw)
        calibrate(raw, data, dq, recipe.calibration)
        return Stage(data, dq, recipe.calibration.pixeldq)

    def _early(self, i: int, knobs: Knobs) -> dict[str, Stage]:
        """The counts, and after every calibration step, each by its own function."""
        ramps = self.exposure.ramps(slice(i, i + 1))
        assert self.job.references is not None
        after = {"raw": ramps} | calibrated(ramps, self.job.references, self._without(knobs.skip).plan)
        return {step: Stage(r.data[0], r.groupdq[0], r.pixeldq) for step, r in after.items()}

    # -- what is looked at ---------------------------------------------------------------------------------------------

    def frame(
        self, i: int, group: int, step: str, knobs: Knobs | None = None, view: View = "after", difference: bool = False
    ) -> Frame:
        """The frame of an integration, group and step.

        Parameters
        ----------
        i, group : counted from 0.
        step : one of `steps`; "ramp_fit" is the slope image (``group``, ``view`` and ``difference`` do not matter).
        view : "after" the step, "before" it, or what it "change"-d.
        difference : the group minus the one before (the first group: as it is).

        Returns
        -------
        Frame
        """
        if step == "ramp_fit":
            r = self.reduced(i, knobs)
            return Frame(r.slope, r.dq, "DN/s", "bright", f"slopes of integration {i}")
        group = self._group(group)
        shown = self.before(i, step, knobs) if view == "before" else self.stage(i, step, knobs)
        values = self._plane(shown, group, difference)
        place = self.steps.index(step) - (view == "before")
        kind = "counts" if place < self.steps.index("superbias") else "bright"
        if difference and group > 0:
            kind = "noise"
        if view == "change":
            values, kind = values - self._plane(self.before(i, step, knobs), group, difference), "change"
        what = f"group {group} − group {group - 1}" if difference and group > 0 else f"group {group}"
        word = {"after": "after", "before": "before", "change": "change by"}[view]
        title = f"integration {i}, {what}: {LABELS[step] if step == 'raw' else f'{word} {LABELS[step]}'}"
        return Frame(values, shown.pixeldq | shown.groupdq[group], "DN", kind, title)

    def _group(self, group: int) -> int:
        if not 0 <= group < self.n_groups:
            raise InputError(f"group {group}: an integration has {self.n_groups} (0 to {self.n_groups - 1})")
        return group

    @staticmethod
    def _plane(stage: Stage, group: int, difference: bool) -> F32:
        plane: F32 = stage.data[group]
        return plane - stage.data[group - 1] if difference and group > 0 else plane

    def ramp(self, i: int, y: int, x: int, step: str, knobs: Knobs | None = None) -> Ramp:
        """The ramp of a pixel before and after a step, with the line the slope stands for and flags in words.

        For "ramp_fit" (the slopes) it is the ramp as the fit gets it. The line has the fitted slope in every piece between
        hits and passes through the mean of the piece's groups.
        """
        ny, nx = self.exposure.readout.shape
        if not (0 <= y < ny and 0 <= x < nx):
            raise InputError(f"pixel ({y}, {x}): the frame has rows 0 to {ny - 1}, columns 0 to {nx - 1}")
        r = self.reduced(i, knobs)
        slope, err, bits = float(r.slope[y, x]), float(r.err[y, x]), int(r.dq[y, x])
        if not r.late:
            nothing = np.empty(0, np.float32)
            named = tuple(words.of_pixel(bits)) or ("no flags",)
            return Ramp(np.empty(0), nothing, nothing, np.empty(0, np.uint8), np.empty(0), (), slope, err, named)
        shown = "jump" if step == "ramp_fit" else step
        after, before = self.stage(i, shown, knobs), self.before(i, shown, knobs)
        final = r.late["jump"]
        values, dq = final.data[:, y, x].astype(np.float64), final.groupdq[:, y, x]
        seconds = self.exposure.readout.tgroup * np.arange(1.0, values.size + 1)
        pieces = pieces_of(dq)
        fit = np.full(values.size, np.nan)
        if np.isfinite(slope):
            for piece in pieces:
                k = list(piece)
                fit[k] = np.mean(values[k] - slope * seconds[k]) + slope * seconds[k]
        told = [line for g in range(dq.size) for line in words.of_group(g, int(dq[g]))]
        told += words.of_pixel(bits & ~(flags.JUMP_DET | flags.SATURATED))
        if self.recipe.deep.noisy[y, x]:
            told.append("pixel left out by the survey: noisier inside ramps than its noise model")
        if self.recipe.deep.odd[y, x]:
            told.append("pixel noted by the survey: its typical value does not fit its neighbours")
        return Ramp(
            seconds,
            before.data[:, y, x].copy(),
            after.data[:, y, x].copy(),
            dq.copy(),
            fit,
            pieces,
            slope,
            err,
            tuple(told) or ("no flags",),
        )

    def profile(
        self, i: int, x: int, step: str, group: int = 0, knobs: Knobs | None = None, difference: bool = False
    ) -> Profile:
        """Column ``x`` of a frame before and after a step, with the traces' rows and the aperture of this integration."""
        ny, nx = self.exposure.readout.shape
        if not 0 <= x < nx:
            raise InputError(f"column {x}: the frame has columns 0 to {nx - 1}")
        r = self.reduced(i, knobs)
        follow = r.shift if self.recipe.motion.follow else np.zeros(3)
        rows = {o: float(self.recipe.deep.trace[o - 1, x] + follow[o - 1]) for o in ORDERS}
        radius = (knobs or self.knobs).radius
        traces = {o: row for o, row in rows.items() if np.isfinite(row) and -radius < row < ny - 1 + radius}
        if step == "ramp_fit":
            column = r.slope[:, x].copy()
            return Profile(column, column, "DN/s", traces, radius)
        group = self._group(group)
        before = self._plane(self.before(i, step, knobs), group, difference)[:, x].copy()
        after = self._plane(self.stage(i, step, knobs), group, difference)[:, x].copy()
        return Profile(before, after, "DN", traces, radius)

    # -- wavelengths ---------------------------------------------------------------------------------------------------

    @property
    def wavelength(self) -> F64:
        """(3, x) [um], NaN where an order has none."""
        made: F64 = self._remember("wavelength", 0, lambda: wavelengths(self.exposure.readout))
        return made

    def column_of(self, wavelength: float, order: int) -> int:
        """The column of an order nearest to a wavelength [um]."""
        if order not in ORDERS:
            raise ConfigError(f"order {order}: expected one of {', '.join(map(str, ORDERS))}")
        w = self.wavelength[order - 1]
        if not np.isfinite(w).any():
            raise InputError(f"order {order} has no wavelengths on {self.exposure.readout.subarray}")
        return int(np.nanargmin(np.abs(w - wavelength)))

    def light_curve(self, wavelength: float, order: int = 1, n_columns: int = 1) -> LightCurve | str:
        """The light curve of the column nearest to a wavelength [um], or of ``n_columns`` about it, from the run's products.

        Without them: a sentence that says what is missing.
        """
        x = self.column_of(wavelength, order)
        if n_columns < 1:
            raise ConfigError(f"columns {n_columns}: expected 1 or more")
        if self.result is None:
            return "Light curves need a run: tsoar run ... --out DIR, then tsoar explore DIR."
        if not (self.result.out / "lightcurves.nc").exists():
            return f"{self.result.out.name} holds no lightcurves.nc: the run was stopped before the light curves."
        first = max(x - n_columns // 2, 0)
        curves = self.result.lightcurves
        one = curves.sel(order=order).isel(column=slice(first, first + n_columns))
        flux = one["flux"].transpose("integration", "column").values.astype(np.float64)
        err = one["flux_err"].transpose("integration", "column").values.astype(np.float64)
        flux, err = mean_of(flux, err)
        outside = curves["baseline"].values.astype(bool)
        at = float(self.wavelength[order - 1, x])
        return LightCurve(curves["time"].values.astype(np.float64), flux, err, outside, order, x, at, n_columns)


LABELS = {
    "raw": "raw counts",
    "dq_init": "data quality (mask)",
    "saturation": "saturation",
    "superbias": "superbias",
    "refpix": "reference pixels",
    "linearity": "linearity",
    "dark_current": "dark current",
    "one_over_f": "1/f noise",
    "jump": "jumps",
    "ramp_fit": "slopes",
}
"""what steps are called on the page"""


def percent(ratio: float) -> str:
    """A relative change for people: ppm when small.

    >>> percent(-0.15), percent(2e-5)
    ('-15.00 %', '+20 ppm')
    """
    return f"{1e6 * ratio:+.0f} ppm" if abs(ratio) < 1e-3 else f"{100 * ratio:+.2f} %"


def mean_of(flux: F64, err: F64) -> tuple[F64, F64]:
    """Mean (i,) of light curves (i, x), weighted by the inverse of their median variance, and its error; NaN where all are."""
    with np.errstate(invalid="ignore", divide="ignore"):
        finite = np.isfinite(flux) & np.isfinite(err) & (err > 0)
        typical = np.array([np.median(e[f]) if f.any() else np.nan for e, f in zip(err.T, finite.T, strict=True)])
        weight = np.where(finite, 1 / typical**2, 0)
        weight[~np.isfinite(weight)] = 0
        norm = weight.sum(axis=1)
        mean = np.where(finite, weight * flux, 0).sum(axis=1) / norm
        error = np.sqrt(np.where(finite, (weight * err) ** 2, 0).sum(axis=1)) / norm
    return np.where(norm > 0, mean, np.nan), np.where(norm > 0, error, np.nan)


def pieces_of(dq: U8) -> tuple[tuple[int, ...], ...]:
    """Groups of a ramp that hang together in the fit: broken where a group is spoilt, begun anew at a hit.

    >>> pieces_of(np.array([0, 0, 4, 0, 2, 2], np.uint8))
    ((0, 1), (2, 3))
    """
    pieces: list[list[int]] = []
    here: list[int] = []
    for g, bits in enumerate(dq):
        if bits & SPOILT:
            pieces, here = [*pieces, here], []
            continue
        if bits & flags.JUMP_DET:
            pieces, here = [*pieces, here], []
        here.append(g)
    return tuple(tuple(p) for p in (*pieces, here) if len(p) > 1)


def open_session(
    exposure: Exposure,
    references: References | None,
    config: Config,
    *,
    result: Result | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Session:
    """Plan and survey an exposure; nothing is written.

    Raises
    ------
    TsoarError
        For whatever a run would refuse.
    """
    progress = progress or (lambda stage, done, total: None)
    plan = make_plan(exposure, references, config)
    workers = workers or len(os.sched_getaffinity(0))
    job = Job(exposure, references, plan, Path(), {}, workers, False, progress)
    if not jit.compiled_before():
        progress("compiling once (kept for later runs)", 0, 1)
    with ThreadPoolExecutor(workers, thread_name_prefix="tsoar") as pool:
        recipe = job.recipe(job.calibration(), Scratch(exposure.readout), pool)
    return Session(exposure, job, recipe, result)
