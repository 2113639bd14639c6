"""A browser, where there is one: the Chromium of the machine, driven by playwright."""

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def browser():
    """A headless browser; the test is skipped, with the reason, where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (group browser)")
    found = os.environ.get("TSOAR_BROWSER") or next((p for p in map(shutil.which, NAMES) if p), None)
    if found is None:
        pytest.skip("no Chromium on this machine (set TSOAR_BROWSER to one)")
    with playwright.sync_playwright() as p:
        opened = p.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass
class Watched:
    """A page and what it did: requests, and what it complained about."""

    page: object
    requests: list = field(default_factory=list)
    complaints: list = field(default_factory=list)

    def elsewhere(self, *allowed):
        """Requests to anywhere but addresses that begin like ``allowed``."""
        return [url for url in self.requests if not url.startswith((*allowed, "data:", "blob:"))]


@pytest.fixture
def watched(browser):
    """Opens pages of a given width and watches them: ``with watched(1280) as w: w.page.goto(...)``."""

    @contextmanager
    def opened(width=1280, height=900):
        page = browser.new_page(viewport={"width": width, "height": height})
        w = Watched(page)
        page.on("request", lambda request: w.requests.append(request.url))
        page.on("websocket", lambda ws: w.requests.append(ws.url.replace("ws://", "http://")))
        page.on("console", lambda m: w.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: w.complaints.append(str(error)))
        page.on("requestfailed", lambda request: w.complaints.append(f"failed: {request.url}"))
        try:
            yield w
        finally:
            page.close()

    return opened


@pytest.fixture
def screenshot(tmp_path):
    """Keeps a picture of the whole page in the test's folder (pytest keeps those of the last three sessions)."""

    def keep(page, name):
        page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        return tmp_path / f"{name}.png"

    return keep
