"""Outcomes without an exposure: white light and bins of a planet with a known depth, noise as asked."""

import numpy as np

from tsoar.fitting.transit import Clock, Orbit, light_curves
from tsoar.studies.judge import Outcome

TIME = 60000.0 + np.arange(120) * 38.0 / 86400
ORBIT = Orbit(TIME.mean(), 0.38, 4.86, 82.1)
CLOCK = Clock(TIME, 27.0 / 86400)
U = (0.3, 0.2)
BINS = 30
LEVEL = np.array([1e4, 2e3])


def curve(depth):
    """Light curves (c, i) of transits this deep."""
    depth = np.atleast_1d(np.asarray(depth, float))
    return light_curves(CLOCK, ORBIT, "transit", depth, np.tile(U, (depth.size, 1)))


def outcome(seed=1, noise=1.0, deeper=0.0, common=None, jumps=8000.0, sensitivity=1.0):
    """Both orders with a depth of 0.0255 + ``deeper``; ``common``: seed of noise shared with another outcome."""
    rng = np.random.default_rng(seed)
    shared = np.random.default_rng(common if common is not None else seed)
    model = curve(0.0255 + deeper)[0]
    outside = model > 0.99999
    errors = np.array([4e-4, 9e-4])
    flux, error = np.empty((2, BINS, TIME.size)), np.empty((2, BINS, TIME.size))
    for o in range(2):
        base = shared.normal(0, errors[o], (BINS, TIME.size))
        extra = rng.normal(0, errors[o] * np.sqrt(max(noise**2 - 1, 0)), (BINS, TIME.size)) if common is not None else 0
        scaled = base if common is not None else noise * base
        flux[o], error[o] = model + scaled + extra, errors[o] * noise
    white = flux.mean(axis=1)
    scatter = np.tile((noise * errors * 5)[:, None], (1, 64)).astype(np.float32)
    arrays = {
        "white": white,
        "white_err": np.tile((noise * errors / np.sqrt(BINS))[:, None], (1, TIME.size)),
        "shift": np.zeros((2, TIME.size)),
        "width": np.zeros((2, TIME.size)),
        "bin_flux": flux.astype(np.float32),
        "bin_err": error.astype(np.float32),
        "bin_wavelength": np.stack([np.linspace(0.9, 2.8, BINS), np.linspace(0.61, 0.85, BINS)]),
        "scatter": scatter,
        "claimed": scatter,
        "limit": np.tile((errors * 5)[:, None], (1, 64)).astype(np.float32),
        "light": np.tile(LEVEL[:, None], (1, 64)).astype(np.float32),
        "outside": outside,
    }
    numbers = {"sensitivity_1": sensitivity, "sensitivity_2": sensitivity, "over_limit_1": noise, "over_limit_2": noise}
    return Outcome(arrays, numbers | {"jumps": jumps, "replaced": 0.0, "seconds": 1.0})
