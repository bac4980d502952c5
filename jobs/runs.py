"""The runs under a place: every folder that holds a run.json, with its state.

Boundary: reads listings and small objects through fsspec, which lists one level at a time; a run's own
folders, which can hold millions of objects, are never listed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from checkpoints import keys
from checkpoints.errors import CorruptObjectError
from jobs.cli_errors import CommandError
from jobs.exit_codes import Exit
from jobs.status import decode_snapshot, state_of
from jobs.wording import finished
from pipeline.progress import Snapshot

DEPTH = 4
_INSIDE_A_RUN = frozenset({"results", "plan", "journal", "receipts", "lease", "preflight"})


@dataclass(frozen=True, slots=True)
class FoundRun:
    """One run; counts are None before its driver wrote any."""

    uri: str
    name: str
    run_id: str
    state: str
    created_unix_s: float
    written_unix_s: float | None
    documents: int | None
    finished: int | None
    errors: int | None
    cost_usd: float | None


def find_runs(uri: str, *, now_unix_s: float) -> list[FoundRun]:
    """Runs at `uri` and below it, newest first. CommandError when the place does not exist."""
    import fsspec

    system, root = fsspec.core.url_to_fs(uri)
    if not system.exists(root):
        raise CommandError(f"there is no {uri}", "check the place", Exit.BAD_USAGE)
    found = [_read_run(system, folder, now_unix_s) for folder in _run_folders(system, root, DEPTH)]
    return sorted(found, key=lambda run: run.created_unix_s, reverse=True)


def _run_folders(system: Any, folder: str, depth: int) -> Iterator[str]:
    entries = system.ls(folder, detail=True)
    names = {_name(entry["name"]) for entry in entries if entry["type"] == "file"}
    if keys.RUN in names:
        yield folder
    if depth > 0:
        for entry in entries:
            name = _name(entry["name"])
            if entry["type"] == "directory" and name not in _INSIDE_A_RUN and name[:1] != ".":
                yield from _run_folders(system, entry["name"], depth - 1)


def _name(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _read_run(system: Any, folder: str, now_unix_s: float) -> FoundRun:
    root = folder.rstrip("/")
    try:
        record = json.loads(system.cat_file(f"{root}/{keys.RUN}"))
        name, run_id = str(record["name"]), str(record["run_id"])
        created_unix_s = float(record["created_unix_s"])
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptObjectError(f"{root}/{keys.RUN} cannot be read: {error}") from error
    snapshot: Snapshot | None = None
    written_unix_s: float | None = None
    with contextlib.suppress(FileNotFoundError):
        snapshot, written_unix_s = decode_snapshot(system.cat_file(f"{root}/{keys.STATUS}"))
    return FoundRun(
        uri=system.unstrip_protocol(root),
        name=name,
        run_id=run_id,
        state=state_of(snapshot, written_unix_s or created_unix_s, now_unix_s),
        created_unix_s=created_unix_s,
        written_unix_s=written_unix_s,
        documents=snapshot.documents_total if snapshot else None,
        finished=finished(snapshot) if snapshot else None,
        errors=snapshot.documents_error if snapshot else None,
        cost_usd=snapshot.cost_usd if snapshot else None,
    )
