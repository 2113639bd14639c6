"""Depths of `tsoar fit` against the truth, on simulated exposures that are reduced from their raw counts.

.venv/bin/python docs/fit_pulls.py --seeds 10 --out pulls

For each seed: simulate a transit of WASP-43 b, reduce it, fit it with the orbit's true period (which an observer knows),
and compare the depth of every column, and of every bin of 32 columns, with the depth that was put in. Perfect: a mean pull
of 0 and a width of 1. What the limb darkening's common uncertainty adds to all bins of one exposure shows as a mean
that differs from seed to seed; over many seeds it averages out.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np

import tsoar
from tsoar.io.datasets import open_dataset


def injected(truth: dict[str, np.ndarray], light: np.ndarray, order: int, first: np.ndarray, width: int) -> np.ndarray:
    """Depth put into bins of ``width`` columns that begin at columns ``first``, weighted with their light."""
    depth, weight = truth["depth"][order - 1], np.nan_to_num(light[order - 1])
    columns = [np.arange(a, min(a + width, depth.size)) for a in first]
    return np.array([np.average(depth[c], weights=np.maximum(weight[c], 1e-30)) for c in columns])


def pulls_of(run: Path, truth: dict[str, np.ndarray], width: int, event: str) -> dict[int, np.ndarray]:
    """(depth - injected) / error by order; ``width`` 1: columns as they are."""
    config = tsoar.load_config(overrides=[f"fit.period={truth['period']}"])
    found = tsoar.fit(run, n_columns=None if width == 1 else width, event=event, figures=False, config=config)
    with open_dataset(run / "spectra.nc") as spectra:
        light = np.median(spectra["flux"].values, axis=0)
        used = {o: np.flatnonzero(np.isfinite(spectra["wavelength"].sel(order=o).values)) for o in (1, 2)}
        wavelength = spectra["wavelength"].values
    out = {}
    for order in (1, 2):
        rows = found.spectrum[found.spectrum["order"] == order]
        if width == 1:
            first = np.asarray(rows["first"])
        else:  # the bin's columns are those whose edges it spans
            low = np.asarray(rows["wavelength"] - rows["half_width"])
            first = np.array([used[order][np.abs(wavelength[order - 1][used[order]] - w).argmin()] for w in low]) - width + 1
            first = np.maximum(first, 0)
        true = injected(truth, light, order, first, width)
        out[order] = (np.asarray(rows["depth"]) - true) / np.asarray(rows["depth_err"])
    return out


def main() -> None:
    """Simulate, reduce, fit, compare; one line a seed, then all together."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--nints", type=int, default=60)
    parser.add_argument("--ngroups", type=int, default=4)
    parser.add_argument("--event", default="transit", choices=["transit", "eclipse"])
    parser.add_argument("--out", type=Path, default=Path("pulls"))
    asked = parser.parse_args()
    every: dict[tuple[int, int], list[np.ndarray]] = {}
    for seed in range(asked.first, asked.first + asked.seeds):
        folder = asked.out / f"seed{seed}"
        values = {
            "seed": seed,
            "exposure.nints": asked.nints,
            "exposure.ngroups": asked.ngroups,
            "exposure.segments": 1,
            "planet.event": asked.event,
        }
        made = tsoar.simulate(tsoar.scenario(values=values), folder / "exposure")
        tsoar.run(tsoar.open(made.segments), tsoar.references(made.references), out=folder / "run", products="spectra")
        with open_dataset(made.truth) as t:
            truth = {"depth": t["depth"].values, "period": float(t.attrs["period"])}
        shutil.rmtree(folder / "exposure")
        line = [f"seed {seed}"]
        for width in (1, 32):
            for order, pulls in pulls_of(folder / "run", truth, width, asked.event).items():
                every.setdefault((width, order), []).append(pulls)
                line.append(f"order {order} x{width}: {pulls.mean():+.3f} {pulls.std(ddof=1):.3f}")
        print("; ".join(line), flush=True)
    for (width, order), several in every.items():
        pulls = np.concatenate(several)
        means = np.array([p.mean() for p in several])
        error = means.std(ddof=1) / np.sqrt(means.size) if means.size > 1 else np.nan
        what = "columns" if width == 1 else f"bins of {width} columns"
        print(f"order {order}, {pulls.size} {what}: mean pull {pulls.mean():+.3f} +- {error:.3f}, width {pulls.std(ddof=1):.3f}")


if __name__ == "__main__":
    main()
