"""Light curves for juliet (Espinoza, Kossakowski & Brahm 2019): `juliet.load(lcfilename=..., priors=...)`.

A line is time, flux, error, instrument, apart by blanks, without a heading (juliet 2.2 `utils.read_data`). Time is BJD_TDB.
Instruments stand in juliet's names of parameters (q1_SOSS1), so theirs hold no underscore. Values that cannot be used are
left out. Where the run holds a fitted transit, priors for the white light stand beside it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Table

from tsoar.blocks import F64
from tsoar.ecosystem.lightcurves import Observed, Order
from tsoar.io import datasets
from tsoar.units import MJD_OFFSET


def write(observed: Observed, out: Path) -> list[Path]:
    """white/lc.dat (all orders), bins/INSTRUMENT.dat, and instruments.ecsv: what wavelength each is."""
    paths = []
    lines = [
        line
        for order in observed.orders
        if order.number in observed.white
        for line in rows(order.time, *observed.white[order.number], f"SOSS{order.number}")
    ]
    if lines:
        paths.append(out / "white" / "lc.dat")
        datasets.write_text("".join(lines), paths[-1])
    if lines and (priors := white_priors(observed)):
        paths.append(out / "white" / "priors.dat")
        datasets.write_text(priors, paths[-1])
    for order in observed.orders:
        for k, name in enumerate(instruments(order)):
            text = "".join(rows(order.time, order.flux[k] / order.level[k], order.error[k] / order.level[k], name))
            paths.append(out / "bins" / f"{name}.dat")
            datasets.write_text(text, paths[-1])
    paths.append(out / "instruments.ecsv")
    datasets.write_table(table_of(observed), paths[-1])
    return paths


def white_priors(observed: Observed) -> str:
    """Priors to begin with: the orbit of the fit held, mid-transit near its own, depth, limb darkening, level and jitter free.

    Empty without a fitted transit. Parameters and distributions are juliet's; the jitter sigma_w is in ppm.
    """
    path = observed.folder / "planet_spectrum.ecsv"
    if not path.exists():
        return ""
    meta = Table.read(path, format="ascii.ecsv").meta
    if meta.get("event") != "transit":
        return ""
    orbit = {k: float(v) for k, v in meta["orbit"].items() if isinstance(v, int | float)}
    e, omega = orbit["eccentricity"], np.radians(orbit["omega"])
    impact = orbit["a_over_r"] * np.cos(np.radians(orbit["inclination"])) * (1 - e**2) / (1 + e * np.sin(omega))
    rows = [
        ("P_p1", "fixed", f"{orbit['period']:.9f}"),
        ("t0_p1", "normal", f"{orbit['t0'] + MJD_OFFSET:.9f},0.01"),
        ("p_p1", "uniform", "0.0,0.5"),
        ("b_p1", "fixed", f"{impact:.6f}"),
        ("a_p1", "fixed", f"{orbit['a_over_r']:.6f}"),
        ("ecc_p1", "fixed", f"{e:.6f}"),
        ("omega_p1", "fixed", f"{orbit['omega']:.4f}"),
    ]
    for name in (f"SOSS{o.number}" for o in observed.orders if o.number in observed.white):
        rows += [(f"q1_{name}", "uniform", "0.0,1.0"), (f"q2_{name}", "uniform", "0.0,1.0")]
        rows += [(f"mdilution_{name}", "fixed", "1.0"), (f"mflux_{name}", "normal", "0.0,0.001")]
        rows.append((f"sigma_w_{name}", "loguniform", "0.1,1000.0"))
    return "".join(" ".join(row) + "\n" for row in rows)


def instruments(order: Order) -> list[str]:
    """Names of the bins, by rising wavelength.

    Order 1, bin (or column) 12: SOSS1b0012.
    """
    return [f"SOSS{order.number}b{m:04d}" for m in order.member]


def rows(time: F64, flux: F64, error: F64, name: str) -> list[str]:
    """Lines of one instrument."""
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0)
    return [
        f"{t:.9f} {f:.10f} {e:.10f} {name}\n" for t, f, e in zip(time[good] + MJD_OFFSET, flux[good], error[good], strict=True)
    ]


def table_of(observed: Observed) -> Table:
    """Instrument, order and wavelength of each file."""
    table = Table()
    table["instrument"] = [name for o in observed.orders for name in instruments(o)]
    table["order"] = np.concatenate([np.full(o.wavelength.size, o.number) for o in observed.orders])
    table["wavelength"] = np.concatenate([o.wavelength for o in observed.orders]) * u.um
    table["shorter"] = np.concatenate([o.shorter for o in observed.orders]) * u.um
    table["longer"] = np.concatenate([o.longer for o in observed.orders]) * u.um
    return table
