"""The plan: the ordered shards of a run, written once and never changed.

Invariants: header.json is created last and seals the plan; a part counts only through the digest
that the header names (parts are named by their content, so racing or crashed planners cannot mix
theirs).
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from checkpoints import keys
from checkpoints.commit import Outcome, create_once
from checkpoints.encoding import canonical_json, digest, parse_object
from checkpoints.errors import CorruptObjectError
from checkpoints.plan_part import PartCache, Shard, Slice, encode_part
from checkpoints.store import Store

__all__ = [
    "PlanHeader",
    "PlanPart",
    "Shard",
    "Slice",
    "read_header",
    "read_shards",
    "shard_documents",
    "write_plan",
]

FORMAT_VERSION = 1
SHARDS_PER_PART = 1000
SLICES_PER_PART = 100_000

_parts = PartCache(parts=4)


@dataclass(frozen=True, slots=True)
class PlanPart:
    """One object of the plan: shards first_shard .. first_shard + shards - 1."""

    key: str
    first_shard: int
    shards: int
    digest: str


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """The sealed plan's sums and parts; small, whatever the number of documents.

    `digest` covers the content of every shard: equal digests are equal plans.
    """

    shards: int
    documents: int
    estimated_tokens: int
    size_bytes: int
    duplicates: int
    parts: tuple[PlanPart, ...]
    digest: str


def write_plan(
    store: Store,
    shards: Iterable[Sequence[Slice]],
    duplicates: Iterable[tuple[int, int]] = (),
) -> PlanHeader:
    """Write the plan under `checkpoint`; gives the sealed header.

    `shards` come in their final order and are streamed. `duplicates` are (shard, ordinal) of the
    documents whose id came earlier, in any order; they take 16 bytes each here. When a plan was
    sealed before or meanwhile, that one holds and is what comes back. Raises ValueError for a
    shard without documents or a duplicate outside the plan, UnknownWriteError, CorruptObjectError.
    """
    sealed = read_header(store)
    if sealed is not None:
        return sealed
    repeated = _Duplicates(duplicates)
    parts: list[PlanPart] = []
    shards_total = documents = estimated_tokens = size_bytes = 0
    for group in _groups(shards):
        data = encode_part(shards_total, group, repeated.of_shards(shards_total, group))
        part_digest = digest(data)
        key = keys.plan_part_key(len(parts), part_digest)
        if create_once(store, key, data) is Outcome.THEIRS:
            raise CorruptObjectError(f"{key} does not hold the content that its name promises")
        parts.append(PlanPart(key, shards_total, len(group), part_digest))
        shards_total += len(group)
        for slices in group:
            documents += sum(one.documents for one in slices)
            estimated_tokens += sum(one.estimated_tokens for one in slices)
            size_bytes += sum(one.size_bytes for one in slices)
    repeated.check_all_used()
    header = PlanHeader(
        shards=shards_total,
        documents=documents,
        estimated_tokens=estimated_tokens,
        size_bytes=size_bytes,
        duplicates=repeated.count,
        parts=tuple(parts),
        digest=digest("\n".join(part.digest for part in parts).encode("ascii")),
    )
    data = canonical_json({"format_version": FORMAT_VERSION, **asdict(header)})
    if create_once(store, keys.PLAN_HEADER, data) is Outcome.OURS:
        return header
    return _decode_header(store.read(keys.PLAN_HEADER))


def read_header(store: Store) -> PlanHeader | None:
    """The sealed header; None while no plan is sealed. CorruptObjectError, NewerFormatError."""
    try:
        data = store.read(keys.PLAN_HEADER)
    except FileNotFoundError:
        return None
    return _decode_header(data)


def read_shards(
    store: Store, header: PlanHeader, numbers: range | Sequence[int]
) -> Iterator[Shard]:
    """The shards with these numbers, in that order; loads only their parts (a few stay in memory).

    Raises IndexError (no such shard), CorruptObjectError (a part is gone or damaged).
    """
    firsts = [part.first_shard for part in header.parts]
    for number in numbers:
        if not 0 <= number < header.shards:
            raise IndexError(f"shard {number} is not in the plan of {header.shards} shards")
        part = header.parts[bisect_right(firsts, number) - 1]
        yield _parts.load(store, part.key, part.digest).shard(number - part.first_shard)


def shard_documents(store: Store, header: PlanHeader) -> npt.NDArray[np.int64]:
    """How many documents each shard has, by its number; reads the whole plan, 8 bytes a shard.

    Raises CorruptObjectError (a part is gone or damaged).
    """
    found = [_parts.load(store, part.key, part.digest).documents() for part in header.parts]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _decode_header(data: bytes) -> PlanHeader:
    value = parse_object(keys.PLAN_HEADER, data, newest_format=FORMAT_VERSION)
    del value["format_version"]
    try:
        parts = tuple(PlanPart(**part) for part in value.pop("parts"))
        return PlanHeader(**value, parts=parts)
    except (KeyError, TypeError) as error:
        raise CorruptObjectError(f"{keys.PLAN_HEADER} is incomplete: {error}") from error


def _groups(shards: Iterable[Sequence[Slice]]) -> Iterator[list[Sequence[Slice]]]:
    """Runs of shards for one part each, bounded in shards and in slices."""
    group: list[Sequence[Slice]] = []
    slices = 0
    for number, shard in enumerate(shards):
        if sum(one.documents for one in shard) < 1:
            raise ValueError(f"shard {number} has no documents")
        if group and (len(group) == SHARDS_PER_PART or slices + len(shard) > SLICES_PER_PART):
            yield group
            group, slices = [], 0
        group.append(shard)
        slices += len(shard)
    if group:
        yield group


class _Duplicates:
    """(shard, ordinal) pairs, handed out part by part."""

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        flat = np.fromiter(itertools.chain.from_iterable(pairs), dtype=np.int64).reshape(-1, 2)
        order = np.lexsort((flat[:, 1], flat[:, 0]))
        self._shards = flat[order, 0]
        self._ordinals = flat[order, 1]
        self._used = 0
        self.count = len(flat)

    def of_shards(self, first_shard: int, group: Sequence[Sequence[Slice]]) -> list[list[int]]:
        found: list[list[int]] = []
        for number, slices in enumerate(group, first_shard):
            start, stop = np.searchsorted(self._shards, [number, number + 1])
            ordinals = self._ordinals[start:stop].tolist()
            documents = sum(one.documents for one in slices)
            if ordinals and not 0 <= ordinals[0] <= ordinals[-1] < documents:
                raise ValueError(
                    f"shard {number} has {documents} documents: {ordinals[-1]} is none"
                )
            if len(set(ordinals)) != len(ordinals):
                raise ValueError(f"shard {number}: a duplicate is named twice")
            self._used += len(ordinals)
            found.append(ordinals)
        return found

    def check_all_used(self) -> None:
        if self._used != self.count:
            raise ValueError("duplicates name shards that are not in the plan")
