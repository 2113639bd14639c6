"""A whole exposure: segments, reference files and truth in a folder, in memory that does not grow with its length."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tsoar.errors import ConfigError, OutputError
from tsoar.sim.clock import Times, make_times, seconds_of
from tsoar.sim.files import Segments, write_references
from tsoar.sim.instrument import SUBARRAYS
from tsoar.sim.maps import Detector, make_detector
from tsoar.sim.noise import Hits, Track, slow_track
from tsoar.sim.parameters import Scenario, contradictions
from tsoar.sim.planet import Event, light_curves
from tsoar.sim.readout import read_integration
from tsoar.sim.scene import Motion, Scene, make_motion, make_scene
from tsoar.sim.truth import truth_dataset, write_truth

log = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]

STREAMS = ("detector", "motion", "track", "integration")


def stream(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """Random numbers of one purpose and integration: whoever draws them, and when, they are the same."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS.index(name), number)))


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that all integrations share."""

    scenario: Scenario
    times: Times
    scene: Scene
    event: Event
    motion: Motion
    detector: Detector
    track: Track

    def light(self, integration: int) -> NDArray[np.float32]:
        """All light in one integration [DN/s], (rows, columns)."""
        m, k = self.motion, integration
        curves = self.event.light_curve[:, k]
        return self.scene.image(curves, float(m.y[k]), float(m.x[k]), float(m.stretch[k]), float(m.grey[k]))

    def integration(self, k: int) -> tuple[NDArray[np.uint16], Hits]:
        """Raw counts of one integration, (groups, rows, columns), and its hits."""
        s = self.scenario
        start = seconds_of(s.exposure)[k, 0]
        return read_integration(s, self.detector, self.light(k), self.track, start, stream(s.seed, "integration", k))

    @property
    def notes(self) -> list[str]:
        """What the user should know before it is made: saturation."""
        e, d = self.scenario.exposure, self.detector
        frame = self.scene.subarray.frame_time
        start = (self.scene.star.sum(0) * d.response).max(0)  # brightest pixel of each column
        fits = np.median(d.full_well) * self.scenario.detector.saturation / frame / np.maximum(start, 1e-9)
        if fits.min() >= e.ngroups:
            return []
        share = (fits[4:-4] < e.ngroups).mean()
        all_of_it = "the whole trace saturates" if share > 0.95 else f"{100 * share:.0f} % of the columns saturate"
        how_many = int(fits.min())
        if how_many >= 2:
            advice = f"{how_many} groups would fit"
        else:
            advice = "only 1 group fits (no slope)" if how_many == 1 else "not even 1 group fits"
            short = int(fits.min() * frame / SUBARRAYS["SUBSTRIP96"].frame_time)
            advice += f", {short} in SUBSTRIP96" if short >= 2 and e.subarray != "SUBSTRIP96" else "; choose a fainter star"
        return [f"{all_of_it} before the last of {e.ngroups} groups; {advice}"]


def prepare(s: Scenario) -> Prepared:
    """Draw the detector and compute scene, event and motion."""
    contradictions(s)
    times = make_times(s.exposure, s.star)
    scene = make_scene(s)
    frame = scene.subarray.frame_time
    between = max(s.exposure.ngroups - 1, 0) * frame
    cadence = (s.exposure.ngroups + 1) * frame
    delay = scene.subarray.column_time()
    event = light_curves(s.planet, scene.wavelength, times.mid, delay, between, cadence, s.star.temperature)
    hours = (times.utc[:, 1] - s.exposure.start) * 24
    motion = make_motion(s.motion, s.star, hours, stream(s.seed, "motion"))
    detector = make_detector(s, stream(s.seed, "detector"))
    seconds = float(seconds_of(s.exposure)[-1, 2]) + frame
    track = slow_track(stream(s.seed, "track"), seconds, s.detector.one_over_f)
    return Prepared(s, times, scene, event, motion, detector, track)


@dataclass(frozen=True, slots=True)
class Simulated:
    """Where everything is."""

    folder: Path
    segments: list[Path]
    references: Path
    truth: Path
    notes: list[str]


def simulate(
    scenario: Scenario,
    out: str | Path,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Simulated:
    """Make an exposure whose truth is known.

    Parameters
    ----------
    scenario : what it is made of (`tsoar.sim.parameters`).
    out : folder for ``*_uncal.fits``, ``refs/`` and ``truth.nc``; made when missing. Files of another exposure in it are
        refused, the same ones are replaced.
    workers : threads; one per core when None. The bytes do not depend on it.
    executor : threads of one's own instead.
    progress : called with (stage, done, total).

    Raises
    ------
    ConfigError
        For settings that contradict each other.
    InputError
        For a star or planet table that cannot be read.
    OutputError
        When the folder cannot be written, or the disk has too little room.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers = {workers}: expected 1 or more")
    _room(Path(out), scenario)
    tell = progress or (lambda stage, done, total: None)
    tell("preparing", 0, 1)
    ready = prepare(scenario)
    for note in ready.notes:
        log.warning("%s", note)
    folder = _folder(Path(out), scenario)
    n = scenario.exposure.nints
    hits: list[Hits] = []
    pool = nullcontext(executor) if executor is not None else ThreadPoolExecutor(workers or os.cpu_count() or 1)
    with Segments(folder, scenario, ready.times) as segments:

        def make(k: int) -> Hits:
            counts, found = ready.integration(k)
            segments.put(k, counts)
            return found

        with pool as threads:
            assert threads is not None
            ahead = 2 * (workers or os.cpu_count() or 1)
            pending: list[Future[Hits]] = []
            try:
                for k in range(n + ahead):
                    if k < n:
                        pending.append(threads.submit(make, k))
                    if k >= ahead or k >= n:
                        hits.append(pending.pop(0).result())
                        tell("simulating", len(hits), n)
                    if len(hits) == n:
                        break
            except BaseException:
                for future in pending:
                    future.cancel()
                raise
        tell("references and truth", 0, 1)
        references = folder / "refs"
        references.mkdir(exist_ok=True)
        write_references(references, scenario, ready.detector)
        truth = truth_dataset(scenario, ready.scene, ready.event, ready.motion, ready.times, ready.detector, hits)
        written = write_truth(folder, truth)
        names = [part.path for part in segments.parts]
    return Simulated(folder, names, references, written, ready.notes)


def _folder(folder: Path, s: Scenario) -> Path:
    """The folder, ready: writable, without segments of something else."""
    from tsoar.sim.headers import stem

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({error.strerror}); choose another folder with --out") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: not writable; choose another folder with --out")
    mine = {f"{stem(s)}-seg{k + 1:03d}_nis_uncal.fits" for k in range(s.exposure.segments)}
    others = sorted(p.name for p in folder.glob("*_uncal.fits") if p.name not in mine)
    if others:
        raise OutputError(f"{folder}: holds {others[0]} of another exposure; choose an empty folder with --out")
    for left in folder.glob(f"{stem(s)}-seg*_nis_uncal.fits.part"):  # of a simulation that was killed
        left.unlink(missing_ok=True)
    return folder


def _room(folder: Path, s: Scenario) -> None:
    """Refuse an exposure that the disk cannot hold, before anything is computed or made."""
    e = s.exposure
    needed = e.nints * e.ngroups * SUBARRAYS[e.subarray].rows * 4096 + 200_000_000
    there = next(place for place in (folder, *folder.absolute().parents) if os.path.exists(place))
    free = shutil.disk_usage(there).free
    if free < needed:
        raise OutputError(
            f"{folder}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; make room or choose another"
        )
