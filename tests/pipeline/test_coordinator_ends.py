"""A coordinator that is stopped, fenced, killed or left without a store loses no finished row."""

import asyncio
import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.errors import FencedError, StoreError, UnknownWriteError
from checkpoints.journal import load_journal
from checkpoints.keys import result_key
from checkpoints.memory_store import MemoryStore
from checkpoints.result import Receipt, ResultRow
from checkpoints.store import Store
from pipeline.coordinator import Coordinator
from pipeline.documents import Prepared
from pipeline.engines.engine import Parts, Request
from tests.pipeline.coordinator_builders import assert_proven, coordinator, fence_off, rows_of
from tests.pipeline.engine_builders import (
    FINGERPRINT,
    Fleet,
    documents,
    planned_stores,
    result_of,
    work,
)
from tests.pipeline.mortal_store import Life
from tests.pipeline.virtual_loop import run, run_until_killed

# Killed at any store operation, any number of times.

lives = st.lists(
    st.tuples(
        st.integers(1, 40),  # the operation at which it is killed
        st.booleans(),  # whether that one lands
        st.dictionaries(st.integers(1, 30), st.booleans(), max_size=4),  # faults before
    ),
    max_size=5,
)
SIZES = (9, 4, 1)


def test_journaled_documents_are_not_generated_again() -> None:
    output, checkpoint = planned_stores(100)
    life, first = Life(), Fleet()
    made = coordinator(output, checkpoint, first, life)

    async def killed_after(seconds: float) -> None:
        asyncio.get_running_loop().create_task(made.finish_shard(0, documents(100)))
        await asyncio.sleep(seconds)
        raise SystemExit

    run_until_killed(killed_after(4.5))
    life.is_over = True
    kept = load_journal(checkpoint, 0).rows
    assert 0 < len(kept) < 100
    second = Fleet()
    receipt = run(coordinator(output, checkpoint, second).finish_shard(0, documents(100)))
    assert receipt is not None
    assert (receipt.restored, receipt.generated) == (len(kept), 100 - len(kept))
    assert not {f"0.{n}.small" for n in kept} & set(second.served)
    assert_proven(output, checkpoint)


def test_a_stop_journals_all_that_is_finished_and_commits_nothing() -> None:
    output, checkpoint = planned_stores(40)
    fleet = Fleet(delay_s=iter(n / 10 for n in range(10_000)).__next__)
    made = coordinator(output, checkpoint, fleet, its=work(flush_s=1000.0))

    async def main() -> Receipt | None:
        finishing = asyncio.create_task(made.finish_shard(0, documents(40)))
        await asyncio.sleep(0.55)
        assert not made.post().has_flushed
        await made.stop()
        return await finishing

    # Slow threads: documents go on finishing while the journal is written.
    assert run(main(), thread_s=lambda: 0.2) is None
    assert made.post().has_flushed
    assert {f"0.{n}.small" for n in load_journal(checkpoint, 0).rows} == set(fleet.served)
    assert len(fleet.served) > 0
    assert fleet.in_flight == 0
    with pytest.raises(FileNotFoundError):
        output.read(result_key(0))


def test_a_stopped_coordinator_takes_nothing_up() -> None:
    output, checkpoint = planned_stores(4)
    fleet = Fleet()
    made = coordinator(output, checkpoint, fleet)

    async def main() -> Receipt | None:
        await made.stop()
        return await made.finish_shard(0, documents(4))

    assert run(main()) is None
    assert fleet.sent == []


def test_a_store_that_is_away_for_a_while_only_delays_the_journal() -> None:
    output, checkpoint = planned_stores(100)
    life, fleet = Life(), Fleet()
    made = coordinator(output, checkpoint, fleet, life, work(flush_s=0.5))

    async def main() -> None:
        finishing = asyncio.create_task(made.finish_shard(0, documents(100)))
        await asyncio.sleep(0.1)
        life.fails = lambda name: name.startswith("create journal")
        await asyncio.sleep(2)
        assert load_journal(checkpoint, 0).rows == {}
        life.fails = lambda _: False
        await asyncio.sleep(1)
        assert len(load_journal(checkpoint, 0).rows) > 16  # also those of the failed writes
        await finishing

    run(main())
    assert len(fleet.served) == 100
    assert_proven(output, checkpoint)


def test_a_commit_that_cannot_be_made_loses_no_document() -> None:
    output, checkpoint = planned_stores(12)
    life = Life()
    life.fails = lambda name: name.startswith("create results") or name.startswith("read results")
    made = coordinator(output, checkpoint, Fleet(), life, work(flush_s=1000.0))

    async def main() -> None:
        with pytest.raises((UnknownWriteError, ConnectionError)):
            await made.finish_shard(0, documents(12))

    life.fails = lambda name: name.startswith("create results")
    run(main())
    second = Fleet()
    run(coordinator(output, checkpoint, second).finish_shard(0, documents(12)))
    assert second.served == []
    assert_proven(output, checkpoint)


def test_an_error_ends_all_walks_and_keeps_what_is_finished() -> None:
    output, checkpoint = planned_stores(80)
    fleet = Fleet()

    async def send(requests: Sequence[Request]) -> Parts:
        if any(one.id == "0.30.small" for one in requests):
            await asyncio.sleep(2.5)
            raise ValueError("a bug in the engine's server")
        async for part in fleet.send(requests):
            yield part

    made = Coordinator(work(flush_s=1000.0), output, checkpoint, {"small": send})

    async def main() -> None:
        with pytest.raises(ValueError, match="a bug"):
            await made.finish_shard(0, documents(80))
        served = len(fleet.served)
        await asyncio.sleep(100)
        assert len(fleet.served) == served
        assert (fleet.in_flight, made.post().shards) == (0, {})

    run(main())
    kept = load_journal(checkpoint, 0).rows
    assert {f"0.{n}.small" for n in kept} == set(fleet.served)
    assert 0 < len(kept) < 80


def test_a_cancelled_shard_leaves_nothing_running() -> None:
    output, checkpoint = planned_stores(40)
    fleet = Fleet()
    made = coordinator(output, checkpoint, fleet)

    async def main() -> None:
        finishing = asyncio.create_task(made.finish_shard(0, documents(40)))
        await asyncio.sleep(1.5)
        finishing.cancel()
        await asyncio.gather(finishing, return_exceptions=True)
        await asyncio.sleep(0)
        assert fleet.in_flight == 0
        await made.finish_shard(0, documents(40))

    run(main())  # asserts that no task is left
    assert_proven(output, checkpoint)


def test_a_fenced_coordinator_commits_nothing_and_journals_no_more() -> None:
    output, checkpoint = planned_stores(4)
    life = Life()
    made = coordinator(output, checkpoint, Fleet(), life, work(flush_s=1000.0))
    fence_off(checkpoint)

    async def main() -> None:
        with pytest.raises(FencedError):
            await made.finish_shard(0, documents(4))

    run(main())
    assert not [name for name in life.log if name.startswith("create")]
    assert [*output.list("")] == []


@settings(max_examples=60, deadline=None)
@given(
    lives=lives,
    poison=st.sets(st.integers(0, 8), max_size=2),
    seed=st.integers(0, 2**32),
    flush_s=st.sampled_from([0.3, 2.0, 100.0]),
    coordinators=st.integers(1, 2),
)
def test_killed_at_any_store_operation_and_taken_up_again_every_document_has_one_row(
    lives: list[tuple[int, bool, dict[int, bool]]],
    poison: set[int],
    seed: int,
    flush_s: float,
    coordinators: int,
) -> None:
    chance = random.Random(seed)
    output, checkpoint = planned_stores(*SIZES)
    for killed_at, lands, faults in lives:
        life = Life(killed_at, lands=lands, faults=faults)
        live(output, checkpoint, life, poison, flush_s, coordinators, chance)
    life = Life()
    live(output, checkpoint, life, poison, flush_s, coordinators, chance)
    verdict = assert_proven(output, checkpoint)
    assert (verdict.ok, verdict.error) == (sum(SIZES) - len(poison), len(poison))
    for shard, size in enumerate(SIZES):
        for ordinal, its in enumerate(rows_of(output, shard)):
            is_bad = shard == 0 and ordinal in poison
            assert its.result == (None if is_bad else result_of(ordinal, shard))
            assert its.error_code == ("engine_crash" if is_bad else None)
            assert its.fingerprint == FINGERPRINT.value
        assert size == ordinal + 1
    assert not life.is_over


def live(
    output: MemoryStore,
    checkpoint: MemoryStore,
    life: Life,
    poison: set[int],
    flush_s: float,
    coordinators: int,
    chance: random.Random,
) -> None:
    """One driver's life; what was durable before it must still be so after, and not be redone."""
    committed = {info.key: output.read(info.key) for info in output.list("results/")}
    kept = journaled(checkpoint)
    fleets = [Fleet(delay_s=lambda: chance.choice([0.0, 0.5, 2.0])) for _ in range(coordinators)]
    shards = [
        documents(size, shard=shard, poison=sorted(poison) if shard == 0 else [])
        for shard, size in enumerate(SIZES)
    ]
    ends: list[Receipt | BaseException | None] = []

    async def main() -> None:
        its = work(flush_s=flush_s)
        made = [coordinator(output, checkpoint, fleet, life, its) for fleet in fleets]
        ends.extend(await finish(made, shards))

    run_until_killed(main(), thread_s=lambda: chance.choice([0.0, 0.1, 1.0]))
    assert all(isinstance(end, (Receipt, StoreError, OSError)) for end in ends), ends
    for key, data in committed.items():
        assert output.read(key) == data
    redone = {name for fleet in fleets for name in fleet.served} & kept
    assert not redone
    # What a journal held is still there, or in a committed result.
    done = {info.key for info in output.list("results/")}
    for name in kept - journaled(checkpoint):
        assert result_key(int(name.split(".")[0])) in done
    if not life.is_over and coordinators == 1 and not any(isinstance(e, Exception) for e in ends):
        assert len(done) == len(SIZES)


async def finish(
    made: Sequence[Coordinator], shards: Sequence[list[Prepared]]
) -> list[Receipt | BaseException | None]:
    calls = [one.finish_shard(n, its) for one in made for n, its in enumerate(shards)]
    return await asyncio.gather(*calls, return_exceptions=True)


def journaled(checkpoint: Store) -> set[str]:
    """Request ids of the documents that a journal holds."""
    states: Mapping[int, Mapping[int, ResultRow]] = {
        shard: load_journal(checkpoint, shard).rows for shard in range(len(SIZES))
    }
    return {f"{shard}.{ordinal}.small" for shard, rows in states.items() for ordinal in rows}
