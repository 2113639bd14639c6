"""Sensitivity, power spectrum and binning of noise that is known: the numbers must be what theory says."""

import numpy as np
import pytest

from tests.synthetic import CADENCE, START, make_spectra, outside, transit
from tsoar.series.binning import rms_binning
from tsoar.series.lightcurves import bin_spectra, light_curves
from tsoar.series.psd import power_spectrum
from tsoar.series.residuals import detrend, median_factor
from tsoar.series.sensitivity import band_median, sensitivity

BASE = outside()


def test_detrend_is_a_least_squares_fit_with_its_degrees_of_freedom():
    rng = np.random.default_rng(1)
    t = START + np.sort(rng.random(30))
    flux = rng.normal(size=(30, 5))
    flux[3, 1] = flux[10:, 2] = flux[:, 3] = np.nan
    residual, freedom = detrend(t, flux, 2)
    assert freedom.tolist() == [27, 26, 7, 0, 27]
    for k in (0, 1, 2, 4):
        good = np.isfinite(flux[:, k])
        fit = np.polynomial.Polynomial.fit(t[good] - START, flux[good, k], 2)
        np.testing.assert_allclose(residual[good, k], (flux[good, k] - fit(t[good] - START)), atol=1e-9)
    assert np.isnan(residual[:, 3]).all()


def test_median_factor_is_that_of_drawn_samples():
    drawn = np.median(np.std(np.random.default_rng(1).normal(size=(40000, 12)), axis=1, ddof=1))
    assert drawn == pytest.approx(float(median_factor(11)), abs=4 * 1.25 * 0.21 / np.sqrt(40000))


@pytest.mark.parametrize("n", [24, 120])
def test_sensitivity_of_white_noise_is_one(n):
    base = outside(n)
    result = sensitivity(light_curves(make_spectra(seed=n, n=n), base))
    for order in (1, 2, 3):
        one = result.sel(order=order)
        error = 1.25 / np.sqrt(2 * (base.sum() - 2)) / np.sqrt(int(one.n))  # of a median of standard deviations
        assert float(one["median"]) == pytest.approx(1, abs=4 * error)
        assert 1 - 6 * error * np.sqrt(int(one.n) / 41) < one.low < one.high < 1 + 6 * error * np.sqrt(int(one.n) / 41)
    assert int(result.n.sel(order=2)) == 1057
    mean_square = float(np.nanmean(result.ratio.values[0] ** 2))  # unbiased per column without any factor
    assert mean_square == pytest.approx(1, abs=4 * np.sqrt(2 / (base.sum() - 2) / 2040))


def test_sensitivity_sees_noise_that_is_not_claimed():
    result = sensitivity(light_curves(make_spectra(noise=1.3), BASE))
    assert float(result["median"].sel(order=1)) == pytest.approx(1.3, abs=0.02)
    assert band_median(result, 1, 1.15, 1.25) == pytest.approx(1.3, abs=0.06)
    assert np.isnan(band_median(result, 1, 5, 6))


def test_sensitivity_with_trend_model_and_bins():
    spectra = make_spectra(seed=9)
    trend = 1 + 0.05 * np.linspace(-1, 1, 120)
    spectra["flux"] = spectra.flux * trend.astype(np.float32)[:, None, None]
    curves = light_curves(spectra, BASE)
    assert float(sensitivity(curves)["median"][0]) == pytest.approx(1, abs=0.015)
    assert float(sensitivity(curves, degree=0)["median"][0]) > 3
    time = curves.time.values
    shape = transit(time, time.mean(), 54 * CADENCE, 0.025)
    modelled = sensitivity(curves, model=(shape * trend)[:, None, None], degree=0)
    assert modelled.attrs["integrations"] == 120
    assert float(modelled["median"][0]) == pytest.approx(1, abs=0.03)
    binned = sensitivity(light_curves(bin_spectra(make_spectra(seed=9), n_columns=16), BASE))
    assert float(binned["median"][0]) == pytest.approx(1, abs=0.05)


def test_sensitivity_of_two_integrations_is_not_a_number():
    result = sensitivity(light_curves(make_spectra(n=2), np.ones(2, bool)))
    assert np.isnan(result["median"]).all()
    assert (result.n == 0).all()


def curve(seed, n=120, sigma=1e-4):
    return START + np.arange(n) * CADENCE, 1 + np.random.default_rng(seed).normal(0, sigma, n), np.full(n, sigma)


def test_power_of_white_noise_lies_at_the_noise_level_and_rarely_alarms():
    levels, alarms = [], 0
    for seed in range(120):
        spectrum = power_spectrum(*curve(seed), BASE, alarm=0.05)
        levels.append(float(spectrum.power.mean()) / spectrum.attrs["noise"])
        alarms += float(spectrum.power.max()) > spectrum.attrs["false_alarm"]
    # mean of chi2 with 64 degrees of freedom each; the line taken out first costs 2 of 66
    assert np.mean(levels) == pytest.approx(1 - 1 / 66, abs=0.05)
    assert 1 <= alarms <= 13  # 6 expected
    assert spectrum.attrs["noise"] == pytest.approx(2 * 38.5 * 100**2)
    assert float(spectrum.frequency[-1]) == pytest.approx(0.5 / 38.5, rel=0.02)


def test_power_finds_a_period_on_real_time_stamps():
    time, flux, error = curve(3)
    flux = flux + 1e-4 * np.sin(2 * np.pi * (time - START) * 86400 * 0.004)
    spectrum = power_spectrum(time, flux, error, BASE)
    assert float(spectrum.power.max()) > spectrum.attrs["false_alarm"]
    assert float(spectrum.frequency[int(spectrum.power.values.argmax())]) == pytest.approx(0.004, abs=1e-4)


def test_false_alarm_line_does_not_depend_on_the_claimed_errors():
    time, flux, error = curve(5)
    right, wrong = power_spectrum(time, flux, error), power_spectrum(time, flux, error / 3)
    np.testing.assert_allclose(wrong.power, right.power, rtol=1e-6)
    assert wrong.attrs["false_alarm"] == pytest.approx(right.attrs["false_alarm"])
    assert wrong.attrs["noise"] == pytest.approx(right.attrs["noise"] / 9)


def test_binned_white_noise_falls_as_it_must():
    ratio, inside = [], []
    for seed in range(150):
        binned = rms_binning(*curve(seed), BASE)
        ratio.append((binned.rms / binned.claimed).values ** 2)
        inside.append(((binned.rms >= binned.spread[:, 0]) & (binned.rms <= binned.spread[:, 3])).values)
    freedom = binned.n_bins.values - 2
    mean = np.mean(ratio, axis=0)
    # what is left over at the ends of runs costs a little of the line's fit: 15 % allowed at the largest bins
    assert np.all(np.abs(mean - 1) < 4 * np.sqrt(2 / freedom / 150) + 0.15 * (freedom < 10))
    assert np.mean(inside) > 0.93
    assert binned["size"].values[0] == 1
    assert binned.n_bins.values[-1] >= 6
    assert float(binned.minutes[1]) == pytest.approx(2 * 38.5 / 60)


def test_binned_slow_noise_does_not_fall():
    time, flux, error = curve(1)
    flux = flux + 1e-4 * np.sin(np.arange(120) / 8)
    binned = rms_binning(time, flux, error)
    assert binned.rms[-1] > binned.spread[-1, 3]


def test_bins_do_not_reach_across_the_event():
    time, flux, error = curve(1, n=12, sigma=1e-9)
    base = np.array([1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1], bool)
    assert rms_binning(time, flux, error, base, fewest=3).n_bins.values[:4].tolist() == [11, 5, 3]


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_short_series_give_empty_answers(n):
    time, flux, error = curve(1, n=n)
    assert power_spectrum(time, flux, error).sizes["frequency"] == 0
    assert rms_binning(time, flux, error).sizes["size"] == 0
