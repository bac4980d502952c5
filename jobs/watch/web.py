"""The live page: a small HTTP server on this machine, for one run.

Boundary: serves three fixed addresses and reads nothing else of the request than its path and its
`Host`. Nothing can be changed through it.
Invariant: only names that mean this machine, or the one that the user bound it to, are answered: a
page elsewhere cannot read a run by pointing its own name here.
"""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jobs.cli.errors import CommandError
from jobs.exit_codes import Exit

PAGE = Path(__file__).with_name("page.html")
HERE = frozenset({"localhost", "127.0.0.1", "[::1]"})
POLICY = (  # nothing from elsewhere is loaded or asked
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src data:"
)


@contextmanager
def serving(read_picture: Callable[[], dict[str, Any]], host: str, port: int) -> Iterator[str]:
    """Serve the page while inside; gives its address. Port 0 takes a free one.

    Raises:
        CommandError: the port is in use, or the address is none of this machine.
    """
    try:
        server = ThreadingHTTPServer((host, port), _handler(read_picture, host))
    except OSError as error:
        raise _explained(error, host, port) from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(read_picture: Callable[[], dict[str, Any]], host: str) -> type[BaseHTTPRequestHandler]:
    page = PAGE.read_bytes()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.headers.get("Host", "").rsplit(":", 1)[0]
            if name not in HERE | {host}:
                self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"not under this name\n")
            elif self.path == "/":
                self._answer(HTTPStatus.OK, "text/html; charset=utf-8", page)
            elif self.path == "/run.json":
                body = json.dumps(read_picture()).encode()
                self._answer(HTTPStatus.OK, "application/json", body)
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there is / and /run.json\n")

        def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the terminal shows the run."""

    return Handler


def _explained(error: OSError, host: str, port: int) -> CommandError:
    if error.errno == errno.EADDRINUSE:
        return CommandError(
            f"port {port} is in use", "name another one, or 0 for a free one", Exit.BAD_USAGE
        )
    return CommandError(
        f"cannot listen on {host}:{port}: {error.strerror or error}",
        "--host takes an address of this machine",
        Exit.BAD_USAGE,
    )
