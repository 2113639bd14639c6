"""The demonstration: an exposure is simulated, reduced, scored and shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tsoar.scoring.rows import KEY

if TYPE_CHECKING:
    from tsoar.scoring import Score

SPECTRUM = "planet_spectrum.png"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demonstration left behind."""

    folder: Path
    report: Path
    score: Score
    seconds: dict[str, float]
    """wall time of its parts"""

    def lines(self) -> list[str]:
        """What a terminal should say."""
        took = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in self.seconds.items())
        again = f"tsoar score {self.folder / 'run'} --truth {self.folder / 'exposure/truth.nc'}"
        return [
            *self.score.lines(KEY),
            "",
            *self.depths(),
            f"{took}: {sum(self.seconds.values()):.0f} s in all",
            f"every number: {again}",
            f"spectrum, recovered and injected: {self.folder / SPECTRUM}",
            f"report: {self.report}",
        ]

    def depths(self) -> list[str]:
        """The recovered depth beside the injected one, by order."""
        rows = {row.label: row for row in self.score.rows}
        said = []
        for order in (1, 2):
            label = f"planet: order {order}, white light: mid-event depth"
            found, away = rows.get(label), rows.get(f"{label}, error")
            if found is not None and away is not None:
                error = away.perfect.removeprefix("0 +- ")
                said.append(f"depth of order {order}: {found.value:.0f} +- {error} ppm recovered, {found.perfect} ppm injected")
        return said


def demo(
    out: str | Path = "demo",
    *,
    nints: int = 120,
    seed: int = 1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Demo:
    """Simulate a transit of WASP-43 b, reduce it, hold the result against the truth.

    Parameters
    ----------
    out : folder for ``exposure/`` (counts, references, truth), ``run/`` (products, report) and ``score.json``.
    nints : integrations, of 6 groups, in two segments; seed : of the simulation.
    workers : threads; one per core when None. progress : called with (stage, done, total).

    Raises
    ------
    TsoarError
        For a folder that cannot be used.
    """
    from tsoar.io.datasets import atomic, write_text
    from tsoar.io.exposure import open_exposure
    from tsoar.io.references import references
    from tsoar.reduce.run import run
    from tsoar.scoring import score
    from tsoar.sim import scenario, simulate

    folder = Path(out)
    seconds = {}
    start = time.perf_counter()
    made_of = scenario(target="wasp-43", values={"exposure.nints": nints, "seed": seed})
    made = simulate(made_of, folder / "exposure", workers=workers, progress=progress)
    seconds["simulated in"] = time.perf_counter() - start

    start = time.perf_counter()
    exposure = open_exposure(made.segments)
    result = run(exposure, references(made.references), out=folder / "run", workers=workers, progress=progress)
    seconds["reduced in"] = time.perf_counter() - start

    start = time.perf_counter()
    if progress is not None:
        progress("scoring", 0, 1)
    found = score(result.out, made.truth)
    write_text(json.dumps(found.to_dict(), indent=1) + "\n", folder / "score.json")
    if found.spectrum is not None and found.spectrum.size:
        from tsoar.plots import recovered_spectrum

        with atomic(folder / SPECTRUM) as part:
            recovered_spectrum(found.spectrum).savefig(part, format=Path(SPECTRUM).suffix[1:])
    seconds["scored in"] = time.perf_counter() - start
    return Demo(folder, result.out / "report.html", found, seconds)
