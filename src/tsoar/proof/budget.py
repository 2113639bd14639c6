"""`tsoar.proof.budget`: the scatter of a run out of the event, split into its sources, step by step (row G12).

Per order and column the variance of the light curve outside the event, after a straight line, is held against what must
be there: photon and read noise of the noise model (together the limit), and 1/f noise inside columns as the star-free
windows show it. What is left over is the excess. Then steps are left out one at a time, the same integrations are
reduced again, and what the variance rises by is what that step takes away: for one_over_f it counts as 1/f noise, for all
others as excess. Last, whether what remains hangs together across wavelengths or in time, beside what white noise would do.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr
from numpy.typing import NDArray

from tsoar.blocks import Deep
from tsoar.config import Config, from_dict
from tsoar.errors import ConfigError, InputError
from tsoar.explorer.opening import inputs_of, references_of
from tsoar.io import datasets
from tsoar.io.exposure import Exposure, open_exposure
from tsoar.io.references import References
from tsoar.proof.split import ALL, Bool, by_band, correlation_lines, rows_of, split
from tsoar.reduce.chain import Recipe
from tsoar.reduce.finish import spectra_dataset
from tsoar.reduce.plan import CALIBRATION, Plan, known_step, make_plan
from tsoar.reduce.run import Job, Progress, Result
from tsoar.reduce.stream import Scratch, blocks_of, in_order, place, reduce_block
from tsoar.series.lightcurves import light_curves

STEPS = ("one_over_f", "jump", "refpix", "linearity", "clean")
"""Left out one at a time, when nothing is said."""


@dataclass(frozen=True)
class Budget:
    """What `budget` found and wrote."""

    out: Path
    data: xr.Dataset
    """budget.nc"""
    notes: list[str]

    def header(self) -> list[str]:
        """Of the printed table."""
        return [
            "order",
            "setting",
            "photon",
            "read",
            "1/f",
            "excess",
            "total",
            "all columns",
            "scatter/limit",
            "scatter/claimed",
        ]

    def rows(self) -> list[list[str]]:
        """The printed table: variances over the limit's (photon + read), by order and setting."""
        return rows_of(self.data)

    def summary(self) -> list[str]:
        """What a terminal should say below it."""
        lines = ["photon to total: variances over that of photon and read noise; typical column, and mean of all columns"]
        lines += correlation_lines(self.data)
        lines += [f"note: {text}" for text in self.notes]
        return [*lines, f"budget: {self.out / 'budget.ecsv'}, {self.out / 'budget.nc'}"]


def budget(
    run: Result | str | os.PathLike[str],
    *,
    steps: Sequence[str] = STEPS,
    exposure: Exposure | None = None,
    references: References | None = None,
    figures: bool = True,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Budget:
    """Where the scatter of a run comes from.

    Parameters
    ----------
    run : what `tsoar.run` returned, or the folder of a run on raw counts.
    steps : left out one at a time; none of them: the budget of the run alone, from its folder.
    exposure, references : in place of those that run.json names, when they have moved.
    figures : draw them too.
    progress : called as ``progress(stage, done, total)``.

    Returns
    -------
    Budget. Written into the folder: budget.nc, budget.ecsv and figures.

    Raises
    ------
    TsoarError
        For anything the user can mend (one line each).
    """
    folder = run.out if isinstance(run, Result) else Path(run)
    record = datasets.read_json(folder / "run.json")
    config = from_dict(record["config"])
    notes: list[str] = []
    for name in steps:
        known_step(name, (*CALIBRATION, "one_over_f", "jump", "clean"), "--steps")
    if left := [s for s in dict.fromkeys(steps) if s in config.skip]:
        notes.append(f"the run itself was made without {', '.join(left)}")
    wanted = [s for s in dict.fromkeys(steps) if s not in config.skip]
    if record.get("kind") != "uncal":
        raise InputError(
            f"{folder}: began with slopes, of which photon and read noise cannot be told apart; expected a run on counts"
        )
    outside, spectra = read(folder)
    if wanted:
        exposure = exposure or open_exposure(inputs_of(record, folder, "give the files with --exposure"))
        references = references or references_of(record, folder, exposure)
        if exposure.n_integrations != outside.size:
            raise InputError(f"{exposure.stem}: {exposure.n_integrations} integrations, the run {folder} has {outside.size}")
        found = variants(exposure, references, config, wanted, workers, progress)
    else:
        if "variance_photon" not in spectra:
            raise InputError(
                f"{folder / 'spectra.nc'}: does not tell photon from read noise (an older version, or a run with "
                "--like jwst); run it again, or leave out a step, e.g. --steps one_over_f"
            )
        found = {ALL: spectra}
    data = split({name: light_curves(s, outside) for name, s in found.items()}, found, outside)
    data.attrs |= {
        "exposure": str(record.get("exposure", "")),
        "settings": str(record.get("settings", "")),
        "Conventions": "CF-1.10",
    }
    datasets.write_dataset(data, folder / "budget.nc")
    table = by_band(data)
    table.meta |= {"exposure": data.attrs["exposure"], "integrations": int(outside.sum()), "notes": notes}
    datasets.write_table(table, folder / "budget.ecsv")
    if figures:
        draw(data, folder)
    return Budget(folder, data, notes)


def read(folder: Path) -> tuple[Bool, xr.Dataset]:
    """Integrations outside the event, and the run's spectra."""
    with datasets.open_dataset(folder / "lightcurves.nc") as curves:
        outside = curves["baseline"].values.astype(bool)
    if outside.sum() < 10:
        raise InputError(f"{folder}: {outside.sum()} integrations outside the event; a budget needs 10 or more")
    with datasets.open_dataset(folder / "spectra.nc") as spectra:
        return outside, spectra.load()


def variants(
    exposure: Exposure,
    references: References | None,
    config: Config,
    steps: Sequence[str],
    workers: int | None,
    progress: Progress | None,
) -> dict[str, xr.Dataset]:
    """Spectra of the exposure as the run made them, and with each step left out.

    Steps before the survey change what it sees: they get a survey of their own, of the same integrations. All others
    share that of the run, and ``clean``, the last step, its stream too.
    """
    threads = workers or len(os.sched_getaffinity(0))
    tell = progress or (lambda stage, done, total: None)
    out: dict[str, xr.Dataset] = {}
    with ThreadPoolExecutor(threads, thread_name_prefix="tsoar") as pool:
        deep: Deep | None = None
        kept: tuple[Recipe, dict[str, Any]] | None = None
        for name in (ALL, *steps):
            own = config if name == ALL else replace(config, skip=(*config.skip, name))
            plan = make_plan(exposure, references, own)
            if plan.by_file:
                raise ConfigError(
                    "jumps and slopes of this run were made a file at a time (--like jwst), which leaves photon and read "
                    "noise together; a budget needs jump.method and ramp_fit.method of another kind"
                )
            said = f"without {name}" if name != ALL else ALL
            job = Job(exposure, references, plan, Path(), {}, threads, False, partial(_within, tell, said))
            if name == "clean" and kept is not None:
                out[said] = finished(replace(kept[0], skip=frozenset(own.skip)), kept[1], exposure, plan)
                continue
            scratch = Scratch(exposure.readout)
            shared = deep if name not in CALIBRATION else None
            recipe = job.recipe(job.calibration(), scratch, pool, shared)
            series = stream(job, recipe, scratch, pool)
            if name == ALL:
                deep = recipe.deep
                kept = recipe, series if "clean" in steps else {}
            out[said] = finished(recipe, series, exposure, plan)
    return out


def _within(tell: Progress, said: str, stage: str, done: int, total: int) -> None:
    tell(f"{said}: {stage}", done, total)


def stream(job: Job, recipe: Recipe, scratch: Scratch, pool: ThreadPoolExecutor) -> dict[str, Any]:
    """Series of all integrations; nothing is written."""
    exposure, done = job.exposure, 0
    series: dict[str, Any] = {}
    blocks = blocks_of([(s.first, s.n) for s in exposure.segments])

    def fetch(i: int, b: Any) -> None:
        exposure.read_raw(i, b.raw)

    jobs = [partial(reduce_block, recipe, b, fetch, None, scratch, False) for b in blocks]
    with closing(in_order(pool, jobs, job.workers + 1)) as results:
        for block, result in zip(blocks, results, strict=True):
            place(series, result.series, block.first, exposure.n_integrations)
            done += block.count
            job.progress("integrations", done, exposure.n_integrations)
    return series


def finished(recipe: Recipe, series: dict[str, NDArray[Any]], exposure: Exposure, plan: Plan) -> xr.Dataset:
    """Spectra as the run would write them; ``series`` stays as it is."""
    return spectra_dataset(recipe, {k: v.copy() for k, v in series.items()}, exposure.time, plan.config, plan.digest)


def draw(data: xr.Dataset, folder: Path) -> None:
    """The figures, as PNG."""
    from tsoar import plots
    from tsoar.report.page import png

    figures = {
        "budget": plots.budget(data),
        "budget_steps": plots.budget_steps(data),
        "budget_correlation": plots.budget_correlation(data),
        "budget_claimed": plots.budget_claimed(data),
    }
    for name, figure in figures.items():
        picture = png(figure)
        with datasets.atomic(folder / "figures" / f"{name}.png") as part:
            part.write_bytes(picture)
