"""The page inside a notebook: served from the loop that runs already, shown in a frame."""

import asyncio
import re
import urllib.request

import pytest

from tsoar.explorer.notebook import Explorer


def test_a_cell_shows_the_page_and_it_answers(session):
    explorer = Explorer(session)

    async def cell():
        html = explorer._repr_html_()
        again = explorer._repr_html_()
        url = re.search(r'<iframe src="([^"]+)"', html).group(1)
        page = await asyncio.to_thread(lambda: urllib.request.urlopen(url, timeout=30).read().decode())
        explorer.stop()
        return url, html, again, page

    url, html, again, page = asyncio.run(cell())
    assert html == again, "served once, however often it is shown"
    assert url.startswith("http://127.0.0.1:")
    assert "<title>tsoar: jw00001001001_04101_00001</title>" in page
    assert "http://" not in re.sub(r"http://(127\.0\.0\.1|www\.w3\.org)", "", page)
    assert explorer.serving is None
    with pytest.raises(OSError):
        urllib.request.urlopen(url, timeout=5)


def test_outside_a_notebook_it_is_an_object_to_ask(session):
    explorer = Explorer(session)
    assert explorer._repr_html_() is None
    assert callable(explorer.app)
    assert "session=Session(" in repr(explorer)
