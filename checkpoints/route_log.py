"""What a run has decided about its route, so that no resume decides it again.

Boundary: JSON values by their keys; what is in them is the pipeline's matter.
Invariant: each of them is written once and holds from then on, whoever wrote it first.
"""

from __future__ import annotations

from collections.abc import Mapping

from checkpoints import keys
from checkpoints.commit import Outcome, create_once
from checkpoints.encoding import Json, canonical_json, parse_object
from checkpoints.store import Store

FORMAT_VERSION = 1


def read_draw(store: Store) -> dict[str, Json] | None:
    """How the sample is drawn; None where it was not settled. CorruptObjectError."""
    return _read(store, keys.ROUTE_DRAW)


def keep_draw(store: Store, value: Mapping[str, Json]) -> dict[str, Json]:
    """Settle how the sample is drawn; gives what holds. UnknownWriteError, CorruptObjectError."""
    return _keep(store, keys.ROUTE_DRAW, value)


def read_decision(store: Store) -> dict[str, Json] | None:
    """What was decided from the sample; None where nothing was. CorruptObjectError."""
    return _read(store, keys.ROUTE_DECISION)


def keep_decision(store: Store, value: Mapping[str, Json]) -> dict[str, Json]:
    """Settle the decision; gives what holds. UnknownWriteError, CorruptObjectError."""
    return _keep(store, keys.ROUTE_DECISION, value)


def read_revisions(store: Store) -> list[dict[str, Json]]:
    """The changes since the decision, in order. CorruptObjectError."""
    found: list[dict[str, Json]] = []
    while (value := _read(store, keys.route_revision_key(len(found) + 1))) is not None:
        found.append(value)
    return found


def keep_revision(store: Store, number: int, value: Mapping[str, Json]) -> dict[str, Json]:
    """Settle the change with this number, from 1; gives what holds. Errors as `keep_decision`."""
    return _keep(store, keys.route_revision_key(number), value)


def _keep(store: Store, key: str, value: Mapping[str, Json]) -> dict[str, Json]:
    data = canonical_json({"format_version": FORMAT_VERSION, **value})
    if create_once(store, key, data) is Outcome.THEIRS:
        data = store.read(key)
    return _decoded(key, data)


def _read(store: Store, key: str) -> dict[str, Json] | None:
    try:
        return _decoded(key, store.read(key))
    except FileNotFoundError:
        return None


def _decoded(key: str, data: bytes) -> dict[str, Json]:
    value = parse_object(key, data, newest_format=FORMAT_VERSION)
    del value["format_version"]
    return value
