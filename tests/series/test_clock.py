"""Power along the clock: the level of simulated noise is found within its standard error, holes or not."""

import numpy as np
import pytest

from tsoar import flags
from tsoar.blocks import Readout
from tsoar.errors import InputError
from tsoar.series.clock import clock_spectrum, coefficients, difference_residuals
from tsoar.sim.instrument import SUBARRAYS
from tsoar.sim.noise import one_over_f, slow_track

READOUT = Readout("SUBSTRIP96", (96, 2048), (1, 1803), 6, 2.214, 2.214)
PINK, WHITE = 1.7, 7.3
TICKS = 2048 * 108


def reads(seed, n=6, pink=PINK, white=WHITE):
    rng = np.random.default_rng(seed)
    track = slow_track(rng, 100.0, pink)
    noise = one_over_f(rng, track, 2.0, n, SUBARRAYS["SUBSTRIP96"], pink)
    return noise + rng.normal(0, white, noise.shape)


def curved_trace():
    y, x = np.arange(96)[:, None], np.arange(2048)
    return np.abs(y - 30 - 80 * (x / 2048 - 0.6) ** 2) < 17


def expected(spectrum, pink=PINK, white=WHITE):
    """White and pink power averaged over the very frequencies of each bin."""
    step = 1 / (TICKS * 1e-5)
    mean = [
        np.mean(1 / np.arange(a, b + step / 2, step))
        for a, b in zip(spectrum["low"].values, spectrum["high"].values, strict=True)
    ]
    return pink**2 * np.array(mean) + 2e-5 * white**2


def spectrum_of(data, leave_out=None):
    shape = data.shape[1:]
    residuals, good, mix = difference_residuals(data, np.zeros(data.shape, np.uint8), np.zeros(shape, np.uint32), leave_out)
    return clock_spectrum(residuals, good, READOUT, mix)


@pytest.mark.parametrize("leave_out", [None, curved_trace()], ids=["every pixel", "without a trace"])
def test_level_of_known_noise_is_found_within_its_error(leave_out):
    """White and 1/f noise of a single read, from differences of reads, through overheads and a mask that follows a trace."""
    pulls, white, pink = [], [], []
    for seed in range(5):
        spectrum = spectrum_of(reads(seed), leave_out)
        pulls.append((spectrum["power"].values - expected(spectrum)) / spectrum["power_err"].values)
        white.append(spectrum.attrs["white"])
        pink.append(spectrum.attrs["pink"])
    pulls = np.array(pulls)
    assert pulls.shape[1] > 30
    assert abs(pulls.mean()) < 4 / np.sqrt(pulls.size)  # no bias beyond the error of the mean of all pulls
    assert 0.6 < np.mean(pulls**2) < 1.3  # errors are honest, bin for bin too:
    assert np.abs(pulls).max() < 4.5
    assert np.mean(white) == pytest.approx(WHITE, rel=0.003)
    assert np.mean(pink) == pytest.approx(PINK, rel=0.02)


def test_the_power_of_a_read_does_not_depend_on_how_it_was_combined():
    data = reads(3)
    good = np.ones((96, 2048), bool)
    single = clock_spectrum(data - data.mean(axis=(1, 2), keepdims=True), good, READOUT)
    plain = clock_spectrum(np.diff(data, axis=0), good, READOUT, coefficients(6, centred=False))
    centred = spectrum_of(data)
    for other in (plain, centred):
        error = np.hypot(single["power_err"], other["power_err"])
        assert np.all(np.abs(single["power"] - other["power"]) < 4 * error)


def test_a_wave_has_the_power_of_its_amplitude():
    """Integrated over its bin a sine of amplitude a has a^2 / 2."""
    tick = ((2047 - np.arange(2048)) * 108)[None, :] + (95 - np.arange(96))[:, None]
    wave = 3.0 * np.sin(2 * np.pi * 1500.0 * tick * 1e-5)
    spectrum = clock_spectrum(wave[None], np.ones(wave.shape, bool), READOUT)
    width = spectrum["modes"].values - 5 / 3
    total = spectrum["power"].values * width / (TICKS * 1e-5)
    peak = int(total.argmax())
    assert spectrum["low"][peak] < 1500 < spectrum["high"][peak]
    assert total[peak] == pytest.approx(4.5, rel=0.02)
    assert np.abs(np.delete(total, peak)).max() < 0.02


def test_holes_do_not_copy_the_low_frequencies():
    """With half of every column masked, 1/f noise must not appear again at the column rate and its multiples."""
    mask = np.zeros((96, 2048), bool)
    mask[::2] = mask[20:60] = True
    data = reads(5, white=0.5)
    spectrum = spectrum_of(data, mask)
    near = (spectrum["low"] < 1860) & (spectrum["high"] > 920)  # first and second multiple of 926 Hz
    assert np.all(spectrum["power"].values[near] < 1.5 * expected(spectrum, white=0.5)[near])


def test_coefficients_and_residuals():
    assert np.trace(coefficients(6) @ coefficients(6).T) == pytest.approx(5 * (2 - 2 / 25))
    data = np.cumsum(np.full((5, 96, 2048), 40.0, np.float32), axis=0)
    data += np.random.default_rng(0).normal(0, 1, data.shape).astype(np.float32)
    data[3:, 10, 20] += 500  # a hit
    groupdq, pixeldq = np.zeros(data.shape, np.uint8), np.zeros((96, 2048), np.uint32)
    groupdq[2, 5, 5] = flags.JUMP_DET
    pixeldq[7, 7], pixeldq[8, 8] = flags.REFERENCE_PIXEL, flags.PIXEL["WARM"]
    residuals, good, mix = difference_residuals(data, groupdq, pixeldq)
    assert mix.shape == (4, 5)
    assert np.abs(residuals.mean()) < 1e-3
    assert not good[:, 10, 20].any()
    assert not good[:, 5, 5].any()
    assert not good[:, 7, 7].any()
    assert good[:, 8, 8].all()


def test_what_cannot_be_measured_is_refused():
    data = np.zeros((2, 96, 2048), np.float32)
    with pytest.raises(InputError, match="at least 3"):
        difference_residuals(data, data.astype(np.uint8), np.zeros((96, 2048), np.uint32))
    with pytest.raises(InputError, match="too few"):
        clock_spectrum(data, np.zeros((96, 2048), bool), READOUT)
    full = Readout("FULL", (8, 8), (1, 1), 3, 10.7, 10.7)
    with pytest.raises(InputError, match="4 outputs"):
        clock_spectrum(np.zeros((1, 8, 8)), np.ones((8, 8), bool), full)
