"""`tsoar.proof.inject`: a transit, hits or a drift in the raw counts of one's own exposure (row G13).

The story: a survey tells what light of which order falls on each pixel; every integration's own brightness and motion are
measured; light is taken from the counts (`tsoar.proof.counts`) and written into copies of the segments, block by
block. Everything else in the files stays as it is, byte for byte, but for a HISTORY in the first header.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import tsoar
from tsoar.blocks import F32, F64
from tsoar.config import Config, load
from tsoar.errors import ConfigError, ExposureError, OutputError
from tsoar.io import datasets
from tsoar.io.exposure import Exposure, Segment
from tsoar.io.references import References
from tsoar.proof.counts import add_hits, change_counts
from tsoar.proof.put_in import Hits, Transit, curves_of, draw_hits, record
from tsoar.reduce.calibrate import Calibration, calibrate
from tsoar.reduce.chain import SPOILT, Buffers, Recipe, mean_difference, subtract_columns
from tsoar.reduce.plan import make_plan
from tsoar.reduce.run import Job, Progress
from tsoar.reduce.stream import Scratch, in_order
from tsoar.spectra.motion import Shape, fit_shape, model_image

BLOCK = 2880
"""Bytes in a FITS block."""
CARD = 80
PIECE = 1 << 24
"""Bytes copied at once."""
RECORD = "injected.nc"
FARTHEST = 1.0
"""Pixels of drift up to which a second-order change of the trace's image is right."""
CHARGE = 2000.0
"""Electrons of a hit, when nothing is said."""


@dataclass(frozen=True, slots=True)
class Injected:
    """Where everything is."""

    folder: Path
    segments: list[Path]
    truth: Path
    lines: list[str]
    """what was put in, in words"""


def inject(
    exposure: Exposure,
    references: References,
    out: str | os.PathLike[str],
    *,
    transit: Transit | None = None,
    hits: int = 0,
    charge: float = CHARGE,
    drift: float = 0.0,
    seed: int = 1,
    sampling: bool = True,
    config: Config | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Injected:
    """Write an exposure with a transit, hits or a drift added to the raw counts.

    Parameters
    ----------
    exposure, references : raw counts and what belongs to them.
    out : folder for the new segments and injected.nc.
    transit : what to put in; None: none.
    hits, charge : how many cosmic-ray hits of single pixels, of how many electrons.
    drift : trace motion along rows from the first to the last integration [px].
    seed : of hits and sampling noise.
    sampling : photons are taken by chance, as a planet does it; False: by their share, which leaves the light that stays
        with less noise than it should have (variance 1 - 2 depth instead of 1 - depth of the star's).
    config : settings of the survey.
    progress : called as ``progress(stage, done, total)``.

    Returns
    -------
    Injected

    Raises
    ------
    TsoarError
        For anything the user can mend (one line each).
    """
    exposure.need("uncal")
    if transit is None and hits == 0 and drift == 0:
        raise ConfigError("nothing to inject: give --depth or --spectrum (a transit), --hits N, or --drift PX")
    if not abs(drift) <= FARTHEST:
        raise ConfigError(f"--drift {drift:g}: expected at most {FARTHEST:g} px")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers {workers}: expected 1 or more")
    tell = progress or (lambda stage, done, total: None)
    config = config or load()
    plan = make_plan(exposure, references, config)
    if not plan.has_deep:
        raise ConfigError(
            f"{exposure.stem}: {exposure.n_integrations} integrations are too few for the deep stack that an injection "
            f"needs (at least {config.survey.minimum})"
        )
    n, nx = exposure.n_integrations, exposure.readout.shape[1]
    depth, curves, orbit = np.zeros((3, nx)), np.ones((n, 3, nx), np.float32), None
    if transit is not None:
        depth, curves, orbit = curves_of(transit, exposure)
    drawn = draw_hits(hits, charge, exposure, seed)
    moves = drift * (exposure.time - exposure.time[0]) / max(float(np.ptp(exposure.time)), 1e-12)
    folder = prepare(Path(out), exposure)
    lines = in_words(depth, orbit, hits, charge, drift)
    threads = workers or len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(threads, thread_name_prefix="tsoar") as pool:
        job = Job(exposure, references, plan, folder, {}, threads, False, tell)
        scratch = Scratch(exposure.readout)
        calibration = job.calibration()
        assert calibration is not None
        work = Work(
            exposure, calibration, job.recipe(calibration, scratch, pool), curves, moves, drawn, seed, sampling, scratch
        )
        done, written = 0, []
        for segment in exposure.segments:
            final = folder / segment.path.name
            with datasets.atomic(final) as part:
                moved = copy_with_history(segment.path, part, [f"tsoar {tsoar.__version__} inject: {t}" for t in lines])
                with part.open("r+b") as file:
                    write = partial(work.write, file.fileno(), segment, segment.offset + moved)
                    jobs = [partial(write, k) for k in range(segment.n)]
                    with closing(in_order(pool, jobs, 2 * threads)) as results:
                        for _ in results:
                            done += 1
                            tell("injecting", done, n)
            written.append(final)
    facts: dict[str, str | int | float] = {"seed": seed, "sampling": int(sampling), "drift": drift, "what": "; ".join(lines)}
    datasets.write_dataset(record(exposure, depth, curves, orbit, moves, drawn, facts), folder / RECORD)
    return Injected(folder, written, folder / RECORD, lines)


def in_words(depth: F64, orbit: Any, hits: int, charge: float, drift: float) -> list[str]:
    """What is put in, a sentence each."""
    out = []
    if orbit is not None:
        low, high = float(depth.min()), float(depth.max())
        text = f"{low:g}" if low == high else f"{low:.6f} to {high:.6f}"
        out.append(f"transit of depth {text}, middle at {orbit.t0:.6f}")
    if hits:
        out.append(f"{hits} hits of {charge:g} electrons")
    if drift:
        out.append(f"drift of {drift:g} px")
    return out


def prepare(folder: Path, exposure: Exposure) -> Path:
    """The folder, ready: not that of the exposure, without other segments, with room enough."""
    names = {s.path.name for s in exposure.segments}
    if folder.resolve() in {s.path.resolve().parent for s in exposure.segments}:
        raise OutputError(f"{folder}: holds the exposure itself; choose another folder with --out")
    others = sorted(p.name for p in folder.glob("*_uncal.fits") if p.name not in names) if folder.is_dir() else []
    if others:
        raise OutputError(f"{folder}: holds {others[0]} of another exposure; choose an empty folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}); choose another folder with --out") from error
    needed = sum(s.size for s in exposure.segments)
    if free < needed:
        raise OutputError(
            f"{folder}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; make room or choose another"
        )
    return folder


def copy_with_history(source: Path, target: Path, lines: list[str]) -> int:
    """Copy a FITS file, HISTORY added to its first header; by how many bytes all that follows the header has moved."""
    with source.open("rb") as file, target.open("wb") as copy:
        head = b""
        while (end := _end_card(head)) is None:
            piece = file.read(BLOCK)
            if len(piece) < BLOCK:
                raise ExposureError(f"{source.name}: its first header has no END; the file is broken, fetch it again")
            head += piece
        texts = [line[k : k + 72] for line in lines for k in range(0, len(line), 72)]
        cards = b"".join(f"HISTORY {text}".ljust(CARD).encode("ascii", "replace") for text in texts)
        new = head[:end] + cards + b"END".ljust(CARD)
        new += b" " * (-len(new) % BLOCK)
        copy.write(new)
        while piece := file.read(PIECE):
            copy.write(piece)
        return len(new) - len(head)


def _end_card(head: bytes) -> int | None:
    places = range(0, len(head), CARD)
    return next((k for k in places if head[k : k + CARD].rstrip() == b"END"), None)


@dataclass(frozen=True)
class Work:
    """What all integrations need."""

    exposure: Exposure
    calibration: Calibration
    recipe: Recipe
    curves: F32
    moves: F64
    hits: Hits
    seed: int
    sampling: bool
    scratch: Scratch

    def write(self, fd: int, segment: Segment, offset: int, k: int) -> None:
        """Integration ``k`` of a segment into its place in the file."""
        counts = self.changed(segment.first + k)
        data = (counts ^ np.uint16(0x8000)).astype(">u2").tobytes()
        place, put = offset + k * len(data), 0
        while put < len(data):
            put += os.pwrite(fd, memoryview(data)[put:], place + put)

    def changed(self, i: int) -> Any:
        """Counts (g, y, x) uint16 of integration ``i`` with everything put in."""
        b, r, c = self.scratch(), self.recipe, self.calibration
        self.exposure.read_raw(i, b.raw)
        counts = b.raw.byteswap() ^ np.uint16(0x8000)
        noise = r.noise
        if (self.curves[i] < 1).any() or self.moves[i] != 0:
            calibrate(b.raw, b.data, b.dq, c)
            shape = seen(r, b)
            expected = model_image(r.deep, r.spans, shape, r.readout.tgroup, b.model)
            removed = self.light(i, shape)
            odd_from_ramp(r, b, expected, removed)
            rng = np.random.default_rng([self.seed, 0, i])
            dither = rng.random(counts.shape, np.float32)
            draws = np.zeros((counts.shape[0] - 1, *counts.shape[1:]), np.float32)
            if self.sampling:
                rng.standard_normal(dtype=np.float32, out=draws)
            planes = (c.bias, c.coeffs, c.dark, noise.gain, noise.read2, c.limit)
            change_counts(counts, removed, expected, draws, dither, *planes)
        mine = self.hits.of(i)
        if mine.charge.size:
            add_hits(counts, mine.place[:, 1:].copy(), mine.charge, c.bias, c.coeffs, noise.gain, c.limit)
        return counts

    def light(self, i: int, shape: Shape) -> F32:
        """(y, x) starlight that goes from one difference [DN]: depth of each order x its light, and where a drift takes it."""
        deep, tgroup = self.recipe.deep, self.recipe.readout.tgroup
        gone = np.zeros(deep.sky.shape, np.float32)
        for o in range(3):
            s, d = float(shape.shift[o]), float(self.moves[i])
            scale = np.float32(shape.scale[o] * tgroup)
            own = deep.star[o] + np.float32(s) * deep.gradient[o] + np.float32(s * s) * deep.curvature[o]
            gone += scale * (1 - self.curves[i, o]) * own
            if d != 0:
                moved = np.float32(d) * deep.gradient[o] + np.float32((s + d) ** 2 - s * s) * deep.curvature[o]
                gone -= scale * self.curves[i, o] * moved
        return gone


def seen(r: Recipe, b: Buffers) -> Shape:
    """Brightness and motion of the integration in the buffers, as the detector stage finds them; its mean difference stays
    in ``b.image`` [DN]."""
    from tsoar.detector.one_over_f import difference_offset

    last = r.deep.last_group
    mean_difference(b.data, b.dq, last, SPOILT, b.image)
    columns = difference_offset(b.data, 0, last, r.deep_image, last, r.image_weight, r.one_over_f.clip)
    subtract_columns(b.image, columns / np.float32(last))
    return fit_shape(b.image, r.deep, r.first_templates, r.spans, r.readout.tgroup, r.motion, b.work, plain=r.deep_image)


def odd_from_ramp(r: Recipe, b: Buffers, expected: F32, removed: F32) -> None:
    """Pixels that do not fit their neighbours have a borrowed star in the deep stack: their light is that of the ramp."""
    odd = r.deep.odd & np.isfinite(b.image) & (expected > 0)
    own = np.maximum(np.median(np.diff(b.data[:, odd], axis=0), axis=0), 0)
    removed[odd] *= np.minimum(own / expected[odd], 3)
    expected[odd] = own
