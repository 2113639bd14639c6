"""`tsoar.run`: an exposure and its references in, all products out.

The story: plan, survey, stream, finish, write. Products are written beside their final names and renamed when whole. A
segment that is finished leaves its slope file and its series in a folder ``.partial`` inside ``out``; ``resume=True``
picks those up if settings, files and version are the same, so that a killed run costs at most one segment.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from tsoar import flags, jit
from tsoar.blocks import Deep
from tsoar.config import Config, load
from tsoar.detector.field_fit import Sums
from tsoar.detector.ramp_fit import noise_model
from tsoar.ecosystem.citing import cite
from tsoar.errors import ConfigError, OutputError
from tsoar.io import datasets, rateints
from tsoar.io.exposure import Exposure, open_exposure
from tsoar.io.references import References
from tsoar.reduce import field, products, provenance
from tsoar.reduce.calibrate import Calibration, prepare_calibration
from tsoar.reduce.chain import Buffers, Recipe, make_recipe
from tsoar.reduce.memory import large_blocks_kept, return_large_blocks
from tsoar.reduce.plan import CALIBRATION, DETECTOR, Plan, make_plan
from tsoar.reduce.save import SaveRamps
from tsoar.reduce.stream import BLOCK, SMALL, Block, RateSums, Scratch, blocks_of, in_order, place, reduce_block
from tsoar.reduce.survey import SurveySettings, survey

if TYPE_CHECKING:
    import xarray as xr

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Result:
    """The folder of a run; products open lazily."""

    out: Path
    plan: Plan

    def _open(self, name: str) -> xr.Dataset:
        return datasets.open_dataset(self.out / name)

    @cached_property
    def spectra(self) -> xr.Dataset:
        """flux, flux_err (integration, order, column) [DN/s]; wavelength, time."""
        return self._open("spectra.nc")

    @cached_property
    def traces(self) -> xr.Dataset:
        """y, y_raw (integration, order, column) [px]; shift, shift_err (integration, order)."""
        return self._open("traces.nc")

    @cached_property
    def lightcurves(self) -> xr.Dataset:
        """flux, flux_err, normalised (integration, order, column)."""
        return self._open("lightcurves.nc")

    @cached_property
    def deep(self) -> xr.Dataset:
        """What the survey learned."""
        return self._open("deep.nc")

    @cached_property
    def white_light(self) -> Any:
        """astropy Table: time, flux and error per order and together."""
        from astropy.table import Table

        return Table.read(self.out / "white_light.ecsv")

    @cached_property
    def diagnostics(self) -> dict[str, Any]:
        """The numbers of the report, with criterion and verdict."""
        return datasets.read_json(self.out / "diagnostics.json")

    def summary(self) -> list[str]:
        """What a terminal should say."""
        if not (self.out / "diagnostics.json").exists():
            return [f"products in {self.out}"]
        lines = []
        for name, n in self.diagnostics["numbers"].items():
            if n["value"] is not None:
                lines.append(f"{name}: {n['value']:.4g} {n['unit']}  ({n['criterion']}: {n['verdict']})".replace("  (: ", " ("))
        lines += [f"note: {text}" for text in self.diagnostics["notes"]]
        if (self.out / "run.json").exists():
            lines.append(f"to cite: {cite(self.out).brief()} (in full: tsoar cite {self.out})")
        return [*lines, f"report: {self.out / 'report.html'}"]


def run(
    exposure: Exposure,
    references: References | None = None,
    *,
    out: str | os.PathLike[str],
    config: Config | None = None,
    baseline: str | None = None,
    products: str = "all",
    save: tuple[str, ...] = (),
    only_through: str | None = None,
    workers: int | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Reduce an exposure.

    Parameters
    ----------
    exposure : from `tsoar.open`; counts, or slopes to start later in the chain.
    references : from `tsoar.references`; not needed for a start from slopes.
    out : folder for the products; made when missing.
    config : from `tsoar.load_config`; default settings without.
    baseline : integrations outside the event, "0:50,70:"; found in the white light when not given.
    products : "all", or "spectra" to leave the slope cubes out (10 MB per integration).
    save : steps whose intermediate product is written too (FITS ramps after that step; "x1dints").
    only_through : last step to run.
    workers : threads; default one per core that this process may use. Products do not depend on it.
    resume : take over finished segments of a run that was cut off.
    progress : called as ``progress(stage, done, total)``.

    Returns
    -------
    Result

    Raises
    ------
    TsoarError
        For anything the user can mend (one line each).
    """
    if products not in ("all", "spectra"):
        raise ConfigError(f"products {products!r}: expected 'all' or 'spectra'")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers {workers}: expected 1 or more")
    config = config or load()
    save = tuple(save)
    plan = make_plan(exposure, references, config, only_through=only_through, save=save)
    if baseline is not None:
        from tsoar.series.baseline import parse_baseline

        parse_baseline(baseline, exposure.n_integrations)
    folder = prepare_folder(Path(out))
    return_large_blocks()
    job = Job(
        exposure,
        references,
        plan,
        folder,
        {"baseline": baseline, "products": products, "save": list(save), "only_through": only_through},
        workers or len(os.sched_getaffinity(0)),
        resume,
        progress or (lambda stage, done, total: None),
    )
    try:
        with ThreadPoolExecutor(job.workers, thread_name_prefix="tsoar") as pool:
            job.reduce(pool)
    except BaseException:
        with suppress(OSError):  # not empty: something to resume
            (folder / ".partial").rmdir()
        raise
    return Result(folder, plan)


def prepare_folder(out: Path) -> Path:
    """The output folder, writable; an OutputError in words otherwise."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".partial"
        probe.mkdir(exist_ok=True)
        test = probe / "writable"
        try:
            test.write_bytes(bytes(4096))
        finally:
            test.unlink(missing_ok=True)
    except OSError as error:
        with suppress(OSError):
            (out / ".partial").rmdir()
        raise OutputError(f"output folder {out}: cannot write there ({error.strerror}); choose another with --out") from error
    return out


@dataclass
class Job:
    """One run under way: what it was asked, and the stages in order."""

    exposure: Exposure
    references: References | None
    plan: Plan
    out: Path
    options: dict[str, Any]
    workers: int
    resume: bool
    progress: Progress

    def reduce(self, pool: ThreadPoolExecutor) -> None:
        """Plan is made; survey, stream, finish, write."""
        seconds: dict[str, float] = {}
        clock = time.perf_counter
        start = clock()
        if not jit.compiled_before():
            self.progress("compiling once (kept for later runs)", 0, 1)
        calibration = self.calibration()
        detector_only = not set(self.plan.steps) & {"ramp_fit", "motion", "extract"}
        saving = [s for s in self.options["save"] if s in DETECTOR]
        if detector_only:
            saving.append(self.plan.steps[-1])
        if detector_only and self.plan.steps[-1] in CALIBRATION:
            SaveRamps(self.exposure, self.references, self.plan, self.out, tuple(saving)).calibration_only(self.progress)
            self.clean_up()
            return
        if self.plan.by_file:
            assert calibration is not None
            self.reduce_by_file(calibration, pool, seconds)
            return
        scratch = Scratch(self.exposure.readout)
        recipe = self.recipe(calibration, scratch, pool)
        seconds["survey"] = clock() - start
        start = clock()
        if saving:
            SaveRamps(self.exposure, self.references, self.plan, self.out, tuple(saving)).all(recipe, self.progress)
            seconds["save"] = clock() - start
            start = clock()
        if detector_only:
            self.clean_up()
            return
        series, rate = self.stream(recipe, scratch, pool)
        seconds["stream"] = clock() - start
        pool.shutdown()  # the threads' buffers go with them: the figures need the room
        del scratch
        return_large_blocks()
        self.write(recipe, series, None if rate is None else products.average(rate), seconds)

    def write(self, recipe: Recipe, series: dict[str, Any], rate: dict[str, Any] | None, seconds: dict[str, float]) -> None:
        """All products that are not written yet; the run is complete then."""
        start = time.perf_counter()
        self.progress("writing products", 0, 1)
        run_record = provenance.record(self.plan, self.exposure, self.references, self.options)
        products.write_all(self.exposure, self.references, self.plan, recipe, series, rate, self.out, self.options, run_record)
        seconds["products"] = time.perf_counter() - start
        run_record["performance"] = provenance.performance(seconds, self.exposure.n_integrations, self.workers) | {
            "files": provenance.places(self.exposure, self.references, self.out)
        }
        datasets.write_json(run_record, self.out / "run.json")
        self.clean_up()
        self.progress("writing products", 1, 1)

    # -- the field's way: slopes a file at a time, the rest from slopes -----------------------------------------------

    def reduce_by_file(self, calibration: Calibration, pool: ThreadPoolExecutor, seconds: dict[str, float]) -> None:
        """Slope files first (`tsoar.reduce.field`), then what follows from slopes alone."""
        clock, start, options = time.perf_counter, time.perf_counter(), self.options
        if early := tuple(s for s in options["save"] if s in CALIBRATION):
            SaveRamps(self.exposure, self.references, self.plan, self.out, early).calibration_only(self.progress)
        want = "jump" in options["save"] or self.plan.steps[-1] == "jump"
        folder = self.out / "rateints" if options["products"] == "all" else self.out / ".partial" / "rateints"
        facts, sums, factor = self.slope_files(calibration, pool, folder, self.out if want else None)
        seconds["detector"] = clock() - start
        start = clock()
        if self.plan.steps[-1] == "jump":
            self.clean_up()
            return
        with open_exposure(
            [rateints.segment_path(self.exposure, n, folder) for n in range(len(self.exposure.segments))]
        ) as slopes:
            plan = replace(make_plan(slopes, None, self.plan.config), digest=self.plan.digest)
            after = replace(self, exposure=slopes, references=None, plan=plan, options=options | {"products": "spectra"})
            scratch = Scratch(slopes.readout)
            recipe = after.recipe(None, scratch, pool)
            seconds["survey"] = clock() - start
            start = clock()
            series, _ = after.stream(recipe, scratch, pool)
            seconds["stream"] = clock() - start
        pool.shutdown()
        del scratch
        return_large_blocks()
        rate = field.rate_planes(sums, factor) if options["products"] == "all" else None
        self.write(recipe, series | facts, rate, seconds)

    def slope_files(
        self, calibration: Calibration, pool: ThreadPoolExecutor, folder: Path, ramps: Path | None
    ) -> tuple[field.Facts, Sums, float]:
        """Slope file and averaged image of every segment, also after a run that was cut off.

        Returns series (i, ...) over all integrations, the sums of the exposure's averaged image, and GAINFACT.
        """
        assert self.references is not None
        exposure, plan = self.exposure, self.plan
        kinds = ("gain", "readnoise", "dark")
        cut = {str(k): self.references.cut(k, exposure.readout) for k in kinds if k in plan.references}
        detector = field.make_detector(exposure, plan, calibration, cut, self.workers)
        facts: field.Facts = {}
        notes, total = self.header_notes(), Sums.empty(exposure.readout.shape)
        slopes = folder if "ramp_fit" in plan.steps else None
        for number, segment in enumerate(exposure.segments):
            kept = self.out / ".partial" / f"{plan.digest}-detector-{number:03d}.npz"
            if self.resume and ramps is None and kept.exists() and rateints.segment_path(exposure, number, folder).exists():
                with np.load(kept) as z:
                    part = {k: z[k] for k in z.files if not k.startswith("sums_")}
                    sums = Sums(*(z[f"sums_{k}"] for k in Sums.__slots__))
                log.info("slopes of segment %d taken over from the run before", number + 1)
            else:
                writers = field.segment_files(detector, number, slopes, ramps, notes)
                tell = partial(self.progress, f"slopes of file {number + 1} of {len(exposure.segments)}")
                try:
                    part, sums = field.reduce_segment(detector, number, writers, pool, tell)
                except BaseException:
                    writers.abort()
                    raise
                writers.close()
                if slopes is not None and self.options["products"] == "all":
                    path = rateints.segment_path(exposure, number, folder, "rate")
                    rateints.write_rate(path, exposure, notes, number=number, **field.rate_planes(sums, detector.factor))
                with datasets.atomic(kept) as path, path.open("wb") as f:
                    everything: dict[str, Any] = part | {f"sums_{k}": getattr(sums, k) for k in Sums.__slots__}
                    np.savez(f, **everything)
            place(facts, part, segment.first, exposure.n_integrations)
            total.merge(sums)
        return facts, total, detector.factor

    # -- before the stream -----------------------------------------------------------------------------------------

    @large_blocks_kept()
    def calibration(self) -> Calibration | None:
        """References as planes; None for a start from slopes."""
        if self.exposure.kind != "uncal":
            return None
        assert self.references is not None
        readout, config = self.exposure.readout, self.plan.config
        left_out = frozenset(set(CALIBRATION) - set(self.plan.steps))
        kinds = ("mask", "saturation", "superbias", "linearity", "dark")
        cut = {k: self.references.cut(k, readout) for k in kinds if k == "mask" or k in self.plan.references}
        return prepare_calibration(cut, readout, left_out, config.saturation, config.refpix, config.dark_current)

    def load(self, calibration: Calibration | None, i: int, b: Buffers) -> None:
        """One calibrated integration for the survey; slopes stand in as the difference of two groups."""
        if calibration is not None:
            from tsoar.reduce.calibrate import calibrate

            self.exposure.read_raw(i, b.raw)
            calibrate(b.raw, b.data, b.dq, calibration)
            return
        self.fetch_slopes(i, b)
        bad = ~np.isfinite(b.slope) | ((b.flag & np.uint32(flags.DO_NOT_USE)) != 0)
        b.data[0], b.data[1] = 0, np.where(bad, 0, b.slope * np.float32(self.exposure.readout.tgroup))
        b.dq[:] = np.where(bad, flags.DO_NOT_USE, 0).astype(np.uint8)

    def fetch_slopes(self, i: int, b: Buffers) -> None:
        """One integration of a start from slopes into the slope planes."""
        self.exposure.read_slopes(i, b.slope, b.err, b.var_p, b.var_r, b.flag)
        b.slope[(b.flag & np.uint32(flags.DO_NOT_USE)) != 0] = np.nan

    @large_blocks_kept()
    def recipe(
        self, calibration: Calibration | None, scratch: Scratch, pool: ThreadPoolExecutor, deep: Deep | None = None
    ) -> Recipe:
        """The survey (unless its ``deep`` stack is there already), and everything that follows from it before the stream."""
        config, exposure = self.plan.config, self.exposure
        readout = exposure.readout
        if calibration is not None:
            assert self.references is not None
            pixeldq = calibration.pixeldq
            gain, readnoise = (self.references.cut(k, readout) for k in ("gain", "readnoise"))
        else:
            pixeldq = products.slopes_pixeldq(exposure)
            gain, readnoise = products.slopes_references(exposure)
        first = noise_model(gain, readnoise, readout, pixeldq)
        settings = SurveySettings(
            config.survey,
            config.background,
            config.traces,
            config.motion,
            config.one_over_f.mask_radius,
            config.one_over_f.clip,
        )
        if deep is None:
            deep = survey(
                readout,
                exposure.n_integrations,
                partial(self.load, calibration),
                pixeldq,
                first,
                settings,
                pool,
                scratch,
                lambda done, total: self.progress("survey", done, total),
            )
        noise = noise_model(gain, readnoise, readout, pixeldq, deep)
        pixeldq = pixeldq | np.where(noise.usable, 0, flags.DO_NOT_USE).astype(np.uint32)
        pixeldq |= np.where(np.isfinite(noise.gain), 0, flags.NO_GAIN_VALUE).astype(np.uint32)
        return make_recipe(
            readout,
            calibration,
            pixeldq,
            deep,
            noise,
            has_deep=self.plan.has_deep,
            skip=frozenset(config.skip),
            one_over_f=config.one_over_f,
            jump=config.jump,
            ramp_fit=config.ramp_fit,
            motion=config.motion,
            extract=config.extract,
            centroid=config.traces.centroids,
            pool=pool,
        )

    # -- the stream ------------------------------------------------------------------------------------------------

    def stream(self, recipe: Recipe, scratch: Scratch, pool: ThreadPoolExecutor) -> tuple[dict[str, Any], RateSums | None]:
        """All blocks; segment by segment the slope file and the series are finished."""
        exposure = self.exposure
        want = self.options["products"] == "all" and recipe.calibration is not None
        segments = [(s.first, s.n) for s in exposure.segments]
        blocks = blocks_of(segments, BLOCK if want else SMALL)
        kept = self.finished_segments(want)
        rate = RateSums.empty(exposure.readout.shape) if want else None
        series: dict[str, Any] = {}
        done, total = 0, exposure.n_integrations
        fetch = (lambda i, b: exposure.read_raw(i, b.raw)) if recipe.calibration is not None else self.fetch_slopes
        for number, (first, count) in enumerate(segments):
            if number in kept:
                part, sums = kept[number]
                place(series, part, first, total)
                done += count
            else:
                self.forget_others(number)
                writer = rateints.open_segment(exposure, number, self.out / "rateints", self.header_notes()) if want else None
                write = partial(write_slopes, writer) if writer is not None else None
                mine = [b for b in blocks if b.segment == number]
                jobs = [partial(reduce_block, recipe, b, fetch, write, scratch, want) for b in mine]
                sums = RateSums.empty(exposure.readout.shape) if want else None
                try:
                    with closing(in_order(pool, jobs, self.workers + 1)) as results:
                        for block, result in zip(mine, results, strict=True):
                            place(series, result.series, block.first, total)
                            if sums is not None:
                                sums.merge(result.rate)
                            done += block.count
                            self.progress("integrations", done, total)
                except BaseException:
                    if writer is not None:
                        writer.abort()
                    raise
                if writer is not None:
                    writer.close()
                if len(segments) > 1:
                    self.keep_segment(number, {k: v[first : first + count] for k, v in series.items()}, sums)
            if rate is not None and sums is not None:
                rate.merge(sums)
        return series, rate

    def header_notes(self) -> dict[str, Any]:
        """Status and reference keywords for slope files."""
        return products.header_keywords(self.plan, self.references)

    # -- what a cut-off run leaves ------------------------------------------------------------------------------------

    def partial_file(self, number: int) -> Path:
        """Where the series of a finished segment are kept until the run is complete."""
        return self.out / ".partial" / f"{self.fingerprint}-{self.options['products']}-{number:03d}.npz"

    @cached_property
    def fingerprint(self) -> str:
        """Of settings, files and version."""
        return provenance.fingerprint(self.plan, self.exposure, self.references)

    def forget_others(self, number: int) -> None:
        """The slope file of a segment is about to be replaced: what another run kept of it would no longer belong to it."""
        for path in (self.out / ".partial").glob(f"*-{number:03d}.npz"):
            if path != self.partial_file(number):
                path.unlink(missing_ok=True)

    def keep_segment(self, number: int, series: dict[str, Any], sums: RateSums | None) -> None:
        """Keep a finished segment for `resume`."""
        extra = {} if sums is None else {f"rate_{name}": getattr(sums, name) for name in RateSums.__slots__}
        with datasets.atomic(self.partial_file(number)) as path, path.open("wb") as f:
            np.savez(f, **series, **extra)

    def finished_segments(self, want_rate: bool) -> dict[int, tuple[dict[str, Any], RateSums | None]]:
        """Segments that an earlier run with the same settings has finished."""
        found: dict[int, tuple[dict[str, Any], RateSums | None]] = {}
        if not self.resume:
            return found
        for number in range(len(self.exposure.segments)):
            path = self.partial_file(number)
            slopes = rateints.segment_path(self.exposure, number, self.out / "rateints")
            if not path.exists() or (want_rate and not slopes.exists()):
                continue
            try:
                with np.load(path) as z:
                    series = {k: z[k] for k in z.files if not k.startswith("rate_")}
                    sums = RateSums(*(z[f"rate_{k}"] for k in RateSums.__slots__)) if want_rate else None
            except (OSError, ValueError, KeyError, BadZipFile):
                log.warning("%s cannot be read; segment %d is reduced again", path.name, number + 1)
                continue
            found[number] = (series, sums)
            log.info("segment %d taken over from the run before", number + 1)
        return found

    def clean_up(self) -> None:
        """The run is complete; nothing to resume."""
        shutil.rmtree(self.out / ".partial", ignore_errors=True)


def write_slopes(writer: Any, block: Block, k: int, b: Buffers) -> None:
    """One integration into its segment's slope file."""
    writer.write(block.within + k, b.slope, b.err, b.flag, b.var_p, b.var_r)
