"""Azure: Scheduled Events of the instance metadata service.

Boundary: one source. A body names the events of every machine of the scale set, so the machine's
own name is asked for once. Acknowledging an event lets Azure take the machine at once: it is for a
node that is empty, and spares the rest of the paid time.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from infra.spot.notices import Notice, SilentSourceError, azure_events
from infra.spot.sources.metadata import Metadata
from infra.spot.sources.source import Source

ENDPOINT = "http://169.254.169.254"
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
NAME = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
REMEDY = f"let nodes and pods reach {ENDPOINT}"
HEADERS = {"Metadata": "true"}
TIMEOUT_S = 10.0  # Azure takes its time to answer a machine that asks for the first time


class ScheduledEvents:
    """The events of the machine whose metadata service is at `endpoint`."""

    def __init__(self, endpoint: str) -> None:
        self._metadata = Metadata(endpoint, TIMEOUT_S)
        self._machine: str | None = None

    def read(self, now_unix_s: float) -> list[Notice]:
        """What ends this machine; raises SourceError."""
        answer = self._metadata.ask(EVENTS, HEADERS)
        body = answer.body()
        if body is None:
            raise SilentSourceError("is not there")
        if self._machine is None:
            self._machine = self._name()
        ahead_s = answer.clock_ahead_s(now_unix_s)
        found = azure_events(body, self._machine, now_unix_s + ahead_s)
        return [notice.seen_from(ahead_s) for notice in found]

    def acknowledge(self, notice: Notice) -> None:
        """Let Azure go ahead with an event; raises SilentSourceError."""
        content = json.dumps({"StartRequests": [{"EventId": notice.id}]}).encode()
        answer = self._metadata.ask(EVENTS, HEADERS, method="POST", content=content)
        if answer.status != HTTPStatus.OK:
            raise SilentSourceError(f"answered {answer.status} to an acknowledgement")

    def _name(self) -> str:
        name = self._metadata.ask(NAME, HEADERS).body()
        if not name or not name.strip():
            raise SilentSourceError("does not say the machine's name")
        return name.strip()


def azure_sources(endpoint: str = ENDPOINT) -> tuple[Source, ...]:
    """What Azure may announce to this machine."""
    events = ScheduledEvents(endpoint)
    return (Source("azure scheduledevents", events.read, events.acknowledge, REMEDY),)
