"""The baseline that white light asks for: rarely more than a line when there is nothing, and what is there when it is."""

import numpy as np
import pytest

from tests.fitting.make import CADENCE, ORBIT, batman_curves
from tsoar.fitting.choice import LONGEST, choose_baseline
from tsoar.fitting.transit import Clock, Orbit
from tsoar.fitting.white import WhiteCurve, event_derivatives, fit_white

N = 60
TIME = 60000.0 + np.arange(N) * CADENCE
MID = float(TIME.mean()) + 2e-4
CLOCK = Clock(TIME, 0.7 * CADENCE)
X = np.linspace(-1, 1, N)
DESIGN = np.stack([np.ones(N), X], 1)
CURVE = batman_curves(TIME, MID, np.array([1.5, 0.75])).T
ERROR = np.array([50e-6, 150e-6])[:, None] * np.ones(N)
ELAPSED = TIME - TIME[0]
SCALE = 0.12 * ELAPSED[-1]


@pytest.fixture(scope="module")
def event():
    """Derivatives of white light without noise."""
    curves = [WhiteCurve(o, CURVE[o - 1], ERROR[o - 1], DESIGN) for o in (1, 2)]
    white = fit_white(CLOCK, curves, Orbit(MID, ORBIT["per"], ORBIT["a"], ORBIT["inc"]), "transit", 0.16, jitter=False)
    return event_derivatives(CLOCK, curves, white, "transit")


def motion(rng):
    """Shift: a drift with jitter; width: a step."""
    shift = X + 0.3 * rng.normal(size=N)
    width = (np.arange(N) > 36) - 0.4 + 0.02 * rng.normal(size=N)
    return {name: np.stack([(v - v.mean()) / v.std()] * 2) for name, v in (("shift", shift), ("width", width))}


def choose(event, flux, regressors, error=ERROR, **options):
    return choose_baseline(TIME, flux, error, event, CURVE, np.stack([DESIGN] * 2), regressors, **options)


def chosen(choice):
    return {*choice.names, *(["settling"] if choice.settle else [])}


@pytest.mark.parametrize("true_over_claimed", [1.0, 1.5])
def test_nothing_is_added_to_white_noise(event, true_over_claimed):
    """Straight lines, whether the claimed errors hold or not: 3 of 100 at most get an addition (of 1000 1 and 4 did)."""
    rng = np.random.default_rng(3)
    added = 0
    for _ in range(100):
        flux = (1 + 2e-3 * X) * CURVE + true_over_claimed * ERROR * rng.normal(size=CURVE.shape)
        added += bool(chosen(choose(event, flux, motion(rng))))
    assert added <= 3


def test_what_is_there_is_found(event):
    rng = np.random.default_rng(4)
    decay = np.exp(-ELAPSED / SCALE)
    for wanted in ({"settling"}, {"width"}, {"shift", "settling"}, {"shift", "width", "settling"}):
        for _ in range(10):
            regressors = motion(rng)
            base = 1 + 2e-3 * X + 2e-3 * decay * ("settling" in wanted)
            base = base + sum(3e-4 * regressors[n] for n in wanted - {"settling"})
            found = choose(event, base * CURVE + ERROR * rng.normal(size=CURVE.shape), regressors)
            assert chosen(found) == wanted
            assert found.gain < -6
            if "settling" in wanted:
                assert CADENCE <= found.settle <= LONGEST * ELAPSED[-1]
            if wanted == {"settling"}:  # with a step and a drift beside it the scale is hardly known
                assert found.settle == pytest.approx(SCALE, rel=0.4)


def test_the_criterion_is_that_of_least_squares(event):
    """BIC of one regressor by the slow way: chi2 of two straightforward fits."""
    rng = np.random.default_rng(6)
    regressors = motion(rng)
    flux = (1 + 2e-4 * regressors["width"]) * CURVE + ERROR * rng.normal(size=CURVE.shape)
    flux[0, 7] = np.nan
    error = 3 * ERROR  # errors that are large enough are taken as they are

    def chi2(columns):
        total = [event / error[..., None]]
        for column in columns:
            for o in range(2):
                one = np.zeros((2, N, 1))
                one[o, :, 0] = column * CURVE[o] / error[o]
                total.append(one)
        design, y = np.concatenate(total, 2).reshape(2 * N, -1), (flux / error).ravel()
        good = np.isfinite(y)
        design = design[good] / np.linalg.norm(design[good], axis=0)
        return np.sum((y[good] - design @ np.linalg.lstsq(design, y[good], rcond=1e-12)[0]) ** 2)

    expected = chi2([np.ones(N), X, regressors["width"][0]]) - chi2([np.ones(N), X]) + 2 * np.log(2 * N - 1)
    found = choose(event, flux, regressors, error)
    assert found.tried["width"] == pytest.approx(expected, abs=0.01)


def test_limits(event):
    rng = np.random.default_rng(5)
    decay = 8e-4 * np.exp(-ELAPSED / SCALE)
    flux = (1 + decay) * CURVE + ERROR * rng.normal(size=CURVE.shape)
    assert chosen(choose(event, flux, {}, settling=False)) == set()
    assert choose(event, flux, motion(rng), most=0).tried == {"nothing": 0.0}
    only_first = {"shift": np.stack([X**2, np.zeros(N)])}
    found = choose(event, (1 + 1e-3 * only_first["shift"]) * CURVE + ERROR * rng.normal(size=CURVE.shape), only_first)
    assert chosen(found) == {"shift"}


def test_eclipse_and_held_limb_darkening():
    """Derivatives are of depth and time alone then."""
    for event, u in (("eclipse", None), ("transit", np.array([0.3, 0.2]))):
        curve = batman_curves(TIME, MID, np.array([1.5, 0.75]), event=event).T
        curves = [WhiteCurve(o, curve[o - 1], ERROR[o - 1], DESIGN, u) for o in (1, 2)]
        orbit = Orbit(MID, ORBIT["per"], ORBIT["a"], ORBIT["inc"])
        white = fit_white(CLOCK, curves, orbit, event, 0.16, start_depth=1e-3 if event == "eclipse" else None)
        assert event_derivatives(CLOCK, curves, white, event).shape == (2, N, 3)


def test_an_order_s_depth_moves_that_order_alone(event):
    """Columns: t0, then depth, q1, q2 of each order."""
    assert event[:, :, 0].any(axis=1).all()
    assert not event[0, :, 4:].any()
    assert not event[1, :, 1:4].any()
    assert event[1, :, 4].any()


def test_the_settlings_time_scale_has_an_error(event):
    """Pulls of its logarithm over 60 draws: the error is that of the scatter, to a quarter."""
    rng = np.random.default_rng(11)
    base = 1 + 2e-3 * X + 1.2e-3 * np.exp(-ELAPSED / SCALE)
    pulls = []
    for _ in range(60):
        found = choose(event, base * CURVE + ERROR * rng.normal(size=CURVE.shape), {})
        assert found.settle_err > 0
        pulls.append(np.log(found.settle / SCALE) / found.settle_err)
    assert abs(np.mean(pulls)) < 0.5
    assert 0.75 < np.std(pulls) < 1.25
    assert choose(event, (1 + 2e-3 * X) * CURVE + ERROR * rng.normal(size=CURVE.shape), {}).settle_err == 0
