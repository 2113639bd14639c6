"""White light and channels on light curves with known errors."""

import numpy as np
import pytest

from tests.fitting.make import CADENCE, ORBIT, batman_curves, depths, limb
from tsoar.fitting.channels import Channels, fit_channels
from tsoar.fitting.limbdark import to_q
from tsoar.fitting.transit import Clock, Orbit, duration, make_shapes
from tsoar.fitting.white import WhiteCurve, fit_white, outliers

N, C = 100, 300
TIME = 60000.0 + np.arange(N) * CADENCE
MID = float(TIME.mean()) + 2e-4
CLOCK = Clock(TIME, 0.7 * CADENCE)
KNOWN = Orbit(MID, ORBIT["per"], ORBIT["a"], ORBIT["inc"])
WAVE = np.linspace(0.62, 2.8, C)
ORDER = np.where(WAVE < 0.9, 2, 1)
X = np.linspace(-1, 1, N)
DESIGN = np.stack([np.ones(N), X], 1)
TRUE = batman_curves(TIME, MID, WAVE).T
NOISE = 5e-4 * (1 + 0.5 * np.sin(7 * WAVE))[:, None] * np.ones(N)


def draw(seed, scale=1.0):
    rng = np.random.default_rng(seed)
    return (1 + 2e-3 * X) * TRUE + scale * NOISE * rng.normal(size=TRUE.shape)


def whites(flux, u=None, n=1):
    out = []
    for o in (1, 2):
        use = ORDER == o
        out.append(WhiteCurve(o, flux[use].mean(0), np.sqrt((NOISE[use] ** 2).sum(0)) / use.sum(), DESIGN, u))
    return out


def pulls_of(seed, law):
    shapes = make_shapes(CLOCK, KNOWN, "transit", 0.15)
    start = limb(WAVE) if law == "held" else np.full((C, 2), 0.25)
    channels = Channels(draw(seed), NOISE, WAVE, ORDER, {1: DESIGN, 2: DESIGN})
    found = fit_channels(shapes, channels, np.full(C, 0.022), start, law=law, width=0.1, clip=5)
    return (found.depth - depths(WAVE)) / found.depth_err, found


def test_pulls_of_bins():
    """Ten seeds: mean pull of the bins within 0.1, its width 0.95 to 1.1, with the smooth limb darkening fitted."""
    pulls = np.concatenate([pulls_of(seed, "smooth")[0] for seed in range(10)])
    assert abs(pulls.mean()) < 0.1
    assert 0.95 < pulls.std() < 1.1


def test_smooth_limb_darkening_does_not_pull_the_depths():
    """Faint bins without noise: the prior on the smooth curve moves the bluest depths by less than 5 % of their error."""
    shapes = make_shapes(CLOCK, KNOWN, "transit", 0.15)
    channels = Channels(draw(0, 0.0), 4 * NOISE, WAVE, ORDER, {1: DESIGN, 2: DESIGN})
    found = fit_channels(shapes, channels, np.full(C, 0.022), np.full((C, 2), 0.25))
    away = (found.depth - depths(WAVE)) / found.depth_err
    assert (np.abs(away) < 0.05).all()


def test_limb_darkening_held_and_its_share_of_the_error():
    held, smooth, free = (pulls_of(3, law) for law in ("held", "smooth", "free"))
    assert 0.85 < held[0].std() < 1.15
    assert (held[1].u_err == 0).all()
    # what the common curve adds is in depth_err, and is what separates the two errors
    np.testing.assert_allclose(smooth[1].depth_err ** 2 - smooth[1].limb_err ** 2, held[1].depth_err ** 2, rtol=0.05)
    assert (free[1].depth_err > smooth[1].depth_err).mean() > 0.95
    away = (smooth[1].u - limb(WAVE)) / smooth[1].u_err
    assert np.sqrt(np.mean(away**2)) < 2.5


def test_one_bin_agrees_with_scipy():
    """The normal equations of a single bin give what least squares gives, value and error."""
    from scipy.optimize import least_squares

    shapes = make_shapes(CLOCK, KNOWN, "transit", 0.158)
    flux, k = draw(8), 140
    u = limb(WAVE[k : k + 1])

    def residual(p):
        return ((DESIGN @ p[1:]) * shapes.curves(p[:1], u)[0][0] - flux[k]) / NOISE[k]

    ref = least_squares(residual, [0.02, 1.0, 0.0], x_scale=[1e-3, 1e-3, 1e-3], xtol=1e-14, ftol=1e-14)
    one = Channels(flux[k : k + 1], NOISE[k : k + 1], WAVE[k : k + 1], ORDER[k : k + 1], {1: DESIGN, 2: DESIGN})
    found = fit_channels(shapes, one, np.array([0.03]), u, law="held", jitter=False)
    error = np.sqrt(np.linalg.inv(ref.jac.T @ ref.jac)[0, 0])
    assert found.depth[0] == pytest.approx(ref.x[0], abs=2e-3 * error)
    assert found.depth_err[0] == pytest.approx(error, rel=1e-4)
    assert found.chi2[0] == pytest.approx(2 * ref.cost, rel=1e-6)


def test_holes_outliers_and_dead_bins():
    flux = draw(4)
    flux[3, 10:40] = np.nan
    flux[5] = np.nan
    flux[7, 50] += 0.05
    flux[9, 5:] = np.nan
    shapes = make_shapes(CLOCK, KNOWN, "transit", 0.158)
    channels = Channels(flux, NOISE, WAVE, ORDER, {1: DESIGN, 2: DESIGN})
    found = fit_channels(shapes, channels, np.full(C, 0.025), np.full((C, 2), 0.25), clip=5)
    assert np.isnan(found.depth[[5, 9]]).all()
    assert np.isfinite(np.delete(found.depth, [5, 9])).all()
    assert found.clipped[7] == 1
    assert found.depth_err[3] > found.depth_err[2]
    assert abs(found.depth[7] - depths(WAVE)[7]) < 4 * found.depth_err[7]


def test_jitter_only_where_chance_does_not_do():
    flux = draw(6)
    rng = np.random.default_rng(0)
    flux[50] += 2 * NOISE[50] * rng.normal(size=N)
    shapes = make_shapes(CLOCK, KNOWN, "transit", 0.158)
    channels = Channels(flux, NOISE, WAVE, ORDER, {1: DESIGN, 2: DESIGN})
    found = fit_channels(shapes, channels, np.full(C, 0.025), np.full((C, 2), 0.25))
    assert 1.3 < found.jitter[50] / NOISE[50, 0] < 2.7
    assert (found.jitter > 0).mean() < 0.02


def test_a_regressor_is_taken_out():
    motion = np.random.default_rng(2).normal(size=N)
    flux = draw(5) * (1 + 3e-3 * motion)
    design = np.column_stack([DESIGN, motion])
    shapes = make_shapes(CLOCK, KNOWN, "transit", 0.158)
    without, with_it = (
        fit_channels(
            shapes, Channels(flux, NOISE, WAVE, ORDER, {1: d, 2: d}), np.full(C, 0.025), limb(WAVE), law="held", jitter=False
        )
        for d in (DESIGN, design)
    )
    assert np.median(without.chi2 / without.freedom) > 5
    assert np.median(with_it.chi2 / with_it.freedom) == pytest.approx(1, abs=0.05)
    assert np.median(with_it.coefficients[:, 2]) == pytest.approx(3e-3, rel=0.02)


def test_eclipse_depths():
    seen = batman_curves(TIME, MID, WAVE, event="eclipse").T
    flux = seen + NOISE * np.random.default_rng(1).normal(size=seen.shape)
    shapes = make_shapes(CLOCK, KNOWN, "eclipse", 0.158)
    channels = Channels(flux, NOISE, WAVE, ORDER, {1: DESIGN, 2: DESIGN})
    found = fit_channels(shapes, channels, np.full(C, 1e-3), np.zeros((C, 2)))
    pulls = (found.depth - depths(WAVE) / 10) / found.depth_err
    assert abs(pulls.mean()) < 4 / np.sqrt(C)
    assert 0.85 < pulls.std() < 1.15
    assert (found.limb_err == 0).all()


def test_white_light_finds_the_orbit_from_a_bad_start():
    """T0 off by a fifth of the event and the period by a quarter: both, and the depths, come out with right errors."""
    lasts = duration(KNOWN, 0.158)
    start = Orbit(MID + 0.2 * lasts, 0.48, ORBIT["a"], ORBIT["inc"])
    away = []
    for seed in range(10):
        found = fit_white(CLOCK, whites(draw(seed)), start, "transit", 0.13, free=("t0", "period"))
        error = np.sqrt(np.diag(found.covariance))
        truth = {"t0": MID, "period": ORBIT["per"]}
        away.append([(found.values[k] - truth[n]) / error[k] for k, n in enumerate(found.names[:2])])
    away = np.array(away)
    # white light sums curves of many limb darkenings and depths: period and depth take up a little of it
    assert (np.abs(away.mean(0)) < 1.2).all()
    assert (away.std(0) < 1.8).all()


def test_white_light_of_one_limb_darkening_is_unbiased():
    one = batman_curves(TIME, MID, np.full(2, 1.5)).T
    rng = np.random.default_rng(5)
    q = np.array(to_q(*limb(np.array([1.5]))[0])).ravel()
    truth = [MID, depths(1.5), *q, depths(1.5), *q]
    away = []
    for _ in range(12):
        sigma = np.full(N, 1.5e-4)
        curves = [WhiteCurve(o, one[o - 1] + sigma * rng.normal(size=N), sigma, DESIGN) for o in (1, 2)]
        start = Orbit(MID - 3e-4, ORBIT["per"], ORBIT["a"], ORBIT["inc"])
        found = fit_white(CLOCK, curves, start, "transit", 0.15, jitter=False)
        away.append((found.values - truth) / np.sqrt(np.diag(found.covariance)))
    away = np.array(away)
    assert (np.abs(away.mean(0)) < 4 / np.sqrt(12)).all()
    assert 0.75 < away.std() < 1.25  # parameters hang together: about three independent ones a fit


def test_white_jitter_makes_chi2_the_degrees_of_freedom():
    curves = [WhiteCurve(c.order, c.flux, 0.4 * c.error, c.design) for c in whites(draw(2))]
    found = fit_white(CLOCK, curves, KNOWN, "transit", 0.158)
    for curve in curves:
        one = found.orders[curve.order]
        assert one.jitter > 1.5 * curve.error[0]
        total = np.sum(one.residual**2 / (curve.error**2 + one.jitter**2))
        assert total == pytest.approx(one.freedom, rel=0.03)


def test_a_bad_model_does_not_clip_the_data():
    rng = np.random.default_rng(0)
    off = outliers(20 * rng.normal(size=200), np.ones(200), 5)
    assert not off.any()
    spoiled = rng.normal(size=200)
    spoiled[7] = 30
    assert np.flatnonzero(outliers(spoiled, np.ones(200), 5)).tolist() == [7]


def test_delay_of_columns_and_a_step_in_the_event():
    """A baseline with a step turns a delay of 3 s into a false depth; with the delay known it is gone."""
    step = np.stack([np.ones(N), X, (np.arange(N) > 60) - 0.4], 1)
    late = batman_curves(TIME + 3 / 86400, MID, WAVE).T
    shapes = make_shapes(CLOCK, KNOWN, "transit", 0.158)
    away = {}
    for delay in (None, np.full(C, 3 / 86400)):
        channels = Channels((1 + 5e-4 * step[:, 2]) * late, NOISE, WAVE, ORDER, {1: step, 2: step}, delay)
        found = fit_channels(shapes, channels, np.full(C, 0.022), limb(WAVE), law="held")
        away[delay is None] = np.abs(found.depth - depths(WAVE)).mean()
    assert away[False] < 5e-6
    assert away[True] > 5 * away[False]


def test_white_light_of_a_late_order():
    """The middle of the event is that of the clock, whenever an order's light is read."""
    curves = [
        WhiteCurve(1, batman_curves(TIME + 20 / 86400, MID, WAVE[250:251])[:, 0], 1e-5 * np.ones(N), DESIGN, None, 20 / 86400)
    ]
    found = fit_white(CLOCK, curves, KNOWN, "transit", 0.158, jitter=False)
    assert found.orbit.t0 == pytest.approx(MID, abs=1 / 86400)
