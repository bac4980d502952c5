"""Metadata services of Google Cloud and Azure over HTTP, and a place for notices of one's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

AZURE_EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
AZURE_NAME = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
GCP_INSTANCE = "/computeMetadata/v1/instance/"


@dataclass
class CloudServer:
    """Answers what `shown` has by path; 403 without the header that the cloud asks for."""

    needs: tuple[str, str] | None = None
    shown: dict[str, str] = field(default_factory=dict)
    date: str | None = None  # instead of the real one
    status: int = 200
    posted: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    host: str = ""

    @property
    def endpoint(self) -> str:
        return f"http://{self.host}"


@contextmanager
def cloud_server(needs: tuple[str, str] | None = None) -> Iterator[CloudServer]:
    cloud = CloudServer(needs)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def date_time_string(self, timestamp: float | None = None) -> str:
            return cloud.date or super().date_time_string(timestamp)

        def do_GET(self) -> None:
            cloud.asked.append(self.path)
            if cloud.needs is not None and self.headers.get(cloud.needs[0]) != cloud.needs[1]:
                self._answer(403, "")
            elif cloud.status != 200:
                self._answer(cloud.status, "")
            elif self.path in cloud.shown:
                self._answer(200, cloud.shown[self.path])
            else:
                self._answer(404, "")

        def do_POST(self) -> None:
            cloud.posted.append(
                json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            )
            self._answer(cloud.status, "")

        def _answer(self, status: int, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    cloud.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield cloud
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
