"""status.json: the last snapshot a driver saved, with the time it did so.

Boundary: what `gleaner status` reads without Ray; a resume takes from it only what `Past` has.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from checkpoints import keys
from checkpoints.encoding import parse_object
from checkpoints.errors import CorruptObjectError
from checkpoints.steps import tallies_of_fields
from checkpoints.store import Store
from pipeline.fleet import EngineStanding
from pipeline.horizon import Left
from pipeline.interruptions import NO_INTERRUPTIONS, Interruptions
from pipeline.node_watch import NodeWatch
from pipeline.progress import ErrorExample, ErrorKind, Snapshot, State
from pipeline.routing.route_standing import RouteStanding

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class SavedStatus:
    """A snapshot and when it was saved (unix seconds, the driver's clock)."""

    saved_unix_s: float
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier attempts of the run had come to when they last saved their status."""

    cost_usd: float = 0.0
    elapsed_s: float = 0.0
    unsaved: int = 0  # documents that were in the hands of an attempt that died
    interruptions: Interruptions = NO_INTERRUPTIONS
    examples: Mapping[str, ErrorExample] = field(default_factory=dict)


def save_status(checkpoint: Store, snapshot: Snapshot) -> None:
    """Overwrite status.json."""
    value = {
        "format_version": FORMAT_VERSION,
        "saved_unix_s": time.time(),
        "snapshot": asdict(snapshot),
    }
    checkpoint.replace(keys.STATUS, json.dumps(value).encode())


def read_status(checkpoint: Store) -> SavedStatus | None:
    """The last saved status; None where none was ever saved.

    Raises:
        NewerFormatError, CorruptObjectError: this version cannot read it.
    """
    value = _read(checkpoint)
    if value is None:
        return None
    try:
        fields = value["snapshot"]
        errors = tuple(ErrorKind(**error) for error in fields.pop("first_errors"))
        state = State(fields.pop("state"))
        interruptions = Interruptions.of_fields(fields.pop("interruptions"))
        tiers = tallies_of_fields(fields.pop("tiers"))
        standing = fields.pop("route")
        node_watch = NodeWatch(**fields.pop("node_watch", {}))
        left = fields.pop("left", None)
        fleet = tuple(EngineStanding(**engine) for engine in fields.pop("fleet", ()))
        snapshot = Snapshot(
            state=state,
            first_errors=errors,
            interruptions=interruptions,
            tiers=tiers,
            route=None if standing is None else RouteStanding.of_fields(standing),
            node_watch=node_watch,
            left=None if left is None else Left(**left),
            fleet=fleet,
            **fields,
        )
        return SavedStatus(value["saved_unix_s"], snapshot)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptObjectError(f"{keys.STATUS} is no status: {error}") from error


def past_attempts(checkpoint: Store) -> Past:
    """What earlier attempts had come to; nothing where there were none.

    Asks for nothing else in the status, so that a version whose snapshots have further fields can
    resume the run.

    Raises:
        NewerFormatError, CorruptObjectError: this version cannot read it.
    """
    value = _read(checkpoint)
    if value is None:
        return Past()
    try:
        saved = value["snapshot"]
        examples = {
            error["code"]: ErrorExample(error["code"], error["id"], error["reason"])
            for error in saved["first_errors"]
            if error["id"] is not None
        }
        return Past(
            cost_usd=float(saved["cost_usd"]),
            elapsed_s=float(saved["elapsed_s"]),
            unsaved=int(saved["unsaved"]),
            interruptions=Interruptions.of_fields(saved["interruptions"]),
            examples=examples,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptObjectError(f"{keys.STATUS} does not say what was spent: {error}") from error


def _read(checkpoint: Store) -> dict[str, Any] | None:
    try:
        data = checkpoint.read(keys.STATUS)
    except FileNotFoundError:
        return None
    return parse_object(keys.STATUS, data, newest_format=FORMAT_VERSION)
