"""One row per document, whatever dies; what is journaled is never generated again."""

import asyncio
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from engine_builders import (
    FINGERPRINT,
    Fleet,
    document,
    documents,
    planned_stores,
    result_of,
    row,
    tier,
    work,
)
from mortal_store import Life, MortalStore
from virtual_loop import run, run_until_killed

from checkpoints.encoding import canonical_json
from checkpoints.errors import FencedError, StoreError, UnknownWriteError
from checkpoints.journal import EngineDeath, Finished, Journal, load_journal
from checkpoints.keys import JOURNAL, lease_key, result_key
from checkpoints.memory_store import MemoryStore
from checkpoints.result import Receipt, ResultRow
from checkpoints.result_file import decode_rows, read_footer
from checkpoints.store import Store
from checkpoints.verify import Verdict, verify
from pipeline.coordinator import Coordinator
from pipeline.documents import Prepared
from pipeline.engine import Parts, Request
from pipeline.failures import Code, Failure
from pipeline.outputs import Label
from pipeline.work import Work


def coordinator(
    output: Store,
    checkpoint: Store,
    fleet: Fleet,
    life: Life | None = None,
    its: Work | None = None,
) -> Coordinator:
    its = its or work()
    alive = life or Life()
    return Coordinator(
        its,
        MortalStore(output, alive),
        MortalStore(checkpoint, alive),
        {one.name: fleet.send for one in its.tiers},
    )


def rows_of(output: Store, shard: int = 0) -> list[ResultRow]:
    return decode_rows(output.read(result_key(shard)))


def journal_keys(checkpoint: Store) -> list[str]:
    return [info.key for info in checkpoint.list(JOURNAL)]


def assert_proven(output: Store, checkpoint: Store) -> Verdict:
    verdict = verify(output, checkpoint)
    assert verdict.proven, verdict
    return verdict


def fence_off(checkpoint: Store) -> None:
    """Another driver takes the lease over."""
    checkpoint.create(lease_key(1), canonical_json({}))
    checkpoint.create(lease_key(2), canonical_json({}))


def test_a_shard_ends_with_one_row_for_each_document() -> None:
    output, checkpoint = planned_stores(50)
    receipt = run(coordinator(output, checkpoint, Fleet()).finish_shard(0, documents(50)))
    assert receipt is not None
    assert (receipt.documents, receipt.ok, receipt.error) == (50, 50, 0)
    assert (receipt.generated, receipt.restored) == (50, 0)
    assert [row.result for row in rows_of(output)] == [result_of(n) for n in range(50)]
    assert_proven(output, checkpoint)
    assert journal_keys(checkpoint) == []


def test_several_shards_share_one_coordinator() -> None:
    output, checkpoint = planned_stores(7, 30, 1)
    made = coordinator(output, checkpoint, Fleet())

    async def main() -> None:
        await asyncio.gather(
            *(made.finish_shard(n, documents(size, shard=n)) for n, size in enumerate((7, 30, 1)))
        )

    run(main())
    assert assert_proven(output, checkpoint).ok == 38


def test_it_runs_on_real_threads_too() -> None:
    output, checkpoint = planned_stores(200)
    fleet = Fleet(delay_s=lambda: 0.0)
    made = coordinator(output, checkpoint, fleet, its=work(flush_s=0.001))
    asyncio.run(made.finish_shard(0, documents(200)))
    assert_proven(output, checkpoint)


def test_a_bad_document_is_a_row_and_needs_no_engine() -> None:
    output, checkpoint = planned_stores(3)
    bad = document(1, failure=Failure(Code.EMPTY_TEXT, "field 'text' is empty"))
    fleet = Fleet()
    made = coordinator(output, checkpoint, fleet)
    receipt = run(made.finish_shard(0, [document(0), bad, document(2)]))
    assert receipt is not None
    assert (receipt.ok, receipt.error, receipt.generated) == (2, 1, 2)
    assert rows_of(output)[1].error_code == "empty_text"
    assert len(fleet.served) == 2
    assert [(one.code, one.count, one.id) for one in made.errors()] == [("empty_text", 1, "id-0-1")]


def test_a_document_that_fits_no_tier_is_an_error_row() -> None:
    output, checkpoint = planned_stores(1)
    run(coordinator(output, checkpoint, Fleet()).finish_shard(0, [document(0, tiers=())]))
    assert rows_of(output)[0].error_code == "too_long"


def test_an_answer_that_is_refused_goes_to_the_next_tier() -> None:
    output, checkpoint = planned_stores(2)
    both = (tier("small"), tier("large"))

    def answer(request: Request) -> str:
        easy = request.prompt_tokens[1] == 0
        return "yes" if easy or request.id.endswith(".large") else "perhaps"

    its = work(tiers=both, output_format=Label(("yes", "no")))
    made = coordinator(output, checkpoint, Fleet(answer=answer), its=its)
    run(made.finish_shard(0, [document(n, tiers=("small", "large")) for n in range(2)]))
    assert [row.tier for row in rows_of(output)] == ["small", "large"]
    assert_proven(output, checkpoint)


def test_a_document_that_kills_engines_is_set_aside_and_spares_the_next_tier() -> None:
    output, checkpoint = planned_stores(9)
    fleet = Fleet()
    its = work(tiers=(tier("small"), tier("large")))
    all_of_them = [document(n, tiers=("small", "large"), is_poison=n == 4) for n in range(9)]
    run(coordinator(output, checkpoint, fleet, its=its).finish_shard(0, all_of_them))
    assert [row.error_code for row in rows_of(output)] == [None] * 4 + ["engine_crash"] + [None] * 4
    assert not [sent for sent in fleet.sent if any("large" in name for name in sent)]
    assert_proven(output, checkpoint)


def test_engine_deaths_of_earlier_coordinators_count() -> None:
    output, checkpoint = planned_stores(4)
    life = Life()
    life.fails = lambda name: name.startswith("create results")
    fleet = Fleet()
    bad = documents(4, poison=[2])
    two_deaths = Journal(checkpoint, 0, "earlier")
    two_deaths.append([EngineDeath(2), EngineDeath(2)])
    run(coordinator(output, checkpoint, fleet).finish_shard(0, bad))
    assert fleet.deaths == 1
    assert rows_of(output)[2].error == "3 engines died on this document when it ran alone"


def test_each_engine_death_is_durable_before_the_next_try() -> None:
    output, checkpoint = planned_stores(1)
    fleet = Fleet()
    seen: list[int] = []

    async def send(requests: Sequence[Request]) -> Parts:
        seen.append(sum(load_journal(checkpoint, 0).engine_deaths.values()))
        async for part in fleet.send(requests):
            yield part

    made = Coordinator(work(), output, checkpoint, {"small": send})
    run(made.finish_shard(0, documents(1, poison=[0])))
    assert seen == [0, 0, 1, 2]  # the first as an ordinary chunk, then alone


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


def test_a_committed_shard_is_not_touched_and_its_receipt_comes_back() -> None:
    output, checkpoint = planned_stores(5)
    first = run(coordinator(output, checkpoint, Fleet()).finish_shard(0, documents(5)))
    before = output.read(result_key(0))
    life, fleet = Life(), Fleet()
    again = run(coordinator(output, checkpoint, fleet, life).finish_shard(0, documents(5)))
    assert again == first
    assert fleet.sent == []
    assert output.read(result_key(0)) == before
    assert not [name for name in life.log if name.startswith("create")]


def test_a_stop_journals_all_that_is_finished_and_commits_nothing() -> None:
    output, checkpoint = planned_stores(40)
    fleet = Fleet(delay_s=iter(n / 10 for n in range(10_000)).__next__)
    made = coordinator(output, checkpoint, fleet, its=work(flush_s=1000.0))

    async def main() -> Receipt | None:
        finishing = asyncio.create_task(made.finish_shard(0, documents(40)))
        await asyncio.sleep(0.55)
        assert not made.has_flushed
        await made.stop()
        return await finishing

    # Slow threads: documents go on finishing while the journal is written.
    assert run(main(), thread_s=lambda: 0.2) is None
    assert made.has_flushed
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
        assert (fleet.in_flight, made.counts()) == (0, {})

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


def test_two_coordinators_on_one_shard_make_one_result_and_one_receipt() -> None:
    output, checkpoint = planned_stores(10)
    chance = random.Random(7)
    fleets = Fleet(), Fleet(delay_s=lambda: 1.1)

    async def main() -> list[Receipt | None]:
        return await asyncio.gather(
            *(coordinator(output, checkpoint, one).finish_shard(0, documents(10)) for one in fleets)
        )

    first, second = run(main(), thread_s=lambda: chance.random() * 3)
    assert first is not None
    assert first == second == read_footer(output, 0).receipt
    assert_proven(output, checkpoint)


def test_a_lost_race_gives_the_winners_receipt() -> None:
    output, checkpoint = planned_stores(3)
    other_output, other_checkpoint = planned_stores(3)
    theirs = run(coordinator(other_output, other_checkpoint, Fleet()).finish_shard(0, documents(3)))

    async def send(requests: Sequence[Request]) -> Parts:
        output.create(result_key(0), other_output.read(result_key(0)))
        async for part in Fleet().send(requests):
            yield part

    made = Coordinator(work(), output, checkpoint, {"small": send})
    assert run(made.finish_shard(0, documents(3))) == theirs


def test_a_repeated_call_for_an_open_shard_waits_for_the_first() -> None:
    output, checkpoint = planned_stores(6)
    fleet = Fleet()
    made = coordinator(output, checkpoint, fleet)

    async def main() -> list[Receipt | None]:
        return await asyncio.gather(*(made.finish_shard(0, documents(6)) for _ in range(3)))

    receipts = run(main())
    assert receipts[0] is not None
    assert receipts == [receipts[0]] * 3
    assert len(fleet.served) == 6


def test_a_journal_of_other_documents_is_refused_before_anything_is_written() -> None:
    output, checkpoint = planned_stores(2)
    Journal(checkpoint, 0, "strange").append([Finished(row(5))])

    async def main() -> None:
        with pytest.raises(RuntimeError, match="shard 0"):
            await coordinator(output, checkpoint, Fleet()).finish_shard(0, documents(2))

    run(main())
    assert [*output.list("")] == []


def test_counts_show_open_shards_and_what_was_restored() -> None:
    output, checkpoint = planned_stores(6)
    Journal(checkpoint, 0, "earlier").append([Finished(row(0)), Finished(row(1))])
    made = coordinator(output, checkpoint, Fleet())

    async def main() -> None:
        finishing = asyncio.create_task(made.finish_shard(0, documents(6)))
        await asyncio.sleep(0.5)
        [counts] = made.counts().values()
        assert (counts.ok, counts.restored, counts.finished_now) == (2, 2, 0)
        await finishing
        assert made.counts() == {}

    run(main())


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
