r"""Light taken from, or added to, the raw counts of one integration, before non-linearity.

Counts less the bias become charge Q by the pixel's own polynomial; charge changes; the inverse of the polynomial (Newton)
gives counts again. Per difference between reads the star gave mu of T expected [DN], and D of it goes (D = sum over orders
of depth x star). Photons that a planet hides are a random sample of those that would have come: hiding a share p of N
electrons leaves a Poisson number with mean (1 - p) N. N itself is not known, only the difference x = N + e with read noise
e of variance rho, so what is taken away is

    R = D + W (x - T) + eps,    W = (D / g) / (T / g + rho),    var(eps) = D (1 - W) / g

(g: gain, all in DN): the best linear guess of N from x, and the sampling noise. The variance of x - R is then
exactly (T - D) / g + rho, that of a fainter star with the same read noise. Sampling is Gaussian: of no account where
more than a few electrons go, and where fewer go they are below the read noise. Light that comes (a moved star) is Poisson
on top: W = 0, var(eps) = |D| / g. Covariances of neighbouring differences, -read2, shrink by (1 - W)^2: 2 % for a depth of 1 %.

What lay in the pixel before the first read is changed by its mean: nobody sees its noise. x - T is not believed beyond
5 sigma (a cosmic-ray hit is not starlight). Counts are whole numbers, and in the wings of the star far less than one goes:
they are rounded up or down by chance, in proportion, or nothing would ever be taken there (0.4 % of a depth of 1 % was
missing from order 2 so). That adds at most 0.25 DN^2. Groups at or above the saturation limit keep their counts.
"""

from __future__ import annotations

import numpy as np

from tsoar.jit import kernel

BELIEVED = 5.0
"""Standard deviations to which a difference is believed to be light."""
STEPS = 6
"""Of Newton's method; it starts within a few per cent and doubles its digits each time."""


@kernel
def charge(v, coeffs):
    """The polynomial c0 + c1 v + ... and its derivative at v; coeffs (n,)."""
    value = slope = 0.0
    for k in range(coeffs.size - 1, -1, -1):
        slope = slope * v + value
        value = value * v + coeffs[k]
    return value, slope


@kernel
def discharge(target, start, coeffs):
    """v for which the polynomial is ``target``, near ``start``; ``start`` itself where there is no way to it."""
    v = start
    for _ in range(STEPS):
        value, slope = charge(v, coeffs)
        if not slope > 0.0:
            return start
        v -= (value - target) / slope
    return v


@kernel
def change_counts(counts, removed, expected, noise, dither, bias, coeffs, dark, gain, read2, limit):
    """Take ``removed`` out of every pixel's ramp, in place.

    counts (g, y, x) uint16 [DN]; removed, expected (y, x): light that goes, and all light, of one difference [DN];
    noise (g - 1, y, x) standard normal (zeros: no sampling noise); dither (g, y, x) uniform from 0 to 1; bias, gain
    [e-/DN], read2 [DN^2], limit [DN] (y, x);
    coeffs (y, n, x) linearity, constant first; dark (y, g, x) [DN]. Pixels without a valid gain are left alone.
    """
    ng, ny, nx = counts.shape
    terms = coeffs.shape[1]
    own = np.empty(terms)
    for y in range(ny):
        for x in range(nx):
            gone, g = float(removed[y, x]), float(gain[y, x])
            total = max(float(expected[y, x]), gone)
            variance = total / g + 2.0 * read2[y, x]
            if gone == 0.0 or not (variance > 0.0):
                continue
            for k in range(terms):
                own[k] = coeffs[y, k, x]
            weight = gone / g / variance if gone > 0.0 else 0.0
            sampling = np.sqrt(abs(gone) * (1.0 - weight) / g)
            far = BELIEVED * np.sqrt(variance)
            taken = before = 0.0
            for k in range(ng):
                c = counts[k, y, x]
                if c >= limit[y, x]:
                    break
                v = float(c) - bias[y, x]
                q, _ = charge(v, own)
                taken += gone
                if k > 0:
                    away = q - before - (dark[y, k, x] - dark[y, k - 1, x]) - total
                    taken += weight * min(max(away, -far), far) + sampling * noise[k - 1, y, x]
                before = q
                u = discharge(q - taken, v, own)
                counts[k, y, x] = np.uint16(min(max(np.floor(float(c) + (u - v) + dither[k, y, x]), 0.0), 65535.0))


@kernel
def add_hits(counts, hits, charges, bias, coeffs, gain, limit):
    """Charge that arrives at once: hits (n, 3) = (group, y, x) get ``charges`` (n,) [e-] from that group on, in place."""
    own = np.empty(coeffs.shape[1])
    for i in range(hits.shape[0]):
        first, y, x = hits[i, 0], hits[i, 1], hits[i, 2]
        if not gain[y, x] > 0:
            continue
        for k in range(own.size):
            own[k] = coeffs[y, k, x]
        for k in range(first, counts.shape[0]):
            c = counts[k, y, x]
            if c >= limit[y, x]:
                break
            v = float(c) - bias[y, x]
            q, slope = charge(v, own)
            more = charges[i] / gain[y, x]
            u = discharge(q + more, v + more, own)
            counts[k, y, x] = np.uint16(min(max(np.round(float(c) + (u - v)), 0.0), 65535.0))
