"""One part of the plan: about a thousand shards as a Parquet object, kept as Arrow columns.

Invariant: encoding is deterministic, decoding checks the digest; a `Shard` object exists only for a
shard that was asked for.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from checkpoints.encoding import digest
from checkpoints.errors import CorruptObjectError
from checkpoints.store import Store


@dataclass(frozen=True, slots=True)
class Slice:
    """A contiguous piece of one source.

    `start`/`stop`: bytes for jsonl and csv, row numbers for parquet, 0/1 for a one-document file.
    Its documents are the source's rows first_row .. first_row + documents - 1, in that order; the
    documents of a shard are those of its slices, in order, and their ordinals count from 0.
    """

    source: str
    format: str
    start: int
    stop: int
    first_row: int
    documents: int
    size_bytes: int
    version: str
    estimated_tokens: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One unit of input and of commit; `duplicates` are the ordinals whose id came earlier."""

    number: int
    slices: tuple[Slice, ...]
    duplicates: frozenset[int]

    @property
    def documents(self) -> int:
        """How many documents, and so result rows, this shard has."""
        return sum(one.documents for one in self.slices)

    @property
    def estimated_tokens(self) -> int:
        """The sum over the slices."""
        return sum(one.estimated_tokens for one in self.slices)


_FIELDS = tuple(field.name for field in fields(Slice))
_SLICE = pa.struct(
    [
        pa.field(name, pa.string() if name in ("source", "format", "version") else pa.int64())
        for name in _FIELDS
    ]
)
_SCHEMA = pa.schema(
    [
        pa.field("shard", pa.int64()),
        pa.field("slices", pa.list_(_SLICE)),
        pa.field("duplicates", pa.list_(pa.int64())),
    ]
)


def encode_part(
    first_shard: int, shards: Sequence[Sequence[Slice]], duplicates: Sequence[Sequence[int]]
) -> bytes:
    """The bytes of a part; the same shards give the same bytes (for one pyarrow version)."""
    flat = [one for slices in shards for one in slices]
    columns = [
        pa.array([getattr(one, name) for one in flat], _SLICE.field(name).type) for name in _FIELDS
    ]
    offsets = [0]
    for slices in shards:
        offsets.append(offsets[-1] + len(slices))
    nested = pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()),
        pa.StructArray.from_arrays(columns, fields=list(_SLICE)),
    )
    table = pa.Table.from_arrays(
        [
            pa.array(range(first_shard, first_shard + len(shards)), pa.int64()),
            nested,
            pa.array(duplicates, pa.list_(pa.int64())),
        ],
        schema=_SCHEMA,
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


class LoadedPart:
    """A decoded part; makes `Shard` objects on demand."""

    def __init__(self, table: Any) -> None:
        self._numbers = table.column("shard")
        self._slices = table.column("slices").combine_chunks()
        self._duplicates = table.column("duplicates").combine_chunks()

    def shard(self, index: int) -> Shard:
        """The shard at this position within the part."""
        slices = tuple(Slice(**one) for one in self._slices[index].as_py())
        repeated = frozenset(self._duplicates[index].as_py())
        return Shard(self._numbers[index].as_py(), slices, repeated)

    def documents(self) -> npt.NDArray[np.int64]:
        """How many documents each shard of the part has."""
        slices = self._slices
        counts = slices.flatten().field("documents").to_numpy()
        ends = slices.offsets.to_numpy()[1:] - slices.offsets.to_numpy()[0]
        return np.diff(np.concatenate(([0], np.cumsum(counts)))[np.concatenate(([0], ends))])


class PartCache:
    """The last few parts used in this process, by digest; safe to use from several threads."""

    def __init__(self, *, parts: int) -> None:
        self._limit = parts
        self._loaded: OrderedDict[str, LoadedPart] = OrderedDict()
        self._lock = threading.Lock()

    def load(self, store: Store, key: str, expected_digest: str) -> LoadedPart:
        """The part under `key`; CorruptObjectError when it is gone or is not what was sealed."""
        with self._lock:
            part = self._loaded.get(expected_digest)
            if part is not None:
                self._loaded.move_to_end(expected_digest)
                return part
        part = _read_part(store, key, expected_digest)
        with self._lock:
            self._loaded[expected_digest] = part
            while len(self._loaded) > self._limit:
                self._loaded.popitem(last=False)
        return part


def _read_part(store: Store, key: str, expected_digest: str) -> LoadedPart:
    try:
        data = store.read(key)
    except FileNotFoundError as error:
        raise CorruptObjectError(f"the sealed plan names {key}, which is gone") from error
    if digest(data) != expected_digest:
        raise CorruptObjectError(f"{key} changed since the plan was sealed")
    return LoadedPart(pq.read_table(pa.BufferReader(data)))
