"""Light curves and spectra of a batman transit with known depths, limb darkening and errors."""

import warnings

import numpy as np

from tests.synthetic import CADENCE, make_spectra

ORBIT = {"per": 0.3813, "a": 4.859, "inc": 82.106}
"""WASP-43 b with a period for which the transit lasts 35 minutes."""


def limb(wavelength):
    """u1, u2 (..., 2), linear in 1 / wavelength."""
    share = np.clip((1 / wavelength - 1 / 2.8) / (1 / 0.6 - 1 / 2.8), 0, 1)[..., None]
    return share * np.array([0.55, 0.12]) + (1 - share) * np.array([0.12, 0.14])


def depths(wavelength):
    """(Rp/R*)^2, or in an eclipse ten times Fp/F*."""
    return 0.025 + 0.0006 * np.sin(5 * wavelength)


def batman_curves(time, mid, wavelength, *, length=0.7 * CADENCE, event="transit", samples=11):
    """Flux (i, c) at times (i,), straight from batman channel by channel, mean over ``length``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import batman
    q = batman.TransitParams()
    q.t0, q.t_secondary, q.fp = mid, mid, 1e-3
    q.per, q.a, q.inc, q.ecc, q.w = ORBIT["per"], ORBIT["a"], ORBIT["inc"], 0.0, 90.0
    q.rp, q.u, q.limb_dark = 0.158, [0.1, 0.1], "quadratic"
    fine = (time[:, None] + length * ((np.arange(samples) + 0.5) / samples - 0.5)).ravel()
    model = batman.TransitModel(q, fine, transittype="primary" if event == "transit" else "secondary")
    out = np.empty((time.size, wavelength.size))
    for c, (depth, u) in enumerate(zip(depths(wavelength), limb(wavelength), strict=True)):
        if event == "transit":
            q.rp, q.u = np.sqrt(depth), list(u)
        else:
            q.fp = depth / 10
        out[:, c] = model.light_curve(q).reshape(time.size, samples).mean(1)
    return out


def planet_spectra(seed=1, n=80, event="transit", mid=0.5, noise=1.0, bright=1.0):
    """A spectra.nc of 2048 columns with a transit of `depths`; every 16 columns share a wavelength's curve."""
    spectra = make_spectra(seed=seed, n=n, depth=0.0, noise=0.0)
    rng = np.random.default_rng(seed)
    time = spectra["time"].values
    wavelength = spectra["wavelength"].values
    middle = time[0] + mid * (time[-1] - time[0])
    coarse = np.linspace(wavelength.min(), wavelength.max(), 120)
    curves = batman_curves(time, middle, coarse, event=event)
    flux, error = spectra["flux"].values.astype(float), spectra["flux_err"].values.astype(float) / bright
    for o in range(3):
        left = np.clip(np.searchsorted(coarse, wavelength[o]) - 1, 0, coarse.size - 2)
        share = (wavelength[o] - coarse[left]) / (coarse[left + 1] - coarse[left])
        flux[:, o] *= curves[:, left] * (1 - share) + curves[:, left + 1] * share
    flux = flux + noise * error * rng.normal(size=flux.shape)
    per = ("integration", "order")
    motion = 0.01 * rng.normal(size=(n, 3))
    return spectra.assign(
        flux=(spectra["flux"].dims, flux.astype(np.float32)),
        flux_err=(spectra["flux"].dims, error.astype(np.float32)),
        shift=(per, motion),
        width=(per, np.zeros((n, 3))),
        offset_rms=(("integration", "difference"), np.ones((n, 5))),
    ), middle  # fmt: skip
