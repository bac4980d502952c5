"""One row per document, whatever dies; what is journaled is never generated again."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from checkpoints.journal import EngineDeath, Finished, Journal, load_journal
from checkpoints.keys import result_key
from checkpoints.result import Receipt
from checkpoints.result_file import read_footer
from pipeline.coordinator import Coordinator
from pipeline.engines.engine import Parts, Request
from pipeline.failures import Code, Failure
from pipeline.outputs import Label
from tests.pipeline.coordinator_builders import assert_proven, coordinator, journal_keys, rows_of
from tests.pipeline.engine_builders import (
    Fleet,
    document,
    documents,
    planned_stores,
    result_of,
    row,
    tier,
    work,
)
from tests.pipeline.mortal_store import Life
from tests.pipeline.virtual_loop import run


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


def test_a_store_that_takes_seconds_for_every_request_costs_time_and_nothing_else() -> None:
    output, checkpoint = planned_stores(40, 40, 40)
    fleet = Fleet()
    made = coordinator(output, checkpoint, fleet, its=work(flush_s=1.0))

    async def main() -> list[Receipt | None]:
        shards = (made.finish_shard(n, documents(40, shard=n)) for n in range(3))
        return await asyncio.gather(*shards)

    receipts = run(main(), thread_s=lambda: 5.0)
    assert [receipt and receipt.generated for receipt in receipts] == [40, 40, 40]
    assert len(fleet.served) == len(set(fleet.served)) == 120
    assert assert_proven(output, checkpoint).ok == 120
    assert journal_keys(checkpoint) == []


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
    assert [(one.code, one.id) for one in made.post().examples] == [("empty_text", "id-0-1")]


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
        [counts] = made.post().shards.values()
        assert (counts.ok, counts.restored, counts.finished_now) == (2, 2, 0)
        await finishing
        assert made.post().shards == {}

    run(main())
