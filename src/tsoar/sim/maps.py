"""The detector, pixel by pixel: bias, gain, noise, linearity, dark current, and which pixels do not behave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tsoar.flags import PIXEL
from tsoar.sim.instrument import SUBARRAYS, Subarray
from tsoar.sim.parameters import Scenario

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]

AD_LIMIT = 65535
"""largest number of 16 bits"""
BLOTCH = 14.0
"""size of the blotches of the bias, Gauss sigma [px] (superbias_0111, by eye)"""

FLAGS = {
    "dead": "DEAD",
    "low_qe": "LOW_QE",
    "hot": "HOT",
    "warm": "WARM",
    "telegraph": "TELEGRAPH",
    "unstable": "UNRELIABLE_SLOPE",
}
"""kind of odd pixel -> its flag in the mask; all but warm ones are DO_NOT_USE too"""


@dataclass(frozen=True, slots=True)
class Detector:
    """Truth of every pixel of the subarray, (rows, columns)."""

    subarray: Subarray
    bias: Image
    """[DN]"""
    gain: Image
    """[e-/DN]"""
    read_noise: Image
    """white noise of one read [e-]"""
    known_noise: Image
    """what the read-noise reference knows of it [e-]"""
    dark: Image
    """[e-/s]"""
    response: Image
    """1; 0 for dead and reference pixels"""
    curve: Image
    """a of measured = x (1 - a x) [1/DN]"""
    full_well: Image
    """measured DN above bias where the signal is cut off"""
    saturation: Image
    """raw DN from which the saturation reference flags"""
    mask: NDArray[np.uint32]
    """flags of the mask reference"""
    no_lin_corr: Mask
    bad: Mask
    """odd pixels, whether the mask knows them or not"""
    reference: Mask
    """reference pixels"""
    telegraph: NDArray[np.intp]
    """flat indices of telegraph pixels"""
    telegraph_size: Image
    """distance of their levels [e-]"""


def make_detector(s: Scenario, rng: np.random.Generator) -> Detector:
    """Draw a detector."""
    d, b, sub = s.detector, s.bad_pixels, SUBARRAYS[s.exposure.subarray]
    shape, reference = sub.shape, sub.reference_pixels()
    light = ~reference

    kinds = _odd_pixels(s, rng, light)
    known = {name: where & (rng.random(shape) >= b.unflagged) for name, where in kinds.items()}
    mask = np.where(reference, PIXEL["REFERENCE_PIXEL"] | PIXEL["NON_SCIENCE"], 0).astype(np.uint32)
    for name, flag in FLAGS.items():
        mask[known[name]] |= PIXEL[flag] | (0 if name == "warm" else PIXEL["DO_NOT_USE"])

    response = light.astype(np.float32)
    response[kinds["dead"]] = 0
    response[kinds["low_qe"]] = rng.uniform(0.2, 0.8, kinds["low_qe"].sum())
    dark = d.dark * rng.lognormal(0, 0.2, shape)
    dark[kinds["hot"]] = 0.5 * 200 ** rng.random(kinds["hot"].sum())
    dark[kinds["warm"]] = rng.uniform(0.1, 0.5, kinds["warm"].sum())
    noise = d.read_noise * np.exp(d.read_noise_spread * rng.standard_normal(shape))
    noise[reference] *= d.reference_noise
    known_noise = noise.copy()
    noise[kinds["unstable"]] *= rng.uniform(3, 10, kinds["unstable"].sum())
    known_noise[known["unstable"]] = noise[known["unstable"]]

    bias = _bias(s, rng)
    full_well = np.clip(d.full_well * (1 + 0.03 * rng.standard_normal(shape)), 1, None)
    curve = d.nonlinearity * np.clip(1 + d.nonlinearity_spread * rng.standard_normal(shape), 0, None)
    saturation = np.minimum(bias + d.saturation * full_well, AD_LIMIT - 500.0)
    telegraph = np.flatnonzero(kinds["telegraph"])
    odd = np.logical_or.reduce([where for name, where in kinds.items() if name not in ("warm", "no_lin_corr")])
    return Detector(
        subarray=sub,
        bias=bias.astype(np.float32),
        gain=np.full(shape, d.gain, np.float32),
        read_noise=noise.astype(np.float32),
        known_noise=known_noise.astype(np.float32),
        dark=np.where(light, dark, 0).astype(np.float32),
        response=response,
        curve=curve.astype(np.float32),
        full_well=full_well.astype(np.float32),
        saturation=saturation.astype(np.float32),
        mask=mask,
        no_lin_corr=kinds["no_lin_corr"],
        bad=odd,
        reference=reference,
        telegraph=telegraph,
        telegraph_size=(b.telegraph_size * rng.lognormal(0, 0.7, telegraph.size)).astype(np.float32),
    )


def _odd_pixels(s: Scenario, rng: np.random.Generator, light: Mask) -> dict[str, Mask]:
    """One kind a pixel at most, drawn at random."""
    draw, start = np.where(light, rng.random(light.shape), 2.0), 0.0
    kinds = {}
    for name in (*FLAGS, "no_lin_corr"):
        share = getattr(s.bad_pixels, name)
        kinds[name] = (draw >= start) & (draw < start + share)
        start += share
    return kinds


def _bias(s: Scenario, rng: np.random.Generator) -> NDArray[np.float64]:
    """Level, odd rows, rows, blotches and pixels, as superbias_0111 shows them."""
    d, shape = s.detector, SUBARRAYS[s.exposure.subarray].shape
    rows = np.arange(shape[0])[:, None]
    level = d.bias + d.bias_odd_even * (rows % 2 - 0.5) + d.bias_rows * rng.standard_normal((shape[0], 1))
    smooth = gaussian_filter(rng.standard_normal(shape), BLOTCH)
    pixels = rng.standard_t(4, shape) / 1.06  # tails as seen; 1.06: its robust width
    return np.clip(level + d.bias_blotches * smooth / smooth.std() + d.bias_pixels * pixels, 500, 30000)
