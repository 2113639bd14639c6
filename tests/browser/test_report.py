"""The report as a reader uses it: in headless Chromium, on a wide screen, on a phone, without a network."""

import numpy as np
import pytest

import tsoar

pytestmark = pytest.mark.slow
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def report(tiny, tmp_path_factory):
    """The page of a small run."""
    out = tmp_path_factory.mktemp("report") / "out"
    tsoar.run(tsoar.open(tiny.uncal), tsoar.references(tiny.refs), out=out, products="spectra", baseline="0:4,8:")
    return out / "report.html"


@pytest.fixture
def opened(browser, report):
    """A function that opens the page at a size; at the end no error was heard and nothing was fetched."""
    contexts, heard, fetched = [], [], []

    def open_at(size, **options):
        context = browser.new_context(viewport=size, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: heard.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda r: fetched.append(r.url) if not r.url.startswith(("data:", "blob:")) else None)
        page.goto(report.as_uri())
        page.wait_for_function("document.documentElement.dataset.views == 'ready'", timeout=60_000)
        page.wait_for_timeout(500)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert heard == []
    assert set(fetched) == {report.as_uri()}


def models(page, name):
    return f"Bokeh.documents[0].get_model_by_name('{name}')"


def box(page, name):
    """The inner frame of a view on the screen: x, y, width, height [px]."""
    return page.evaluate(
        f"""async () => {{
          const view = Bokeh.index.find_one({models(page, name)})
          view.el.scrollIntoView({{block: "center", behavior: "instant"}})
          await new Promise(done => setTimeout(done, 300))
          const at = view.canvas_view.el.getBoundingClientRect(), b = view.frame.bbox
          return [at.x + b.left, at.y + b.top, b.width, b.height]
        }}"""
    )


def light_curve(page):
    return page.evaluate(f"() => Array.from({models(page, 'curve')}.data.y)")


def title(page, name):
    return page.evaluate(f"() => {models(page, name)}.title.text")


def test_figures_and_views_are_there(opened, tmp_path):
    page = opened({"width": 1280, "height": 900})
    page.screenshot(path=tmp_path / "wide.png", full_page=True)
    sizes = page.evaluate("() => Array.from(document.images, i => [i.complete, i.naturalWidth])")
    assert len(sizes) > 20
    assert all(complete and width > 300 for complete, width in sizes)
    assert page.locator(".view canvas").count() >= 6
    for view in page.locator(".view").all():
        assert view.bounding_box()["width"] > 600
    assert page.locator(".still img:visible").count() == 0
    order = page.evaluate("() => Array.from(document.querySelectorAll('section'), s => s.id)")
    assert order[0] == "summary" and order[-1] == "provenance"
    page.locator("nav a", has_text="White light").click()
    page.wait_for_function(
        "() => Math.abs(document.querySelector('#white_light').getBoundingClientRect().y) < 60", timeout=10_000
    )


def test_a_click_on_the_image_shows_that_light_curve(opened, tmp_path):
    page = opened({"width": 1280, "height": 900})
    before = light_curve(page)
    x, y, width, height = box(page, "image1")
    page.mouse.click(x + 0.6 * width, y + 0.5 * height)
    page.wait_for_timeout(400)
    after = light_curve(page)
    page.screenshot(path=tmp_path / "clicked.png")
    assert after != before
    assert title(page, "light_curve").startswith("order 1, ")
    low, high = (float(v) for v in title(page, "light_curve").split(", ")[1].split(" µm")[0].split(" to "))
    start, stop = page.evaluate(f"() => [{models(page, 'image1')}.x_range.start, {models(page, 'image1')}.x_range.end]")
    assert low < start + 0.6 * (stop - start) < high
    out = np.mean(after[:4] + after[8:])
    assert np.mean(after[4:8]) - out == pytest.approx(-20_000, abs=4_000)  # the transit of this exposure
    for share, integrations in ((0.95, (0, 1)), (0.05, (10, 11))):  # time runs upwards
        page.mouse.click(x + 0.2 * width, y + share * height)
        page.wait_for_timeout(400)
        assert int(title(page, "across").split()[1]) in integrations


def test_averaging_more_bins_makes_less_noise(opened):
    page = opened({"width": 1280, "height": 900})

    def claimed():
        return int(title(page, "light_curve").split("claimed ")[1].split(" ")[0])

    before = claimed()
    page.locator("select").select_option("27")
    page.wait_for_timeout(300)
    assert claimed() == pytest.approx(before / 3, rel=0.25)


def test_pointing_tells_values(opened, tmp_path):
    page = opened({"width": 1280, "height": 900})
    x, y, width, height = box(page, "image1")
    page.mouse.move(x + 0.5 * width, y + 0.5 * height)
    page.wait_for_timeout(600)
    page.screenshot(path=tmp_path / "hover.png")
    assert page.get_by_text("deviation:").or_(page.get_by_text("deviation")).first.is_visible()
    assert page.get_by_text("wavelength:").first.is_visible()


def test_usable_on_a_phone(opened, tmp_path):
    page = opened(PHONE, has_touch=True, is_mobile=True)
    page.screenshot(path=tmp_path / "phone.png", full_page=True)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    for view in page.locator(".view").all():
        assert view.bounding_box()["width"] <= 390
    x, y, width, height = box(page, "image1")
    assert width > 200
    before = light_curve(page)
    page.touchscreen.tap(x + 0.3 * width, y + 0.5 * height)
    page.wait_for_timeout(600)
    assert light_curve(page) != before


def test_on_paper_and_without_scripts_the_figures_stand_there(browser, report, opened, tmp_path):
    page = opened({"width": 1000, "height": 900})
    page.emulate_media(media="print")
    assert page.locator(".still img:visible").count() == 3
    assert page.locator(".view:visible").count() == 0
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 100_000
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(report.as_uri())
    assert plain.locator(".still img:visible").count() == 3
    plain.context.close()
