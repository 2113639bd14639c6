"""What a fit leaves in the run's folder: planet_spectrum.ecsv, fit.nc, diagnostics/fit.json, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from astropy import units as u
from astropy.table import Table

import tsoar
from tsoar.io import datasets
from tsoar.reduce.fit_baseline import in_words
from tsoar.series.binning import rms_binning
from tsoar.series.residuals import nanmedian
from tsoar.series.sensitivity import sensitivity
from tsoar.settings import to_dict
from tsoar.units import PPM, TIME_LONG_NAME, TIME_UNITS

if TYPE_CHECKING:
    from tsoar.reduce.fit import Fit, Work
    from tsoar.series.dispersion import Along

WAVE = u.um


def write(work: Work, seconds: float, figures: bool = True) -> tuple[Table, dict[str, Any]]:
    """All products, each under its final name only when whole."""
    out = work.measured.folder
    spectrum = spectrum_table(work)
    product = fit_dataset(work)
    judged = sensitivity(work.curves, degree=0, model=product["model"].values, fitted=work.found.parameters - 1)
    binned = {o: binning_of(work, o) for o in work.white.orders}
    numbers = numbers_of(work, spectrum, judged, binned, seconds)
    spectrum.meta |= meta_of(work)
    datasets.write_table(spectrum, out / "planet_spectrum.ecsv")
    datasets.write_dataset(product, out / "fit.nc")
    datasets.write_json(numbers, out / "diagnostics" / "fit.json")
    if figures:
        draw(work, spectrum, product, judged, binned)
    return spectrum, numbers


def spectrum_table(work: Work) -> Table:
    """The planet's spectrum, by order and wavelength; bins that could not be fitted are left out."""
    found, (k, x) = work.found, work.where
    edges = work.curves["wavelength_edges"].values[k, x]
    number = work.curves["n_columns"].values[k, x] if "n_columns" in work.curves else np.ones(x.size, int)
    good = np.flatnonzero(np.isfinite(found.depth))
    good = good[np.lexsort((work.channels.wavelength[good], work.channels.order[good]))]
    one = u.dimensionless_unscaled
    what = "(Rp/R*)^2" if work.params.event == "transit" else "Fp/F*"
    columns: list[tuple[str, Any, Any, str]] = [
        ("wavelength", work.channels.wavelength, WAVE, "mean over the bin, weighted with the light"),
        ("half_width", 0.5 * (edges[:, 1] - edges[:, 0]), WAVE, "half of the bin's width"),
        ("depth", found.depth, one, what),
        ("depth_err", found.depth_err, one, "its error, limb darkening and settling included, orbit held"),
        ("order", work.channels.order, None, "spectral order"),
        ("first", x, None, "column, or number of the bin"),
        ("n_columns", number, None, "columns in the bin"),
        ("depth_err_limb", found.limb_err, one, "part of depth_err from smooth limb darkening: common to neighbours"),
        ("depth_err_settle", work.settle_err, one, "part of depth_err from the settling's time scale: common to all"),
        ("depth_err_orbit", work.orbit_err, one, "what the orbit's uncertainty would add: common to all, not in depth_err"),
        ("u1", found.u[:, 0], one, "quadratic limb darkening"),
        ("u2", found.u[:, 1], one, "quadratic limb darkening"),
        ("u1_err", found.u_err[:, 0], one, "0: held"),
        ("u2_err", found.u_err[:, 1], one, "0: held"),
        ("chi2", found.chi2, None, "with the claimed errors"),
        ("dof", found.freedom, None, "degrees of freedom"),
        ("jitter", found.jitter, one, "added in quadrature to the claimed errors"),
        ("clipped", found.clipped, None, "values left out"),
    ]
    table = Table()
    for name, values, unit, text in columns:
        if work.params.event == "eclipse" and name.startswith(("u1", "u2", "depth_err_limb")):
            continue
        table[name] = np.asarray(values)[good] * unit if unit is not None else np.asarray(values)[good]
        table[name].info.description = text
    return table


def meta_of(work: Work) -> dict[str, Any]:
    """What the spectrum was made with."""
    orbit = work.white.orbit
    return {
        "planet": work.planet.name,
        "event": work.params.event,
        "orbit": {
            "t0": orbit.t0,
            "period": orbit.period,
            "a_over_r": orbit.a_over_r,
            "inclination": orbit.inclination,
            "eccentricity": orbit.eccentricity,
            "omega": orbit.omega,
            "source": work.planet.source,
            "fitted": [n for n in work.white.names if not n.startswith(("depth", "q"))],
        },
        "baseline": in_words(work.baseline),
        "dispersion": along_in_words(work.measured.along),
        "limb_darkening": work.params.limb_darkening,
        "white_light": {f"order{o}": {"depth": f.depth, "depth_err": f.depth_err} for o, f in work.white.orders.items()},
        "notes": list(work.notes),
        "settings": work.settings,
        "tsoar": tsoar.__version__,
    }


def fit_dataset(work: Work) -> xr.Dataset:
    """fit.nc: light curves and models of all bins and of the white light."""
    curves, (k, x), found = work.curves, work.where, work.found
    dim = "bin" if "bin" in curves.dims else "column"
    dims = ("integration", "order", dim)
    model = np.full(tuple(curves.sizes[d] for d in dims), np.nan, np.float32)
    model[:, k, x] = found.model.T
    time = work.measured.clock.time
    orders = [int(o) for o in curves["order"].values]
    blank = np.full((time.size, len(orders)), np.nan)
    white = {name: blank.copy() for name in ("white_flux", "white_flux_err", "white_model", "white_curve", "white_residual")}
    for curve in work.white_curves:
        one, at = work.white.orders[curve.order], orders.index(curve.order)
        parts = (curve.flux, curve.error, one.model, one.curve, one.residual)
        for name, values in zip(white, parts, strict=True):
            white[name][:, at] = values
    words = {
        "white_flux": "white light, about 1 outside the event",
        "white_flux_err": "claimed error of white light",
        "white_model": "fitted: baseline x event",
        "white_curve": "fitted: the event alone",
        "white_residual": "white light - model; NaN where left out",
    }
    per = {"units": "1"}
    data: dict[str, Any] = {
        "flux": (dims, curves["flux"].transpose(*dims).values, per | {"long_name": "light curve of the bin"}),
        "flux_err": (dims, curves["flux_err"].transpose(*dims).values, per | {"long_name": "claimed error of flux"}),
        "model": (dims, model, per | {"long_name": "fitted: baseline x event; NaN where a bin was not fitted"}),
        "wavelength": (dims[1:], curves["wavelength"].transpose(*dims[1:]).values, {"units": "um"}),
        "time": (("integration",), time, {"units": TIME_UNITS, "long_name": TIME_LONG_NAME}),
    }
    data |= {name: (("integration", "order"), values, per | {"long_name": words[name]}) for name, values in white.items()}
    coords = {name: curves[name].values for name in ("order", dim) if name in curves.coords}
    return xr.Dataset(data, coords, {"baseline": in_words(work.baseline), "settings": work.settings, "Conventions": "CF-1.10"})


def binning_of(work: Work, order: int) -> xr.Dataset:
    """RMS against bin size of the white light's residuals."""
    curve = next(c for c in work.white_curves if c.order == order)
    return rms_binning(work.measured.clock.time, work.white.orders[order].residual, curve.error, degree=0)


def numbers_of(
    work: Work, spectrum: Table, judged: xr.Dataset, binned: dict[int, xr.Dataset], seconds: float
) -> dict[str, Any]:
    """diagnostics/fit.json."""
    white, spread = work.white, np.sqrt(np.diag(work.white.covariance))
    orders: dict[str, Any] = {}
    for o, f in white.orders.items():
        rows = spectrum[spectrum["order"] == o]
        curve = next(c for c in work.white_curves if c.order == o)
        left = f.residual[np.isfinite(f.residual)]
        sizes = binned[o]
        orders[str(o)] = {
            "white": {
                "depth": f.depth,
                "depth_err": f.depth_err,
                "u": f.u,
                "baseline": f.coefficients,
                "chi2": f.chi2,
                "dof": f.freedom,
                "scatter_ppm": PPM * float(np.sqrt(np.sum(left**2) / max(f.freedom, 1))),
                "claimed_ppm": PPM * float(nanmedian(curve.error)),
                "jitter_ppm": PPM * f.jitter,
                "clipped": f.clipped,
                "at_bound": f.at_bound,
            },
            "rms_against_bin": {
                "integrations": sizes["size"].values,
                "rms_ppm": sizes["rms"].values,
                "white_ppm": sizes["white"].values,
            },
            "bins": len(rows),
            "median_depth_err_ppm": PPM * float(np.median(rows["depth_err"])) if len(rows) else None,
            "median_chi2_over_dof": float(np.median(rows["chi2"] / rows["dof"])) if len(rows) else None,
            "bins_with_jitter": int((np.asarray(rows["jitter"]) > 0).sum()),
            "clipped": int(np.asarray(rows["clipped"]).sum()),
            "sensitivity_on_residuals": {n: float(judged[n].sel(order=o)) for n in ("median", "low", "high")},
        }
    out: dict[str, Any] = {
        "planet": work.planet.name,
        "source": work.planet.source,
        "event": work.params.event,
        "event_seen": work.measured.event.how,
        "baseline": baseline_of(work),
        "dispersion": dispersion_of(work.measured.along),
        "white_light": {n: {"value": v, "error": s} for n, v, s in zip(white.names, white.values, spread, strict=True)},
        "covariance": {"names": white.names, "matrix": white.covariance},
        "orders": orders,
        "settings": to_dict(work.params),
        "notes": list(work.notes),
        "seconds": round(seconds, 2),
    }
    if work.posterior is not None:
        p = work.posterior
        quantiles = np.percentile(p.samples, (15.87, 50, 84.13), axis=0)
        out["posterior"] = {
            "log_evidence": p.log_evidence,
            "log_evidence_err": p.log_evidence_err,
            "calls": p.calls,
            "parameters": {n: {"low": a, "median": b, "high": c} for n, a, b, c in zip(p.names, *quantiles, strict=True)},
        }
    plain: dict[str, Any] = datasets.plain(out)
    return plain


def baseline_of(work: Work) -> dict[str, Any]:
    """What the baseline is, and how much better or worse the others did."""
    p, choice = work.baseline.params, work.baseline.choice
    out: dict[str, Any] = {
        "words": in_words(work.baseline),
        "polynomial": p.baseline,
        "regress": list(p.regress),
        "settle_min": p.settle or 0.0,
        "settle_err": choice.settle_err if choice is not None else 0.0,
        "chosen": choice is not None,
    }
    if choice is not None:
        out |= {"bic": choice.gain, "bic_of_others": choice.tried}
    return out


def along_in_words(along: Along | None) -> str:
    """One line: whether the star moved along dispersion."""
    if along is None:
        return "spectra as they are, as asked for"
    if not np.isfinite(along.error):
        return "spectra as they are: no lines that would show motion along dispersion"
    text = f"scatter {1e3 * along.scatter:.1f} mpx, error of one integration {1e3 * along.error:.1f} mpx"
    if along.sure:
        return f"spectra moved back along dispersion: {text}"
    return f"spectra as they are: no motion along dispersion beyond chance, {text}"


def dispersion_of(along: Along | None) -> dict[str, Any]:
    """Motion along dispersion and whether the spectra were moved back."""
    out: dict[str, Any] = {"words": along_in_words(along), "moved_back": along is not None and along.sure}
    if along is not None and np.isfinite(along.error):
        out |= {"shift_px": along.shift, "error_px": along.error}
    return out


def draw(work: Work, spectrum: Table, product: xr.Dataset, judged: xr.Dataset, binned: dict[int, xr.Dataset]) -> None:
    """The figures, as PNG."""
    from tsoar import plots
    from tsoar.report.page import png

    samples = None if work.posterior is None else (work.posterior.names, work.posterior.samples)
    figures = {
        "fit_white_light": plots.fit_white_light(product, work.white.orbit.t0),
        "fit_spectrum": plots.fit_spectrum(spectrum),
        "fit_residuals": plots.fit_residuals(product, work.white.orbit.t0),
        "fit_corner": plots.fit_corner(work.white.names, work.white.values, work.white.covariance, samples),
        "fit_sensitivity": plots.sensitivity(judged, orders=(1, 2)),
    }
    for o, sizes in binned.items():
        figures[f"fit_rms_binning_order{o}"] = plots.rms_binning(sizes, title=f"residuals of the white light, order {o}")
    for name, figure in figures.items():
        data = png(figure)
        with datasets.atomic(work.measured.folder / "figures" / f"{name}.png") as part:
            part.write_bytes(data)


def summary_lines(fit: Fit) -> list[str]:
    """What a terminal should say."""
    lines = [f"{fit.numbers['planet']}, {fit.numbers['event']}; orbit: {fit.numbers['source']}"]
    lines.append(f"baseline: {fit.numbers['baseline']['words']}")
    lines.append(fit.numbers["dispersion"]["words"])
    for name, found in fit.numbers["white_light"].items():
        if not name.startswith(("depth", "q")):
            digits = 6 if name in ("t0", "period") else 4
            lines.append(f"{name}: {found['value']:.{digits}f} +- {found['error']:.2g}")
    for order, one in fit.numbers["orders"].items():
        w = one["white"]
        lines.append(
            f"order {order}, white light: depth {PPM * w['depth']:.0f} +- {PPM * w['depth_err']:.0f} ppm, scatter "
            f"{w['scatter_ppm']:.0f} ppm (claimed {w['claimed_ppm']:.0f}), chi2 {w['chi2']:.0f} of {w['dof']}"
        )
        if one["bins"]:
            lines.append(
                f"order {order}, {one['bins']} bins: depth error {one['median_depth_err_ppm']:.0f} ppm (median), chi2/dof "
                f"{one['median_chi2_over_dof']:.3f}, sensitivity on residuals {one['sensitivity_on_residuals']['median']:.3f}"
            )
    lines += [f"note: {text}" for text in fit.notes]
    return [*lines, f"spectrum: {fit.out / 'planet_spectrum.ecsv'}"]
