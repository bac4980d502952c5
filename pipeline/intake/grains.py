"""Grains: the smallest pieces of input that sharding moves as a whole.

A grain is some whole records of one file that follow each other. Grains come in input order, so a
document's position in the input is a plain count. They are columns, not objects.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.loaders.registry import FORMATS

DOCUMENT_TOKENS = 64
"""What every document costs besides its text: the prompt around it and the answer. It enters the
estimate so that shards of many short documents are not heavier than others."""
GRAIN_DOCUMENTS = 500
_SMALLEST_GRAIN_BYTES, _LARGEST_GRAIN_BYTES = 1024, 256 * 1024


@dataclass(frozen=True, slots=True)
class Grains:
    """Columns of equal length, one entry per grain, in input order."""

    file: NDArray[np.int64]  # index into the FileTable
    start: NDArray[np.int64]  # as in checkpoints.plan.Slice
    stop: NDArray[np.int64]
    first_row: NDArray[np.int64]
    documents: NDArray[np.int64]
    size_bytes: NDArray[np.int64]
    estimated_tokens: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.file)


def grain_bytes_for(total_bytes: int) -> int:
    """A grain size that gives an input of any size some 16,000 grains, and more above 4 GiB."""
    return min(max(total_bytes >> 14, _SMALLEST_GRAIN_BYTES), _LARGEST_GRAIN_BYTES)


def grain_columns(
    file: int,
    format_name: str,
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    first_row: NDArray[np.int64],
    documents: NDArray[np.int64],
    size_bytes: NDArray[np.int64],
    text_bytes: NDArray[np.int64],
) -> NDArray[np.int64]:
    """The columns of Grains, stacked, for grains of one file; `text_bytes` decide the tokens."""
    tokens = np.ceil(text_bytes / FORMATS[format_name].bytes_per_token).astype(np.int64)
    tokens += DOCUMENT_TOKENS * documents
    files = np.full(len(start), file, np.int64)
    return np.stack((files, start, stop, first_row, documents, size_bytes, tokens))


class Marks:
    """Cuts a stream of records into grains of at most so many documents and about so many bytes."""

    def __init__(self, grain_bytes: int) -> None:
        self._grain_bytes = grain_bytes
        self._starts: list[int] = []
        self._before: list[int] = []  # documents before each grain
        self._stop = 0
        self.documents = 0

    def add(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Records that follow those before."""
        if len(starts) == 0:
            return
        position = 0
        if self._starts:
            position = self._next_cut(ends, self._before[-1] - self.documents)
        while position < len(starts):
            self._starts.append(int(starts[position]))
            self._before.append(self.documents + position)
            position = self._next_cut(ends, position)
        self._stop = int(ends[-1])
        self.documents += len(starts)

    def _next_cut(self, ends: NDArray[np.int64], first: int) -> int:
        """The first record that no longer fits the last grain, whose first record is `first`."""
        most = self._starts[-1] + self._grain_bytes
        by_bytes = int(np.searchsorted(ends, most, side="right"))
        return max(min(by_bytes, first + GRAIN_DOCUMENTS), first + 1, 0)

    def grains(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """start, stop and documents of all grains."""
        starts = np.array(self._starts, np.int64)
        stops = np.append(starts[1:], self._stop)[: len(starts)]
        documents = np.diff(np.array([*self._before, self.documents], np.int64))
        return starts, stops, documents[: len(starts)]
