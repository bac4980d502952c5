"""An HTTP proxy between S3Store and a server that loses, delays, damages and refuses on order."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class LostRequest:
    """The connection breaks before the server sees the request."""


@dataclass(frozen=True)
class LostResponse:
    """The server acts, the connection breaks before the answer arrives."""


@dataclass(frozen=True)
class LateResponse:
    """The server acts, the answer comes after `delay_s`."""

    delay_s: float


@dataclass(frozen=True)
class Answer:
    """The server is not asked; S3's error `code` comes back."""

    status: int
    code: str


@dataclass(frozen=True)
class CutBody:
    """The answer's body ends after `length_bytes`, the connection with it."""

    length_bytes: int


@dataclass(frozen=True)
class FlippedByte:
    """The answer's body arrives whole but wrong."""


Fault = LostRequest | LostResponse | LateResponse | Answer | CutBody | FlippedByte


@dataclass
class FaultProxy:
    """`plan(method, fault, ...)` orders faults for the next requests of that method."""

    endpoint: str
    strip_headers: set[str] = field(default_factory=set)
    seen: list[str] = field(default_factory=list)
    down: bool = False
    delay_s: float = 0.0  # before every answer
    _planned: dict[str, deque[Fault]] = field(default_factory=dict)

    def plan(self, method: str, *faults: Fault) -> None:
        self._planned.setdefault(method, deque()).extend(faults)

    def reset(self) -> None:
        self.strip_headers.clear()
        self.seen.clear()
        self.down = False
        self.delay_s = 0.0
        self._planned.clear()

    def take(self, method: str) -> Fault | None:
        self.seen.append(method)
        if self.down:
            return LostRequest()
        planned = self._planned.get(method)
        return planned.popleft() if planned else None

    def count(self, method: str) -> int:
        return self.seen.count(method)


@contextmanager
def fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    address = urlsplit(upstream).netloc
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.daemon_threads = True
    proxy = FaultProxy(f"http://127.0.0.1:{server.server_address[1]}")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault = proxy.take(self.command)
            if isinstance(fault, LostRequest):
                self.close_connection = True
                return
            if isinstance(fault, Answer):
                self._refuse(fault)
                return
            status, headers, data = self._forward(body)
            time.sleep(proxy.delay_s)
            if isinstance(fault, LostResponse):
                self.close_connection = True
                return
            if isinstance(fault, LateResponse):
                time.sleep(fault.delay_s)
            sent = data
            if isinstance(fault, CutBody):
                sent, self.close_connection = data[: fault.length_bytes], True
            if isinstance(fault, FlippedByte):
                sent = bytes([data[0] ^ 0xFF]) + data[1:]
            self.send_response_only(status)
            length = str(len(data))
            for name, value in headers:
                if name.lower() == "content-length" and self.command == "HEAD":
                    length = value  # of the body that a HEAD leaves out
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(sent)

        def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            dropped = {"expect", "connection", *proxy.strip_headers}
            headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
            connection = HTTPConnection(address, timeout=30)
            try:
                connection.request(self.command, self.path, body=body, headers=headers)
                answer = connection.getresponse()
                return answer.status, answer.getheaders(), answer.read()
            finally:
                connection.close()

        def _refuse(self, fault: Answer) -> None:
            body = f"<Error><Code>{fault.code}</Code><Message>on order</Message></Error>".encode()
            self.send_response_only(fault.status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _handle  # noqa: N815

    server.RequestHandlerClass = Handler
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
