"""The report page: complete, self-contained, harmless, the same bytes every time."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from tsoar.config import load, to_dict
from tsoar.report.page import number_rows, page, png, short, write_report, written


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
                "sensitivity_1": number(1.0, "good"),
                "scatter": number(1.3, "look here"),
                "motion": number(12.0, "bad", "mpx", "<= 1.2"),
                "order_3": number(None, "not measured"),
            },
            "facts": {"sky": {"scale": 1.25}, "<i>": list(range(100))},
        },
        "figures": [("white", "White light", png(a_figure()), 'flux "and" <errors>')],
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
    assert "1 of 4 numbers are good. Bad: motion. Look here: scatter." in text
    for piece in ("12 mpx", "<= 1.2", "✓", "✗", "!", "not measured", "Note: few <groups>", "sky.scale", "1.25"):
        assert piece in text


def test_contents_lead_to_sections(content):
    reader = read(page(**content))
    assert reader.links == {"run", "numbers", "white", "settings"}
    assert reader.links <= reader.ids


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
    content["figures"] = [("white", "White light", png(a_figure()), 'flux "and" <errors>')]
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
    reader = read(page(title="empty", run={}, diagnostics={}, figures=[]))
    assert "0 of 0 numbers are good." in " ".join(reader.text)


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
