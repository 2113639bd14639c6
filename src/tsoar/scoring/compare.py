"""All sections in the order of the reduction."""

from __future__ import annotations

from pathlib import Path

from tsoar.errors import InputError
from tsoar.scoring.jumps import jumps
from tsoar.scoring.planet import planet, spectrum
from tsoar.scoring.products import dataset, find
from tsoar.scoring.rows import Row, Score
from tsoar.scoring.slopes import slopes
from tsoar.scoring.spectra import all_curves, level, scatter, sensitivity, wavelength, white_light
from tsoar.scoring.traces import traces
from tsoar.scoring.truth import read_truth


def score(out: str | Path, truth: str | Path, *, radius: float | None = None) -> Score:
    """Hold the products of a run against the truth of the simulated exposure they came from.

    Parameters
    ----------
    out : folder of the run.
    truth : truth.nc of the exposure, or truth.npz of the independent simulator.
    radius : of the extraction box [px]; None: as run.json says.

    Returns
    -------
    Rows of numbers, each with what a perfect reduction would give; products that are missing are named.

    Raises
    ------
    InputError
        For a folder without any product, a file that is not a truth, or the truth of another exposure.
    """
    products = find(out)
    if radius is not None and not radius > 0:
        raise InputError(f"radius {radius}: expected a length in pixels above 0")
    true = read_truth(truth)
    rows: list[Row] = []
    missing: list[str] = []
    bins = None
    if products.rateints:
        rows += slopes(products, true)
        rows += jumps(products, true)
        if not products.jump:
            missing.append("*_jump.fits: jumps are judged by ramp, not by read (tsoar run --save jump)")
    else:
        missing.append("rateints/*_rateints.fits: no slopes, no jumps")
    if products.traces is not None:
        rows += traces(products, true)
    else:
        missing.append("traces.nc: no traces, no motion")
    if products.spectra is not None:
        with dataset(products.spectra, true, ("flux", "flux_err", "valid", "wavelength", "time")) as data:
            rows += wavelength(data, true)
            orders = all_curves(data, true, products.radius() if radius is None else radius)
        absent = [str(order) for order in (1, 2, 3) if order not in orders or not orders[order].usable.any()]
        if absent:
            missing.append(f"order {' and '.join(absent)}: no valid columns in spectra.nc")
        rows += level(orders, true) + sensitivity(orders, true) + scatter(orders, true) + white_light(orders, true)
        if true.event == "none":
            missing.append("planet: there is none in the truth")
        else:
            rows += planet(orders, true)
            bins = spectrum(orders, true)
    else:
        missing.append("spectra.nc: no wavelengths, no spectra, no planet")
    return Score(rows, missing, bins)
