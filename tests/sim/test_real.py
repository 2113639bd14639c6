"""The simulated image against real ones, and against the published models the reduction uses."""

from pathlib import Path

import numpy as np
import pytest

from tsoar.sim.instrument import SUBARRAYS, trace, wavelength
from tsoar.sim.parameters import scenario
from tsoar.sim.scene import make_scene
from tsoar.soss.traces import published_traces
from tsoar.soss.wavelength import column_wavelengths

CUTS = np.load(Path(__file__).parents[1] / "data" / "soss_real_cuts.npz")
X = CUTS["x"].astype(int)
ROWS = np.arange(256.0)


@pytest.fixture(scope="module")
def wasp39():
    """Simulated cuts at the columns of the real ones: star and sky, and the sky alone."""
    scene = make_scene(scenario(target="wasp-39", overrides=["sky.field=[]"]))
    return scene, (scene.star.sum(0) + scene.sky)[:, X], scene.sky[:, X]


def box(cuts, centre, sky, radius=12):
    """Light within ``radius`` of a trace, sky taken off."""
    near = np.abs(ROWS[:, None] - centre) <= radius
    return np.where(near, cuts - sky, 0).sum(0)


def edges(cut, centre, reach=24):
    """Midpoint of the half-maximum edges of a profile."""
    rows = np.arange(int(centre) - reach, int(centre) + reach + 1)
    part = cut[rows] - np.percentile(cut, 10)
    level = 0.5 * np.sort(part)[-15:].mean()
    above = np.flatnonzero(part > level)
    low, high = above[0], above[-1]
    left = rows[low] - (part[low] - level) / (part[low] - part[low - 1])
    right = rows[high] + (part[high] - level) / (part[high] - part[high + 1])
    return 0.5 * (left + right)


@pytest.mark.parametrize(
    ("order", "low", "high"), [(1, 20, 700), (1, 700, 1400), (1, 1400, 2040), (2, 900, 1300), (2, 1300, 1720)]
)
def test_count_rates_by_region(wasp39, order, low, high):
    scene, simulated, sky = wasp39
    here = (X > low) & (X < high)
    centre = scene.trace[order - 1][X]
    real = box(CUTS["wasp39"], centre, sky)[here]
    made = box(simulated, centre, sky)[here]
    assert abs(made.sum() / real.sum() - 1) < 0.15
    assert np.abs(made / real - 1).max() < 0.15


def test_order_3(wasp39):
    scene, simulated, sky = wasp39
    here = (X > 100) & (X < 780)
    centre = scene.trace[2][X]
    ratio = box(simulated, centre, sky)[here] / box(CUTS["wasp39"], centre, sky)[here]
    assert abs(np.median(ratio) - 1) < 0.15


def test_a_black_body_of_the_right_magnitude_counts_what_the_star_does():
    """Independent of the star's own image: temperature, J and the flux calibration. Bluer, its lines are missing."""
    scene = make_scene(scenario(target="wasp-39", overrides=["star.spectrum=blackbody", "sky.field=[]"]))
    here = (X > 20) & (X < 1900)
    made = box((scene.star.sum(0) + scene.sky)[:, X], scene.trace[0][X], scene.sky[:, X])[here]
    ratio = made / box(CUTS["wasp39"], scene.trace[0][X], scene.sky[:, X])[here]
    assert np.abs(ratio - 1).max() < 0.15
    assert abs(np.median(ratio) - 1) < 0.08


def test_background_by_region(wasp39):
    """Between the traces and above them, far from the star: sky and its step."""
    scene, simulated, _ = wasp39
    away = np.min([np.abs(ROWS[:, None] - scene.trace[o][X]) for o in range(2)], axis=0)
    dark = (away > 60) & (np.abs(ROWS[:, None] - np.nan_to_num(scene.trace[2][X], nan=-99)) > 30) & (ROWS[:, None] < 250)
    for low, high in ((20, 350), (350, 680), (740, 1000)):
        here = np.flatnonzero((X > low) & (X < high))
        real = np.median(np.concatenate([CUTS["wasp39"][dark[:, k], k] for k in here]))
        made = np.median(np.concatenate([simulated[dark[:, k], k] for k in here]))
        assert made == pytest.approx(real, rel=0.15)


@pytest.mark.parametrize("star", ["wasp39", "bd601753"])
def test_profile(star, wasp39):
    """Shares of the light in rings about the trace, in both stars; the profiles come from the first."""
    made_of = scenario(
        target="wasp-39", overrides=["sky.field=[]"] + ([] if star == "wasp39" else ["exposure.pwcpos=245.7787"])
    )
    scene = make_scene(made_of)
    scale = {"wasp39": 1.0, "bd601753": 0.62 / 0.885}[star]
    for low, high in ((60, 600), (740, 1400), (1400, 2000)):
        columns = (X > low) & (X < high)
        centre = scene.trace[0][X][columns]
        away = np.abs(ROWS[:, None] - centre)
        shares = []
        for cuts in (CUTS[star], (scene.star.sum(0) + scene.sky * scale)[:, X]):
            light = cuts[:, columns] - scale * scene.sky[:, X][:, columns]
            rings = [np.where((away > a) & (away <= b), light, 0).sum() for a, b in ((-1, 4), (4, 8), (8, 12), (12, 17))]
            shares.append(np.array(rings) / sum(rings))
        assert np.abs(shares[1] - shares[0])[:3].max() < 0.15 * shares[0][:3].min()


@pytest.mark.parametrize(("order", "low", "high"), [(1, 20, 2030), (2, 900, 1700)])
def test_traces_of_the_image_are_the_published_ones(wasp39, order, low, high):
    scene, simulated, _ = wasp39
    columns = np.flatnonzero((X > low) & (X < high) & np.isfinite(CUTS[f"published_order{order}"]))
    found = np.array([edges(simulated[:, k], scene.trace[order - 1][X[k]]) for k in columns])
    apart = found - CUTS[f"published_order{order}"][columns]
    assert abs(np.median(apart)) < 0.3
    assert np.sqrt(np.mean((apart - np.median(apart)) ** 2)) < 0.3


@pytest.mark.parametrize("star", ["wasp39", "bd601753"])
def test_traces_of_the_image_are_those_of_the_real_image(star):
    pwcpos = {"wasp39": 245.736, "bd601753": 245.778671}[star]
    scene = make_scene(scenario(target="wasp-39", overrides=["sky.field=[]", f"exposure.pwcpos={pwcpos}"]))
    made = (scene.star.sum(0) + scene.sky)[:, X]
    apart = [edges(made[:, k], scene.trace[0][x]) - edges(CUTS[star][:, k], scene.trace[0][x]) for k, x in enumerate(X)]
    assert abs(np.median(apart)) < 0.3


@pytest.mark.parametrize("name", ["SUBSTRIP256", "SUBSTRIP96"])
@pytest.mark.parametrize("pwcpos", [245.65, 245.76, 245.86])
@pytest.mark.parametrize("order", [1, 2])
def test_traces_and_wavelengths_are_the_published_models(name, pwcpos, order):
    """PASTASOSS 1.2, as the reduction has it: rotation and polynomials there, table and slopes here."""
    expected = published_traces(pwcpos)[order - 1] - SUBARRAYS[name].first_row
    made = trace(order, pwcpos, SUBARRAYS[name])
    both = np.isfinite(expected) & np.isfinite(made)
    assert both.sum() > 1500
    assert np.abs(made - expected)[both].max() < 0.3
    published = column_wavelengths(pwcpos)[order - 1]
    per_pixel = np.abs(np.gradient(published))
    assert np.nanmax(np.abs(wavelength(order, pwcpos) - published)[both] / per_pixel[both]) < 0.3
