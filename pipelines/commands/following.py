"""A page that is renewed while trials end: served to this machine alone, by one process, until Ctrl-C."""

import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from rich.console import Console

from pipelines.commands import print_lines
from pipelines.commands.parameters import Parameters
from pipelines.errors import UserError

if TYPE_CHECKING:
    from reports import Report

#: The only address that is served: this machine's own.
ADDRESS = "127.0.0.1"
PORT = 8600
#: How long the store is left alone between two looks.
SECONDS = 3.0


def read_following(parameters: Parameters) -> tuple[bool, int]:
    """Whether the page is to be served and renewed, and on which port."""
    port = parameters.whole_number("port", minimum=0, maximum=65535, default=PORT)
    return parameters.flag("follow", False), PORT if port is None else port


class LivePage:
    """The newest page and its version; made in one thread, sent in others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._html, self._version = "", ""

    def put(self, html: str, version: str) -> None:
        """Take a newer page."""
        with self._lock:
            self._html, self._version = html, version

    def get(self) -> tuple[str, str]:
        """The page and its version."""
        with self._lock:
            return self._html, self._version


def follow(read: "Callable[[], Report]", console: Console, *, port: int, looks: int | None = None) -> None:
    """Serve the page of what ``read`` returns, and renew it as that changes, until the process is interrupted.

    Parameters
    ----------
    read
        Reads the sweep or the logs anew; what cannot be read for a while leaves the last page as it is.
    console
        Where the address is printed.
    port
        Of this machine; 0 for any that is free.
    looks
        How often it looks for changes; None for ever.

    Raises
    ------
    UserError
        Where the first page cannot be read, or the port is taken.
    """
    from reports.pages.live import live_state
    from reports.pages.sweep import render_live

    report = read()
    page = LivePage()
    server = serve(page, port)
    try:
        looked = 0
        while looks is None or looked < looks:
            live = live_state(report)
            if live.version != page.get()[1]:
                page.put(render_live(report, live), live.version)
            if not looked:
                address = f"http://{ADDRESS}:{server.server_address[1]}/"
                print_lines(console, [f"Live page   {address}", "Ctrl-C ends it."])
            looked += 1
            time.sleep(SECONDS)
            try:
                report = read()
            except UserError as error:
                console.print(str(error), markup=False, soft_wrap=True)
    finally:
        server.shutdown()
        server.server_close()


def serve(page: LivePage, port: int) -> ThreadingHTTPServer:
    """Start to serve a page to this machine, until the server is shut down; ``UserError`` where the port is taken."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            html, version = page.get()
            own = {f"{name}:{self.server.server_address[1]}" for name in (ADDRESS, "localhost")}  # type: ignore[index]
            if self.headers.get("Host") not in own:
                # Another site's name that has been pointed at this machine.
                self.send_error(HTTPStatus.FORBIDDEN)
            elif self.path == "/":
                self._send(html, "text/html")
            elif self.path == "/version":
                self._send(version, "text/plain")
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def _send(self, text: str, kind: str) -> None:
            content = text.encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *values: object) -> None:  # noqa: A002
            """Nothing is said of requests."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A browser that is closed while it is answered is no mistake of anybody's."""
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)  # type: ignore[arg-type]

    try:
        server = Server((ADDRESS, port), Handler)
    except OSError as error:
        raise UserError(
            f"port: {port} cannot be served on {ADDRESS}: {error.strerror or error}; allowed: another port from 1024 "
            "to 65535, or 0 for any that is free."
        ) from error
    threading.Thread(target=server.serve_forever, name="live page", daemon=True).start()
    return server
