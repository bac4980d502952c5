"""Requests to a metadata service, and what its answers say about the node's clock.

Boundary: HTTP only; which paths mean what is the business of the file per cloud. Proxies of the
environment are ignored: these addresses mean the machine itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import httpx

from infra.spot.notices import GarbledNoticeError, SilentSourceError, http_date

TIMEOUT_S = 2.0
COARSE_S = 2.0  # an HTTP date has whole seconds, and an answer takes its time
NOTHING = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.NO_CONTENT})


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the service."""

    status: int
    text: str
    date: str | None  # its Date header

    def body(self) -> str | None:
        """The text; None for 404 and 204; raises SilentSourceError for every other status."""
        if self.status in NOTHING:
            return None
        if self.status != HTTPStatus.OK:
            raise SilentSourceError(f"answered {self.status}")
        return self.text

    def clock_ahead_s(self, now_unix_s: float) -> float:
        """How far the service's clock is ahead of one that shows `now_unix_s`; 0 if about equal."""
        if self.date is None:
            return 0.0
        try:
            ahead_s = http_date(self.date).timestamp() - now_unix_s
        except GarbledNoticeError:
            return 0.0
        return ahead_s if abs(ahead_s) > COARSE_S else 0.0


class Metadata:
    """A client of one service; what is asked for is appended to `endpoint`."""

    def __init__(self, endpoint: str, timeout_s: float = TIMEOUT_S) -> None:
        self._endpoint = endpoint
        self._client = httpx.Client(timeout=timeout_s, trust_env=False)

    def ask(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        content: bytes | None = None,
    ) -> Answer:
        """One request; raises SilentSourceError when nobody answers."""
        try:
            found = self._client.request(
                method, self._endpoint + path, headers=headers, content=content
            )
        except httpx.TimeoutException as error:
            raise SilentSourceError("does not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise SilentSourceError(f"cannot be reached ({type(error).__name__})") from error
        return Answer(found.status_code, found.text, found.headers.get("Date"))
