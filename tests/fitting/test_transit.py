"""Fast light curves against batman, and the geometry."""

import numpy as np
import pytest

from tests.fitting.make import CADENCE, ORBIT, batman_curves, depths, limb
from tsoar.fitting.transit import SAMPLES, Clock, Orbit, duration, light_curves, make_shapes, scaled_to

TIME = 100.0 + np.arange(101) * CADENCE
MID = float(TIME.mean()) + 1e-4
CLOCK = Clock(TIME, 0.7 * CADENCE)
KNOWN = Orbit(MID, ORBIT["per"], ORBIT["a"], ORBIT["inc"])
WAVE = np.linspace(0.6, 2.8, 40)


def test_splines_are_batman():
    """One curve per channel from batman and the splines agree far below any noise."""
    truth = batman_curves(TIME, MID, WAVE, samples=SAMPLES)
    fast = make_shapes(CLOCK, KNOWN, "transit", 0.14).curves(depths(WAVE), limb(WAVE))[0]
    assert np.abs(fast.T - truth).max() < 0.5e-6
    plain = light_curves(CLOCK, KNOWN, "transit", depths(WAVE), limb(WAVE))
    assert np.abs(plain.T - truth).max() < 1e-12


def test_eclipse_is_batman():
    truth = batman_curves(TIME, MID, WAVE, samples=SAMPLES, event="eclipse")
    fast = make_shapes(CLOCK, KNOWN, "eclipse", 0.158).curves(depths(WAVE) / 10, limb(WAVE))[0]
    assert np.abs(fast.T - truth).max() < 1e-12


@pytest.mark.parametrize("which", [0, 1, 2])
def test_derivatives(which):
    shapes = make_shapes(CLOCK, KNOWN, "transit", 0.158)
    depth, u = np.array([0.0004, 0.012, 0.025, 0.06]), np.array([[0.3, 0.1], [0.0, 0.0], [0.5, 0.3], [0.1, 0.4]])
    h = 1e-6

    def at(sign):
        step = [0.0, 0.0, 0.0]
        step[which] = sign * h
        return shapes.curves(depth + step[0], u + np.array(step[1:]))[0]

    numeric = (at(1) - at(-1)) / (2 * h)
    np.testing.assert_allclose(shapes.curves(depth, u)[1 + which], numeric, atol=1e-5)


def test_depths_below_nothing_go_on_in_proportion():
    """A channel of noise may have a negative depth: its curve is a mirror image, not an error."""
    shapes = make_shapes(CLOCK, KNOWN, "transit", 0.158)
    up, down = (shapes.curves(np.array([d]), np.array([[0.3, 0.1]]))[0][0] for d in (2e-4, -2e-4))
    np.testing.assert_allclose(up - 1, 1 - down, atol=1e-12)
    assert up.min() < 1 - 2e-4


@pytest.mark.parametrize("event", ["transit", "eclipse"])
def test_duration_and_scaling(event):
    fine = Clock(np.linspace(-0.1, 0.1, 20001), 0.0)
    orbit = Orbit(0.0, 0.8, 5.0, 83.0, 0.1, 60.0)
    u = np.zeros((1, 2))
    curve = light_curves(fine, orbit, event, np.array([0.0225]), u, 0.15)[0]
    covered = fine.time[curve < curve.max() - 1e-9]
    assert np.ptp(covered) == pytest.approx(duration(orbit, 0.15, event), rel=0.01)
    assert duration(scaled_to(orbit, 0.15, event, 0.02), 0.15, event) == pytest.approx(0.02)
    assert np.isnan(duration(Orbit(0.0, 1.0, 10.0, 80.0), 0.1))


@pytest.mark.parametrize("event", ["transit", "eclipse"])
def test_columns_read_later_have_a_later_curve(event):
    """Against curves of a clock that is set by the delay, for depths other than the one the change was taken at: what the
    delay does is right to 15 %, at the contacts too."""
    delay = np.array([-2.7, -1.0, 2.7]) / 86400
    depth, u = np.array([0.022, 0.024, 0.027]), np.array([[0.4, 0.1]] * 3)
    shapes = make_shapes(CLOCK, KNOWN, event, 0.158)
    flux, slope, _, _ = shapes.curves(depth, u, delay)
    plain = shapes.curves(depth, u)[0]
    for c in range(3):
        other = make_shapes(Clock(CLOCK.time + delay[c], CLOCK.length), KNOWN, event, 0.158)
        expected, to_depth = (v[0] for v in other.curves(depth[c : c + 1], u[c : c + 1])[:2])
        done = np.abs(plain[c] - expected).max()
        assert done > 5e-5
        assert np.abs(flux[c] - expected).max() < 0.15 * done
        np.testing.assert_allclose(slope[c], to_depth, atol=0.01)
