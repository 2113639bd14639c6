"""Box against optimal extraction on simulated truth: writes docs/measured/extraction.md.

.venv/bin/python docs/measure_extraction.py FOLDER

Dilution is seen on an exposure without noise (no photon, reset or 1/f noise, 1 e- of read noise, no hits, no drift): what the depth of a
column is off by is then bias alone. Scatter is seen on the same star with everything on.
"""

import sys
from pathlib import Path

import numpy as np
import xarray as xr

import tsoar
from tsoar.scoring import read_truth
from tsoar.scoring.planet import depths
from tsoar.scoring.spectra import all_curves

PAGE = Path(__file__).parent / "measured" / "extraction.md"
RADIUS = 15.0
COMMON = {"exposure.nints": 80, "exposure.segments": 1, "sky.field": []}  # field stars dilute what lies under them
SILENT = {
    "detector.photon_noise": False, "detector.read_noise": 1.0, "detector.one_over_f": 0.0, "detector.ktc": 0.0,
    "detector.pedestal": 0.0, "detector.odd_even": 0.0, "cosmic_rays.rate": 0.0, "motion.drift_y": 0.0,
    "motion.drift_x": 0.0, "motion.jitter": 0.0, "bad_pixels.telegraph": 0.0, "bad_pixels.unstable": 0.0,
    "bad_pixels.hot": 0.0,
}  # fmt: skip
REGIONS = (  # order, columns
    (1, 5, 100), (1, 100, 300), (1, 300, 700), (1, 700, 2040),
    (2, 560, 700), (2, 700, 800), (2, 800, 1000), (2, 1000, 1250), (2, 1250, 1700), (2, 1700, 1790),
)  # fmt: skip


def reduced(folder: Path, method: str, values: dict) -> dict:
    """`Curves` of orders 1 and 2 of a simulated exposure, reduced with one of the methods."""
    exposure, out = folder / "exposure", folder / method
    if not (exposure / "truth.nc").exists():
        tsoar.simulate(tsoar.scenario(target="wasp-39", values=COMMON | values), exposure)
    if not (out / "spectra.nc").exists():
        config = tsoar.load_config(overrides=[f"extract.method={method}"])
        tsoar.run(tsoar.open(exposure), tsoar.references(exposure / "refs"), out=out, config=config, products="spectra")
    truth = read_truth(exposure / "truth.nc")
    with xr.open_dataset(out / "spectra.nc", decode_times=False) as data:
        return {o: c for o, c in all_curves(data.load(), truth, RADIUS).items() if o < 3} | {"truth": truth}


def numbers(found: dict, order: int, first: int, last: int) -> tuple[float, float, float, float]:
    """Over columns first to last: depth bias [ppm], flux over own light, scatter over the box's limit, over claimed error."""
    one = found[order]
    x = np.arange(one.depth.size)
    use = (x >= first) & (x < last) & one.usable & (one.depth > 0)
    if use.sum() < 10:
        return (np.nan,) * 4
    depth, claimed, _ = depths(one)
    weight = 1 / claimed[use] ** 2
    bias = 1e6 * np.nansum(weight * (depth - one.depth)[use]) / np.nansum(weight)
    steady = one.steady[one.outside][:, use]
    scatter = np.nanstd(steady, axis=0, ddof=1)
    level = np.nanmedian(np.nanmedian(steady, axis=0) / one.box.own[use])
    error = np.nanmedian(one.error[one.outside][:, use], axis=0)
    return bias, level, float(np.nanmedian(scatter / one.box.noise[use])), float(np.nanmedian(scatter / error))


def wavelengths(found: dict, order: int, first: int, last: int) -> str:
    """Their range [um]."""
    wave = found["truth"].wavelength[order - 1][first:last]
    return f"{np.nanmin(wave):.2f}-{np.nanmax(wave):.2f}" if np.isfinite(wave).any() else "-"


def show(value: float, digits: int) -> str:
    """A number, or a dash."""
    return "-" if not np.isfinite(value) else f"{value:+.0f}" if digits == 0 else f"{value:.{digits}f}"


def main(folder: Path) -> None:
    """Simulate, reduce, compare, write."""
    kinds = {"silent": SILENT, "noisy": {"seed": 71}}
    found = {k: {m: reduced(folder / k, m, v) for m in ("box", "optimal")} for k, v in kinds.items()}
    lines = [
        "# Box and optimal extraction, held against the truth",
        "",
        "Written by `docs/measure_extraction.py`: WASP-39 b as `tsoar simulate` makes it, without field stars, 80",
        "integrations of 6 groups.",
        "Bias: depth minus the order's own true depth, averaged over the columns, on an exposure without noise. Flux over own",
        "light: 1 is a flux that holds the order's light in the box and nothing else. Scatter out of the event, over the",
        "photon and read-noise limit of the box, and over the claimed error, on an exposure with everything on.",
        "",
        "| order | columns | um | bias [ppm]: box | optimal | flux over own light: box | optimal "
        "| scatter over limit: box | optimal | over claimed: box | optimal |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for order, first, last in REGIONS:
        silent = [numbers(found["silent"][m], order, first, last) for m in ("box", "optimal")]
        noisy = [numbers(found["noisy"][m], order, first, last) for m in ("box", "optimal")]
        cells = [show(s[0], 0) for s in silent] + [show(s[1], 4) for s in silent]
        cells += [show(n[2], 3) for n in noisy] + [show(n[3], 3) for n in noisy]
        wave = wavelengths(found["silent"]["box"], order, first, last)
        lines.append(f"| {order} | {first}-{last - 1} | {wave} | " + " | ".join(cells) + " |")
    PAGE.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
