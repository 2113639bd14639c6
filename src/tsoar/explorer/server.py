"""A server for this machine only: bound to 127.0.0.1, and silent to whoever does not know the token in the address."""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Callable
from typing import Any

from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.settings import settings
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import RequestHandler

from tsoar.errors import ConfigError

HOST = "127.0.0.1"


class Forbidden(RequestHandler):
    """403, whatever is asked."""

    def prepare(self) -> None:
        """Answer before any method is looked for."""
        self.set_status(403)
        self.finish("403: the address needs the token that tsoar explore printed.\n")


class Guarded(BokehTornado):
    """Bokeh's application behind a token: everything, scripts and web socket included, lives under ``/TOKEN``.

    The Host header must be this machine's, so that a page elsewhere cannot reach in by a name that resolves to 127.0.0.1.
    """

    def __init__(self, app: Callable[[Document], None], token: str, port: int) -> None:
        self.token, self.hosts = token, (f"{HOST}:{port}", f"localhost:{port}")
        super().__init__(
            app,
            prefix=token,
            use_index=False,
            extra_websocket_origins=[*self.hosts],
            log_function=lambda handler: None,  # whoever knocks without the token is not worth a line on the terminal
        )

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> Any:
        """The handler of a path, or 403."""
        given = request.path.lstrip("/").partition("/")[0]
        if request.host.lower() in self.hosts and hmac.compare_digest(given.encode(), self.token.encode()):
            return super().find_handler(request, **kwargs)
        return self.get_handler_delegate(request, Forbidden)


class Serving:
    """A page being served; `url` is where."""

    def __init__(self, app: Callable[[Document], None], port: int = 0, loop: IOLoop | None = None) -> None:
        settings.resources = "server"  # whatever the environment says, nothing is fetched from elsewhere
        self.loop = loop or IOLoop.current()
        try:
            listening = socket.create_server((HOST, port))
        except OSError as error:
            raise ConfigError(
                f"--port {port}: cannot be had ({error.strerror}); leave it out and a free one is taken"
            ) from error
        listening.setblocking(False)
        port = listening.getsockname()[1]
        token = secrets.token_urlsafe(24)
        self.url = f"http://{HOST}:{port}/{token}/"
        guarded = Guarded(app, token, port)
        http = HTTPServer(guarded)
        http.add_socket(listening)
        self._server = BaseServer(self.loop, guarded, http)
        self._server.start()

    def stop(self) -> None:
        """Close the port; open pages lose their connection."""
        self._server.stop(wait=False)


def serve(app: Callable[[Document], None], port: int = 0, ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve until interrupted; ``ready`` gets the address once it answers.

    Raises
    ------
    ConfigError
        For a port that cannot be had.
    KeyboardInterrupt
        Never: ctrl-C is how it ends.
    """
    serving = Serving(app, port)
    try:
        serving.loop.add_callback(ready, serving.url)
        serving.loop.start()
    except KeyboardInterrupt:
        pass
    finally:
        serving.stop()
