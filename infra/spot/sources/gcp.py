"""Google Cloud: the metadata server of a Compute Engine machine.

Boundary: two values. `instance/preempted` becomes TRUE 30 s before a spot machine's end, or earlier
where the machine was made with `preemptionNoticeDuration`; the server does not say how much
earlier, so the caller does.
"""

from __future__ import annotations

from collections.abc import Callable

from infra.spot.notices import Notice, SilentSourceError, gcp_maintenance, gcp_preempted
from infra.spot.sources.metadata import Metadata
from infra.spot.sources.source import Source

HOST = "169.254.169.254"  # the address of metadata.google.internal: nothing to resolve
INSTANCE = "/computeMetadata/v1/instance/"
REMEDY = f"let nodes and pods reach http://{HOST}"
HEADERS = {"Metadata-Flavor": "Google"}


def gcp_sources(notice_s: float, host: str = HOST) -> tuple[Source, ...]:
    """What Google may announce to the machine whose metadata server is at `host` (or host:port)."""
    metadata = Metadata(f"http://{host}")
    return (
        _source(metadata, "preempted", lambda body, now: gcp_preempted(body, now, notice_s)),
        _source(metadata, "maintenance-event", gcp_maintenance),
    )


def _source(metadata: Metadata, key: str, parse: Callable[[str, float], Notice | None]) -> Source:
    def read(now_unix_s: float) -> list[Notice]:
        body = metadata.ask(INSTANCE + key, HEADERS).body()
        if body is None:
            raise SilentSourceError("is not there")
        notice = parse(body, now_unix_s)
        return [] if notice is None else [notice]

    return Source(f"gcp instance/{key}", read, remedy=REMEDY)
