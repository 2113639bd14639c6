from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from tests.scoring.make import RADIUS, N, truth_values, write_truth
from tsoar.scoring import read_truth
from tsoar.scoring.aperture import boxes
from tsoar.scoring.planet import depths, planet
from tsoar.scoring.spectra import all_curves, level, scatter, sensitivity, wavelength, white_light


def dataset(truth, flux, error, **changes):
    dims = ("integration", "order", "column")
    data = {
        "flux": (dims, flux),
        "flux_err": (dims, error),
        "valid": (dims, np.isfinite(flux).astype(np.uint8)),
        "wavelength": (dims[1:], truth.wavelength),
        "time": (dims[:1], truth.time),
    }
    return xr.Dataset(data | changes, {"order": [1, 2, 3]})


def spectra(truth, *, noise=1.0, claim=1.0, curve=None, seed=1):
    """Spectra with ``noise`` times the limit's noise and ``claim`` times that claimed."""
    rng = np.random.default_rng(seed)
    box = boxes(truth, RADIUS)
    own, limit = np.stack([b.own for b in box]), np.stack([b.noise for b in box])
    curve = truth.light_curve if curve is None else curve
    flux = own * curve.transpose(1, 0, 2) * truth.grey[:, None, None]
    return flux + noise * limit * rng.normal(size=flux.shape), np.broadcast_to(claim * limit, flux.shape)


def curves(truth, flux, error):
    return all_curves(dataset(truth, flux, error), truth, RADIUS)


def table(rows):
    return {row.label: row for row in rows}


def holds(row, sigmas=4.5):
    middle, _, spread = row.perfect.partition(" +- ")
    return abs(row.value - float(middle)) < sigmas * float(spread)


def test_perfect_spectra(truth):
    orders = curves(truth, *spectra(truth))
    for row in sensitivity(orders, truth):
        assert holds(row), row
    found = table(scatter(orders, truth))
    assert holds(found["scatter: order 1: over the limit of the box"])
    assert found["scatter: order 1: over the profile-weighted limit"].value > 1.01
    for row in level(orders, truth):
        assert row.value == pytest.approx(1, abs=0.01)
    found = table(white_light(orders, truth))
    for order in (1, 2, 3):
        assert holds(found[f"white light: order {order}: RMS over limit"])
        assert holds(found[f"white light: order {order}: RMS over claimed error"])
    assert holds(found["white light: order 1: sums of 64 columns, RMS over limit"])


def test_claimed_errors_too_small(truth):
    orders = curves(truth, *spectra(truth, claim=1 / 1.3))
    found = table(sensitivity(orders, truth))
    assert found["sensitivity: order 1"].value == pytest.approx(1.3, rel=0.02)
    assert found["sensitivity: order 1, 2.05-2.15 um"].value == pytest.approx(1.3, rel=0.08)
    found = table(planet(orders, truth))
    assert found["planet: order 1: chi2/N"].value == pytest.approx(1.69, rel=0.12)
    assert found["planet: order 1: pull width"].value == pytest.approx(1.3, rel=0.06)


def test_noise_above_the_limit(truth):
    orders = curves(truth, *spectra(truth, noise=1.2, claim=1.2))
    found = table(scatter(orders, truth) + white_light(orders, truth) + planet(orders, truth))
    assert found["scatter: order 1: over the limit of the box"].value == pytest.approx(1.2, rel=0.02)
    assert found["white light: order 1: RMS over limit"].value == pytest.approx(1.2, rel=0.35)
    assert found["white light: order 1: sums of 64 columns, RMS over limit"].value == pytest.approx(1.2, rel=0.07)
    assert found["planet: order 1: scatter of depths over limit"].value == pytest.approx(1.2, rel=0.06)
    assert holds(found["planet: order 1: chi2/N"])


def test_noise_that_columns_share_shows_in_sums_only(truth):
    flux, error = spectra(truth)
    flux = flux * (1 + 5e-4 * np.random.default_rng(2).normal(size=(N, 1, 1)))
    orders = curves(truth, flux, error)
    found = table(scatter(orders, truth) + white_light(orders, truth))
    assert found["scatter: order 1: over the limit of the box"].value < 1.03
    assert found["white light: order 1: RMS over limit"].value > 3


def test_level(truth):
    flux, error = spectra(truth, noise=0.0)
    found = table(level(curves(truth, 0.97 * flux, error), truth))
    assert found["spectra: order 1: flux over light in the box"].value == pytest.approx(0.97, abs=1e-5)
    assert found["spectra: order 2, 0.61-0.65 um: flux over light in the box"].value == pytest.approx(0.97, abs=1e-5)


def test_depth_too_large_by_200_ppm(truth):
    curve = 1 - (1 - truth.light_curve) * (1 + 200e-6 / truth.depth[:, None])
    noise_free = planet(curves(truth, *spectra(truth, noise=0.0, curve=curve)), truth)
    found = table(noise_free)
    for name in ("order 1", "order 2", "order 1, 1.55-1.65 um"):
        assert found[f"planet: {name}: bias"].value == pytest.approx(200, abs=0.1)
    assert found["planet: order 1, white light: mid-event depth, error"].value == pytest.approx(200, abs=0.5)
    white, true = found["planet: order 1, white light: mid-event depth"], truth.white(1)
    assert float(white.perfect) == pytest.approx(1e6 * (1 - true[N // 2]), abs=5)
    for band in ("0.9-1.1", "1.3-1.5", "2.5-2.7"):
        assert found[f"planet: band {band} um: mid-event depth, error"].value == pytest.approx(200, abs=0.5)


def test_perfect_planet(truth):
    found = table(planet(curves(truth, *spectra(truth, seed=5)), truth))
    for row in found.values():
        if " +- " in row.perfect:
            assert holds(row), row
    assert found["planet: bands: largest error in its own sigmas"].value < 3.5


def test_errors_of_depths_are_those_of_a_linear_fit(truth):
    flux, error = spectra(truth)
    one = curves(truth, flux, error)[1]
    depth, claimed, limit = depths(one)
    for column in (0, 1000, 2047):
        design = np.stack([np.ones(N), -(1 - one.curve[:, column]) / one.depth[column]], axis=1)
        (a, ad), *_ = np.linalg.lstsq(design, one.flux[:, column], rcond=None)
        assert depth[column] == pytest.approx(ad / a)
        covariance = np.linalg.inv(design.T @ design)
        gradient = np.array([-ad / a**2, 1 / a])
        expected = one.box.noise[column] * np.sqrt(gradient @ covariance @ gradient)
        assert limit[column] == pytest.approx(expected)
        assert claimed[column] == pytest.approx(expected, rel=0.01)


def test_light_of_another_order_dilutes(truth):
    flux, error = spectra(truth, noise=0.0)
    flux = flux + 0.05 * flux[0] * (truth.grey / truth.grey[0])[:, None, None]
    found = table(planet(curves(truth, flux, error), truth))
    assert found["planet: order 1: bias"].value == pytest.approx(-1e6 * truth.depth[0].mean() * 0.05 / 1.05, rel=0.03)


def test_eclipse_and_star_alone(tmp_path):
    for event in ("eclipse", "none"):
        truth = read_truth(write_truth(tmp_path / f"{event}.nc", truth_values(event=event), event))
        flux, error = spectra(truth, noise=0.0)
        orders = curves(truth, flux, error)
        assert table(sensitivity(orders, truth))["sensitivity: order 1"].value < 1e-3
        assert table(white_light(orders, truth))["white light: order 1: RMS"].value < 0.1
        assert truth.outside().sum() == (21 if event == "eclipse" else N)
        if event == "eclipse":
            found = table(planet(orders, truth))
            assert found["planet: order 1: bias"].value == pytest.approx(0, abs=0.1)
            assert found["planet: order 1, white light: mid-event depth, error"].value == pytest.approx(0, abs=0.5)


def test_gaps_in_columns_and_integrations(truth):
    flux, error = spectra(truth)
    flux[7] = np.nan
    flux[3, 0, 100:120] = np.nan
    flux[:, 0, 500:700] = np.nan
    flux[:, 2] = np.nan
    orders = curves(truth, flux, error)
    found = table(sensitivity(orders, truth) + white_light(orders, truth) + planet(orders, truth))
    assert found["sensitivity: order 1"].note == "1848 columns"
    assert found["white light: order 1: RMS"].note.startswith("1828 columns")
    assert holds(found["sensitivity: order 1"]) and holds(found["planet: order 1: chi2/N"])
    assert "sensitivity: order 3" not in found


def test_too_few_integrations_out_of_the_event(truth):
    everything = replace(truth, light_curve=np.ascontiguousarray(truth.light_curve[:, 15:25]), time=truth.time[15:25])
    cut = replace(everything, **{name: getattr(truth, name)[15:25] for name in ("grey", "drift_y", "drift_x", "stretch")})
    flux, error = spectra(cut)
    assert cut.outside().sum() > 0
    curves(cut, flux, error)


def test_wavelengths_and_times(truth):
    flux, error = spectra(truth, noise=0.0)
    wrong = truth.wavelength + np.array([0.5, -0.25, 0.0])[:, None] * np.abs(np.gradient(truth.wavelength, axis=1))
    changes = {"wavelength": (("order", "column"), wrong), "time": (("integration",), truth.time + 3 / 86400)}
    found = table(wavelength(dataset(truth, flux, error, **changes), truth))
    assert found["wavelength: order 1: rms"].value == pytest.approx(0.5)
    assert found["wavelength: order 2: largest"].value == pytest.approx(0.25)
    assert found["wavelength: order 3: rms"].value == pytest.approx(0, abs=1e-9)
    assert found["wavelength: time, largest error"].value == pytest.approx(3, abs=1e-5)
