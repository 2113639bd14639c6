"""`tsoar.study`: the story: what is asked, what is there already, the rest reduced, depths, table, answers, page.

What is kept of a setting stays in ``out/settings`` under a hash of everything it depends on: a study that was cut off goes on
with what is missing, one that asks for more reduces only what is new.
"""

from __future__ import annotations

import contextlib
import time as clocks
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import tsoar
from tsoar import jit
from tsoar.blocks import F64
from tsoar.config import SCHEMA, Config, get, to_dict
from tsoar.errors import ConfigError, TsoarError
from tsoar.fitting.transit import Clock
from tsoar.io import datasets
from tsoar.io.exposure import Exposure, open_exposure
from tsoar.io.references import References, references
from tsoar.reduce import provenance
from tsoar.reduce.plan import Plan, make_plan
from tsoar.reduce.run import prepare_folder
from tsoar.series.baseline import parse_baseline
from tsoar.settings import digest
from tsoar.soss.wavelength import wavelengths
from tsoar.studies.answers import Answer, answer_all
from tsoar.studies.engine import PASS_BRANCHES, Wanted, reduce_group, threads
from tsoar.studies.grid import Grid, digest_of, read_grid
from tsoar.studies.judge import Outcome, bin_edges
from tsoar.studies.planet import Depths, Held, depths, hold
from tsoar.studies.sharing import grouped, slope_key, survey_key
from tsoar.studies.table import make_dataset, make_table, read_truth, truth_bins

if TYPE_CHECKING:
    import xarray as xr
    from astropy.table import Table

RESOLUTION = 100.0
"""of the bins in which settings are compared"""
KEPT = "settings"
"""folder inside ``out``"""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Study:
    """What a study found and wrote."""

    out: Path
    grid: Grid
    table: Table
    """study.ecsv"""
    answers: list[Answer]
    notes: list[str]
    reduced: int
    """settings reduced now; the others were there"""

    @cached_property
    def dataset(self) -> xr.Dataset:
        """study.nc: white light and spectra of every setting."""
        return datasets.open_dataset(self.out / "study.nc")

    def summary(self) -> list[str]:
        """What a terminal should say."""
        lines = []
        for answer in self.answers:
            lines += [answer.question, *(f"  {text}" for text in answer.sentences)]
        lines += [f"note: {text}" for text in self.notes]
        return [*lines, f"table: {self.out / 'study.ecsv'}", f"page: {self.out / 'study.html'}"]


@dataclass(frozen=True)
class Task:
    """Settings that share a survey, for another process: everything by value or by the paths of files."""

    exposure: tuple[str, ...]
    references: tuple[str, ...]
    settings: tuple[tuple[int, Config], ...]
    wanted: Wanted
    workers: int


def study(
    exposure: Exposure,
    refs: References | None = None,
    grid: str | Path | Mapping[str, Any] | Grid = "tutorial",
    *,
    out: str | Path,
    config: Config | None = None,
    baseline: str | None = None,
    truth: str | Path | None = None,
    resolution: float = RESOLUTION,
    workers: int | None = None,
    executor: Executor | Any = None,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Study:
    """Reduce an exposure with many settings and compare what comes out.

    Parameters
    ----------
    exposure : from `tsoar.open`.
    refs : from `tsoar.references`; not needed for a start from slopes.
    grid : "tutorial", a TOML file, its tree, or a `Grid`; see `tsoar.studies.grid`.
    out : folder for study.ecsv, study.nc, study.json and study.html.
    config : settings under all of the grid's, where they differ from the default (planet and orbit: section ``fit``).
    baseline : integrations outside the event, "0:50,70:"; found in the reference's white light when not given.
    truth : truth.nc of a simulation: adds errors of depths; its orbit is used where the settings give none.
    resolution : of the bins in which spectra and scatter are compared.
    workers : threads on this machine, default one per core; with an executor: threads of each task, default 1. Numbers do
        not depend on it.
    executor : any `concurrent.futures.Executor`, or a `dask.distributed.Client`: tasks are sent there, with paths of files
        that must be the same there.
    fresh : do not take over settings kept by an earlier study in ``out``.
    progress : called as ``progress(stage, done, total)``.

    Returns
    -------
    Study

    Raises
    ------
    TsoarError
        For anything the user can mend (one line each).
    """
    start, cpu = clocks.perf_counter(), clocks.process_time()
    if workers is not None and workers < 1:
        raise ConfigError(f"workers {workers}: expected 1 or more")
    if not resolution >= 1:
        raise ConfigError(f"resolution {resolution}: expected 1 or more")
    asked = grid if isinstance(grid, Grid) else read_grid(grid, config)
    put_in = None if truth is None else read_truth(truth)
    if baseline is not None:
        parse_baseline(baseline, exposure.n_integrations)
    if exposure.n_integrations < 4:
        raise ConfigError(f"{exposure.stem}: {exposure.n_integrations} integrations; a study needs a time series (4 or more)")
    plans = plans_of(exposure, refs, asked)
    folder = prepare_folder(Path(out))
    with contextlib.suppress(OSError):  # was only to try whether the folder can be written; a run may keep something there
        (folder / ".partial").rmdir()
    say = progress or (lambda stage, done, total: None)
    if executor is None and not jit.compiled_before():
        say("compiling once (kept for later runs)", 0, 1)
    store = Store(folder / KEPT, keys_of(exposure, plans, baseline, resolution))
    found = {} if fresh else store.found()
    n, there = len(plans), len(found)
    say("settings", there, n)
    wanted = Wanted(baseline, resolution, found[0].arrays["outside"] if 0 in found else None)
    missing = {k: p for k, p in plans.items() if k not in found}
    if executor is None:
        results = reduced_here(exposure, refs, missing, wanted, workers, lambda done: say("settings", there + int(done), n))
    else:
        results = reduced_there(exposure, refs, missing, wanted, workers or 1, executor)
    for some in results:
        for k, outcome in some.items():
            store.keep(k, outcome)
        found |= some
        say("settings", len(found), n)
    say("depths", 0, n)
    outcomes = [found[k] for k in range(n)]
    time = exposure.time
    notes = list(dict.fromkeys([*plans[0].notes, *exposure.repairs]))
    fit_config = asked.settings[0].config if put_in is None else with_orbit(asked.settings[0].config, put_in.orbit, notes)
    held, fitted = fit_all(outcomes, exposure, fit_config, asked, notes)
    edges = bin_edges(wavelengths(exposure.readout)[:2], resolution)
    known = None if put_in is None else truth_bins(put_in, wavelengths(exposure.readout), edges)
    table = make_table(asked, outcomes, fitted, time, known)
    changes = ["; ".join(f"{p} = {get(s.config, p)}" for p in SCHEMA.diff(s.config)) for s in asked.settings]
    dataset = make_dataset(asked, table, outcomes, fitted, time, known, changes)
    if held is not None:
        dataset.attrs["mid_event"] = held.white.orbit.t0
    frame = exposure.readout
    answers = answer_all(asked, table, groups=exposure.n_groups, pixels=float(np.prod(frame.shape)), tgroup=frame.tgroup)
    say("page", 0, 1)
    from tsoar.studies.page import write_page

    record = record_of(exposure, refs, asked, changes, answers, notes, baseline, resolution)
    table.meta |= {"title": asked.title, "exposure": exposure.stem, "grid": asked.digest, "tsoar": tsoar.__version__}
    datasets.write_table(table, folder / "study.ecsv")
    datasets.write_dataset(dataset, folder / "study.nc")
    write_page(folder / "study.html", asked, table, dataset, answers, notes, record)
    record["performance"] = {
        "seconds": round(clocks.perf_counter() - start, 1),
        "cpu_seconds": round(clocks.process_time() - cpu, 1),
        "workers": threads(workers) if executor is None else None,
        "reduced": n - there,
        "peak_memory_mib": round(provenance.peak_memory(), 1),
        "processor": provenance.processor(),
    }
    datasets.write_json(record, folder / "study.json")
    say("page", 1, 1)
    return Study(folder, asked, table, answers, notes, n - there)


# -- what is asked ----------------------------------------------------------------------------------------------------


def plans_of(exposure: Exposure, refs: References | None, grid: Grid) -> dict[int, Plan]:
    """What each setting would do; a ConfigError names the setting that cannot be done."""
    plans = {}
    for k, setting in enumerate(grid.settings):
        try:
            plan = make_plan(exposure, refs, setting.config)
        except ConfigError as error:
            raise ConfigError(f"setting {setting.name!r}: {error}") from error
        if getattr(plan, "by_file", False):
            raise ConfigError(
                f"setting {setting.name!r}: jumps and slopes a file at a time cannot share an integration with other settings; "
                "run it by itself (tsoar run)"
            )
        plans[k] = plan
    return plans


def keys_of(exposure: Exposure, plans: dict[int, Plan], baseline: str | None, resolution: float) -> dict[int, str]:
    """Hash of everything an outcome depends on; depths are fitted afterwards, so the section ``fit`` is not in it."""
    inputs = [(s.path.name, s.size) for s in exposure.segments]
    if exposure.arrays is not None:
        inputs = [(provenance.input_hash(exposure, s), s.size) for s in exposure.segments]
    trees = {k: {n: v for n, v in to_dict(p.config).items() if n != "fit"} for k, p in plans.items()}

    def key(k: int) -> str:
        own = [trees[k], plans[k].references, list(plans[k].steps)]
        return digest_of([tsoar.__version__, inputs, baseline, resolution, trees[0], own])

    return {k: key(k) for k in plans}


@dataclass(frozen=True)
class Store:
    """Outcomes as files."""

    folder: Path
    keys: dict[int, str]

    def path(self, k: int) -> Path:
        """Of the outcome of setting ``k``."""
        return self.folder / f"{self.keys[k]}.npz"

    def found(self) -> dict[int, Outcome]:
        """What is there already and can be read."""
        every = {k: Outcome.read(self.path(k)) for k in self.keys if self.path(k).exists()}
        return {k: one for k, one in every.items() if one is not None}

    def keep(self, k: int, outcome: Outcome) -> None:
        """Write one."""
        outcome.write(self.path(k))


# -- reduced here, or elsewhere -----------------------------------------------------------------------------------------


def in_groups(plans: dict[int, Plan]) -> list[dict[int, Plan]]:
    """Settings that share a survey, the reference's first."""
    return [{k: plans[k] for k in same} for same in grouped(sorted(plans), lambda k: survey_key(plans[k]))]


def reduced_here(
    exposure: Exposure,
    refs: References | None,
    plans: dict[int, Plan],
    wanted: Wanted,
    workers: int | None,
    progress: Callable[[float], None],
) -> Iterator[dict[int, Outcome]]:
    """Group after group with threads of this process."""
    done = 0
    for group in in_groups(plans):
        for found in reduce_group(exposure, refs, group, wanted, workers, lambda n, before=done: progress(before + n)):  # type: ignore[misc]
            yield found
            if wanted.outside is None:
                wanted = replace(wanted, outside=next(iter(found.values())).arrays["outside"])
        done += len(group)


def reduced_there(
    exposure: Exposure, refs: References | None, plans: dict[int, Plan], wanted: Wanted, workers: int, executor: Any
) -> Iterator[dict[int, Outcome]]:
    """Tasks to an executor; the reference first, because it says where the event is."""
    pool: Executor = executor.get_executor() if hasattr(executor, "get_executor") else executor
    todo = dict(plans)

    def task(some: dict[int, Plan]) -> Task:
        return Task(paths_of(exposure), reference_paths(refs), tuple((k, p.config) for k, p in some.items()), wanted, workers)

    if wanted.outside is None and 0 in todo:
        first = result_of(pool.submit(work, task({0: todo.pop(0)})))
        wanted = replace(wanted, outside=first[0].arrays["outside"])
        yield first
    futures = []
    for group in in_groups(todo):
        ways = grouped(group, lambda k, g=group: slope_key(g[k]))  # type: ignore[misc]
        for at in range(0, len(ways), PASS_BRANCHES):
            chosen = [k for way in ways[at : at + PASS_BRANCHES] for k in way]
            futures.append(pool.submit(work, task({k: group[k] for k in chosen})))
    try:
        for future in as_completed(futures):
            yield result_of(future)
    finally:
        for future in futures:
            future.cancel()


def result_of(future: Any) -> dict[int, Outcome]:
    """What a task brought; what a worker could not be helped with becomes one line."""
    try:
        found: dict[int, Outcome] = future.result()
    except TsoarError:
        raise
    except Exception as error:
        if type(error).__name__ in ("KilledWorker", "BrokenProcessPool", "CancelledError", "FutureCancelledError"):
            raise TsoarError(
                f"workers died while reducing ({type(error).__name__}): too little memory there? Finished settings are kept; "
                "the same command goes on"
            ) from error
        raise
    return found


def work(task: Task) -> dict[int, Outcome]:
    """A task, wherever it is done."""
    refs = references(list(task.references)) if task.references else None
    with open_exposure(list(task.exposure)) as exposure:
        plans = {k: make_plan(exposure, refs, config) for k, config in task.settings}
        found: dict[int, Outcome] = {}
        for some in reduce_group(exposure, refs, plans, task.wanted, task.workers):
            found |= some
    return found


def paths_of(exposure: Exposure) -> tuple[str, ...]:
    """Files of an exposure."""
    if exposure.arrays is not None:
        raise ConfigError(f"{exposure.stem}: made from arrays; other processes need files (leave out the executor)")
    return tuple(str(s.path.resolve()) for s in exposure.segments)


def reference_paths(refs: References | None) -> tuple[str, ...]:
    """Files of the references."""
    if refs is None:
        return ()
    if refs.arrays:
        raise ConfigError(f"reference {next(iter(refs.arrays))}: given as an array; other processes need files")
    return tuple(str(s.path.resolve()) for s in refs.sources.values())


# -- depths ---------------------------------------------------------------------------------------------------------------


def with_orbit(config: Config, orbit: dict[str, float], notes: list[str]) -> Config:
    """The orbit of a simulation's truth, where the settings give none."""
    given: dict[str, Any] = {n: v for n, v in orbit.items() if getattr(config.fit, n) is None}
    if config.fit.planet or not given:
        return config
    notes.append(f"orbit of the truth: {', '.join(f'{n} = {v:.6g}' for n, v in given.items())}")
    return replace(config, fit=replace(config.fit, **given))


def fit_all(
    outcomes: list[Outcome], exposure: Exposure, config: Config, grid: Grid, notes: list[str]
) -> tuple[Held | None, list[Depths] | None]:
    """Depths of all settings; none, with a note, where there is no event or no orbit."""
    time: F64 = exposure.time
    n = exposure.n_groups - 1 if exposure.n_groups else 0
    cadence = float(np.median(np.diff(time)))
    clock = Clock(time, cadence * (n / (n + 2) if n else 1.0))
    target = str(exposure.header.get("TARGPROP") or exposure.header.get("TARGNAME") or "")
    try:
        held = hold(outcomes[0], clock, target, config)
    except TsoarError as error:
        notes.append(f"no depths: {error}")
        return None, None
    notes += held.notes
    found = []
    for setting, outcome in zip(grid.settings, outcomes, strict=True):
        own = replace(setting.config, fit=replace(setting.config.fit, event=config.fit.event))
        found.append(depths(outcome, outcomes[0], held, clock, own))
    return held, found


def record_of(
    exposure: Exposure,
    refs: References | None,
    grid: Grid,
    changes: list[str],
    answers: list[Answer],
    notes: list[str],
    baseline: str | None,
    resolution: float,
) -> dict[str, Any]:
    """study.json: what was asked of what, and the answers."""
    return {
        "tsoar": tsoar.__version__,
        "exposure": exposure.stem,
        "integrations": exposure.n_integrations,
        "groups": exposure.n_groups,
        "inputs": [{"name": s.path.name, "bytes": s.size} for s in exposure.segments],
        "references": refs.record() if refs is not None else [],
        "title": grid.title,
        "grid": grid.digest,
        "baseline": baseline,
        "resolution": resolution,
        "settings": [
            {"name": s.name, "changes": c, "digest": digest(s.config)} for s, c in zip(grid.settings, changes, strict=True)
        ],
        "parts": [
            {
                "name": p.name,
                "title": p.title,
                "question": p.question,
                "settings": [grid.settings[m.setting].name for m in p.members],
                "labels": [m.label for m in p.members],
            }
            for p in grid.parts
        ],
        "answers": [{"part": a.part, "question": a.question, "sentences": a.sentences} for a in answers],
        "notes": notes,
        "versions": provenance.versions(),
    }
