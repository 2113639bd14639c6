"""Light taken from counts: mean and variance are those of a fainter star; the polynomial and its inverse; hits."""

import numpy as np

from tsoar.proof.counts import BELIEVED, add_hits, change_counts, charge, discharge

GAIN, READ2, BIAS = 1.6, 55.0, 10000.0
COEFFS = np.array([0.0, 1.0, 1.1e-6, 2e-12, 0.0])


def planes(ny, nx, ng):
    full = lambda v: np.full((ny, nx), v, np.float32)  # noqa: E731
    coeffs = np.repeat(np.repeat(COEFFS.astype(np.float32)[None, :, None], ny, 0), nx, 2)
    return full(BIAS), coeffs, np.zeros((ny, ng, nx), np.float32), full(GAIN), full(READ2), full(60000)


def half(counts):
    """Dither that rounds to the nearest."""
    return np.full(counts.shape, 0.5, np.float32)


def ramps(rng, light, ng, ny=200, nx=500):
    """Counts (g, y, x) of ramps with this light [DN per difference], photons and read noise, then non-linear."""
    electrons = rng.poisson(light * GAIN, (ng, ny, nx)).cumsum(0)
    q = electrons / GAIN + rng.normal(0, np.sqrt(READ2), (ng, ny, nx))
    v = q - 1.1e-6 * q**2  # to first order; what counts is the way back
    return np.round(BIAS + v).astype(np.uint16)


def twin(counts, gone, total, noise):
    """One pixel, from the formula; numpy's roots for the inverse."""
    out = counts.astype(float)
    poly = np.polynomial.Polynomial(COEFFS.astype(np.float32).astype(float))
    variance = total / GAIN + 2 * READ2
    weight = max(gone, 0) / GAIN / variance
    q = poly(out - BIAS)
    taken = gone
    for k in range(out.size):
        if k:
            away = np.clip(q[k] - q[k - 1] - total, -BELIEVED * np.sqrt(variance), BELIEVED * np.sqrt(variance))
            taken += gone + weight * away + np.sqrt(abs(gone) * (1 - weight) / GAIN) * noise[k - 1]
        roots = (poly - (q[k] - taken)).roots()
        real = roots[np.abs(roots.imag) < 1e-6].real
        out[k] = round(BIAS + real[np.argmin(np.abs(real - (out[k] - BIAS)))])
    return out


def test_kernel_is_the_formula():
    rng = np.random.default_rng(1)
    counts = ramps(rng, 900.0, 5, 3, 4)
    counts[3:, 1, 1] += 4000  # a hit: not starlight
    noise = rng.normal(size=(4, 3, 4)).astype(np.float32)
    for gone in (25.0, -25.0):
        got = counts.copy()
        flat = np.full((3, 4), 1.0, np.float32)
        change_counts(got, gone * flat, 900 * flat, noise, half(got), *planes(3, 4, 5))
        want = np.array([[twin(counts[:, y, x], gone, 900.0, noise[:, y, x]) for x in range(4)] for y in range(3)])
        assert np.abs(got - want.transpose(2, 0, 1)).max() <= 1  # a half may be rounded either way
        assert (got == want.transpose(2, 0, 1)).mean() > 0.95


def test_mean_and_variance_are_those_of_a_fainter_star():
    """100,000 ramps: the differences keep (T - D) / g + 2 read2 in variance, and T - D in mean, bright and faint."""
    for light in (20.0, 3000.0):
        rng = np.random.default_rng(7)
        ng, gone = 4, 0.2 * light  # a deep transit, where a wrong variance shows
        counts = ramps(rng, light, ng)
        shape = counts.shape[1:]
        bias, coeffs, dark, gain, read2, limit = planes(*shape, ng)
        noise = rng.normal(size=(ng - 1, *shape)).astype(np.float32)
        flat = np.ones(shape, np.float32)
        dither = rng.random(counts.shape, np.float32)
        change_counts(counts, gone * flat, light * flat, noise, dither, bias, coeffs, dark, gain, read2, limit)
        q = np.polynomial.Polynomial(COEFFS)(counts - BIAS)
        d = np.diff(q, axis=0)[1]  # inside the ramp
        n = d.size
        variance = (light - gone) / GAIN + 2 * READ2 + 2 * (1 / 12 + 1 / 6)  # counts are rounded twice, once by chance
        assert abs(d.mean() - (light - gone)) < 4 * np.sqrt(variance / n) + 1e-3 * light
        assert abs(d.var() / variance - 1) < 4 * np.sqrt(2 / n) + 3e-3


def test_less_than_a_count_goes_too():
    """0.02 DN of a difference: rounding to the nearest would take nothing."""
    rng = np.random.default_rng(4)
    counts = ramps(rng, 2.0, 4)
    shape, flat = counts.shape[1:], np.ones(counts.shape[1:], np.float32)
    before = counts.astype(int)
    dither = rng.random(counts.shape, np.float32)
    change_counts(counts, 0.02 * flat, 2 * flat, np.zeros((3, *shape), np.float32), dither, *planes(*shape, 4))
    gone = (before - counts).mean(axis=(1, 2))
    np.testing.assert_allclose(gone, 0.02 * np.arange(1, 5), atol=5 * np.sqrt(0.08 / before[0].size))


def test_light_that_comes_brings_its_noise():
    rng = np.random.default_rng(8)
    counts = ramps(rng, 500.0, 4)
    shape = counts.shape[1:]
    flat = np.ones(shape, np.float32)
    noise, dither = rng.normal(size=(3, *shape)).astype(np.float32), rng.random(counts.shape, np.float32)
    change_counts(counts, -200 * flat, 500 * flat, noise, dither, *planes(*shape, 4))
    d = np.diff(np.polynomial.Polynomial(COEFFS)(counts - BIAS), axis=0)[1]
    variance = 700 / GAIN + 2 * READ2 + 2 * (1 / 12 + 1 / 6)
    assert abs(d.mean() - 700) < 4 * np.sqrt(variance / d.size) + 0.7
    assert abs(d.var() / variance - 1) < 4 * np.sqrt(2 / d.size) + 3e-3


def test_the_inverse_goes_back():
    coeffs = COEFFS.astype(np.float64)
    for v in (-20.0, 0.0, 300.0, 20000.0, 45000.0):
        value, slope = charge(v, coeffs)
        assert abs(discharge(value, v * 0.97, coeffs) - v) < 1e-6
        assert slope > 0.99
    assert discharge(5.0, 3.0, np.array([0.0, -1.0])) == 3.0  # no way there: left as it is


def test_saturated_groups_and_pixels_without_gain_stay():
    counts = np.full((4, 1, 3), 20000, np.uint16)
    counts[2:, 0, 1] = 61000
    bias, coeffs, dark, gain, read2, limit = planes(1, 3, 4)
    gain[0, 2] = np.nan
    flat = np.ones((1, 3), np.float32)
    before = counts.copy()
    quiet = np.zeros((3, 1, 3), np.float32)
    change_counts(counts, 100 * flat, 200 * flat, quiet, half(counts), bias, coeffs, dark, gain, read2, limit)
    assert (counts[:, 0, 0] < before[:, 0, 0]).all()
    assert (counts[:2, 0, 1] < before[:2, 0, 1]).all()
    assert (counts[2:, 0, 1] == 61000).all()
    assert (counts[:, 0, 2] == before[:, 0, 2]).all()


def test_hits_arrive_in_their_group():
    counts = np.full((5, 2, 2), 15000, np.uint16)
    bias, coeffs, _, gain, _, limit = planes(2, 2, 5)
    add_hits(counts, np.array([[2, 1, 0]], np.int32), np.array([1600.0]), bias, coeffs, gain, limit)
    assert (counts[:2] == 15000).all()
    assert (counts[2:, 1, 0] < 16000).all()  # 1000 DN, a little less for the non-linearity
    assert (counts[2:, 1, 0] > 15980).all()
    assert (np.delete(counts.reshape(5, 4), 2, axis=1) == 15000).all()
