"""The report page: complete, self-contained, harmless, the same bytes every time."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from tsoar.config import load, to_dict
from tsoar.report.page import LARGE, Live, Picture, for_the_page, number_rows, page, png, short, write_report, written
from tsoar.report.tour import TOUR, left_out, stop_of, summary_of


def number(value, verdict, unit="", criterion="0.93 to 1.05"):
    return {"value": value, "unit": unit, "criterion": criterion, "verdict": verdict}


def a_figure(width=3.0):
    figure = Figure(figsize=(width, 2))
    figure.subplots().plot(np.arange(5))
    return figure


@pytest.fixture
def content():
    return {
        "title": "jw1 <b>star</b>",
        "run": {
            "exposure": "jw1 <script>alert(1)</script>",
            "kind": "uncal",
            "inputs": [{"name": "a_uncal.fits", "bytes": 12, "sha256": "ab" * 32}],
            "references": [{"type": "gain", "file": "gain.fits", "sha256": "cd" * 32}],
            "config": to_dict(load(overrides=["jump.threshold=9.5"])),
            "options": {"baseline": "0:5", "save": []},
            "steps": ["jump", "ramp_fit"],
            "versions": {"tsoar": "0.1.0"},
            "performance": {"workers": 77, "machine": {"processor": "NeverPrinted"}},
        },
        "diagnostics": {
            "numbers": {
                "sensitivity, order 1": number(1.0, "good"),
                "scatter": number(1.3, "look here"),
                "trace motion": number(12.0, "bad", "mpx", "<= 1.2"),
                "sensitivity, order 3": number(None, "not measured"),
                "white light, order 1: scatter": number(40.0, "not judged", "ppm", "no limit by itself"),
            },
            "facts": {"sky": {"scale": 1.25}, "<i>": list(range(100))},
        },
        "pictures": [Picture("white_light", png(a_figure()), 'flux "and" <errors>')],
        "about": [("target", "a <b>star</b>"), ("length", "5.2 h")],
        "notes": ["few <groups>"],
    }


class Reader(HTMLParser):
    VOID = ("meta", "img", "br", "link")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text, self.ids, self.links = [], [], [], set(), set()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids.add(found.get("id"))
        if tag == "a":
            self.links.add(found["href"].removeprefix("#"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    assert reader.open == [], "every element is closed"
    return reader


def test_the_page_says_everything(content):
    reader = read(page(**content))
    text = " ".join(reader.text)
    for piece in (
        "a_uncal.fits, 12 bytes",
        "reference gain",
        "gain.fits, sha256",
        "jump → ramp_fit",
        "jump.threshold = 9.5",
        "baseline = 0:5",
        "0.1.0",
    ):
        assert piece in text
    text = re.sub(r"\s+", " ", text)
    assert "1 of 3 numbers with a criterion are good. Bad: trace motion . Look here: scatter." in text
    for piece in ("12 mpx", "<= 1.2", "✓", "✗", "!", "not measured", "– not judged", "few <groups>", "sky.scale", "5.2 h"):
        assert piece in text


def test_contents_lead_to_sections(content):
    reader = read(page(**content))
    assert {"summary", "motion", "sensitivity", "white_light", "provenance"} <= reader.links
    assert reader.links <= reader.ids


def test_the_tour_is_in_order(content):
    content["pictures"] = [Picture(stop.anchor, png(a_figure()), stop.title) for stop in TOUR[::-1]]
    html = page(**content)
    shown = re.findall(r'<section id="(\w+)">', html)
    assert shown == ["summary", *(stop.anchor for stop in TOUR), "provenance"]
    assert [stop.title for stop in TOUR][:3] == ["Data quality", "Saturation", "Superbias"]
    assert re.findall(r"<figcaption>(.*?)</figcaption>", html) == [stop.title for stop in TOUR]


def test_a_step_that_was_left_out_is_said_to_be(content):
    html = page(**content)  # whose steps are jump and ramp_fit
    section = html[html.index('<section id="superbias">') : html.index('<section id="refpix">')]
    assert "This step was left out." in section
    assert 'id="slopes"' not in html  # neither figure nor number
    content["run"]["kind"] = "rateints"  # begins after it
    assert "This step was left out." not in page(**content)
    jumps = next(stop for stop in TOUR if stop.anchor == "jumps")
    assert not left_out(jumps, ["jump"]) and left_out(jumps, ["ramp_fit"])


def test_numbers_stand_where_they_are_measured_and_what_is_not_good_comes_first():
    numbers = {
        "sensitivity, order 1": number(1, "good"),
        "sensitivity, order 1, 1.15 to 1.25 um": number(1, "good"),
        "sensitivity, order 2, 0.61 to 0.65 um": number(2, "bad"),
        "never heard of": number(1, "good"),
    }
    assert summary_of(numbers) == [name for name in numbers if "1.15" not in name]
    html = page(title="t", run={}, diagnostics={"numbers": numbers})
    assert "The other 1 numbers" in html
    assert html.count("1.15 to 1.25") == 1
    assert stop_of("sky over template, right") == "background"


def test_views_take_the_place_of_their_figures_on_a_screen(content):
    content["pictures"] = [
        Picture("white_light", png(a_figure()), "one", still=True),
        Picture("white_light", png(a_figure()), "two"),
        Picture("sensitivity", png(a_figure()), "three", still=True),
    ]
    content["live"] = Live({"white_light": '<div id="v"></div>'}, "<script>1</script>", {"white_light": "click <here>"})
    html = page(**content)
    assert '<div class="alive"><p class=note>click &lt;here&gt;</p><div id="v"></div></div>' in html
    assert html.count('<div class="still">') == 1
    assert html.index('<div class="still">') < html.index(">one<") < html.index(">two<")
    assert html.index("<script>1</script>") > html.index("</main>")


def test_noise_travels_small():
    figure = Figure(figsize=(8, 4))
    figure.subplots().imshow(np.random.default_rng(0).normal(size=(200, 400)))
    data = png(figure)
    assert len(data) > LARGE
    kind, small = for_the_page(data)
    assert (kind, small[8:12]) == ("webp", b"WEBP")
    assert len(small) < 0.5 * len(data)
    assert for_the_page(png(a_figure()))[0] == "png"


def test_what_stems_from_headers_does_no_harm(content):
    html = page(**content)
    reader = read(html)
    assert not {"script", "b", "i", "groups", "errors"} & {tag for tag, _ in reader.tags}
    assert "&lt;script&gt;" in html
    (image,) = (found for tag, found in reader.tags if tag == "img")
    assert image["alt"] == 'flux "and" <errors>'


def test_nothing_is_fetched_from_elsewhere(content):
    html = page(**content)
    for tag, found in read(html).tags:
        assert tag not in ("script", "link", "iframe")
        assert found.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert found.get("href", "#").startswith("#")
    assert not re.search(r"url\(|@import", html)


def test_the_same_bytes_again_whatever_machine_and_speed(content, tmp_path):
    write_report(tmp_path / "a.html", **content)
    content["run"]["performance"] = {"workers": 1}
    content["pictures"] = [Picture("white_light", png(a_figure()), 'flux "and" <errors>')]
    write_report(tmp_path / "b.html", **content)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert "NeverPrinted" not in (tmp_path / "a.html").read_text("utf-8")


def test_figures_are_inside_with_their_size(content):
    (image,) = (found for tag, found in read(page(**content)).tags if tag == "img")
    data = base64.b64decode(image["src"].partition(",")[2])
    assert data == png(a_figure())
    assert (image["width"], image["height"]) == ("330", "220")
    assert b"Software" not in data and b"tIME" not in data


def test_a_page_without_anything():
    reader = read(page(title="empty", run={}, diagnostics={}, pictures=[]))
    assert "0 of 0 numbers with a criterion are good." in " ".join(reader.text)


def test_numbers_for_people():
    assert written(1.023456) == "1.023"
    assert written(12345.6) == "12346"
    assert written(1.2e-7) == "1.2e-07"
    assert written(3) == "3"
    assert written(True) == "True"
    assert written(float("nan")) == "nan"
    assert short([1.0, 2.0]) == "[1, 2]"
    assert short(list(range(9))).endswith("... 9 values]")
    assert number_rows({"numbers": {"a": number(2.0, "bad", "ppm")}}) == [("a", "2 ppm", "0.93 to 1.05", "bad")]
