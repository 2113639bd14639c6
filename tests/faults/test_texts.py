"""Header texts that would do harm: HTML, control characters, escape sequences, very long, not ASCII."""

import json
from html.parser import HTMLParser

import pytest
from astropy.io import fits

from tests.faults.mutations import headers
from tests.make import tiny_exposure

pytestmark = pytest.mark.filterwarnings("ignore")  # astropy's, on what the tests do to the files
HTML = "<script>alert('x')</script><img src=x onerror=alert(1)>&amp;\"><b>"
ESCAPES = "\x1b[2J\x1b[31mred\x07\x08\x1b]0;title\x07"


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text.append(data)


def harmless(ended):
    """Nothing on the terminal that a terminal would obey."""
    for text in (ended.out, ended.err):
        assert all(c.isprintable() for c in text.replace("\n", "")), ascii(text)
    assert "Traceback" not in ended.err


def raw_card(path, key, value):
    """A card with bytes that no FITS library would write, in the place of the one that is there."""
    data = path.read_bytes()
    start, end = headers(path)[0]
    place = data.index(f"{key:8}=".encode(), start, end)
    card = f"{key:8}= '{value}'".encode("latin1")[:80].ljust(80)
    path.write_bytes(data[:place] + card + data[place + 80 :])


def made(folder, **keywords):
    """A small exposure whose header texts are these; file and reference names too are odd."""
    tiny = tiny_exposure(folder, n_int=1, n_groups=3, segments=1)
    with fits.open(tiny.uncal[0], mode="update") as hdus:
        for key, value in keywords.items():
            hdus[0].header[key] = value
    return tiny


def test_html_in_headers_and_file_names_stays_text(nursery, tmp_path):
    tiny = made(tmp_path / "in", TARGPROP=HTML, TARGNAME=HTML, READPATT="<i>", TGROUP=f" 2.214{' ' * 8}", FILTER="<u>")
    odd = tiny.uncal[0].rename(tmp_path / "in" / "<svg onload=alert(2)>é\x1b[31m_nis_uncal.fits")
    gain = tiny.refs / "file_gain.fits"
    with fits.open(gain, mode="update") as hdus:
        hdus[0].header["PEDIGREE"] = HTML
    gain.rename(tiny.refs / "<em>gain.fits")
    out = tmp_path / "out"
    ended = nursery.run("run", odd, "--refs", tiny.refs, "--out", out, figures=False)
    assert ended.code == 0, ended
    harmless(ended)
    html = (out / "report.html").read_text("utf-8")
    reader = Reader()
    reader.feed(html)
    assert not {"script", "svg", "em", "b", "i", "u"} & set(reader.tags)
    assert [t for t in reader.tags if t == "img"] == []
    assert not [a for a in reader.attributes if a.startswith("on")]
    assert HTML in " ".join(reader.text), "what the header says is there, as text"
    assert all(c.isprintable() or c == "\n" for c in html), "control characters do not reach the page"
    assert json.loads((out / "run.json").read_text("utf-8"))["inputs"][0]["name"] == odd.name
    for command in (["report", out], ["inspect", odd], ["plan", odd, "--refs", tiny.refs]):
        ended = nursery.run(*command)
        assert ended.code == 0, ended
        harmless(ended)


@pytest.mark.parametrize("text", [ESCAPES, "\x00\x01"], ids=["escapes", "zeros"])
def test_control_characters_are_left_out(nursery, tmp_path, text):
    """The card is lost, not the exposure; a keyword that matters is missed in words."""
    tiny = made(tmp_path / "in", TARGPROP="x")
    for key in ("TARGPROP", "TARGNAME", "READPATT"):
        raw_card(tiny.uncal[0], key, text)
    ended = nursery.run("inspect", *tiny.uncal)
    assert ended.code == 0, ended
    harmless(ended)
    assert "keyword READPATT, TARGNAME cannot be parsed, left out" in ended.err, ended.err


@pytest.mark.parametrize("text", ["\xe9\xff\x9b31m", "a\u202eb".encode().decode("latin1")], ids=["latin1", "turned"])
def test_bytes_that_are_not_ascii_do_no_harm(nursery, tmp_path, text):
    """astropy puts question marks in their place."""
    tiny = made(tmp_path / "in", TARGPROP="x")
    for key in ("TARGPROP", "SUBARRAY"):
        raw_card(tiny.uncal[0], key, text)
    ended = nursery.run("inspect", *tiny.uncal)
    assert ended.code == 2, ended
    harmless(ended)
    assert "SUBARRAY" in ended.err and "?" in ended.err


def test_refusals_quote_texts_harmlessly(nursery, tmp_path):
    tiny = made(tmp_path / "in", SUBARRAY=HTML[:60], TARGNAME="y")
    ended = nursery.run("inspect", *tiny.uncal)
    assert ended.code == 2
    harmless(ended)
    assert len(ended.lines) == 1
    ended = nursery.run("inspect", tmp_path / f"no\n{ESCAPES}.fits")
    assert ended.code == 2
    harmless(ended)
    assert len(ended.lines) == 1


def test_very_long_texts_do_not_flood_the_terminal(nursery, tmp_path):
    tiny = made(tmp_path / "in", INSTRUME="N" * 5000)
    ended = nursery.run("inspect", *tiny.uncal)
    assert ended.code == 2
    assert len(ended.err) < 1000, "a line that can be read"
