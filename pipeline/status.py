"""status.json: the last snapshot a driver saved, with the time it did so.

Boundary: what `gleaner status` reads without Ray; a resume takes only the spend so far from it.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from checkpoints import keys
from checkpoints.store import Store
from pipeline.progress import ErrorExample, Snapshot, State


@dataclass(frozen=True, slots=True)
class SavedStatus:
    """A snapshot and when it was saved (unix seconds, the driver's clock)."""

    saved_unix_s: float
    snapshot: Snapshot


def save_status(checkpoint: Store, snapshot: Snapshot) -> None:
    """Overwrite status.json."""
    value = {"format_version": 1, "saved_unix_s": time.time(), "snapshot": asdict(snapshot)}
    checkpoint.replace(keys.STATUS, json.dumps(value).encode())


def read_status(checkpoint: Store) -> SavedStatus | None:
    """The last saved status; None where none was ever saved."""
    try:
        value = json.loads(checkpoint.read(keys.STATUS))
    except FileNotFoundError:
        return None
    fields = value["snapshot"]
    errors = tuple(ErrorExample(**error) for error in fields.pop("first_errors"))
    state = State(fields.pop("state"))
    return SavedStatus(value["saved_unix_s"], Snapshot(state=state, first_errors=errors, **fields))


def spent_so_far_usd(checkpoint: Store) -> float:
    """What earlier attempts of the run had spent when they last saved their status."""
    saved = read_status(checkpoint)
    return 0.0 if saved is None else saved.snapshot.cost_usd
