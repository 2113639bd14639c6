"""Depths of `tsoar fit`, with default settings, against the truth, on simulated exposures reduced from their raw counts.

.venv/bin/python docs/fit_pulls.py --out pulls --hard GENERATOR.py --write

For each seed: simulate a transit of WASP-43 b, reduce it, fit it with the orbit's true period (which an observer knows), and compare
the depth of every column, and of every bin of 32 columns, with the depth that was put in. ``--hard`` names the independent
generator of exposures, whose profile "hard" has a settling star, a drifting trace, a mirror that tilts, a field star and three
times the cosmic rays. What is in the folder is not made again: delete it when the reduction changed. ``--write``: docs/measured/fit_pulls.md.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.table import Table

import tsoar
from tsoar.io.datasets import open_dataset
from tsoar.reduce.fit import Fit
from tsoar.series.lightcurves import FREE_COLUMNS, usable_columns, values_of

PAGE = Path(__file__).parent / "measured" / "fit_pulls.md"
BIN = 32
RADIUS = 15.0
"""half height of the box [px]"""
PPM = 1e6


@dataclass
class Case:
    """A reduced exposure and what was put into it."""

    kind: str
    seed: int
    run: Path
    put_in: dict[str, np.ndarray]
    """depth, and depth of all light in the box (order, column), limb_darkening (order, column, 2), wavelength [um], period [d]"""


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
    names = ("depth", "limb_darkening", "wavelength", "star_image", "field_image")
    if (raw / "truth.npz").exists():
        with np.load(raw / "truth.npz") as z:
            found = {n: z[n] for n in names} | {"trace": z["trace_y"], "period": z["period"]}
            found["depth"] = z["emission" if str(z["planet_kind"]) == "eclipse" else "depth"]
    else:
        with open_dataset(raw / "truth.nc") as t:
            found = {n: t[n].values for n in (*names, "trace")} | {"period": np.array(t.attrs["period"])}
    star, field = found.pop("star_image").astype(float), found.pop("field_image").astype(float)
    found["depth"] = np.nan_to_num(found["depth"])
    return found | {"seen": depth_of_box(star, field, found.pop("trace"), found["depth"])}


def depth_of_box(star: np.ndarray, field: np.ndarray, trace: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(order, column) depth of all light in an order's box: its own, other orders' and field stars'."""
    rows = np.arange(star.shape[1], dtype=float)[:, None]
    out = np.zeros(depth.shape)
    for o, centre in enumerate(trace):
        with np.errstate(invalid="ignore"):
            box = np.clip(np.minimum(rows + 0.5, centre + RADIUS) - np.maximum(rows - 0.5, centre - RADIUS), 0, 1)
        box = np.nan_to_num(box)
        light = (star * box).sum(axis=1)
        total = light.sum(axis=0) + (field * box).sum(axis=0)
        out[o] = (light * depth).sum(axis=0) / np.where(total > 0, total, 1.0)
    return out


@dataclass
class Result:
    """How far the depths of one exposure and order are off."""

    away: np.ndarray
    """found minus put in"""
    error: np.ndarray
    common: np.ndarray
    """part of the error that limb darkening and settling make common to all"""
    dilution: np.ndarray
    """what the box sees minus the order's own depth"""

    @property
    def mean_pull(self) -> float:
        return float(np.mean(self.away / self.error))

    @property
    def chance(self) -> float:
        """Standard deviation of the mean pull if the errors hold: what is common to all bins does not average out."""
        share = self.common / self.error
        return float(np.hypot(np.mean(share), np.sqrt(np.mean(1 - share**2) / share.size)))


def fitted(case: Case, width: int, limb_darkening: str, event: str) -> tuple[dict[int, Result], Fit]:
    """Depths of one exposure against what was put in, by order; ``width`` 1: columns as they are."""
    config = tsoar.load_config(overrides=[f"fit.period={case.put_in['period']}", "fit.planet=WASP-43 b"])
    with open_dataset(case.run / "spectra.nc") as spectra:
        valid = {o: values_of(spectra, o)[0] for o in (1, 2)}
    lit = {o: np.flatnonzero(usable_columns(flux)) for o, flux in valid.items()}
    light = {o: np.full(flux.shape[1], 1e-30) for o, flux in valid.items()}
    for o, x in lit.items():
        light[o][x] = np.nanmedian(valid[o][:, x], axis=0)
    found = tsoar.fit(
        case.run,
        n_columns=None if width == 1 else width,
        event=event,
        limb_darkening=limb_darkening,
        figures=False,
        config=config,
    )
    out = {}
    for order in (1, 2):
        rows = found.spectrum[found.spectrum["order"] == order]
        first = np.asarray(rows["first"])
        if width > 1:  # number of the bin, counted from the first column that is used
            first = lit[order][lit[order] >= FREE_COLUMNS[order][0]][0] + width * first
        columns = [np.arange(a, min(a + width, light[order].size)) for a in first]
        seen, own = (
            np.array([np.average(case.put_in[n][order - 1][c], weights=light[order][c]) for c in columns])
            for n in ("seen", "depth")
        )
        common = np.sqrt(sum(np.asarray(rows[n]) ** 2 for n in ("depth_err_limb", "depth_err_settle") if n in rows.colnames))
        out[order] = Result(np.asarray(rows["depth"]) - seen, np.asarray(rows["depth_err"]), common, seen - own)
    return out, found


def true_limb_darkening(case: Case) -> str:
    """An ECSV file beside the run with what was put in."""
    wave, u = case.put_in["wavelength"][:2].ravel(), case.put_in["limb_darkening"][:2].reshape(-1, 2)
    good = np.argsort(wave)[: np.isfinite(wave).sum()]
    table = Table({"wavelength": wave[good], "u1": u[good, 0], "u2": u[good, 1]})
    path = case.run.parent / "limb.ecsv"
    table.write(path, overwrite=True)
    return str(path)


def row(kind: str, limb: str, order: int, width: int, several: list[Result]) -> list[str]:
    """Cells of the table."""
    pulls = np.concatenate([r.away / r.error for r in several])
    mean = np.mean([r.mean_pull for r in several])
    chance = np.sqrt(np.sum([r.chance**2 for r in several])) / len(several)
    off, weight = (np.concatenate([getattr(r, n) for r in several]) for n in ("away", "error"))
    bias = PPM * np.average(off, weights=weight**-2)
    diluted = PPM * np.average(np.concatenate([r.dilution for r in several]), weights=weight**-2)
    return [
        kind, limb, str(order), str(width), str(pulls.size), f"{mean:+.3f}", f"{chance:.3f}", f"{pulls.std(ddof=1):.3f}",
        f"{bias:+.0f}", f"{diluted:+.0f}",
    ]  # fmt: skip


def table(head: list[str], rows: list[list[str]], text: int) -> list[str]:
    """Markdown; the first ``text`` columns are words."""
    rule = ["---" if k < text else "---:" for k in range(len(head))]
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]


def main() -> None:
    """Simulate, reduce, fit, compare; a line for each exposure, then the tables."""
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
    parser.add_argument("--write", action="store_true", help="write docs/measured/fit_pulls.md")
    asked = parser.parse_args()
    every: dict[tuple[str, str, int, int], list[Result]] = {}
    baselines = []
    for case in cases(asked):
        line = [f"{case.kind} {case.seed}"]
        ways = {"fitted": "smooth"}
        if asked.event == "transit":
            ways["true"] = true_limb_darkening(case)
        for limb, given in ways.items():
            for width in (BIN, 1):
                results, found = fitted(case, width, given, asked.event)
                for order, result in results.items():
                    every.setdefault((case.kind, limb, order, width), []).append(result)
                    line.append(f"{limb}, order {order} x{width}: {result.mean_pull:+.3f} (chance {result.chance:.3f})")
            if limb == "fitted":
                whole = [PPM * np.average(results[o].away, weights=results[o].error ** -2) for o in (1, 2)]
                baselines.append(
                    [f"{case.kind} {case.seed}", found.numbers["baseline"]["words"], *(f"{w:+.0f}" for w in whole)]
                )
        print("; ".join(line), flush=True)
    head = ["exposures", "limb", "order", "columns", "depths", "pull", "by chance", "width", "bias", "dilution"]
    rows = [row(kind, limb, order, width, several) for (kind, limb, order, width), several in every.items()]
    size = f"{asked.nints} integrations of {asked.ngroups} groups"
    hard_size = f"{asked.hard_nints} integrations of 6 groups, as the independent generator of exposures makes them in its profile *hard*: "
    lines = [
        "# Depths of the fit, held against the truth",
        "",
        f"Written by `docs/fit_pulls.py`: WASP-43 b ({asked.event}) reduced from raw counts and fitted with default settings. *standard*: "
        f"{asked.seeds} seeds of `tsoar simulate`, {size}."
        + (
            f" *hard*: {asked.hard_seeds} seeds, {hard_size}a settling and a trend of the flux, a trace that drifts by 0.15 px, a mirror "
            "that tilts in the event, a field star of 1 % beside the trace, three times the cosmic rays."
            if asked.hard
            else ""
        ),
        "",
        "Columns: how many make a bin. Pull: mean of depth found minus the depth of the light in the box, over its error; perfect is a mean of 0 and a width of 1. By chance: the "
        "standard deviation of that mean if the errors hold. What limb darkening's curve and a settling's time scale add is common to the bins and does not "
        "average out among them (`depth_err_limb`, `depth_err_settle`): with the true limb darkening the first is gone, and what the reduction itself is off by is left. "
        "Bias [ppm]: found minus true, weighted with 1/error². Dilution [ppm]: what other orders and field stars in the box take off the depth; no part of the pull.",
        "",
        *table(head, rows, 2),
        "",
        "The baseline each exposure got by itself, and the weighted mean of found minus true of its columns:",
        "",
        *table(["exposure", "baseline", "order 1 [ppm]", "order 2 [ppm]"], baselines, 2),
    ]
    print("\n".join(lines))
    if asked.write:
        PAGE.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
