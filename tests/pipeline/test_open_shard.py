"""What is journaled, when, and what a failing journal costs."""

import asyncio
import threading

import pytest

from checkpoints.errors import UnknownWriteError
from checkpoints.journal import Journal, load_journal
from checkpoints.memory_store import MemoryStore
from checkpoints.store import Store
from pipeline.open_shard import OpenShard
from pipeline.progress import Counts
from tests.pipeline.engine_builders import error_row, row
from tests.pipeline.mortal_store import Life, MortalStore
from tests.pipeline.virtual_loop import run


def opened(store: Store, restored: int = 0) -> OpenShard:
    rows = {n: row(n) for n in range(restored)}
    return OpenShard(0, Journal(store, 0, "writer"), rows)


def journaled(store: Store) -> set[int]:
    return set(load_journal(store, 0).rows)


def test_a_row_is_journaled_by_the_next_flush_and_only_once() -> None:
    store = MemoryStore()
    life = Life()
    shard = opened(MortalStore(store, life))

    async def main() -> None:
        shard.add(row(0))
        await shard.flush()
        await shard.flush()

    run(main())
    assert journaled(store) == {0}
    assert life.operations == 1


def test_restored_rows_are_not_journaled_again() -> None:
    life = Life()
    run(opened(MortalStore(MemoryStore(), life), restored=3).flush())
    assert life.operations == 0


def test_rows_of_a_failed_write_are_in_the_next_one() -> None:
    store, life = MemoryStore(), Life()
    shard = opened(MortalStore(store, life))

    async def main() -> None:
        shard.add(row(0))
        life.fails = lambda name: name.startswith("create")
        with pytest.raises(UnknownWriteError):
            await shard.flush()
        life.fails = lambda _: False
        shard.add(row(1))
        await shard.flush()

    run(main())
    assert journaled(store) == {0, 1}


def test_rows_added_during_a_write_are_in_the_next_one() -> None:
    store = MemoryStore()
    shard = opened(store)

    async def main() -> None:
        shard.add(row(0))
        flushing = asyncio.create_task(shard.flush())
        await asyncio.sleep(0.5)
        shard.add(row(1))
        await flushing
        assert journaled(store) == {0}
        await shard.flush()

    run(main(), thread_s=lambda: 1.0)
    assert journaled(store) == {0, 1}


def test_a_flush_during_another_waits_and_writes_only_what_is_new() -> None:
    store = MemoryStore()
    shard = opened(store)

    async def main() -> None:
        shard.add(row(0))
        first = asyncio.create_task(shard.flush())
        await asyncio.sleep(0.5)
        shard.add(row(1))
        await asyncio.gather(first, shard.flush())

    run(main(), thread_s=lambda: 1.0)
    written = [store.read(info.key).count(b"finished") for info in store.list("journal/")]
    assert written == [1, 1]


def test_the_flush_loop_outlives_a_store_that_is_away() -> None:
    store, life = MemoryStore(), Life()
    shard = opened(MortalStore(store, life))
    life.fails = lambda _: True

    async def main() -> None:
        flushing = asyncio.create_task(shard.flush_every(1.0))
        shard.add(row(0))
        await asyncio.sleep(10.5)
        assert not flushing.done()
        life.fails = lambda _: False
        await asyncio.sleep(1)
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)

    run(main())
    assert journaled(store) == {0}


def test_the_flush_loop_ends_with_an_error_that_stays() -> None:
    store = MemoryStore()
    shard = opened(store)
    Journal(store, 0, "writer").append([])
    store.create("journal/shard-00000000/writer-000000.jsonl", b"another writer's")

    async def main() -> None:
        shard.add(row(0))
        with pytest.raises(Exception, match="unique"):
            await shard.flush_every(1.0)

    run(main())


def test_a_cancelled_flush_leaves_no_thread_in_the_journal() -> None:
    """Two threads in one journal would take the same sequence number."""
    entered, leave = threading.Event(), threading.Event()

    class SlowStore(MemoryStore):
        def create(self, key: str, data: bytes) -> None:
            entered.set()
            assert leave.wait(10)
            super().create(key, data)

    store = SlowStore()
    shard = opened(store)

    async def main() -> None:
        shard.add(row(0))
        flushing = asyncio.create_task(shard.flush())
        await asyncio.to_thread(entered.wait, 10)
        flushing.cancel()
        await asyncio.sleep(0)
        again = asyncio.create_task(shard.flush())
        await asyncio.sleep(0)
        assert not flushing.done()
        leave.set()
        await asyncio.gather(flushing, again, return_exceptions=True)

    asyncio.run(main())
    assert journaled(store) == {0}


def test_an_engine_death_is_durable_when_it_is_noted() -> None:
    store = MemoryStore()
    run(opened(store).note_engine_death(4))
    assert load_journal(store, 0).engine_deaths == {4: 1}


def test_an_engine_death_whose_write_may_have_landed_is_not_written_again() -> None:
    store = MemoryStore()
    life = Life(faults={1: True, 2: False})
    shard = opened(MortalStore(store, life))

    async def main() -> None:
        await shard.note_engine_death(4)
        await shard.flush()

    run(main())
    assert load_journal(store, 0).engine_deaths == {4: 1}


def test_counts_and_receipt_tell_restored_from_generated_and_from_neither() -> None:
    shard = opened(MemoryStore(), restored=2)
    shard.add(row(2))
    shard.add(error_row(3))
    shard.add(row(4, status="error", result=None, error_code="empty_text", tier=None))
    receipt = shard.receipt(now_unix_s=12.0)
    assert receipt.error_codes == {"timeout": 1, "empty_text": 1}
    assert shard.counts() == Counts(3, receipt.error_codes, 2, 10, 15)
    assert (receipt.documents, receipt.ok, receipt.error) == (5, 3, 2)
    assert (receipt.restored, receipt.generated) == (2, 2)
    assert receipt.cost_usd == pytest.approx(5 * 0.25)
    assert receipt.committed_unix_s == 12.0
