"""The page without a browser: what is touched changes what is shown."""

import numpy as np
import pytest
from bokeh.document import Document
from matplotlib.colors import AsinhNorm, Normalize

from tsoar import flags
from tsoar.explorer.app import Page, application
from tsoar.explorer.session import Frame
from tsoar.explorer.views import SHADES, FrameView, flag_script, listed, marks, norm_of, shades


@pytest.fixture
def page(session):
    return Page(session)


def test_the_document_holds_every_view(session):
    app, doc = application(session), Document()
    app(doc)
    app(Document())  # a second window shares no model with the first
    for name in ("frame", "ramp", "residual", "profile", "spectrum", "change", "curve", "threshold", "radius", "skip"):
        assert doc.get_model_by_name(name) is not None, name
    assert "this machine only" in str([d.text for d in doc.select({"type": doc.get_model_by_name("words").__class__})])


def test_a_setting_changes_numbers_and_spectrum(page):
    before = page.numbers.text
    page.threshold.value = 3.0
    assert page.numbers.text != before
    assert f"{page.session.reduced(0, page.knobs).n_jumps} jump flags" in page.numbers.text
    page.radius.value = 10.0
    ratio = np.asarray(page.spectrum.now[1].data["change"])
    assert np.nanmedian(ratio) < -2
    page.as_in_the_run()
    assert page.knobs == page.session.knobs
    assert not np.nan_to_num(np.asarray(page.spectrum.now[1].data["change"])).any()


def test_a_click_on_the_frame_shows_ramp_profile_and_light_curve(page):
    page.picked(1000.3, 20.8)
    assert page.ramp.title.text.startswith("row 21, column 1000")
    assert page.profile.title.text.startswith("column 1000")
    row = page.session.recipe.deep.trace[0, 1400]
    page.picked(1400, row)
    assert "order 1" in page.curve.title.text and "column 1400" in page.curve.title.text
    text = page.ramp.title.text
    page.picked(-50, 3)
    assert page.ramp.title.text == text, "beside the frame is nothing"


def test_a_click_on_the_spectrum_takes_the_order_that_is_drawn_there(page):
    w = page.session.wavelength
    flux = page.session.reduced(0).flux
    for order, x in ((1, 1500), (2, 1500)):
        if not np.isfinite(page.spectrum.value(order, x)):
            continue
        page.wavelength_picked(float(w[order - 1, x]), float(flux[order - 1, x]))
        assert f"order {order}," in page.curve.title.text and f"column {x}" in page.curve.title.text
    page.integration_picked(float(page.curve.source.data["x"][5]))
    assert page.i == 5
    assert "integration 5" in page.spectrum.title.text


def test_steps_and_views(page):
    page.group.value = 2
    page.step.value = "one_over_f"
    assert page.difference.active, "1/f noise is looked at in differences"
    assert "group 2 − group 1: after 1/f noise" in page.frame.title.text
    page.view.active = 1
    assert "before 1/f noise" in page.frame.title.text
    page.step.value = "jump"
    page.marked.value = "JUMP_DET"
    n = np.count_nonzero(page.session.stage(0, "jump").groupdq[2] & flags.JUMP_DET)
    page.view.active = 0
    assert f"{n} pixels JUMP_DET" in page.frame.title.text
    assert len(page.frame.flagged.data["x"]) == n > 0
    page.traces.active = True
    assert len(page.frame.traces.data["x"]) == 9
    page.step.value = "raw"
    assert not page.difference.active and not page.ramp.residual.visible


def test_what_cannot_be_is_said_on_the_page(page):
    page.radius.value = 2000.0
    assert page.trouble.visible and "aperture radius 2000" in page.trouble.text
    page.radius.value = 12.0
    assert not page.trouble.visible


def test_a_bug_is_said_on_the_page_too(page, caplog):
    page.guarded(lambda: {}["no such thing"])
    assert page.trouble.visible and "this is a bug in tsoar, please report: KeyError" in page.trouble.text
    assert "page of tsoar explore" in caplog.text


def test_colours_follow_values():
    values = np.array([[0.0, 5.0, 10.0, np.nan, 99.0, -9.0]], np.float32)
    assert shades(values, Normalize(0, 10)).tolist() == [[0, 127, SHADES - 1, SHADES, SHADES - 1, 0]]
    ticks = marks(Normalize(0, 10))
    assert all(at == pytest.approx(float(text) / 10 * (SHADES - 1)) for at, text in ticks) and len(ticks) > 3
    arcsinh = AsinhNorm(linear_width=5, vmin=-3, vmax=700)
    ticks = marks(arcsinh)
    assert "0" in [text for _, text in ticks] and "100" in [text for _, text in ticks]
    assert all(at == pytest.approx((SHADES - 1) * float(arcsinh(float(text)))) for at, text in ticks)
    assert np.diff([at for at, _ in ticks]).min() > 20


def test_scales_hold_on_odd_frames():
    for kind in ("counts", "bright", "noise", "change"):
        for values in (np.zeros((8, 16)), np.full((8, 16), np.nan), np.full((8, 16), 3.0)):
            norm = norm_of(values.astype(np.float32), kind)
            assert norm.vmax > norm.vmin
            assert shades(values.astype(np.float32), norm).shape == (8, 16)


def test_too_many_marks_are_thinned_and_said():
    view = FrameView.make((256, 2048))
    dq = np.full((256, 2048), flags.DO_NOT_USE, np.uint32)
    view.show(Frame(np.zeros((256, 2048), np.float32), dq, "DN", "bright", "a frame"), "DO_NOT_USE")
    assert len(view.flagged.data["x"]) == 20_000
    assert "524288 pixels DO_NOT_USE (too many to mark, 20000 of them are)" in view.title.text


def test_flag_names_under_the_pointer_and_escaped_text():
    assert "['REFERENCE_PIXEL',2147483648]" in flag_script()
    assert "&lt;b&gt;" in listed(["<b>"], "x")
