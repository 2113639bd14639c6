"""Many settings in one pass over the integrations: an integration is read and calibrated once, and takes every way from there.

For each integration a tree is walked: calibrated groups are kept aside, each branch makes its slopes from a copy of them,
each leaf extracts from these slopes with its own aperture. Every number is that of a run of its own, bit for bit; tests
hold it to that.
"""

from __future__ import annotations

import os
import time as clocks
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsoar.blocks import F32, F64, U8
from tsoar.io.exposure import Exposure
from tsoar.io.references import References
from tsoar.reduce.chain import (
    Buffers,
    Integration,
    Recipe,
    blank_light,
    calibration_stage,
    extract_stage,
    shape_stage,
    slope_stage,
)
from tsoar.reduce.finish import spectra_dataset
from tsoar.reduce.looks import baseline_of
from tsoar.reduce.memory import return_large_blocks
from tsoar.reduce.plan import Plan
from tsoar.reduce.run import Job
from tsoar.reduce.stream import Block, Scratch, blocks_of, collect, in_order, place
from tsoar.series.white import white_light
from tsoar.soss.wavelength import wavelengths
from tsoar.studies.judge import Bool, Outcome, bin_edges, judge
from tsoar.studies.sharing import Branch, branches, grouped, slope_key

PASS_BRANCHES = 12
"""ways to slopes in one pass: more share more, fewer lose less when a study is cut off"""
PASS_BYTES = 600e6
"""of the series that one pass may hold"""
VALUE_BYTES = 14
"""per integration, order and column of a leaf: flux, variance, star-free sums (float32), filled (float16)"""

Series = dict[str, NDArray[Any]]
Progress = Callable[[float], None]
"""told how many settings are done, and parts of one"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is the same for all settings of a study."""

    baseline: str | None
    """integrations outside the event as asked; None: found"""
    resolution: float
    outside: Bool | None
    """(i,) found with the reference setting; None: find it with the first setting"""


def threads(workers: int | None) -> int:
    """How many to use."""
    return workers or len(os.sched_getaffinity(0))


def reduce_group(
    exposure: Exposure,
    references: References | None,
    plans: dict[int, Plan],
    wanted: Wanted,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Iterator[dict[int, Outcome]]:
    """Settings that share calibration and survey, by index; yields those of each pass over the integrations as it ends."""
    return_large_blocks()
    n, finished = threads(workers), 0
    with ThreadPoolExecutor(n, thread_name_prefix="tsoar-study") as pool:
        start = clocks.perf_counter()
        first = next(iter(plans.values()))
        job = Job(exposure, references, first, Path(), {}, n, False, lambda stage, done, total: None)
        calibration = job.calibration()
        scratch = Scratch(exposure.readout)
        base = job.recipe(calibration, scratch, pool)
        surveyed = (clocks.perf_counter() - start) / len(plans)
        for some in passes(plans, exposure):
            tree = branches(base, some)

            def say(share: float, before: int = finished, now: int = len(some)) -> None:
                if progress is not None:
                    progress(before + share * now)

            series, spent = stream(exposure, tree, scratch, pool, n, job.fetch_slopes, say)
            found = finish(exposure, tree, series, spent, some, wanted, pool)
            del series  # before the next pass makes its own
            if wanted.outside is None:
                wanted = Wanted(wanted.baseline, wanted.resolution, next(iter(found.values())).arrays["outside"])
            for one in found.values():
                one.numbers["seconds"] += surveyed
            finished += len(some)
            yield found


def passes(plans: dict[int, Plan], exposure: Exposure) -> Iterator[dict[int, Plan]]:
    """Settings cut into passes over the integrations."""
    size = VALUE_BYTES * exposure.n_integrations * 3 * exposure.readout.shape[1]
    leaves = max(int(PASS_BYTES / size), 1)
    chosen: list[int] = []
    ways = 0
    for same in grouped(plans, lambda k: slope_key(plans[k])):
        for start in range(0, len(same), leaves):
            piece = same[start : start + leaves]
            if chosen and (ways == PASS_BRANCHES or len(chosen) + len(piece) > leaves):
                yield {k: plans[k] for k in chosen}
                chosen, ways = [], 0
            chosen += piece
            ways += 1
    if chosen:
        yield {k: plans[k] for k in chosen}


# -- the pass -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Aside:
    """Calibrated groups and flags of one integration, kept for the next branch."""

    data: F32
    dq: U8


def stream(
    exposure: Exposure,
    tree: Sequence[Branch],
    scratch: Scratch,
    pool: ThreadPoolExecutor,
    workers: int,
    fetch_slopes: Callable[[int, Buffers], None],
    progress: Progress,
) -> tuple[list[Series], F64]:
    """Series of every leaf over all integrations, and the seconds each leaf has cost."""
    blocks = blocks_of([(s.first, s.n) for s in exposure.segments])
    leaves = [leaf for branch in tree for leaf in branch.leaves]
    series: list[Series] = [{} for _ in leaves]
    spent = np.zeros(len(leaves))
    asides: dict[int, Aside] = {}
    jobs = [partial(one_block, exposure, tree, b, scratch, asides, fetch_slopes) for b in blocks]
    done, total = 0, exposure.n_integrations
    with closing(in_order(pool, jobs, workers + 1)) as results:
        for block, (parts, seconds) in zip(blocks, results, strict=True):
            for whole, part in zip(series, parts, strict=True):
                place(whole, part, block.first, total)
            spent += seconds
            done += block.count
            progress(done / total)
    return series, spent


def one_block(
    exposure: Exposure,
    tree: Sequence[Branch],
    block: Block,
    scratch: Scratch,
    asides: dict[int, Aside],
    fetch_slopes: Callable[[int, Buffers], None],
) -> tuple[list[Series], F64]:
    """All ways of all integrations of one block."""
    b = scratch()
    items: list[list[Integration]] = [[] for branch in tree for _ in branch.leaves]
    spent = np.zeros(len(items))
    for k in range(block.count):
        start = clocks.perf_counter()
        keep = calibrated(exposure, tree[0].recipe, block.first + k, b, asides, len(tree) > 1)
        spent += (clocks.perf_counter() - start) / len(items)
        at = 0
        for number, branch in enumerate(tree):
            start = clocks.perf_counter()
            facts = slopes_of(branch.recipe, b, keep, number, partial(fetch_slopes, block.first + k))
            seen = shape_stage(branch.recipe, b, facts)
            windows = facts.pop("blank", None)
            some = slice(at, at + len(branch.leaves))
            spent[some] += (clocks.perf_counter() - start) / len(branch.leaves)
            for leaf in branch.leaves:
                start = clocks.perf_counter()
                flux, variance, filled = extract_stage(leaf.recipe, b, seen)
                nothing = np.empty(0, np.float32)  # centroids of single integrations: a study has no use for them
                blank = blank_light(leaf.recipe, windows)
                items[at].append(Integration(flux, variance, filled, nothing, seen.shape, blank, facts))
                spent[at] += clocks.perf_counter() - start
                at += 1
    return [collect(some) for some in items], spent


def calibrated(
    exposure: Exposure, recipe: Recipe, i: int, b: Buffers, asides: dict[int, Aside], keep: bool
) -> tuple[dict[str, Any], Aside | None]:
    """One integration into the buffers; with ``keep`` a copy aside. Nothing for a start from slopes."""
    if recipe.calibration is None:
        return {}, None
    exposure.read_raw(i, b.raw)
    facts = calibration_stage(recipe, b)
    if not keep:
        return facts, None
    aside = asides.get(id(b))
    if aside is None:
        aside = asides[id(b)] = Aside(np.empty_like(b.data), np.empty_like(b.dq))
    aside.data[:], aside.dq[:] = b.data, b.dq
    return facts, aside


def slopes_of(
    recipe: Recipe, b: Buffers, kept: tuple[dict[str, Any], Aside | None], number: int, fetch: Callable[[Buffers], None]
) -> dict[str, Any]:
    """Slopes of one branch into the buffers; facts."""
    facts, aside = kept
    if recipe.calibration is None:
        fetch(b)
        return {}
    if aside is not None:
        b.touched = None  # planes of another branch: put back whole
        if number > 0:
            b.data[:], b.dq[:] = aside.data, aside.dq
    return slope_stage(recipe, b, dict(facts))


# -- after the pass -------------------------------------------------------------------------------------------------------


def finish(
    exposure: Exposure,
    tree: Sequence[Branch],
    series: list[Series],
    spent: F64,
    plans: dict[int, Plan],
    wanted: Wanted,
    pool: ThreadPoolExecutor,
) -> dict[int, Outcome]:
    """Outcomes of all settings of a pass, in the order of ``plans``."""
    edges = bin_edges(wavelengths(exposure.readout)[:2], wanted.resolution)
    leaves = [leaf for branch in tree for leaf in branch.leaves]
    found: dict[int, Outcome] = {}
    todo = [(k, leaf, n) for n, leaf in enumerate(leaves) for k in leaf.settings]
    first = next(iter(plans))
    todo.sort(key=lambda item: item[0] != first)  # the first setting says where the event is
    outside = wanted.outside

    def one(k: int, recipe: Recipe, n: int, mask: Bool | None) -> Outcome:
        start = clocks.perf_counter()
        outcome = condense(exposure, plans[k], recipe, series[n], wanted.baseline, mask, edges)
        outcome.numbers["seconds"] = clocks.perf_counter() - start + float(spent[n]) / len(leaves[n].settings)
        return outcome

    if outside is None:
        k, leaf, n = todo.pop(0)
        found[k] = one(k, leaf.recipe, n, None)
        outside = found[k].arrays["outside"]
    results = pool.map(lambda item: one(item[0], item[1].recipe, item[2], outside), todo)
    found |= {item[0]: outcome for item, outcome in zip(todo, results, strict=True)}
    return {k: found[k] for k in plans}


def condense(
    exposure: Exposure, plan: Plan, recipe: Recipe, series: Series, asked: str | None, outside: Bool | None, edges: F64
) -> Outcome:
    """Series of one setting to what is kept of it."""
    own = dict(series)
    own["flux"] = series["flux"].copy()  # outliers are replaced in place, and other settings may share the series
    limit = np.sqrt(series["variance"])
    recipe = replace(recipe, skip=frozenset(plan.config.skip))  # settings of one leaf may differ in ``clean``
    spectra = spectra_dataset(recipe, own, exposure.time, plan.config, plan.digest)
    if outside is None:
        white = white_light(spectra)
        outside = baseline_of(plan, asked, exposure.time, white, exposure.n_integrations).mask
    return judge(spectra, limit, outside, edges)
