"""Which of a billion ids repeat an earlier one, in bounded memory: an external partition by hash.

Ids are compared by 128-bit hash: among a billion different ids two collide with probability 1e-21.
Invariant: the answer depends on the (id, position) pairs alone, not on the order they were added
in.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from checkpoints.encoding import storable

MEMORY_BYTES = 256 * 1024 * 1024
_PAIR = np.dtype([("high", "u8"), ("low", "u8"), ("position", "i8")])
_PARTITIONS = 256
# Sorting copies a partition and holds its order beside it.
_SORT_COPIES = 4


class DuplicateFinder(AbstractContextManager["DuplicateFinder"]):
    """Add ids with their positions, then ask once for the positions that repeat an earlier id.

    Uses about `memory_bytes` and, beyond that, 24 bytes per id in a temporary folder, which `close`
    (or the end of a `with` block) removes.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES, folder: Path | None = None) -> None:
        self._limit_bytes = memory_bytes
        self._parent = folder
        self._blocks: list[npt.NDArray[np.void]] = []
        self._held_bytes = 0
        self._spill: tempfile.TemporaryDirectory[str] | None = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, ids: Sequence[str], first_position: int) -> None:
        """Add ids whose positions are first_position, first_position + 1, ..."""
        self.add_at(ids, np.arange(first_position, first_position + len(ids), dtype=np.int64))

    def add_at(self, ids: Sequence[str], positions: npt.NDArray[np.int64]) -> None:
        """Add ids with a position each; positions are unique over all calls."""
        block = np.empty(len(ids), dtype=_PAIR)
        hashes = np.frombuffer(b"".join(map(_hash, ids)), dtype="u8").reshape(-1, 2)
        block["high"], block["low"], block["position"] = hashes[:, 0], hashes[:, 1], positions
        self._blocks.append(block)
        self._held_bytes += block.nbytes
        if self._held_bytes * _SORT_COPIES > self._limit_bytes:
            self._flush()

    def duplicates(self) -> Iterator[int]:
        """Every position whose id has a smaller position too; in no particular order."""
        if self._spill is None:
            yield from _repeats(self._taken())
            return
        self._flush()
        for path in sorted(Path(self._spill.name).iterdir()):
            yield from self._repeats_of_file(path)

    def close(self) -> None:
        """Remove the temporary folder."""
        self._blocks = []
        if self._spill is not None:
            self._spill.cleanup()
            self._spill = None

    def _taken(self) -> npt.NDArray[np.void]:
        pairs = np.concatenate(self._blocks) if self._blocks else np.empty(0, dtype=_PAIR)
        self._blocks, self._held_bytes = [], 0
        return pairs

    def _flush(self) -> None:
        """Move what is held to 256 files by the first byte of the hash."""
        if self._spill is None:
            self._spill = tempfile.TemporaryDirectory(prefix="gleaner-ids-", dir=self._parent)
        pairs = self._taken()
        partition = (pairs["high"] >> 56).astype(np.uint8)
        order = np.argsort(partition, kind="stable")
        bounds = np.searchsorted(partition[order], np.arange(_PARTITIONS + 1))
        pairs = pairs[order]
        for number in range(_PARTITIONS):
            chunk = pairs[bounds[number] : bounds[number + 1]]
            if len(chunk):
                with (Path(self._spill.name) / f"{number:03d}").open("ab") as file:
                    file.write(chunk.tobytes())

    def _repeats_of_file(self, path: Path) -> Iterator[int]:
        """One partition; a large one in several passes over ranges of the hash's second byte."""
        size = path.stat().st_size
        passes = min(256, max(1, -(-size * _SORT_COPIES // self._limit_bytes)))
        edges = np.linspace(0, 256, passes + 1).astype(np.int64)
        step = max(1, self._limit_bytes // _SORT_COPIES // _PAIR.itemsize)
        for low, high in pairwise(edges.tolist()):
            kept: list[npt.NDArray[np.void]] = []
            with path.open("rb") as file:
                while data := file.read(step * _PAIR.itemsize):
                    block = np.frombuffer(data, dtype=_PAIR)
                    second = (block["high"] >> 48) & 0xFF
                    kept.append(block[(second >= low) & (second < high)])
            yield from _repeats(np.concatenate(kept))


def _hash(text: str) -> bytes:
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        data = storable(text).encode("utf-8")
    return hashlib.blake2b(data, digest_size=16).digest()


def _repeats(pairs: npt.NDArray[np.void]) -> Iterator[int]:
    high, low, position = pairs["high"], pairs["low"], pairs["position"]
    order = np.lexsort((position, low, high))
    high, low, position = high[order], low[order], position[order]
    same = (high[1:] == high[:-1]) & (low[1:] == low[:-1])
    yield from (int(found) for found in position[1:][same])
