"""One integration walked through the detector steps: what is shown is what a run does, and is said in words."""

import io

import numpy as np
import pytest

import tsoar
from tests.make import tiny_exposure
from tsoar import detector, flags
from tsoar.config import load
from tsoar.errors import ConfigError, InputError
from tsoar.plots import CAPTIONS
from tsoar.reduce.sweep import cosmic_rays, jump_sweep, sweep_look, thresholds
from tsoar.reduce.tour import chosen_pixels, dq_looks, looks, pixel_look
from tsoar.reduce.walk import check_inputs, flag_words, lines, walk_steps

N, GROUPS = 10, 5


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_exposure(tmp_path_factory.mktemp("walked"), n_int=N, n_groups=GROUPS, segments=1)


@pytest.fixture(scope="module")
def opened(tiny):
    return tsoar.open(tiny.uncal), tsoar.references(tiny.refs)


@pytest.fixture(scope="module")
def finished(opened, tmp_path_factory):
    """A run of it, with the ramps after jump."""
    return tsoar.run(*opened, out=tmp_path_factory.mktemp("run"), save=("jump",), workers=2)


@pytest.fixture(scope="module")
def walked(opened):
    """With all ten integrations the quick survey is the run's own."""
    return walk_steps(*opened, 3)


def test_each_step_is_the_public_function(opened, walked):
    exposure, refs = opened
    readout = exposure.readout
    counts = exposure.ramps(slice(3, 4))
    flagged = detector.saturation(detector.dq_init(counts, refs.cut("mask", readout)), refs.cut("saturation", readout))
    biased = detector.superbias(flagged, refs.cut("superbias", readout))
    assert list(walked.stages) == [
        *("counts", "dq_init", "saturation", "superbias", "refpix", "linearity", "dark_current", "one_over_f", "jump")
    ]
    assert np.array_equal(walked.stages["saturation"].groupdq, flagged.groupdq)
    assert np.array_equal(walked.stages["superbias"].data, biased.data)
    assert np.array_equal(walked.stages["refpix"].data, detector.refpix(biased).data)


def test_late_steps_are_those_of_the_run(walked, finished):
    from astropy.io import fits

    (file,) = finished.out.glob("*_jump.fits")
    with fits.open(file) as hdus:
        assert np.array_equal(hdus["SCI"].data[3], walked.stages["jump"].data[0])
        assert np.array_equal(hdus["GROUPDQ"].data[3], walked.stages["jump"].groupdq[0])
    (file,) = (finished.out / "rateints").glob("*.fits")
    with fits.open(file) as hdus:
        assert np.array_equal(hdus["SCI"].data[3], walked.slopes.slope[0], equal_nan=True)
        assert np.array_equal(hdus["DQ"].data[3], walked.slopes.dq[0])


def test_the_deep_stack_of_a_run_gives_the_same(opened, walked, finished):
    """Its templates are made anew, so not to the bit."""
    again = walk_steps(*opened, 3, run=finished.out)
    a, b = again.slopes, walked.slopes
    good = np.isfinite(a.slope) & np.isfinite(b.slope)
    assert good.mean() > 0.98
    assert np.array_equal(np.isfinite(a.slope), np.isfinite(b.slope))
    assert np.abs((a.slope - b.slope)[good] / b.err[good]).max() < 0.05
    assert (again.stages["jump"].groupdq != walked.stages["jump"].groupdq).sum() <= 2
    assert np.allclose(again.model, walked.model, rtol=1e-3, atol=0.1)


def test_a_walk_may_end_early(opened):
    short = walk_steps(*opened, 0, only_through="superbias")
    assert list(short.stages)[-1] == "superbias"
    assert short.recipe is None
    assert short.slopes is None
    names = [name for name, _, _ in looks(short)]
    assert names[0] == "clocking"
    assert names[-1] == "superbias_groups"


def test_skipped_steps_are_not_walked(opened, finished):
    config = load(skip=["one_over_f", "refpix"])
    skipped = walk_steps(*opened, 0, config=config, run=finished.out)
    assert "one_over_f" not in skipped.stages
    assert "refpix" not in skipped.stages
    names = [name for name, _, _ in looks(skipped)]
    assert "one_over_f_psd" not in names
    assert "jump_by_threshold" in names


def test_what_each_step_changed_is_said(walked):
    told = dict(lines(walked))
    assert list(told) == [*[*walked.stages][:7], "survey", "one_over_f", "jump", "ramp_fit"]
    assert "+1 DO_NOT_USE" in told["dq_init"]
    assert "+768 REFERENCE_PIXEL" in told["dq_init"]
    median = np.median(walked.stages["counts"].data[0, -1])
    assert f"median {median:.1f} -> " in told["superbias"]
    assert told["linearity"] == "nothing changed"  # identity polynomials
    hits = int(((walked.stages["jump"].groupdq & flags.JUMP_DET) != 0).sum())
    assert f"+{hits} JUMP_DET" in told["jump"]
    assert "deep stack of 10 integrations" in told["survey"]
    assert "DN rms" in told["one_over_f"]


def test_every_figure_of_the_detector_stage(walked):
    made = list(looks(walked, column=700))
    kinds = [kind for _, kind, _ in made]
    assert {
        *("clocking", "special_pixels", "saturation_reference", "saturated", "before_after", "column_profile"),
        *("linearity_check", "groups", "group_differences", "clock_psd", "jump_map", "slope_image", "wavelength_map"),
        *("dq_map", "ramp"),
    } == set(kinds)
    assert kinds.count("before_after") == 4
    names = [name for name, _, _ in made]
    assert len(set(names)) == len(names)
    assert "superbias_profile_700" in names
    for _, kind, draw in made:
        assert kind in CAPTIONS
        figure = draw()
        axes = [ax for ax in figure.axes if ax.axison and ax.get_visible()]
        assert any(ax.get_xlabel() for ax in axes)
    figure = next(draw for name, _, draw in made if name == "one_over_f_psd")()
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    assert "1/f" in figure.axes[0].get_legend().get_texts()[1].get_text()


def test_figures_are_drawn_only_when_asked_for(walked, monkeypatch):
    from tsoar import plots

    drawn = []
    monkeypatch.setattr(plots, "clocking", lambda readout: drawn.append(readout))
    made = {kind: draw for _, kind, draw in looks(walked, column=700)}
    assert not drawn
    made["clocking"]()
    assert drawn == [walked.exposure.readout]


def test_stripes_of_known_size_are_measured_along_the_clock(walked):
    """The exposure has white stripes of 3 DN a column and read: power 2 * 9 * 1.08 ms below the column rate."""
    from tsoar.series.clock import clock_spectrum, difference_residuals

    ramps = walked.stages["dark_current"]
    residuals, good, reads = difference_residuals(ramps.data[0], walked.last.groupdq[0], walked.last.pixeldq, walked.near())
    spectrum = clock_spectrum(residuals, good, ramps.readout, reads)
    low = (spectrum["frequency"] > 2) & (spectrum["frequency"] < 100)
    weight = 1 / spectrum["power_err"].values[low] ** 2
    mean = np.sum(weight * spectrum["power"].values[low]) / weight.sum()
    # a stripe lasts 96 of the 108 ticks of a column
    assert mean == pytest.approx(2 * 9 * 108e-5, rel=0.25)


def test_pixels_are_drawn_by_the_seed(walked):
    assert chosen_pixels(walked) == chosen_pixels(walked)
    row, column = chosen_pixels(walked)[0]
    assert walked.slopes.slope[0, row, column] > np.nanpercentile(walked.slopes.slope, 97)
    hit = chosen_pixels(walked)[1]
    assert (walked.last.groupdq[0][:, hit[0], hit[1]] & flags.JUMP_DET).any()


def test_a_pixel_in_words(walked):
    group, row, column = (int(v) for v in np.argwhere((walked.last.groupdq[0] & flags.JUMP_DET) != 0)[0])
    told, figure = pixel_look(walked, row, column)
    assert told[0] == f"row {row}, column {column}, integration 3; groups counted from 0"
    assert told[2 + group].split()[0] == str(group)
    assert told[2 + group].endswith("JUMP_DET")
    assert any(line.startswith(f"group {group}: JUMP_DET, a sudden step") for line in told)
    assert any("the deep stack expects" in line for line in told)
    counts = walked.stages["counts"].data[0, 0, row, column]
    assert told[2].split()[1] == f"{counts:.0f}"
    assert f"row {row}, column {column}" in figure.axes[0].get_title("left")
    told, _ = pixel_look(walked, 40, 100)  # DO_NOT_USE in the mask
    assert "no slope; the deep stack expects" in "\n".join(told)
    assert "pixel: DO_NOT_USE, not used" in told
    with pytest.raises(ConfigError, match="row of 0 to 95"):
        pixel_look(walked, 96, 0)


def test_words_for_every_flag():
    assert set(flags.MEANING) == set(flags.PIXEL)
    dq = np.array([0, 6, 2], np.uint8)
    assert flag_words(flags.PIXEL["HOT"], dq)[0] == "pixel: HOT, dark current far too high"
    assert flag_words(0, dq)[0].startswith("groups 1, 2: SATURATED, at or above")
    assert flag_words(0, dq)[1].startswith("group 1: JUMP_DET, ")
    assert flag_words(0, dq[:1]) == ["no flags"]


def test_flags_are_mapped_by_name(walked):
    (one,) = dq_looks(walked, "JUMP_DET,SATURATED")
    assert one[0] == "flags_of_groups"
    assert [ax.get_title("left").split(":")[0] for ax in one[2]().axes if ax.get_title("left")] == ["SATURATED", "JUMP_DET"]
    assert [name for name, _, _ in dq_looks(walked, "HOT")] == ["flags_of_pixels"]
    assert [name for name, _, _ in dq_looks(walked, "HOT JUMP_DET")] == ["flags_of_groups", "flags_of_pixels"]


def test_the_jump_threshold_swept(walked):
    table = jump_sweep(walked, np.array([3.0, 4.75, 20.0]))
    usable = int((walked.recipe.noise.usable > 0).sum())
    hits = 2e-5 * usable * (GROUPS - 1)  # of 2000 DN each, those before the first read leave no jump
    assert table["noise"][0] == pytest.approx(0.0027 * usable * (GROUPS - 1), rel=0.01)
    assert table["reads"][0] == pytest.approx(hits + table["noise"][0], rel=0.1)
    assert abs(table["reads"][2] - hits) < 5 * np.sqrt(hits)
    assert (np.diff(table["reads"]) <= 0).all()
    as_set = int(((walked.stages["jump"].groupdq & flags.JUMP_DET) != 0).sum())
    assert table["reads"][1] + table["neighbours"][1] == as_set
    least, most = cosmic_rays(walked)
    assert least == pytest.approx(5.76e-6 * usable * 2.214 * 4)
    assert most == pytest.approx(5.2e-5 * usable * 2.214 * 4)
    ax = sweep_look(walked, table).axes[0]
    assert ax.lines[0].get_xdata().tolist() == [3.0, 4.75, 20.0]


def test_thresholds_in_words():
    assert thresholds("3:4").tolist() == [3, 3.5, 4]
    assert thresholds("3:15:4").tolist() == [3, 7, 11, 15]
    for wrong in ("3", "a:b", "5:3", "0:3", "1:9:0", "1:1e9", "3:inf", "nan:4", "1:2:3:4"):
        with pytest.raises(ConfigError, match="expected LOW:HIGH"):
            thresholds(wrong)


def test_from_python(opened, finished):
    told, figure = tsoar.inspect.pixel(*opened, 1, 30, 500, run=finished.out)
    assert told[0].startswith("row 30, column 500, integration 1")
    assert figure.axes
    table, figure = tsoar.inspect.sweep(*opened, 1, np.array([6.0]), run=finished.out)
    assert table["threshold"].tolist() == [6.0]


def test_a_start_from_slopes_has_fewer_looks(finished):
    exposure = tsoar.open(finished.out / "rateints")
    names = [name for name, _ in tsoar.inspect.walk(exposure, None, 2)]
    assert names == ["ramp_fit_slope_image", "wavelengths", "flags"]
    only = walk_steps(exposure, None, 2)
    with pytest.raises(ConfigError, match="has no ramps"):
        pixel_look(only, 3, 3)
    with pytest.raises(ConfigError, match="has no ramps"):
        jump_sweep(only, np.array([4.0]))


def test_a_run_of_other_files_is_warned_of(opened, finished, tmp_path, caplog):
    (tmp_path / "run.json").write_text('{"inputs": [{"name": "other_uncal.fits"}]}')
    check_inputs(tmp_path, opened[0])
    assert "run of other files (other_uncal.fits)" in caplog.text
    caplog.clear()
    check_inputs(finished.out, opened[0])
    assert not caplog.text


def test_what_does_not_fit_is_refused(opened, tmp_path):
    with pytest.raises(ConfigError, match="has 0 to 9"):
        walk_steps(*opened, 10)
    with pytest.raises(ConfigError, match="run"):
        walk_steps(*opened, 0, run=tmp_path)
    with pytest.raises(InputError, match=r"deep\.nc"):
        walk_steps(*opened, 0, run=tmp_path, config=load())
