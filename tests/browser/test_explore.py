"""The explorer as a person uses it: `tsoar explore out`, a browser, clicks."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits

import tsoar
from tests.make import tiny_exposure
from tsoar import flags
from tsoar.reduce import products

pytestmark = pytest.mark.slow

IDLE = "() => window.Bokeh && Bokeh.documents.length > 0 && Bokeh.documents[0].is_idle"
WHERE = """([name, x, y]) => {
  const view = Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name(name));
  view.el.scrollIntoView({block: "center"});
  const box = view.canvas_view.el.getBoundingClientRect();
  return [box.x + view.frame.x_scale.compute(x), box.y + view.frame.y_scale.compute(y)];
}"""
TEXT = "name => Bokeh.documents[0].get_model_by_name(name).text"
TURN = "([name, key, value]) => { Bokeh.documents[0].get_model_by_name(name)[key] = value; }"


@dataclass
class Served:
    """`tsoar explore` under way."""

    process: subprocess.Popen
    url: str
    said: list


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on an exposure of the full subarray's height."""
    made = tiny_exposure(tmp_path_factory.mktemp("exposure"), n_int=12, n_groups=5, segments=1, subarray="SUBSTRIP256")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "figures", lambda *args: [])
        return tsoar.run(tsoar.open(made.uncal), tsoar.references(made.refs), out=made.folder / "out")


@pytest.fixture(scope="module")
def served(run):
    """The command as it is typed, until ctrl-C."""
    command = [sys.executable, "-c", "from tsoar.cli import main; main()", "explore", str(run.out), "--no-browser"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    said = [process.stdout.readline(), process.stdout.readline()]
    yield Served(process, said[0].strip(), said)
    process.kill()
    process.communicate()


def text(page, name):
    return page.evaluate(TEXT, name)


def opened(page, url):
    page.goto(url)
    page.wait_for_function(IDLE, timeout=60_000)


def until(page, name, words):
    """Wait until a text of the page contains ``words``."""
    page.wait_for_function(
        "([name, words]) => Bokeh.documents[0].get_model_by_name(name).text.includes(words)", arg=[name, words], timeout=30_000
    )


def changed(page, name, old):
    """Wait until a text of the page is no longer ``old``: each part of the page is told of news by itself."""
    page.wait_for_function(
        "([name, old]) => Bokeh.documents[0].get_model_by_name(name).text != old", arg=[name, old], timeout=30_000
    )


CURVE = "() => [...Bokeh.documents[0].get_model_by_name('curve').renderers[1].data_source.data.y]"


def click(page, name, x, y):
    page.mouse.click(*page.evaluate(WHERE, [name, x, y]))


def test_it_says_where_it_is_and_that_it_is_of_this_machine(served):
    assert re.match(r"http://127\.0\.0\.1:\d+/[\w-]{32}/$", served.url)
    assert "bound to this machine only" in served.said[1]


def test_without_the_token_there_is_nothing(watched, served):
    with watched() as w:
        address = served.url.rsplit("/", 2)[0]
        for path in ("/", "/static/js/bokeh.min.js", "/ws"):
            assert w.page.request.get(address + path).status == 403
        assert w.page.goto(address + "/").status == 403


def test_the_page_opens_quietly_and_stays_at_home(watched, served, screenshot):
    with watched() as w:
        opened(w.page, served.url)
        w.page.wait_for_timeout(1000)
        picture = screenshot(w.page, "explorer_1280")
        assert w.complaints == []
        assert w.elsewhere(served.url) == []
        assert len(w.requests) > 3
        assert picture.stat().st_size > 100_000
        assert w.page.locator("canvas").count() >= 6
        drawn = w.page.evaluate(
            """() => { const p = Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name("frame"));
            const canvas = p.canvas_view.primary.canvas, at = canvas.getContext("2d");
            const seen = new Set(at.getImageData(0, 0, canvas.width, canvas.height).data.filter((v, k) => k % 4 == 1));
            return seen.size }"""
        )
        assert drawn > 50, "the frame is drawn in many colours"


def test_a_click_on_a_pixel_shows_its_ramp_and_column(watched, served, screenshot):
    with watched() as w:
        opened(w.page, served.url)
        before = w.page.evaluate("() => [...Bokeh.documents[0].get_model_by_name('ramp').renderers[3].data_source.data.y]")
        old = {name: text(w.page, name) for name in ("ramp title", "profile title", "words")}
        click(w.page, "frame", 700, 180)
        w.page.wait_for_function(
            "before => { const y = Bokeh.documents[0].get_model_by_name('ramp').renderers[3].data_source.data.y;"
            " return y.length == 5 && y.some((v, k) => v != before[k]) }",
            arg=before,
            timeout=30_000,
        )
        for name, words in old.items():
            changed(w.page, name, words)
        row, column = map(int, re.match(r"row (\d+), column (\d+): ", text(w.page, "ramp title")).groups())
        assert abs(row - 180) <= 1 and abs(column - 700) <= 2
        assert text(w.page, "profile title").startswith(f"column {column}, slopes: order 1 at row")
        assert f"Flags of row {row}, column {column}" in text(w.page, "words")
        screenshot(w.page, "explorer_clicked")
        assert w.complaints == []


def test_the_pointer_reads_value_and_flags(watched, served, run):
    with fits.open(next((run.out / "rateints").glob("*_rateints.fits"))) as hdus:
        slope, dq = hdus["SCI"].data[0], hdus["DQ"].data[0]
    flagged = dq == flags.JUMP_DET
    flagged[:, :50], flagged[:, -50:], flagged[:10], flagged[-10:] = False, False, False, False
    y, x = (int(v[0]) for v in np.nonzero(flagged))
    with watched() as w:
        opened(w.page, served.url)
        # zoom in so that a pixel of the detector is some pixels of the screen
        ranges = {"x_range": (x - 20.5, x + 20.5), "y_range": (y - 6.5, y + 6.5)}
        for name, (start, end) in ranges.items():
            w.page.evaluate(
                "([n, s, e]) => { const r = Bokeh.documents[0].get_model_by_name('frame')[n]; r.start = s; r.end = e }",
                [name, start, end],
            )
        w.page.wait_for_timeout(500)
        w.page.mouse.move(*w.page.evaluate(WHERE, ["frame", x, y]))
        tip = w.page.locator(".bk-tooltip-content").first
        tip.wait_for(timeout=10_000)
        said = tip.inner_text()
        assert f"{y}, {x}" in said
        assert "JUMP_DET" in said
        assert f"{slope[y, x]:.2f}" in said


def test_a_click_on_a_wavelength_shows_its_light_curve(watched, served, run, screenshot):
    with watched() as w:
        opened(w.page, served.url)
        flux = float(run.spectra.flux.sel(order=1).isel(integration=0, column=1000))
        wavelength = float(run.spectra.wavelength.sel(order=1)[1000])
        old, before = text(w.page, "curve title"), w.page.evaluate(CURVE)
        click(w.page, "spectrum", wavelength, flux)
        changed(w.page, "curve title", old)
        w.page.wait_for_function(f"before => ({CURVE})().some((v, k) => v != before[k])", arg=before, timeout=30_000)
        title = text(w.page, "curve title")
        column = int(re.search(r"order 1, [\d.]+ µm \(column (\d+)\)", title).group(1))
        assert abs(column - 1000) < 5
        shown = w.page.evaluate(CURVE)
        expected = run.lightcurves.flux.sel(order=1).isel(column=column).values
        assert np.allclose(shown, expected, rtol=1e-6)
        # and a point of the light curve leads to its integration
        hours = w.page.evaluate("() => [...Bokeh.documents[0].get_model_by_name('curve').renderers[1].data_source.data.x]")
        click(w.page, "curve", hours[8], shown[8])
        until(w.page, "spectrum title", "integration 8")
        screenshot(w.page, "explorer_light_curve")
        assert w.complaints == []


def test_the_threshold_changes_the_number_of_flags_at_once(watched, served):
    def flags_now(page):
        return int(re.search(r"(\d+) jump flags", text(page, "numbers")).group(1))

    with watched() as w:
        opened(w.page, served.url)
        before = flags_now(w.page)
        old = text(w.page, "numbers")
        box = w.page.get_by_label("jump threshold [sigma]")  # as a person: into the field, a number, enter
        box.fill("3")
        box.press("Enter")
        changed(w.page, "numbers", old)
        assert flags_now(w.page) > 2 * before
        assert f"with the run's settings {before}" in text(w.page, "numbers").replace("&#x27;", "'")
        took = [int(re.search(r"computed in (\d+) ms", text(w.page, "numbers")).group(1))]
        for k in range(4):
            old = text(w.page, "numbers")
            w.page.evaluate(TURN, ["radius", "value", 12.0 + k / 2])
            changed(w.page, "numbers", old)
            took.append(int(re.search(r"computed in (\d+) ms", text(w.page, "numbers")).group(1)))
        assert min(took) < 300
        assert "median -" in text(w.page, "numbers"), "a smaller box holds less light"
        w.page.get_by_role("button", name="as in the run").click()
        until(w.page, "numbers", "order 1: spectrum unchanged")
        assert w.complaints == []


def test_steps_before_and_after(watched, served, screenshot):
    with watched() as w:
        opened(w.page, served.url)
        w.page.get_by_label("step").select_option(label="7. 1/f noise")
        until(w.page, "frame title", "after 1/f noise")
        w.page.get_by_role("button", name="before", exact=True).click()
        until(w.page, "frame title", "before 1/f noise")
        screenshot(w.page, "explorer_before_1f")
        w.page.get_by_label("mark pixels").select_option(label="JUMP_DET")
        w.page.get_by_label("step").select_option(label="8. jumps")
        w.page.get_by_role("button", name="after", exact=True).click()
        until(w.page, "frame title", "after jumps")
        assert int(re.search(r"(\d+) pixels JUMP_DET", text(w.page, "frame title")).group(1)) > 0
        w.page.get_by_label("jumps").check()  # leave the step out
        until(w.page, "frame title", "; 0 pixels JUMP_DET")
        until(w.page, "numbers", ">0 jump flags")
        assert w.complaints == []


def test_a_narrow_window_is_enough(watched, served, screenshot):
    with watched(390, 800) as w:
        opened(w.page, served.url)
        w.page.wait_for_timeout(1000)
        screenshot(w.page, "explorer_390")
        assert w.page.evaluate("() => document.documentElement.scrollWidth") <= 390, "nothing sticks out sideways"
        for name in ("frame", "ramp", "profile", "spectrum", "curve"):
            box = w.page.evaluate(
                "name => { const b = Bokeh.index.find_one(Bokeh.documents[0].get_model_by_name(name)).el"
                ".getBoundingClientRect(); return [b.x, b.x + b.width, b.height] }",
                name,
            )
            assert box[0] >= 0 and box[1] <= 390 and box[2] > 100, name
        click(w.page, "frame", 1500, 40)
        until(w.page, "ramp title", "row 4")
        assert w.complaints == []


def test_ctrl_c_ends_it(watched, served):
    with watched() as w:  # with a page still open
        opened(w.page, served.url)
        served.process.send_signal(signal.SIGINT)
        out, err = served.process.communicate(timeout=30)
        assert served.process.returncode == 0
        assert err.splitlines()[-1] == "tsoar: stopped"
        assert "Traceback" not in err and "Error" not in err, err
