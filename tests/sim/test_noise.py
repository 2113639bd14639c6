"""Measured properties of what is drawn, against what was asked for; seeds fixed, tolerances from standard errors."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.sim.conftest import quiet
from tsoar.sim import noise
from tsoar.sim.instrument import PIXEL_TIME, SUBARRAYS
from tsoar.sim.maps import make_detector
from tsoar.sim.noise import cosmic_rays, one_over_f, pink, slow_track
from tsoar.sim.parameters import CosmicRayParams
from tsoar.sim.readout import linearity_coefficients, measured, read_integration, telegraph

SUB = SUBARRAYS["SUBSTRIP256"]


def read(s, rate, seed=3, spots=None):
    """One integration of evenly lit pixels [DN/s], and its detector."""
    detector = make_detector(s, np.random.default_rng(seed))
    light = np.full(detector.subarray.shape, rate, np.float32)
    light[detector.reference] = 0
    rng = np.random.default_rng(seed + 1)
    track = slow_track(rng, 200.0, s.detector.one_over_f)
    counts, hits = read_integration(s, detector, light, track, detector.subarray.frame_time, rng)
    return counts.astype(float), detector, hits


def test_photon_transfer_gives_the_gain_back(small):
    gains = []
    for rate in (100.0, 400.0):
        counts, detector, _ = read(quiet(small, photon_noise=True, gain=1.61), rate)
        lit = ~detector.reference
        difference = (counts[2] - counts[1])[lit]
        signal, variance = difference.mean(), difference.var() - 2 / 12  # less what rounding adds
        gains.append(signal / variance)
        assert signal == pytest.approx(rate * 2.214 + 0.041 * 2.214 / 1.61, rel=4 / np.sqrt(lit.sum() * signal))
    # relative error of a variance: sqrt(2 / n)
    assert np.array(gains) == pytest.approx([1.61, 1.61], rel=4 * np.sqrt(2 / lit.sum()))


def test_noise_of_the_difference_of_two_reads(small):
    counts, detector, _ = read(quiet(small, read_noise=11.7, ktc=29.0), 0.0)
    lit = ~detector.reference
    difference = counts[2] - counts[1]
    expected = np.sqrt(2 * (detector.read_noise**2).mean(where=lit) / 1.61**2 + 2 / 12)
    assert difference[lit].std() == pytest.approx(expected, rel=4 / np.sqrt(2 * lit.sum()))
    assert 10.37 == pytest.approx(expected, rel=0.02)  # what the read-noise reference of the observatory says
    # reference pixels: less noise, and none of the reset's
    assert (difference[~lit].std() / expected) == pytest.approx(0.8, abs=4 * 0.8 / np.sqrt(2 * (~lit).sum()))
    first = counts[0] - detector.bias
    assert first[lit].std() == pytest.approx(np.hypot(expected / np.sqrt(2), 29.0 / 1.61), rel=0.02)
    assert first[~lit].std() == pytest.approx(0.8 * expected / np.sqrt(2), rel=0.08)


def test_the_spectrum_of_pink_noise_has_the_slope_and_level_asked_for():
    rng = np.random.default_rng(8)
    n, step, level = 2**16, 1e-3, 1.7
    power, runs = np.zeros(n // 2 + 1), 40
    window = np.hanning(n)
    for _ in range(runs):
        series = pink(rng, n, step, level, 0.05, 0.5 / step)
        power += np.abs(np.fft.rfft(series * window)) ** 2 * 2 * step / (window**2).sum() / runs
    f = np.fft.rfftfreq(n, step)
    use = (f > 2) & (f < 400)
    # logarithmic bins of independent estimates
    bins = np.logspace(np.log10(2), np.log10(400), 12)
    at, value, error = [], [], []
    for low, high in pairwise(bins):
        here = use & (f >= low) & (f < high)
        scaled = power[here] * f[here]
        at.append(np.log(f[here]).mean())
        value.append(np.log(scaled.mean()))
        error.append(1.4 / np.sqrt(runs * here.sum()))  # 1.4: neighbours share a Hann window
    at, value, error = map(np.array, (at, value, error))
    at = at - np.average(at, weights=error**-2)
    slope, offset = np.polyfit(at, value, 1, w=1 / error)
    spread = np.sqrt(1 / np.sum((at / error) ** 2))
    assert abs(slope) < 4 * spread  # of power times f: the slope of the power is -1
    assert abs(offset - 2 * np.log(level)) < 4 / np.sqrt(np.sum(error**-2))
    assert spread < 0.01


def test_pink_noise_stays_in_its_band():
    series = pink(np.random.default_rng(1), 4000, 0.01, 1.0, 5.0, 20.0)
    f = np.fft.rfftfreq(4000, 0.01)
    power = np.abs(np.fft.rfft(series * np.hanning(4000))) ** 2
    assert power[(f < 4.5) | (f > 20.5)].sum() < 1e-3 * power.sum()
    assert series.var() == pytest.approx(np.log(20 / 5), rel=0.15)
    assert not pink(np.random.default_rng(1), 100, 0.01, 1.0, 30.0, 20.0).any()


def test_reads_follow_the_clock(monkeypatch):
    """10 us a pixel, 12 pixels after a column, 2 columns after a frame; high rows and high columns first."""
    monkeypatch.setattr(noise, "pink", lambda rng, n, *args: np.arange(n, dtype=np.float32))
    track = noise.Track(np.zeros(600, np.float32))
    out = one_over_f(None, track, 5.0, 2, SUBARRAYS["SUBSTRIP96"], 1.0)
    y, x = 17, 1200
    line = 96 + 12
    assert out.shape == (2, 96, 2048)
    assert out[0, 95, 2047] == 0
    assert out[0, y, x] == (2047 - x) * line + (95 - y)
    assert out[1, y, x] == (2047 - x) * line + (95 - y) + 2050 * line
    assert SUB.frame_time == pytest.approx(5.494)
    assert SUBARRAYS["SUBSTRIP96"].frame_time == pytest.approx(2.214)
    late = SUB.column_time()
    assert late[0] - late[2047] == pytest.approx(2047 * 268e-5)
    assert abs(late.mean()) < 0.01


def test_columns_carry_the_stripes_that_the_spectrum_predicts(small):
    """Difference of a column's mean between two reads: the spectrum through both filters, reference pixels alike."""
    s = quiet(small, one_over_f=3.0)
    seen, top = [], []
    for seed in range(12):
        counts, detector, _ = read(s, 0.0, seed=seed)
        difference = counts[1:] - counts[:-1]
        seen.append((difference.mean(1) - difference.mean((1, 2))[:, None])[:, ::8])
        top.append(counts[1, :, 0].mean() - counts[0, :, 0].mean())
    f = np.logspace(-1, 4.5, 200000)
    n, frame = 96, SUBARRAYS["SUBSTRIP96"].frame_time
    filters = np.sinc(f * n * PIXEL_TIME) ** 2 * 4 * np.sin(np.pi * f * frame) ** 2
    # what the mean over a frame takes out again
    filters *= 1 - np.sinc(f * frame) ** 2
    expected = np.trapezoid(3.0**2 / f * filters, f)
    assert np.var(seen) == pytest.approx(expected, rel=0.1)


def test_odd_and_even_rows_and_the_level_of_a_read(small):
    counts, detector, _ = read(quiet(small, pedestal=30.0, odd_even=16.0), 0.0)
    offsets = counts - detector.bias
    for group in offsets:
        even, odd = group[0::2], group[1::2]
        assert np.abs(even - even.mean()).max() <= 1  # rounding
        assert np.abs(odd - odd.mean()).max() <= 1
    levels, apart = offsets.mean((1, 2)), offsets[:, 0::2].mean((1, 2)) - offsets[:, 1::2].mean((1, 2))
    assert np.ptp(levels) > 1
    assert np.ptp(apart) > 1
    # reference pixels share both
    assert offsets[:, 0::2, :4].mean((1, 2)) - offsets[:, 1::2, :4].mean((1, 2)) == pytest.approx(apart, abs=0.2)
    drawn = []
    for seed in range(60):
        offsets = read(quiet(small, pedestal=30.0, odd_even=16.0), 0.0, seed=seed)[0][:, :2] - 0
        drawn.append(0.5 * (offsets[:, 0] - offsets[:, 1]).mean(1))
    steps = np.diff(np.array(drawn), axis=1)[:, ::2]
    assert steps.std() == pytest.approx(np.sqrt(2) * 16.0 / 1.61, rel=4 / np.sqrt(2 * steps.size))


def test_the_rate_and_charge_of_cosmic_rays():
    p = CosmicRayParams()
    rng = np.random.default_rng(5)
    events, charges, leading = 0, [], []
    runs = 60
    for _ in range(runs):
        hits = cosmic_rays(rng, p, 6, SUB, 72000)
        n = hits.event.max() + 1
        events += n
        total = np.bincount(hits.event, hits.electrons, n)
        largest = np.zeros(n)
        np.maximum.at(largest, hits.event, hits.electrons)
        charges.append(total[total > 0])
        leading.append((largest / np.maximum(total, 1e-9))[total > 0])
    expected = 8.0 * (18e-4) ** 2 * 256 * 2048 * SUB.frame_time * 6 * runs
    assert abs(events - expected) < 4 * np.sqrt(expected)
    assert expected / runs / 6 == pytest.approx(75, abs=1)  # hits a frame that the exposure time calculator expects
    charges, leading = np.concatenate(charges), np.concatenate(leading)
    logs = np.log10(charges)
    assert np.median(logs) == pytest.approx(np.log10(1500), abs=4 * 1.25 * 0.68 / np.sqrt(logs.size))
    assert logs.std() == pytest.approx(0.68, rel=4 / np.sqrt(2 * logs.size) + 0.01)
    assert np.mean(charges > 20000) == pytest.approx(0.05, abs=0.01)
    assert np.median(leading) > 0.7  # one pixel, or two


def test_hits_fall_evenly_and_in_no_reference_pixel():
    hits = cosmic_rays(np.random.default_rng(3), CosmicRayParams(rate=200.0), 4, SUB, 72000)
    assert (hits.row < 252).all()
    assert ((hits.column > 3) & (hits.column < 2044)).all()
    assert np.all(np.diff(hits.group) >= 0)
    counted = np.bincount(hits.group, minlength=4)
    assert np.ptp(counted) < 0.1 * counted.mean()
    keys = np.ravel_multi_index((hits.group, hits.row, hits.column), (4, 256, 2048))
    assert np.unique(keys).size == keys.size


def test_charge_of_a_hit_appears_at_its_read_and_stays(small):
    s = quiet(small)
    s = replace(s, cosmic_rays=replace(s.cosmic_rays, rate=8.0))
    counts, detector, hits = read(s, 50.0)
    one = np.argmax(hits.electrons * (hits.electrons < 40000) * (hits.group > 0))
    g, y, x = hits.group[one], hits.row[one], hits.column[one]
    same = (hits.row == y) & (hits.column == x)
    ramp = counts[:, y, x] - detector.bias[y, x]
    for k in range(4):
        charge = hits.electrons[same & (hits.group <= k)].sum()
        light = (50.0 * 1.61 + detector.dark[y, x]) * 2.214 * (k + 1)
        assert ramp[k] == pytest.approx((charge + light) / 1.61, abs=1.0)
    assert g in range(1, 4)


def test_snowballs_saturate_their_core():
    p = CosmicRayParams(rate=0.0, snowballs=20.0)
    hits = cosmic_rays(np.random.default_rng(2), p, 4, SUB, 72000)
    assert hits.event.max() + 1 == pytest.approx(20 * SUB.frame_time * 4 / 8, rel=0.5)
    one = hits.event == 0
    assert one.sum() > 200
    assert (hits.electrons[one] > 72000).sum() > 10
    assert np.unique(hits.group[one]).size == 1


def test_linearity_there_and_back():
    """The simulated curve through the reference's polynomial is straight again, to less than 0.1 DN."""
    for a in (0.0, 0.8e-6, 1.1e-6, 1.5e-6, 4e-6):
        c = linearity_coefficients(np.full((1, 1), a, np.float32)).astype(float)[:, 0, 0]
        for true in (-50.0, 0.0, 3.0, 1000.0, 20000.0, 45000.0):
            m = measured(true, float(np.float32(a)))
            back = c[0] + m * (c[1] + m * (c[2] + m * (c[3] + m * c[4])))
            assert abs(back - true) < 0.1
    assert 45000 - measured(45000.0, 1.1e-6) == pytest.approx(0.05 * 45000, rel=0.1)  # 5 % at full well


def test_linearity_of_whole_frames(small):
    """Raw counts less bias, through the written polynomial: the light that fell, within what rounding leaves."""
    counts, detector, _ = read(quiet(small, nonlinearity=1.1e-6), 3000.0)
    c = linearity_coefficients(detector.curve).astype(float)
    m = counts - detector.bias
    straight = c[0] + m * (c[1] + m * (c[2] + m * (c[3] + m * c[4])))
    lit = ~detector.reference
    true = (3000.0 + detector.dark / 1.61) * 2.214 * np.arange(1, 5)[:, None, None]
    off = (straight - true)[:, lit]
    assert np.abs(off.mean(1)).max() < 0.1
    assert np.abs(off).max() < 0.7


def test_full_well_and_16_bits(small):
    s = quiet(small)
    s = replace(s, detector=replace(s.detector, full_well=60000.0))
    counts, detector, _ = read(s, 1e6)
    lit = ~detector.reference
    expected = np.minimum(np.rint(detector.bias + detector.full_well), 65535)
    assert np.abs(counts[-1] - expected)[lit].max() <= 1
    assert counts.max() == 65535


def test_interpixel_capacitance_moves_charge_and_loses_none(small):
    s = quiet(small, ipc=True)
    detector = make_detector(s, np.random.default_rng(3))
    light = np.zeros(detector.subarray.shape, np.float32)
    light[40, 900] = 4000.0
    rng = np.random.default_rng(1)
    counts, _ = read_integration(s, detector, light, slow_track(rng, 60.0, 0.0), 2.0, rng)
    seen = counts[-1].astype(float) - detector.bias
    total = 4000.0 * 2.214 * 4
    assert seen[40, 901] / total == pytest.approx(0.0047, abs=2e-4)
    assert seen[39, 900] / total == pytest.approx(0.0050, abs=2e-4)  # row -1 sees what its upper neighbour gives down
    assert seen[41, 900] / total == pytest.approx(0.0040, abs=2e-4)
    assert seen[38:43, 898:903].sum() == pytest.approx(total, abs=20)


def test_telegraph_pixels_know_two_levels(wasp43):
    s = wasp43.scenario
    steps = telegraph(s, wasp43.detector, 400, np.random.default_rng(1))
    size = wasp43.detector.telegraph_size
    assert np.all((steps == 0) | (steps == size))
    switches = (np.diff(steps, axis=0) != 0).mean()
    assert switches == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / steps.size))


def test_odd_pixels_are_as_many_as_asked(wasp43):
    d, b = wasp43.detector, wasp43.scenario.bad_pixels
    n = (~d.reference).sum()
    dead = (d.response == 0) & ~d.reference
    assert dead.sum() == pytest.approx(b.dead * n, abs=4 * np.sqrt(b.dead * n))
    unknown = dead & ((d.mask & 1) == 0)
    assert unknown.sum() / dead.sum() == pytest.approx(b.unflagged, abs=4 * np.sqrt(0.05 / dead.sum()))
    assert d.bad[dead].all()
    assert (d.bad & ((d.mask & 1) > 0)).sum() == (((d.mask & 1) > 0) & ~d.reference).sum()


def test_the_bias_looks_like_the_measured_one(wasp43):
    bias = wasp43.detector.bias.astype(float)
    assert np.median(bias) == pytest.approx(12320, rel=0.03)
    assert bias[1::2].mean() - bias[0::2].mean() == pytest.approx(1860, abs=4 * 800 * np.sqrt(2 / 128))
    low, high = np.percentile(bias, [1, 99])
    assert 5500 < low < 8700
    assert 16500 < high < 20500
