"""One integration walked through the detector steps, kept after each (what `tsoar inspect` shows).

Up to the dark the public functions of `tsoar.detector` are called one by one; 1/f, jumps and slopes are those of the
run's own stage, looked into, so that what is shown is what a run does. These need to know what the integration should look
like: from the deep stack of a run where there is one, else from a quick survey of a dozen integrations.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tsoar import detector, flags
from tsoar.blocks import F32, Deep, Ramps, Readout, Slopes
from tsoar.config import Config, load
from tsoar.detector.one_over_f import near_traces
from tsoar.errors import ConfigError, InputError
from tsoar.io import datasets
from tsoar.reduce.chain import Buffers, Recipe, detector_stage
from tsoar.reduce.plan import CALIBRATION, Plan, make_plan
from tsoar.reduce.run import Job, Progress
from tsoar.reduce.save import calibrated
from tsoar.reduce.stream import Scratch
from tsoar.reduce.survey import last_group
from tsoar.soss.profiles import full_traces
from tsoar.soss.traces import expected_traces
from tsoar.spectra.deep import motion_templates

if TYPE_CHECKING:
    from tsoar.io.exposure import Exposure
    from tsoar.io.references import References

log = logging.getLogger(__name__)

QUICK = 12
"""integrations of the survey when no run is given: the deep stack's noise is then 0.4 of a single integration's"""


@dataclass(frozen=True)
class Walk:
    """One integration after each step."""

    exposure: Exposure
    references: References | None
    plan: Plan
    integration: int
    stages: dict[str, Ramps] = field(default_factory=dict)
    """"counts" and then a block of one integration by step; empty for a start from slopes"""
    slopes: Slopes | None = None
    """of one integration, 1/f corrected as the settings say"""
    striped: F32 | None = None
    """(y, x) [DN/s] the same without the 1/f correction"""
    recipe: Recipe | None = None
    model: F32 | None = None
    """(y, x) [DN] what a difference of this integration is expected to be"""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def last(self) -> Ramps:
        """The block after the last step that was walked."""
        return list(self.stages.values())[-1]

    @property
    def early(self) -> str:
        """The last calibration step that was walked; empty if there was none."""
        return next((step for step in reversed(self.stages) if step in CALIBRATION), "")

    @property
    def traces(self) -> NDArray[np.float64]:
        """(3, x) rows of the traces: measured where there is a deep stack, else expected."""
        return self.recipe.deep.trace if self.recipe is not None else expected_traces(self.exposure.readout)

    def near(self) -> NDArray[np.bool_]:
        """(y, x) within 25 px of a trace, where photon noise is not the detector's."""
        traces = self.recipe.deep.trace_all if self.recipe is not None else full_traces(self.traces)
        return near_traces(traces, self.exposure.readout.shape, 25.0)


def check_integration(exposure: Exposure, integration: int) -> None:
    """A ConfigError unless the exposure has it."""
    if not 0 <= integration < exposure.n_integrations:
        raise ConfigError(f"--integration {integration}: {exposure.stem} has 0 to {exposure.n_integrations - 1}")


def settings_of_run(run: str | os.PathLike[str]) -> Config:
    """The settings of a finished run."""
    return load(like=Path(run))


def walk_steps(
    exposure: Exposure,
    references: References | None,
    integration: int = 0,
    *,
    config: Config | None = None,
    run: str | os.PathLike[str] | None = None,
    only_through: str | None = None,
    progress: Progress | None = None,
) -> Walk:
    """Take one integration through the detector steps.

    Parameters
    ----------
    exposure : counts; of a start from slopes only these are there to look at.
    references : as for `tsoar.run`.
    integration : counted from 0 over all segments.
    config : settings; those of ``run`` where one is given, else the defaults.
    run : folder of a finished run of this exposure, whose deep stack is taken; without one a dozen integrations are surveyed.
    only_through : last step to walk.
    progress : called as ``progress(stage, done, total)``.

    Raises
    ------
    TsoarError
        For an integration, step or reference that is not there, a run of another exposure.
    """
    check_integration(exposure, integration)
    config = config or (load() if run is None else settings_of_run(run))
    plan = make_plan(exposure, references, config, only_through=only_through)
    if exposure.kind != "uncal":
        return Walk(exposure, references, plan, integration, slopes=exposure.slopes(slice(integration, integration + 1)))
    assert references is not None
    counts = exposure.ramps(slice(integration, integration + 1))
    stages = {"counts": counts} | calibrated(counts, references, plan)
    walked = Walk(exposure, references, plan, integration, stages)
    if not set(plan.steps) & {"one_over_f", "jump", "ramp_fit"}:
        return walked
    recipe = recipe_for(exposure, references, plan, run, walked, progress or (lambda stage, done, total: None))
    return late_steps(walked, recipe)


def recipe_for(
    exposure: Exposure,
    references: References | None,
    plan: Plan,
    run: str | os.PathLike[str] | None,
    walked: Walk,
    progress: Progress,
) -> Recipe:
    """What the late steps need: from the deep stack of ``run``, or from a quick survey."""
    readout = exposure.readout
    deep = None
    if run is not None:
        deep = read_deep(Path(run), readout, walked.last, plan.config.motion.radius)
        check_inputs(Path(run), exposure)
    else:
        few = min(plan.config.survey.integrations, max(QUICK, plan.config.survey.minimum))
        plan = replace(plan, config=replace(plan.config, survey=replace(plan.config.survey, integrations=few)))
    workers = len(os.sched_getaffinity(0))
    job = Job(exposure, references, plan, Path(), {}, workers, False, progress)
    with ThreadPoolExecutor(workers, thread_name_prefix="tsoar") as pool:
        return job.recipe(job.calibration(), Scratch(readout), pool, deep)


def read_deep(run: Path, readout: Readout, ramps: Ramps, radius: float) -> Deep:
    """The deep stack of a finished run, for an integration with these calibrated ``ramps``.

    The templates of motion and width are made anew from its star; they are not in the file.
    """
    ds = datasets.open_dataset(run / "deep.nc")
    missing = {"star", "sky", "noisy", "odd", "trace", "sample"} - set(ds.data_vars)
    if missing:
        raise InputError(f"{run / 'deep.nc'}: holds no {sorted(missing)[0]}; expected the deep stack of a finished run")
    if ds["sky"].shape != readout.shape:
        raise InputError(f"{run}: its deep stack has {ds['sky'].shape} pixels, the exposure {readout.shape}; give its own run")
    star, trace = ds["star"].values.astype(np.float32), ds["trace"].values.astype(np.float64)
    gradient, stretch, curvature = motion_templates(star, trace, radius)
    trace_all = full_traces(trace)
    near = near_traces(trace_all, readout.shape, 12.0)
    saturated = (ramps.groupdq[0][:, near] & np.uint8(flags.SATURATED)) != 0
    deep = Deep(
        star,
        gradient,
        curvature,
        stretch,
        ds["sky"].values.astype(np.float32),
        ds["noisy"].values.astype(bool),
        ds["odd"].values.astype(bool),
        trace,
        trace_all,
        trace,
        np.isfinite(trace),
        float(ds.attrs.get("read_noise_factor", 1.0)),
        ds["sample"].values.astype(np.int64),
        last_group(saturated.mean(axis=1)[None]),
        dict(ds.attrs),
    )
    ds.close()
    return deep


def check_inputs(run: Path, exposure: Exposure) -> None:
    """A warning when the run's record names none of the exposure's files."""
    if not (run / "run.json").exists():
        return
    inputs = {str(i.get("name")) for i in datasets.read_json(run / "run.json").get("inputs", [])}
    if inputs and not inputs & {s.path.name for s in exposure.segments}:
        log.warning("%s is a run of other files (%s): its deep stack may not fit", run, ", ".join(sorted(inputs)))


def late_steps(walked: Walk, recipe: Recipe) -> Walk:
    """1/f, jumps and slopes as the run does them, kept after each."""
    exposure, plan, i = walked.exposure, walked.plan, walked.integration
    references, readout = walked.references, exposure.readout
    assert references is not None
    stages = dict(walked.stages)
    b = Buffers.make(readout)
    exposure.read_raw(i, b.raw)

    def keep(step: str) -> None:
        if step in plan.steps:
            stages[step] = Ramps(b.data[None].copy(), b.dq[None].copy(), recipe.pixeldq, readout, i)

    facts = detector_stage(recipe, b, keep)
    model = b.model.copy() if recipe.has_deep else None
    if "ramp_fit" not in plan.steps:
        return replace(walked, stages=stages, recipe=recipe, model=model, facts=facts)
    slope, err, var_p, var_r = (p[None].copy() for p in (b.slope, b.err, b.var_p, b.var_r))
    slopes = Slopes(slope, err, var_p, var_r, b.flag[None].copy(), readout, i)
    deep = recipe.deep if recipe.has_deep else None
    gain, readnoise = (references.cut(kind, readout) for kind in ("gain", "readnoise"))
    early = [s for name, s in stages.items() if name == "counts" or name in CALIBRATION][-1]
    raw = early.with_(groupdq=list(stages.values())[-1].groupdq, pixeldq=recipe.pixeldq)
    striped = detector.ramp_fit(raw, gain, readnoise, deep, plan.config.ramp_fit)
    if plan.config.one_over_f.level == "slope" and "one_over_f" in plan.steps:
        slopes = detector.one_over_f_slopes(
            striped, deep, expected_traces(readout), None if model is None else model[None] / np.float32(readout.tgroup),
            plan.config.one_over_f,
        )  # fmt: skip
    return replace(walked, stages=stages, slopes=slopes, striped=striped.slope[0], recipe=recipe, model=model, facts=facts)


# -- in words ----------------------------------------------------------------------------------------------------------


def lines(walked: Walk) -> Iterator[tuple[str, str]]:
    """What each step changed: pairs of step and words, in order."""
    before: Ramps | None = None
    for step, after in walked.stages.items():
        if before is None:
            yield step, f"{after.data.shape[1]} groups of {after.data.shape[2]} x {after.data.shape[3]} pixels, {levels(after)}"
        else:
            if step not in CALIBRATION and walked.recipe is not None and after.pixeldq is not before.pixeldq:
                surveyed = before.with_(pixeldq=after.pixeldq)
                yield "survey", told("survey", walked) + ", ".join(["", *changes(before, surveyed)])
                before = surveyed
            yield step, ", ".join(changes(before, after)) + told(step, walked)
        before = after
    if walked.slopes is not None:
        slope, err = walked.slopes.slope[0], walked.slopes.err[0]
        unusable = int(np.count_nonzero(~np.isfinite(slope)))
        text = f"median slope {np.nanmedian(slope):.4g} +- {np.nanmedian(err):.2g} DN/s, {unusable} pixels without one"
        yield "ramp_fit" if walked.stages else "slopes", f"{text}; {counted(walked.slopes.dq[0])}"


def levels(ramps: Ramps) -> str:
    """Medians of the first and the last group."""
    first, last = (float(np.nanmedian(ramps.data[0, g])) for g in (0, -1))
    return f"median {first:.1f} DN in the first group, {last:.1f} DN in the last"


def counted(dq: NDArray[np.integer]) -> str:
    """Counts by flag name in one line."""
    return ", ".join(f"{n} {name}" for name, n in flags.count(dq).items()) or "no flag"


def changes(before: Ramps, after: Ramps) -> list[str]:
    """What a step did to data and flags of one integration."""
    out = []
    if before.data is not after.data and not np.array_equal(before.data, after.data, equal_nan=True):
        taken = before.data[0, -1].astype(np.float64) - after.data[0, -1]
        low, high = np.nanpercentile(taken, (1, 99))
        out.append(
            f"last group: median {np.nanmedian(before.data[0, -1]):.1f} -> {np.nanmedian(after.data[0, -1]):.1f} DN, "
            f"taken away {np.nanmedian(taken):.3g} (1 to 99 %: {low:.3g} to {high:.3g})"
        )
    for name in ("pixeldq", "groupdq"):
        old, new = getattr(before, name), getattr(after, name)
        if old is not new and (added := flags.count(new & ~old)):
            out.append(f"{name}: " + ", ".join(f"+{n} {flag}" for flag, n in added.items()))
    return out or ["nothing changed"]


def told(step: str, walked: Walk) -> str:
    """A step's own numbers."""
    if step == "survey" and walked.recipe is not None:
        deep = walked.recipe.deep
        return (
            f"deep stack of {deep.sample.size} integrations, {int(deep.noisy.sum())} noisy pixels, "
            f"noise of dark rows {deep.read_noise_factor:.2f} times the reference"
        )
    if step == "refpix" and (table := walked.stages[step].facts.get("reference_level")) is not None:
        even, odd = np.asarray(table, np.float64)[0].T
        return f"; levels of even rows {even.min():.2f} to {even.max():.2f}, of odd rows {odd.min():.2f} to {odd.max():.2f} DN"
    if step == "one_over_f" and "offset_rms" in walked.facts:
        return f"; column offsets of a difference {np.mean(walked.facts['offset_rms']):.2f} DN rms"
    return ""


def flag_words(pixeldq: int, groupdq: NDArray[np.unsignedinteger]) -> list[str]:
    """The flags of one ramp in words: of the pixel, then of its groups (counted from 0, as arrays are)."""
    out = [f"pixel: {name}, {flags.MEANING[name]}" for name in flags.names(pixeldq).split("|") if name]
    for name in flags.GROUP:
        on = np.flatnonzero(np.asarray(groupdq) & flags.GROUP[name])
        if on.size:
            which = f"groups {', '.join(map(str, on))}" if on.size > 1 else f"group {on[0]}"
            out.append(f"{which}: {name}, {flags.MEANING[name]}")
    return out or ["no flags"]
