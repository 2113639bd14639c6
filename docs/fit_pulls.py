"""Depths of `tsoar fit`, with default settings, against the truth, on simulated exposures reduced from their raw counts.

.venv/bin/python docs/fit_pulls.py --out pulls --hard ../shared/tools/make_exposure.py --write

For each seed: simulate a transit of WASP-43 b, reduce it, fit it with the orbit's true period (which an observer knows), and compare
the depth of every column, and of every bin of 32 columns, with the depth that was put in. ``--hard`` names the independent
generator of exposures, whose profile "hard" has a settling star, a drifting trace, a mirror that tilts, a field star and three
times the cosmic rays. What is in the folder is not made again: delete it when the reduction changed. ``--write``: docs/fit_pulls.md.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import tsoar
from tsoar.io.datasets import open_dataset

PAGE = Path(__file__).with_name("fit_pulls.md")
BIN = 32


@dataclass
class Case:
    """A reduced exposure and what was put into it."""

    kind: str
    seed: int
    run: Path
    put_in: dict[str, np.ndarray]
    """depth (order, column), limb_darkening (order, column, 2), wavelength (order, column) [um], period [d]"""


def cases(asked: argparse.Namespace) -> Iterator[Case]:
    """Every exposure in turn, reduced now unless it lies there."""
    todo = [("standard", seed) for seed in range(asked.first, asked.first + asked.seeds)]
    if asked.hard:
        todo += [("hard", seed) for seed in range(1, 1 + asked.hard_seeds)]
    for kind, seed in todo:
        folder = asked.out / f"{kind}{seed}"
        if not (folder / "put_in.npz").exists():
            raw = folder / "exposure"
            shutil.rmtree(folder, ignore_errors=True)
            (standard if kind == "standard" else hard)(raw, seed, asked)
            tsoar.run(tsoar.open(raw), tsoar.references(raw / "refs"), out=folder / "run", products="spectra")
            np.savez(folder / "put_in.npz", **put_into(raw))
            shutil.rmtree(raw)
        with np.load(folder / "put_in.npz") as z:
            yield Case(kind, seed, folder / "run", dict(z))


def standard(raw: Path, seed: int, asked: argparse.Namespace) -> None:
    """An exposure of `tsoar simulate`."""
    size = {"exposure.nints": asked.nints, "exposure.ngroups": asked.ngroups, "exposure.segments": 1}
    tsoar.simulate(tsoar.scenario(values={"seed": seed, "planet.event": asked.event} | size), raw)


def hard(raw: Path, seed: int, asked: argparse.Namespace) -> None:
    """An exposure of the independent generator."""
    planet = "wasp-43b" if asked.event == "transit" else "eclipse"
    options = {"profile": "hard", "nints": asked.hard_nints, "ngroups": 6, "segments": 1, "seed": seed, "planet": planet}
    words = [w for k, v in options.items() for w in (f"--{k}", str(v))]
    subprocess.run([sys.executable, str(asked.hard), *words, "--out", str(raw), "--quiet-output"], check=True)


def put_into(raw: Path) -> dict[str, np.ndarray]:
    """What the truth beside the raw counts says of the planet."""
    names = ("depth", "limb_darkening", "wavelength")
    if (raw / "truth.npz").exists():
        with np.load(raw / "truth.npz") as z:
            depth = z["emission" if str(z["planet_kind"]) == "eclipse" else "depth"]
            return {n: z[n] for n in names} | {"depth": depth, "period": z["period"]}
    with open_dataset(raw / "truth.nc") as t:
        return {n: t[n].values for n in names} | {"period": np.array(t.attrs["period"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--nints", type=int, default=50)
    parser.add_argument("--ngroups", type=int, default=4)
    parser.add_argument("--event", default="transit", choices=["transit", "eclipse"])
    parser.add_argument("--hard", type=Path, help="the generator of hard exposures")
    parser.add_argument("--hard-seeds", type=int, default=3)
    parser.add_argument("--hard-nints", type=int, default=40)
    parser.add_argument("--out", type=Path, default=Path("pulls"))
    parser.add_argument("--write", action="store_true", help="docs/fit_pulls.md")
    for case in cases(parser.parse_args()):
        print(case.kind, case.seed, flush=True)


if __name__ == "__main__":
    main()
