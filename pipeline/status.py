"""status.json: the last snapshot a driver saved, with the time it did so.

Boundary: what `gleaner status` reads without Ray; a resume takes only the spend so far from it.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from typing import Any

from checkpoints import keys
from checkpoints.encoding import parse_object
from checkpoints.errors import CorruptObjectError
from checkpoints.store import Store
from pipeline.progress import ErrorExample, Snapshot, State

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class SavedStatus:
    """A snapshot and when it was saved (unix seconds, the driver's clock)."""

    saved_unix_s: float
    snapshot: Snapshot


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
        errors = tuple(ErrorExample(**error) for error in fields.pop("first_errors"))
        state = State(fields.pop("state"))
        snapshot = Snapshot(state=state, first_errors=errors, **fields)
        return SavedStatus(value["saved_unix_s"], snapshot)
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptObjectError(f"{keys.STATUS} is no status: {error}") from error


def spent_so_far_usd(checkpoint: Store) -> float:
    """What earlier attempts of the run had spent when they last saved their status.

    Asks for nothing else in it, so that a run can be resumed by a version with other fields.
    """
    value = _read(checkpoint)
    if value is None:
        return 0.0
    try:
        return float(value["snapshot"]["cost_usd"])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptObjectError(f"{keys.STATUS} names no cost: {error}") from error


def _read(checkpoint: Store) -> dict[str, Any] | None:
    try:
        data = checkpoint.read(keys.STATUS)
    except FileNotFoundError:
        return None
    return parse_object(keys.STATUS, data, newest_format=FORMAT_VERSION)
