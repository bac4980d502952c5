"""The runs under a place: every folder that holds a run.json, with its status.

Boundary: folders are found through fsspec, which lists one level at a time; a run's own folders,
which can hold millions of objects, are never listed. What a run says is read through its store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from checkpoints import keys
from checkpoints.store import Store
from jobs.cli.errors import CommandError
from jobs.exit_codes import Exit
from jobs.locations import is_local
from jobs.status import RunStatus, read_status

DEPTH = 4
_INSIDE_A_RUN = frozenset({"results", "plan", "journal", "receipts", "lease", "preflight"})


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run and the place of its checkpoint."""

    uri: str
    status: RunStatus


def find_runs(uri: str, open_store: Callable[[str], Store]) -> list[FoundRun]:
    """Runs at `uri` and below it, newest first; CommandError when the place does not exist."""
    import fsspec

    system, root = fsspec.core.url_to_fs(uri)
    if not system.exists(root):
        raise CommandError(f"there is no {uri}", "check the place", Exit.BAD_USAGE)
    found = []
    for folder in _run_folders(system, root, DEPTH):
        place = folder if is_local(uri) else str(system.unstrip_protocol(folder))
        found.append(FoundRun(place, read_status(open_store(place), place)))
    return sorted(found, key=lambda run: run.status.created_unix_s, reverse=True)


def _run_folders(system: Any, folder: str, depth: int) -> Iterator[str]:
    entries = system.ls(folder, detail=True)
    if any(entry["type"] == "file" and _name(entry) == keys.RUN for entry in entries):
        yield folder.rstrip("/")
    for entry in entries if depth > 0 else ():
        name = _name(entry)
        if entry["type"] == "directory" and name not in _INSIDE_A_RUN and name[:1] != ".":
            yield from _run_folders(system, entry["name"], depth - 1)


def _name(entry: dict[str, Any]) -> str:
    return str(entry["name"]).rstrip("/").rsplit("/", 1)[-1]
