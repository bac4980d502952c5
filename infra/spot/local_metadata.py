"""AWS's instance metadata service (IMDSv2) on the loopback interface, for rehearsals and tests.

Boundary: answers what a node's sentinel asks for and nothing else; each node of a rehearsal has its
own path prefix, given to it as AWS_EC2_METADATA_SERVICE_ENDPOINT.
Invariants: as at AWS, nothing is told without a token that is still valid (401), what was not
announced is 404, and a body stays the same for as long as it is there.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
TOKEN_PATH = "/latest/api/token"
META_DATA = "/latest/meta-data/"
INSTANCE_ACTION = "spot/instance-action"
REBALANCE = "events/recommendations/rebalance"
LIFECYCLE = "autoscaling/target-lifecycle-state"
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aws-ec2-metadata-token"
MOST_TTL_S = 21600


class LocalMetadata:
    """The metadata services of any number of nodes behind one port; a context manager."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._shown: dict[tuple[str, str], str] = {}
        self._tokens: dict[tuple[str, str], float] = {}
        self._server = ThreadingHTTPServer((HOST, 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="local-metadata", daemon=True
        )

    def __enter__(self) -> LocalMetadata:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def endpoint(self, node: str) -> str:
        """The value of AWS_EC2_METADATA_SERVICE_ENDPOINT for this node; no slash in `node`."""
        return f"http://{HOST}:{self._server.server_address[1]}/{node}"

    def interrupt(self, node: str, deadline_unix_s: float, action: str = "terminate") -> None:
        """Announce that the node's machine is taken at that moment, in whole seconds as AWS does.

        `action` is terminate, stop or hibernate.
        """
        body = {"action": action, "time": _written(deadline_unix_s)}
        self.show(node, INSTANCE_ACTION, json.dumps(body))

    def recommend_rebalance(self, node: str) -> None:
        """Announce that the node's machine may be taken before long."""
        self.show(node, REBALANCE, json.dumps({"noticeTime": _written(time.time())}))

    def show(self, node: str, path: str, body: str) -> None:
        """Answer `path` under latest/meta-data/ with `body`."""
        with self._lock:
            self._shown[node, path] = body

    def clear(self, node: str) -> None:
        """Take back everything announced to this node."""
        with self._lock:
            for key in [key for key in self._shown if key[0] == node]:
                del self._shown[key]

    def expire_tokens(self) -> None:
        """Refuse every token given out so far."""
        with self._lock:
            self._tokens.clear()

    def _new_token(self, node: str, ttl_s: int) -> str:
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[node, token] = self._now() + ttl_s
        return token

    def _accepts(self, node: str, token: str | None) -> bool:
        with self._lock:
            return token is not None and self._now() < self._tokens.get((node, token), 0.0)

    def _body(self, node: str, path: str) -> str | None:
        with self._lock:
            return self._shown.get((node, path))


def _handler_of(metadata: LocalMetadata) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            node, path = _split(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            ttl = self.headers.get(TTL_HEADER, "")
            if path != TOKEN_PATH:
                self._answer(HTTPStatus.NOT_FOUND)
            elif not ttl.isdecimal() or not 1 <= int(ttl) <= MOST_TTL_S:
                self._answer(HTTPStatus.BAD_REQUEST)
            else:
                self._answer(HTTPStatus.OK, metadata._new_token(node, int(ttl)))

        def do_GET(self) -> None:
            node, path = _split(self.path)
            if not metadata._accepts(node, self.headers.get(TOKEN_HEADER)):
                self._answer(HTTPStatus.UNAUTHORIZED)
                return
            body = metadata._body(node, path.removeprefix(META_DATA))
            if not path.startswith(META_DATA) or body is None:
                self._answer(HTTPStatus.NOT_FOUND)
            else:
                self._answer(HTTPStatus.OK, body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def _answer(self, status: HTTPStatus, text: str = "") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _split(path: str) -> tuple[str, str]:
    """(node, path of the service) of a request's path."""
    node, _, rest = path.removeprefix("/").partition("/")
    return node, f"/{rest}"


def _written(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
