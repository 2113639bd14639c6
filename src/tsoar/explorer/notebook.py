"""The page inside a notebook."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

from bokeh.document import Document

from tsoar.explorer.app import application
from tsoar.explorer.server import Serving, serve
from tsoar.explorer.session import Session

HEIGHT = 1000
"""of the page inside a notebook [px]"""


@dataclass
class Explorer:
    """A page ready to be shown: by a notebook as the value of a cell, or with `serve` from a program.

    The notebook's kernel serves it, to this machine only, with a token in the address. Where the browser is elsewhere
    (a hub), ``bokeh.io.show(explorer.app, notebook_url=...)`` takes the same page through Bokeh's own way.
    """

    session: Session
    serving: Serving | None = field(default=None, repr=False)

    @property
    def app(self) -> Callable[[Document], None]:
        """The page as a Bokeh application."""
        return application(self.session)

    def _repr_html_(self) -> str | None:
        """The page in a frame; nothing where no event loop runs that could serve it."""
        if self.serving is None:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return None
            self.serving = Serving(self.app)
        url = escape(self.serving.url, quote=True)
        return (
            f'<iframe src="{url}" title="tsoar explore" style="width:100%;height:{HEIGHT}px;border:1px solid #d5d5d5"></iframe>'
            f'<p><a href="{url}" target="_blank">in a window of its own</a> (this machine only)</p>'
        )

    def serve(self, port: int = 0, ready: Callable[[str], None] = print) -> None:
        """Serve until ctrl-C; ``ready`` gets the address."""
        serve(self.app, port, ready)

    def stop(self) -> None:
        """Stop serving."""
        if self.serving is not None:
            self.serving.stop()
            self.serving = None
