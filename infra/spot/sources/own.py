"""A file or an HTTP address with notices in Gleaner's own format: for tests and other clouds.

Boundary: reads `notices.own_notices`' format. No file, an empty one, 404 and 204 mean that nothing
is announced.
"""

from __future__ import annotations

from pathlib import Path

from infra.spot.address import Place, filled, is_file, path_of
from infra.spot.notices import Notice, SilentSourceError, own_notices
from infra.spot.sources.metadata import Metadata
from infra.spot.sources.source import Source

REMEDY = "see spot.source in the job file"


def own_sources(address: str, place: Place) -> tuple[Source, ...]:
    """The notices at `address`, which `address.is_own`, for the node at `place`."""
    where = filled(address, place)
    return (_file_source(where) if is_file(where) else _http_source(where),)


def _file_source(address: str) -> Source:
    path = Path(path_of(address))

    def read(now_unix_s: float) -> list[Notice]:
        try:
            body = path.read_text(errors="replace")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise SilentSourceError(f"cannot be read ({type(error).__name__})") from error
        return own_notices(body, now_unix_s) if body.strip() else []

    return Source(address, read, remedy=REMEDY)


def _http_source(address: str) -> Source:
    metadata = Metadata(address)

    def read(now_unix_s: float) -> list[Notice]:
        answer = metadata.ask("")
        body = answer.body()
        if not body or not body.strip():
            return []
        ahead_s = answer.clock_ahead_s(now_unix_s)
        found = own_notices(body, now_unix_s + ahead_s)
        return [notice.seen_from(ahead_s) for notice in found]

    return Source(address, read, remedy=REMEDY)
