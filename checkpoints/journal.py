"""The journal: what is known about a shard in flight, so that a crash loses seconds.

Invariants: one object per append, never changed, its lines covered by a checksum; a journal is
swept only after its shard's result object exists. A lost or damaged object costs work, never a
result.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from checkpoints import keys
from checkpoints.commit import Outcome, create_once
from checkpoints.encoding import canonical_json, digest
from checkpoints.errors import LostRaceError, NewerFormatError
from checkpoints.parallel import in_parallel
from checkpoints.partial import Partial
from checkpoints.result import Confidence, ResultRow, Rework
from checkpoints.steps import Step
from checkpoints.store import Store

FORMAT_VERSION = 3  # 2: no steps, values or prefills; 1: no rework, no beginnings
READERS = 8


@dataclass(frozen=True, slots=True)
class Finished:
    """A document has its final row."""

    row: ResultRow


@dataclass(frozen=True, slots=True)
class EngineDeath:
    """An engine died with this document (alone, or isolated by halving) in its hands."""

    ordinal: int


@dataclass(frozen=True, slots=True)
class Begun:
    """An engine that had to go has handed this document back, with so much of its answer."""

    ordinal: int
    tier: str
    partial: Partial


@dataclass(frozen=True, slots=True)
class Stepped:
    """A tier is done with this document, and its answer was not kept: another one is asked."""

    ordinal: int
    step: Step


Entry: TypeAlias = Finished | EngineDeath | Begun | Stepped


@dataclass(frozen=True, slots=True)
class JournalState:
    """What a shard's journal holds; `corrupt` names the objects that were left out.

    `partials` are answers that were begun, by ordinal and tier; of several the longest. `steps` are
    those of documents without a row, by ordinal and tier.
    """

    rows: dict[int, ResultRow]
    engine_deaths: dict[int, int]
    partials: dict[tuple[int, str], Partial]
    steps: dict[tuple[int, str], Step]
    corrupt: tuple[str, ...]


def new_writer_id() -> str:
    """A name for one incarnation of one process; never reused."""
    return uuid.uuid4().hex


class Journal:
    """One writer's appends to one shard's journal, under `checkpoint`. Not for several threads."""

    def __init__(self, store: Store, shard: int, writer_id: str) -> None:
        self._store = store
        self._shard = shard
        self._writer_id = writer_id
        self._next_sequence = 0
        keys.journal_key(shard, writer_id, 0)

    def append(self, entries: Sequence[Entry]) -> None:
        """Write the entries as one object; when this returns they are durable.

        Raises UnknownWriteError (they may be durable: go on, at worst they are redone; do not
        append an EngineDeath again, it could count twice), LostRaceError (the writer id is not
        unique). Nothing is written for no entries.
        """
        if not entries:
            return
        key = keys.journal_key(self._shard, self._writer_id, self._next_sequence)
        self._next_sequence += 1
        if create_once(self._store, key, _encode(entries)) is Outcome.THEIRS:
            raise LostRaceError(f"{key} belongs to another writer: writer ids must be unique")


def load_journal(store: Store, shard: int) -> JournalState:
    """Everything journaled for `shard`, in an order that does not depend on the listing.

    Of several rows for one document (two coordinators worked on it) an ok row goes before an error
    row, then the higher sequence, then the higher writer id: every one of them is a valid result,
    and this choice is the same for every reader and never drops a success for a failure.
    """
    found = sorted(info.key for info in store.list(keys.journal_prefix(shard)))
    rows: dict[int, tuple[tuple[bool, int, str], ResultRow]] = {}
    deaths: dict[int, int] = {}
    partials: dict[tuple[int, str], Partial] = {}
    steps: dict[tuple[int, str], Step] = {}
    corrupt: list[str] = []
    for key, data in in_parallel(partial(_read, store), found, threads=READERS):
        if data is None:
            continue
        name = keys.parse_journal_key(key)
        entries = None if name is None else _decode(key, data)
        if name is None or entries is None:
            corrupt.append(key)
            continue
        _, writer_id, sequence = name
        for entry in entries:
            if isinstance(entry, EngineDeath):
                deaths[entry.ordinal] = deaths.get(entry.ordinal, 0) + 1
                continue
            if isinstance(entry, Begun):
                place = entry.ordinal, entry.tier
                longest = partials.get(place, entry.partial)
                partials[place] = max(longest, entry.partial, key=lambda one: len(one.tokens))
                continue
            if isinstance(entry, Stepped):
                steps.setdefault((entry.ordinal, entry.step.tier), entry.step)
                continue
            rank = (entry.row.status == "ok", sequence, writer_id)
            kept = rows.get(entry.row.ordinal)
            if kept is None or rank > kept[0]:
                rows[entry.row.ordinal] = (rank, entry.row)
    return JournalState(
        rows={ordinal: row for ordinal, (_, row) in sorted(rows.items())},
        engine_deaths=deaths,
        partials=partials,
        steps={place: step for place, step in steps.items() if place[0] not in rows},
        corrupt=tuple(corrupt),
    )


def sweep(store: Store, shard: int) -> None:
    """Remove a shard's journal; call it only after the shard's result object is known to exist."""
    store.delete([info.key for info in store.list(keys.journal_prefix(shard))])


def sweep_committed(store: Store, done: npt.NDArray[np.bool_]) -> int:
    """Remove what is left of the journals of committed shards (`done[shard]`); gives the number.

    A writer that crashed between commit and sweep, or was slow, leaves such objects; they are
    harmless.
    """

    found: list[str] = []
    for info in store.list(keys.JOURNAL):
        name = keys.parse_journal_key(info.key)
        if name is not None and name[0] < len(done) and done[name[0]]:
            found.append(info.key)
    store.delete(found)
    return len(found)


def _read(store: Store, key: str) -> bytes | None:
    try:
        return store.read(key)
    except FileNotFoundError:
        return None  # swept since it was listed: the shard is committed


def _encode(entries: Sequence[Entry]) -> bytes:
    # Not canonical_json: a log-probability may be infinite, and a row must never fail to be kept.
    body = b"".join(json.dumps(_to_json(entry)).encode("ascii") + b"\n" for entry in entries)
    head = {"format_version": FORMAT_VERSION, "entries": len(entries), "sha256": digest(body)}
    return canonical_json(head) + b"\n" + body


def _decode(key: str, data: bytes) -> list[Entry] | None:
    """The entries; None when the object is damaged. NewerFormatError."""
    first, _, body = data.partition(b"\n")
    try:
        head = json.loads(first)
        version = head["format_version"]
        if version > FORMAT_VERSION:
            raise NewerFormatError(f"{key} has format {version}: upgrade Gleaner, then resume")
        if head["sha256"] != digest(body):
            return None
        return [_from_json(json.loads(line)) for line in body.splitlines()]
    except (ValueError, KeyError, TypeError):
        return None


def _to_json(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, EngineDeath):
        return {"engine_death": entry.ordinal}
    if isinstance(entry, Begun):
        return {"begun": asdict(entry)}
    if isinstance(entry, Stepped):
        return {"stepped": asdict(entry)}
    return {"finished": asdict(entry.row)}


def _from_json(value: dict[str, Any]) -> Entry:
    if "engine_death" in value:
        return EngineDeath(int(value["engine_death"]))
    if "begun" in value:
        begun = value["begun"]
        kept = begun["partial"]
        partial_answer = Partial(
            tokens=tuple(kept["tokens"]),
            logprobs=tuple(kept["logprobs"]),
            runner_up_logprobs=tuple(kept["runner_up_logprobs"]),
            engine_s=float(kept["engine_s"]),
        )
        return Begun(int(begun["ordinal"]), str(begun["tier"]), partial_answer)
    if "stepped" in value:
        stepped = value["stepped"]
        return Stepped(int(stepped["ordinal"]), Step.of_fields(stepped["step"]))
    fields = value["finished"]
    confidence = fields.pop("confidence")
    passthrough = tuple((name, text) for name, text in fields.pop("passthrough"))
    rework = Rework(**fields.pop("rework", {}))
    steps = tuple(Step.of_fields(step) for step in fields.pop("steps", ()))
    return Finished(
        ResultRow(
            **fields,
            confidence=None if confidence is None else Confidence.of_fields(confidence),
            passthrough=passthrough,
            rework=rework,
            steps=steps,
        )
    )
