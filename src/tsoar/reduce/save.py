"""Intermediate products on request (``--save STEP``, ``--only-through STEP``): ramps as they are after a step.

The steps are called one by one through their public functions, a few integrations at a time; the stream's fused chain
gives the same bits. 1/f and jumps need to know what each integration should look like, so for these the stream's own
stage is run and looked into.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tsoar import detector
from tsoar.blocks import Ramps
from tsoar.io import rateints
from tsoar.io.exposure import Exposure
from tsoar.io.references import References
from tsoar.reduce.chain import Buffers, Recipe, detector_stage
from tsoar.reduce.plan import CALIBRATION, Plan

Progress = Callable[[str, int, int], None]


def calibrated(ramps: Ramps, references: References, plan: Plan) -> dict[str, Ramps]:
    """A block after each calibration step of the plan, by step name."""
    config, readout = plan.config, ramps.readout
    out = {}
    for step in CALIBRATION:
        if step not in plan.steps:
            continue
        if step == "dq_init":
            ramps = detector.dq_init(ramps, references.cut("mask", readout))
        elif step == "saturation":
            ramps = detector.saturation(ramps, references.cut("saturation", readout), config.saturation)
        elif step == "superbias":
            ramps = detector.superbias(ramps, references.cut("superbias", readout))
        elif step == "refpix":
            ramps = detector.refpix(ramps, config.refpix)
        elif step == "linearity":
            ramps = detector.linearity(ramps, references.cut("linearity", readout))
        else:
            ramps = detector.dark_current(ramps, references.cut("dark", readout), config.dark_current)
        out[step] = ramps
    return out


@dataclass(frozen=True)
class SaveRamps:
    """Which steps' ramps go where."""

    exposure: Exposure
    references: References | None
    plan: Plan
    out: Path
    steps: tuple[str, ...]

    def calibration_only(self, progress: Progress) -> None:
        """Steps up to the dark: no survey needed."""
        self._write(None, progress)

    def all(self, recipe: Recipe, progress: Progress) -> None:
        """Any step up to jump."""
        self._write(recipe, progress)

    def _write(self, recipe: Recipe | None, progress: Progress) -> None:
        exposure = self.exposure
        scratch = Buffers.make(exposure.readout) if recipe is not None else None
        late = [s for s in self.steps if s not in CALIBRATION]
        done = 0
        for number, segment in enumerate(exposure.segments):
            writers = {s: rateints.open_ramps(exposure, number, s, self.out) for s in self.steps}
            try:
                for k in range(segment.n):
                    i = segment.first + k
                    ramps = exposure.ramps(slice(i, i + 1))
                    assert self.references is not None
                    stages = calibrated(ramps, self.references, self.plan)
                    for step in self.steps:
                        if step in stages:
                            r = stages[step]
                            writers[step].write(k, r.data[0], r.groupdq[0], r.pixeldq)
                    if late and recipe is not None and scratch is not None:
                        self._late(recipe, scratch, i, k, writers)
                    done += 1
                    progress("saving ramps", done, exposure.n_integrations)
            except BaseException:
                for w in writers.values():
                    w.abort()
                raise
            for w in writers.values():
                w.close()

    def _late(self, recipe: Recipe, b: Buffers, i: int, k: int, writers: dict[str, Any]) -> None:
        """1/f and jump, as the stream does them."""
        self.exposure.read_raw(i, b.raw)

        def keep(step: str) -> None:
            if step in writers:
                writers[step].write(k, b.data, b.dq, recipe.pixeldq)

        detector_stage(recipe, b, keep)
