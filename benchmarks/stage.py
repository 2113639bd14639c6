"""tsoar, part by part, as `tsoar.run` does it: the detector stage alone, the spectra alone, the whole job."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.clock import timed


def job_of(paths: list[str], refs: str | None, out: Path, workers: int, like: str | None = None, skip: list[str] | None = None):
    """A run as `tsoar.run` sets it up, not yet started."""
    import tsoar
    from tsoar.config import load
    from tsoar.reduce.memory import return_large_blocks
    from tsoar.reduce.plan import make_plan
    from tsoar.reduce.run import Job, prepare_folder

    exposure = tsoar.open(paths)
    references = tsoar.references(refs) if refs else None
    plan = make_plan(exposure, references, load(like=like, skip=skip or []))
    return_large_blocks()
    options = {"baseline": None, "products": "all", "save": [], "only_through": None}
    return Job(exposure, references, plan, prepare_folder(out), options, workers, False, lambda stage, done, total: None)


def slopes(uncal: list[str], refs: str, workers: int, files: bool, repeats: int) -> dict[str, Any]:
    """The detector stage: survey, then counts of every integration to slope, error, flags and variances.

    In memory every integration's planes are handed on and not kept (what the spectra need is the next step's input);
    with ``files`` they are written as rateints, and averaged into a rate image as the field's stage does. A run on the
    first integrations goes before, so that compilation and imports are not counted.
    """
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(dir=Path(uncal[0]).parent.parent) as folder:
        for number in range(repeats + 1):
            into = seconds if number else {}
            one_pass_over(uncal, refs, workers, Path(folder) / str(number) if files else None, Path(folder), into)
    return {"seconds": seconds}


def one_pass_over(
    uncal: list[str], refs: str, workers: int, out: Path | None, scratch_folder: Path, seconds: dict[str, list[float]]
) -> None:
    """One detector stage over all segments; its times go into ``seconds``."""
    from tsoar.io import rateints
    from tsoar.reduce import products
    from tsoar.reduce.chain import detector_stage
    from tsoar.reduce.run import write_slopes
    from tsoar.reduce.stream import BLOCK, SMALL, RateSums, Scratch, add_rate, blocks_of, in_order

    job = job_of(uncal, refs, out or scratch_folder, workers)
    exposure = job.exposure
    shape = exposure.readout.shape

    def block_slopes(recipe: Any, block: Any, writer: Any, scratch: Any) -> Any:
        b = scratch()
        rate = RateSums.empty(shape) if writer is not None else None
        for k in range(block.count):
            exposure.read_raw(block.first + k, b.raw)
            detector_stage(recipe, b)
            if rate is not None:
                planes = (b.slope, b.var_p, b.var_r, b.flag)
                add_rate(*planes, rate.weight, rate.total, rate.inverse_p, rate.inverse_r, rate.any_flag, rate.all_flag)
                write_slopes(writer, block, k, b)
        return rate

    with timed(seconds), ThreadPoolExecutor(workers) as pool:
        scratch = Scratch(exposure.readout)
        with timed(seconds, "survey "):
            recipe = job.recipe(job.calibration(), scratch, pool)
        segments = [(s.first, s.n) for s in exposure.segments]
        blocks = blocks_of(segments, SMALL if out is None else BLOCK)
        total = RateSums.empty(shape)
        with timed(seconds, "stream "):
            for number in range(len(segments)):
                writer = None
                if out is not None:
                    writer = rateints.open_segment(exposure, number, out / "rateints", job.header_notes())
                jobs = [partial(block_slopes, recipe, b, writer, scratch) for b in blocks if b.segment == number]
                with closing(in_order(pool, jobs, workers + 1)) as results:
                    for rate in results:
                        if rate is not None:
                            total.merge(rate)
                if writer is not None:
                    writer.close()
            if out is not None:
                rateints.write_rate(out / "rate.fits", exposure, job.header_notes(), **products.average(total))
    exposure.close()


def spectra(slopes: list[str], workers: int, repeats: int) -> dict[str, Any]:
    """Slopes in files to spectra of three orders, traces, motion, light curves, white light and their statistics."""
    from tsoar.reduce import finish
    from tsoar.reduce.looks import look
    from tsoar.reduce.stream import Scratch

    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeats + 1):
            into = seconds if number else {}
            with timed(into), ThreadPoolExecutor(workers) as pool:
                job = job_of(slopes, None, Path(folder), workers)
                scratch = Scratch(job.exposure.readout)
                with timed(into, "survey "):
                    recipe = job.recipe(None, scratch, pool)
                with timed(into, "stream "):
                    series, _ = job.stream(recipe, scratch, pool)
                with timed(into, "series "):
                    found = finish.spectra_dataset(recipe, series, job.exposure.time, job.plan.config, "")
                    finish.traces_dataset(recipe, series, job.exposure.time, "")
                    look(job.plan, recipe, found, None, job.exposure.readout.n_groups)
            job.exposure.close()
    return {"seconds": seconds}


def run(
    uncal: list[str],
    refs: str | None,
    out: str,
    workers: int = 2,
    like: str | None = None,
    products: str = "all",
    skip: list[str] | None = None,
) -> dict[str, Any]:
    """`tsoar.run`, everything it does; what it says of its own parts is returned."""
    import json

    import tsoar
    from tsoar.config import load

    config = load(like=like, skip=skip or [])
    references = tsoar.references(refs) if refs else None
    seconds: dict[str, list[float]] = {}
    with timed(seconds):
        tsoar.run(tsoar.open(uncal), references, out=out, config=config, workers=workers, products=products)
    record = json.loads((Path(out) / "run.json").read_text())
    return {"seconds": seconds, "performance": record["performance"]}
