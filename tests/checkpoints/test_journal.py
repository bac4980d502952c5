"""The journal of a shard in flight."""

import json
import random
from dataclasses import asdict, replace

import numpy as np
import pytest

from checkpoints import keys
from checkpoints.encoding import digest
from checkpoints.errors import LostRaceError, NewerFormatError
from checkpoints.journal import (
    Begun,
    EngineDeath,
    Finished,
    Journal,
    load_journal,
    new_writer_id,
    sweep,
    sweep_committed,
)
from checkpoints.memory_store import MemoryStore
from checkpoints.partial import Partial
from checkpoints.plan import Shard
from checkpoints.result import Confidence, Rework
from tests.checkpoints.checkpoint_builders import one_slice, rows_of

ROWS = rows_of(Shard(3, (one_slice(documents=5),), frozenset()))


def test_what_was_appended_comes_back() -> None:
    store = MemoryStore()
    odd = replace(
        ROWS[1],
        confidence=Confidence(
            *(-1.0, float("-inf"), -2.0, 0.5, 3), value_tokens=2, fields=(("a \ud800", -0.5),)
        ),
        passthrough=(("a", None), ("b", "x")),
        rework=Rework(
            documents=1,
            tokens=20,
            engine_s=0.5,
            usd=0.01,
            salvaged_tokens=7,
            prefilled_again_tokens=12,
        ),
        result="line\n\u2028 \ud800 end",
    )
    Journal(store, 3, "one").append([Finished(ROWS[0]), EngineDeath(2), Finished(odd)])
    Journal(store, 3, "two").append([EngineDeath(2), EngineDeath(4)])
    Journal(store, 4, "one").append([EngineDeath(0)])
    state = load_journal(store, 3)
    assert state.rows == {0: ROWS[0], 1: odd}
    assert state.engine_deaths == {2: 2, 4: 1}
    assert state.corrupt == ()


def test_an_entry_of_a_version_without_confidence_in_values_is_still_read() -> None:
    row = replace(ROWS[0], confidence=Confidence(-1.0, -3.0, -2.0, 0.5, 3))
    fields = asdict(row)
    assert fields["confidence"] is not None
    for name in [name for name in fields["confidence"] if name.startswith("value_")]:
        del fields["confidence"][name]
    del fields["confidence"]["self_check"], fields["confidence"]["fields"], fields["rework"]
    body = json.dumps({"finished": fields}).encode() + b"\n"
    head = {"format_version": 1, "entries": 1, "sha256": digest(body)}
    store = MemoryStore()
    store.create(keys.journal_key(3, "old", 0), json.dumps(head).encode() + b"\n" + body)
    assert load_journal(store, 3).rows == {0: row}


def test_a_row_of_the_format_before_is_read() -> None:
    store = MemoryStore()
    rework = Rework(documents=1, tokens=20)
    Journal(store, 3, "one").append([Finished(replace(ROWS[0], rework=rework))])
    key = keys.journal_key(3, "one", 0)
    head, _, body = store.read(key).partition(b"\n")
    body = body.replace(b', "prefilled_again_tokens": 0', b"")
    assert b"prefilled" not in body
    facts = json.loads(head) | {"format_version": 2, "sha256": digest(body)}
    store.replace(key, json.dumps(facts).encode() + b"\n" + body)
    assert load_journal(store, 3).rows[0].rework == rework


def test_of_the_beginnings_of_an_answer_the_longest_is_kept() -> None:
    store = MemoryStore()
    short = Partial((1, 2), (-0.1, float("-inf")), (None, -3.0), 1.5)
    long = Partial((1, 2, 3), (-0.1, -0.2, -0.3), (None, -3.0, -1.0), 2.5)
    Journal(store, 3, "one").append([Begun(0, "small", long), Begun(1, "small", short)])
    Journal(store, 3, "two").append([Begun(0, "small", short), Begun(0, "large", short)])
    assert load_journal(store, 3).partials == {
        (0, "small"): long,
        (1, "small"): short,
        (0, "large"): short,
    }


def test_nothing_appended_is_nothing_written() -> None:
    store = MemoryStore()
    Journal(store, 3, "one").append([])
    assert list(store.list("")) == []
    assert load_journal(store, 3).rows == {}


@pytest.mark.parametrize("cut", [0, 10, 120, -1])
def test_a_damaged_object_is_set_aside_and_named(cut: int) -> None:
    store = MemoryStore()
    journal = Journal(store, 3, "one")
    journal.append([Finished(ROWS[0])])
    journal.append([Finished(ROWS[1])])
    damaged = keys.journal_key(3, "one", 0)
    store.replace(damaged, store.read(damaged)[:cut])
    store.create(keys.journal_prefix(3) + "stray", b"x")
    state = load_journal(store, 3)
    assert state.rows == {1: ROWS[1]}
    assert state.corrupt == (damaged, keys.journal_prefix(3) + "stray")


def test_of_two_rows_for_a_document_every_reader_takes_the_same_and_no_failure_hides_a_success(
) -> None:  # fmt: skip
    failed = replace(ROWS[0], status="error", result=None, error_code="timeout", error="slow")
    store = MemoryStore()
    late, early = Journal(store, 3, "b"), Journal(store, 3, "a")
    late.append([Finished(failed)])
    late.append([Finished(failed)])
    early.append([Finished(ROWS[0])])
    late.append([Finished(replace(ROWS[1], result="by b, third"))])
    early.append([Finished(replace(ROWS[1], result="by a, second"))])
    shuffled = MemoryStore()
    objects = [*store._objects.items()]
    random.Random(7).shuffle(objects)
    for key, data in objects:
        shuffled.create(key, data)
    for one in (store, shuffled):
        state = load_journal(one, 3)
        assert state.rows[0] == ROWS[0]
        assert state.rows[1].result == "by b, third"


def test_a_writer_id_used_twice_is_noticed() -> None:
    store = MemoryStore()
    Journal(store, 3, "same").append([Finished(ROWS[0])])
    with pytest.raises(LostRaceError, match="unique"):
        Journal(store, 3, "same").append([Finished(ROWS[1])])
    assert new_writer_id() != new_writer_id()


def test_a_writer_id_that_no_key_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        Journal(MemoryStore(), 3, "host-1/7")


def test_a_newer_journal_is_not_taken_for_damage() -> None:
    store = MemoryStore()
    store.create(keys.journal_key(3, "new", 0), b'{"format_version":99,"sha256":""}\n')
    with pytest.raises(NewerFormatError, match="upgrade"):
        load_journal(store, 3)


def test_a_sweep_takes_one_shard_only() -> None:
    store = MemoryStore()
    for shard in (3, 30, 4):
        Journal(store, shard, "one").append([EngineDeath(0)])
    sweep(store, 3)
    assert [info.key for info in store.list("")] == [
        keys.journal_key(30, "one", 0),
        keys.journal_key(4, "one", 0),
    ]


def test_left_overs_of_committed_shards_are_swept_and_nothing_else() -> None:
    store = MemoryStore()
    for shard in (0, 1, 9):
        Journal(store, shard, "one").append([EngineDeath(0)])
    assert sweep_committed(store, np.array([False, True, True])) == 1
    assert sorted(info.key for info in store.list("")) == [
        keys.journal_key(0, "one", 0),
        keys.journal_key(9, "one", 0),
    ]
