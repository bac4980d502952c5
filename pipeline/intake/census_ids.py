"""Ids on their way from the census to whoever looks for repeated ones."""

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol

from pipeline.intake.listing import FileTable

_ID_BATCH = 10_000


class IdSink(Protocol):
    """Where ids go: checkpoints.duplicates.DuplicateFinder."""

    def add(self, ids: Sequence[str], first_position: int) -> None:
        """Take the ids of documents at first_position, first_position + 1, ..."""


class IdTaker:
    """Hands ids on with their positions; a document without an id leaves a gap."""

    def __init__(self, field: str | None, ids: IdSink | None, position: int) -> None:
        self.field = field if ids is not None else None
        self._ids = ids
        self._position = position

    def add(self, values: Sequence[str | None]) -> None:
        """The ids of the next documents; None for one that has none."""
        if self._ids is None:
            return
        position = self._position
        for is_missing, group in groupby(values, key=lambda value: value is None):
            run = [value for value in group if value is not None or is_missing]
            if not is_missing:
                self._ids.add([str(value) for value in run], position)
            position += len(run)
        self._position = position

    def add_names(self, files: FileTable, first: int, last: int) -> None:
        """The ids of one-document files first..last-1, where they are paths or names."""
        if self.field not in ("path", "name"):
            return
        for start in range(first, last, _ID_BATCH):
            uris = files.uris[start : min(start + _ID_BATCH, last)].to_pylist()
            self.add([uri if self.field == "path" else uri.rsplit("/", 1)[-1] for uri in uris])
