"""Light curves of the event against what geometry says, without batman."""

from dataclasses import replace

import numpy as np
import pytest

from tsoar.sim.parameters import PlanetParams, scenario
from tsoar.sim.planet import depths, duration, light_curves, limb_darkening
from tsoar.sim.scene import make_motion

WAVE = np.full((3, 2048), np.nan)
WAVE[0] = np.linspace(2.83, 0.85, 2048)
CADENCE = 40.0
TIME = 60000.0 + np.arange(200) * CADENCE / 86400


def uniform_disc(z, k):
    """Light that a planet of radius k leaves of an evenly bright star at distance z (Mandel & Agol 2002, eq. 1)."""
    lost = np.zeros_like(z)
    partial = (np.abs(1 - k) < z) & (z <= 1 + k)
    a = np.arccos((k**2 + z[partial] ** 2 - 1) / (2 * k * z[partial]))
    b = np.arccos((1 - k**2 + z[partial] ** 2) / (2 * z[partial]))
    root = np.sqrt((4 * z[partial] ** 2 - (1 + z[partial] ** 2 - k**2) ** 2) / 4)
    lost[partial] = (k**2 * a + b - root) / np.pi
    lost[z <= 1 - k] = k**2
    return 1 - lost


def test_a_transit_of_an_even_disc():
    p = PlanetParams(limb_blue=(0.0, 0.0), limb_red=(0.0, 0.0), bands=(), depth=0.0225)
    event = light_curves(p, WAVE, TIME, np.zeros(2048), 1.0, CADENCE, 4500.0)
    phase = 2 * np.pi * (TIME - event.mid) / event.period
    inclination = np.radians(p.inclination)
    z = p.a_over_r * np.sqrt(np.sin(phase) ** 2 + (np.cos(inclination) * np.cos(phase)) ** 2)
    assert np.abs(event.light_curve[0, :, 700] - uniform_disc(z, 0.15)).max() < 2e-6
    assert (event.light_curve[1:] == 1).all()  # no light, no event


def test_the_event_is_shortened_to_leave_a_baseline():
    p = PlanetParams()
    event = light_curves(p, WAVE, TIME, np.zeros(2048), 30.0, CADENCE, 4500.0)
    length = 200 * 40 / 86400
    assert event.duration == pytest.approx(0.45 * length)
    out = np.abs(TIME - event.mid) > 0.5 * event.duration * 1.1
    assert (event.light_curve[0, out] == 1).all()
    assert (event.light_curve[0, ~out].min(0) < 1 - 0.02).all()
    long = 60000.0 + np.arange(200) * 400.0 / 86400
    assert light_curves(p, WAVE, long, np.zeros(2048), 30.0, 400.0, 4500.0).period == p.period


def test_duration_of_a_known_planet():
    fine = 60000.0 + np.arange(4000) * 2.0 / 86400
    curve = light_curves(PlanetParams(share=0.99), WAVE, fine, np.zeros(2048), 0.0, 2.0, 4500.0).light_curve[0, :, 1000]
    assert duration(PlanetParams(), 0.02509) * 86400 == pytest.approx((curve < 1).sum() * 2.0, abs=30)
    wasp39 = scenario(target="wasp-39").planet
    assert 24 * duration(wasp39, 0.0212) == pytest.approx(2.80, rel=0.03)  # Feinstein et al. 2023


def test_an_eclipse_hides_the_planet_and_nothing_else():
    p = PlanetParams(event="eclipse", depth=0.02, dayside=1700.0, bands=())
    event = light_curves(p, WAVE, TIME, np.zeros(2048), 30.0, CADENCE, 4500.0)
    curve = event.light_curve[0, :, 1000]
    middle = np.argmin(np.abs(TIME - event.mid))
    assert curve[middle] == pytest.approx(1, abs=1e-7)
    ratio = np.expm1(14387.77 / WAVE[0, 1000] / 4500) / np.expm1(14387.77 / WAVE[0, 1000] / 1700)
    assert event.depth[0, 1000] == pytest.approx(0.02 * ratio)
    assert 1e-4 < 0.02 * ratio < 2e-3
    assert curve[0] == pytest.approx(1 + 0.02 * ratio, abs=1e-7)


def test_no_event():
    event = light_curves(PlanetParams(event="none"), WAVE, TIME, np.zeros(2048), 30.0, CADENCE, 4500.0)
    assert (event.light_curve == 1).all()
    assert not event.depth.any()


def test_columns_that_are_read_later_see_a_later_event():
    p = PlanetParams()
    late = np.where(np.arange(2048) < 1024, 60.0, -60.0)
    flat = np.broadcast_to(np.where(np.isfinite(WAVE), 1.5, np.nan), WAVE.shape)
    curve = light_curves(p, flat, TIME, late, 30.0, CADENCE, 4500.0).light_curve[0]
    assert np.allclose(curve[:-3, 100], curve[3:, 2000], atol=2e-6)  # 120 s: three integrations


def test_bands_add_to_the_flat_depth_and_limb_darkening_is_the_given_one_at_its_ends():
    p = PlanetParams(depth=0.02, bands=((1.4, 0.05, 3e-4),))
    found = depths(p, 4500.0, np.array([1.4, 2.2, np.nan]))
    assert found == pytest.approx([0.0203, 0.02, 0.0])
    u = limb_darkening(p, np.array([0.6, 2.8]))
    assert u == pytest.approx(np.array([p.limb_blue, p.limb_red]))


def test_a_table_of_depths():
    s = scenario(target="wasp-39")
    found = depths(s.planet, 4500.0, np.array([0.8, 1.4, 2.2]))
    assert (found > 0.02).all() and (found < 0.0225).all() and np.ptp(found) > 1e-4


def test_a_spot_brightens_bluer_light_more():
    p = PlanetParams(spot=0.1)
    spotted = light_curves(p, WAVE, TIME, np.zeros(2048), 30.0, CADENCE, 4500.0)
    plain = light_curves(replace(p, spot=0.0), WAVE, TIME, np.zeros(2048), 30.0, CADENCE, 4500.0)
    bump = spotted.light_curve[0] - plain.light_curve[0]
    assert bump[:, 1800].max() == pytest.approx(0.1 * plain.depth[0, 1800] / WAVE[0, 1800], rel=0.02)
    assert bump[:, 1800].max() > 2 * bump[:, 100].max()


def test_motion_is_drift_jitter_and_a_tilt():
    s = scenario(overrides=["motion.tilt_at=50", "motion.jitter=0.001", "motion.drift_y=0.04", "star.trend=1000"])
    m = make_motion(s.motion, s.star, np.linspace(0, 4, 200), np.random.default_rng(1))
    step = m.y[50:60].mean() - m.y[40:50].mean()
    assert step == pytest.approx(0.02 + 0.04 / 20, abs=4 * 0.001 * np.sqrt(2 / 10))
    assert m.stretch[49] == 1 and m.stretch[50] == 1.002
    assert m.grey[49] - m.grey[0] == pytest.approx(1e-3 * 49 * 4 / 199, rel=1e-6)
    assert m.grey[50] - m.grey[49] == pytest.approx(-5e-4, rel=0.1)
