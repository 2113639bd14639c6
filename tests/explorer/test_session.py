"""What the page shows is what the steps compute, and what the run wrote."""

import time
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tsoar import detector, flags
from tsoar.errors import ConfigError, InputError
from tsoar.explorer import words
from tsoar.explorer.session import Knobs, mean_of, open_session, pieces_of
from tsoar.spectra.optimal import box_light

I = 7  # an integration in the transit, in the second segment


@pytest.fixture(scope="module")
def stages(tiny):
    """The integration after each calibration step, by the public functions."""
    refs = tsoar.references(tiny.refs)
    ramps = tsoar.open(tiny.uncal).ramps(slice(I, I + 1))
    out = {"raw": ramps}
    out["dq_init"] = ramps = detector.dq_init(ramps, refs.mask)
    out["saturation"] = ramps = detector.saturation(ramps, refs.saturation)
    out["superbias"] = ramps = detector.superbias(ramps, refs.superbias)
    out["refpix"] = ramps = detector.refpix(ramps)
    out["linearity"] = ramps = detector.linearity(ramps, refs.linearity)
    out["dark_current"] = detector.dark_current(ramps, refs.dark)
    return out


def test_frames_are_those_of_the_step_functions(session, stages):
    previous = "raw"
    for step, ramps in stages.items():
        for group in (0, 2):
            frame = session.frame(I, group, step)
            assert np.array_equal(frame.values, ramps.data[0, group]), step
            assert np.array_equal(frame.dq, ramps.pixeldq | ramps.groupdq[0, group]), step
            before = session.frame(I, group, step, view="before")
            assert np.array_equal(before.values, stages[previous].data[0, group]), step
        change = session.frame(I, 2, step, view="change")
        assert np.array_equal(change.values, ramps.data[0, 2] - stages[previous].data[0, 2]), step
        previous = step
    difference = session.frame(I, 2, "superbias", difference=True)
    assert np.array_equal(difference.values, stages["superbias"].data[0, 2] - stages["superbias"].data[0, 1])
    assert "group 2 − group 1" in difference.title


def test_slopes_and_spectrum_are_those_of_the_run(session, explored_run):
    frame = session.frame(I, 0, "ramp_fit")
    with fits.open(sorted((explored_run.out / "rateints").glob("*.fits"))[1]) as hdus:
        assert np.array_equal(frame.values, hdus["SCI"].data[I - 6], equal_nan=True)
        assert np.array_equal(frame.dq, hdus["DQ"].data[I - 6])
    spectra = explored_run.spectra.isel(integration=I)
    kept = (spectra.valid.values == 1) & (spectra.replaced.values == 0)
    assert kept.sum() > 1000
    assert np.allclose(session.reduced(I).flux[kept], spectra.flux.values[kept], rtol=1e-6)
    assert session.reduced(I).n_jumps == int(spectra.n_jumps)


def test_one_over_f_takes_stripes_away(session):
    def stripes(view):
        values = session.frame(I, 2, "one_over_f", view=view, difference=True).values
        left = values - session.recipe.deep.total * session.exposure.readout.tgroup
        dark = np.where(session.recipe.near | (session.frame(I, 2, "jump").dq != 0), np.nan, left)
        return np.std(np.nanmedian(dark[:, 5:-5], axis=0))

    assert stripes("after") < 0.5 * stripes("before")


def test_the_threshold_sets_the_number_of_flags(session):
    counts = [session.recompute(I, replace(session.knobs, threshold=t)).now.n_jumps for t in (3.0, 4.75, 1e6)]
    assert counts[0] > counts[1] > counts[2] == 0
    change = session.recompute(I, replace(session.knobs, threshold=3.0))
    marked = np.count_nonzero(session.stage(I, "jump", replace(session.knobs, threshold=3.0)).groupdq & flags.JUMP_DET)
    assert change.now.n_jumps == marked
    assert str(counts[0]) in change.lines()[0] and str(counts[1]) in change.lines()[0]


def test_the_radius_sets_the_light(session):
    change = session.recompute(I, replace(session.knobs, radius=10.0))
    ratio = change.ratio[0, 300:1800]
    assert np.nanmax(ratio) < 0.01 and -0.3 < np.nanmedian(ratio) < -0.02
    assert change.now.n_jumps == change.run.n_jumps


def test_with_the_settings_of_the_run_nothing_changes(session):
    session.recompute(I, replace(session.knobs, threshold=9.0, skip=frozenset({"superbias", "jump"})))
    change = session.recompute(I, session.knobs)
    assert not change.ratio[np.isfinite(change.ratio)].any()
    assert change.lines()[1:] == ["order 1: spectrum unchanged", "order 2: spectrum unchanged"]


def test_a_step_left_out_does_nothing(session, stages):
    knobs = replace(session.knobs, skip=frozenset({"superbias"}))
    assert np.array_equal(session.frame(I, 1, "superbias", knobs).values, stages["saturation"].data[0, 1])
    knobs = replace(session.knobs, skip=frozenset({"one_over_f", "jump"}))
    assert np.array_equal(session.frame(I, 1, "jump", knobs).values, stages["dark_current"].data[0, 1])
    assert session.reduced(I, knobs).n_jumps == 0
    without = replace(session.knobs, skip=frozenset({"one_over_f"}))
    late = session.stage(I, "jump", without)
    # the 1/f offsets are taken off to find jumps and put back: float32 sums, not the same bits
    assert np.allclose(late.data, stages["dark_current"].data[0], atol=0.02)


@pytest.mark.slow
def test_skipping_here_is_skipping_in_a_run(session, tiny):
    """The detector steps that do not need the survey give the very planes of a run that leaves the step out."""
    config = tsoar.load_config(skip=["saturation", "superbias"])
    other = open_session(tsoar.open(tiny.uncal), tsoar.references(tiny.refs), config)
    knobs = replace(session.knobs, skip=frozenset({"saturation", "superbias"}))
    for step in ("superbias", "dark_current"):
        a, b = session.stage(I, step, knobs), other.stage(I, step)
        assert np.array_equal(a.data, b.data) and np.array_equal(a.groupdq, b.groupdq)
    assert other.knobs.skip == {"saturation", "superbias"}


def test_a_ramp_with_its_fit_and_flags_in_words(session):
    late = session.stage(I, "jump")
    usable = np.isfinite(session.reduced(I).slope)
    y, x = (int(v[0]) for v in np.nonzero((late.groupdq[2] == flags.JUMP_DET) & (late.groupdq[1] == 0) & usable))
    ramp = session.ramp(I, y, x, "one_over_f")
    assert ramp.groupdq[2] == flags.JUMP_DET
    assert any(line.startswith("group 2 JUMP_DET: a sudden step") for line in ramp.lines)
    assert ramp.pieces[0] == (0, 1)
    steps = np.diff(ramp.fit[list(ramp.pieces[0])]) / np.diff(ramp.time[list(ramp.pieces[0])])
    assert steps == pytest.approx(ramp.slope)
    assert np.nanmean((ramp.after - ramp.fit)[[0, 1]]) == pytest.approx(0, abs=1e-2)
    assert np.array_equal(ramp.after, session.stage(I, "one_over_f").data[:, y, x])
    assert np.array_equal(ramp.before, session.stage(I, "dark_current").data[:, y, x])
    blind = session.ramp(I, 50, 0, "raw")
    assert not np.isfinite(blind.slope)
    assert any("reference pixel" in line for line in blind.lines)


def test_a_profile_shows_where_traces_and_apertures_are(session, explored_run):
    x = 1500
    profile = session.profile(I, x, "ramp_fit")
    rows = explored_run.traces["y"].isel(integration=I, column=x)
    for order, row in profile.traces.items():
        assert row == pytest.approx(float(rows.sel(order=order)), abs=1e-3)
    assert profile.radius == 15
    inside = np.abs(np.arange(profile.after.size) - profile.traces[1]) <= profile.radius
    assert np.nanmedian(profile.after[inside]) > 5 * np.nanmedian(profile.after[~inside])
    early = session.profile(I, x, "superbias", 1)
    assert np.array_equal(early.before, session.frame(I, 1, "superbias", view="before").values[:, x])


def test_a_wavelength_gives_the_light_curve_of_the_products(session, explored_run):
    curve = session.light_curve(1.5, 1)
    assert curve.wavelength == pytest.approx(1.5, abs=1e-3)
    products = explored_run.lightcurves.sel(order=1).isel(column=curve.column)
    assert np.allclose(curve.flux, products.flux.values, rtol=1e-6)
    assert np.array_equal(curve.time, explored_run.lightcurves.time.values)
    many = session.light_curve(1.5, 1, 41)
    assert np.median(many.flux_err) < 0.25 * np.median(curve.flux_err)
    assert many.flux[4:8].mean() == pytest.approx(0.98, abs=0.004)


def test_without_a_run_there_are_no_light_curves(session):
    assert "tsoar run" in replace(session, result=None).light_curve(1.5)


def test_a_run_that_was_stopped_early_has_no_light_curves(session, tmp_path):
    stopped = replace(session, result=replace(session.result, out=tmp_path))
    assert "holds no lightcurves.nc" in stopped.light_curve(1.5)


def test_means_of_light_curves_leave_holes_out():
    flux, err = np.ones((3, 4)), np.full((3, 4), 0.2)
    flux[0, 0], flux[1] = np.nan, np.nan
    mean, error = mean_of(flux, err)
    assert mean[[0, 2]] == pytest.approx(1) and np.isnan(mean[1]) and np.isnan(error[1])
    assert error[0] == pytest.approx(0.2 / np.sqrt(3)) and error[2] == pytest.approx(0.1)


def test_pieces_of_a_ramp():
    assert pieces_of(np.array([0, 0, 0], np.uint8)) == ((0, 1, 2),)
    assert pieces_of(np.array([1, 0, 0, 4, 0], np.uint8)) == ((1, 2), (3, 4))
    assert pieces_of(np.array([0, 4, 4, 2], np.uint8)) == ()


def test_every_flag_of_a_group_has_words():
    assert set(flags.MEANING) == set(flags.PIXEL) and set(words.CONSEQUENCE) <= set(flags.GROUP)


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda s: s.frame(99, 0, "raw"), InputError, "integration 99: the exposure has 12"),
        (lambda s: s.frame(0, 4, "raw"), InputError, "group 4: an integration has 4"),
        (lambda s: s.frame(0, 0, "nothing"), ConfigError, "step 'nothing': expected one of raw, dq_init"),
        (lambda s: s.ramp(0, 96, 0, "raw"), InputError, "rows 0 to 95"),
        (lambda s: s.profile(0, -1, "raw"), InputError, "columns 0 to 2047"),
        (lambda s: s.recompute(0, Knobs(0.0, 15)), ConfigError, "jump threshold 0.0: expected a number > 0"),
        (lambda s: s.recompute(0, Knobs(5.0, 1e9)), ConfigError, "aperture radius"),
        (lambda s: s.recompute(0, Knobs(5.0, 15.0, frozenset({"ramp_fit"}))), ConfigError, "skip 'ramp_fit'"),
        (lambda s: s.light_curve(1.5, 4), ConfigError, "order 4: expected one of 1, 2, 3"),
        (lambda s: s.light_curve(1.5, 1, 0), ConfigError, "columns 0"),
    ],
)
def test_what_cannot_be_is_said(session, ask, error, said):
    with pytest.raises(error, match=said):
        ask(session)


def test_slopes_can_be_looked_at_too(explored_run):
    session = open_session(tsoar.open(explored_run.out / "rateints"), None, tsoar.load_config())
    assert session.steps == ("ramp_fit",)
    assert np.isfinite(session.frame(3, 0, "ramp_fit").values).mean() > 0.9
    assert session.ramp(3, 40, 1000, "ramp_fit").after.size == 0
    assert session.recompute(3, replace(session.knobs, radius=10.0)).ratio[0, 1000] < 0


@pytest.mark.slow
def test_another_radius_is_that_of_a_run_with_it_optimal_too(tiny):
    """Radius 12 turned on the page, and radius 12 in the settings, give the same spectrum."""
    config = tsoar.load_config(overrides=["extract.method=optimal", "extract.radius=12"])
    there = open_session(tsoar.open(tiny.uncal), tsoar.references(tiny.refs), config)
    recipe = there.recipe
    wide = replace(recipe, extract=replace(recipe.extract, radius=15.0), own_light=box_light(recipe.deep, 15.0))
    turned = replace(there, recipe=wide, _kept={})
    flux = turned.reduced(I, replace(there.knobs, radius=12.0)).flux
    assert np.array_equal(flux, there.reduced(I).flux, equal_nan=True)
    assert not np.array_equal(flux, turned.reduced(I, replace(there.knobs, radius=15.0)).flux, equal_nan=True)


def test_a_recomputed_integration_is_there_at_once(session):
    """The bound is that of the default exposure; this one has a quarter of its pixels, and machines are busy."""
    seconds = []
    for k in range(5):
        start = time.process_time()
        session.recompute(I, replace(session.knobs, threshold=5.0 + 0.1 * k))
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.3
