"""What is left to do, and what the finished part amounts to."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from checkpoints import keys
from checkpoints.commit import commit_result
from checkpoints.errors import LostRaceError
from checkpoints.memory_store import MemoryStore
from checkpoints.plan import PlanHeader, Shard
from checkpoints.receipts import ReceiptLog, load_totals
from checkpoints.result import NO_REWORK, Receipt, Rework
from checkpoints.resume import list_results
from tests.checkpoints.checkpoint_builders import (
    one_slice,
    planned,
    receipt_of,
    result_object,
    rows_of,
)


class Run:
    """A planned run of six shards of three documents, some committed."""

    def __init__(self, *committed: int, rework: Rework = NO_REWORK) -> None:
        self.output, self.checkpoint = MemoryStore(), MemoryStore()
        self.header: PlanHeader
        self.shards: list[Shard]
        self.header, self.shards = planned(
            self.checkpoint, [[one_slice(f"{n}.jsonl", 3)] for n in range(6)]
        )
        self.receipts: dict[int, Receipt] = {}
        for number in committed:
            rows = rows_of(self.shards[number], bad={0} if number % 2 else ())
            self.receipts[number] = replace(receipt_of(number, rows, restored=1), rework=rework)
            data = result_object(number, rows, receipt=self.receipts[number])
            commit_result(self.output, number, data)

    def totals(self):  # type: ignore[no-untyped-def]
        done = list_results(self.output, self.header).done
        return load_totals(self.checkpoint, self.output, self.header, done)


def test_unfinished_shards_are_those_without_an_object() -> None:
    run = Run(1, 4)
    found = list_results(run.output, run.header).pending()
    assert found.dtype == np.int64
    assert found.tolist() == [0, 2, 3, 5]
    assert list_results(Run().output, run.header).pending().tolist() == [0, 1, 2, 3, 4, 5]


def test_what_does_not_belong_among_results_is_reported() -> None:
    run = Run(1)
    for key in ("shard-00000006.parquet", "shard-1.parquet", "note.txt", "_SUCCESS"):
        run.output.create("results/" + key, b"")
    run.output.create(keys.MANIFEST, b"{}")
    listing = list_results(run.output, run.header)
    assert listing.done.sum() == 1
    assert listing.unexpected_count == 4
    assert listing.unexpected == (
        "results/_SUCCESS",
        "results/note.txt",
        "results/shard-00000006.parquet",
        "results/shard-1.parquet",
    )


def test_totals_come_from_receipts_without_touching_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(0, 1, 4)
    ReceiptLog(run.checkpoint, 1).append([run.receipts[0], run.receipts[1]])
    ReceiptLog(run.checkpoint, 2).append([run.receipts[4]])
    monkeypatch.setattr(run.output, "read_tail", None)
    totals = run.totals()
    assert (totals.shards, totals.documents, totals.ok, totals.error) == (3, 9, 8, 1)
    assert (totals.generated, totals.restored) == (6, 3)
    assert (totals.prompt_tokens, totals.output_tokens) == (45, 18)
    assert totals.cost_usd == pytest.approx(2.25)


def test_what_was_done_twice_is_summed_wherever_it_is_read() -> None:
    rework = Rework(documents=2, tokens=30, engine_s=0.5, usd=0.25, salvaged_tokens=9)
    run = Run(0, 1, 4, rework=rework)
    assert run.totals().rework == rework + rework + rework
    ReceiptLog(run.checkpoint, 1).append([run.receipts[0], run.receipts[4]])
    assert run.totals().rework == rework + rework + rework


def test_a_receipt_of_the_version_before_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    rework = Rework(documents=2, tokens=30)
    run = Run(0, rework=rework)

    def as_before(receipt: Receipt) -> dict[str, object]:
        found = asdict(receipt)
        del found["rework"]["prefilled_again_tokens"]
        return found

    monkeypatch.setattr(Receipt, "as_fields", as_before)
    ReceiptLog(run.checkpoint, 1).append([run.receipts[0]])
    run.output.replace(keys.result_key(0), b"not looked at")
    assert run.totals().rework == rework


def test_shards_without_a_receipt_are_looked_up_in_their_footers() -> None:
    run = Run(0, 1, 4)
    ReceiptLog(run.checkpoint, 1).append([run.receipts[1]])
    assert run.totals() == Run(0, 1, 4).totals()


def test_a_receipt_counts_once_and_only_for_a_committed_shard() -> None:
    run = Run(0, 1)
    ghost = receipt_of(3, rows_of(run.shards[3]))
    log = ReceiptLog(run.checkpoint, 1)
    log.append([run.receipts[0], ghost, run.receipts[0], receipt_of(77, [])])
    log.append([run.receipts[0], run.receipts[1]])
    assert run.totals() == Run(0, 1).totals()


def test_a_damaged_receipt_object_costs_a_look_at_the_footers() -> None:
    run = Run(0, 1)
    ReceiptLog(run.checkpoint, 1).append([run.receipts[0]])
    key = keys.receipts_key(1, 0)
    run.checkpoint.replace(key, run.checkpoint.read(key)[:-9])
    totals = run.totals()
    assert totals.documents == 6
    assert totals.corrupt == (key,)


def test_an_unreadable_result_is_named_and_not_counted() -> None:
    run = Run(0, 1)
    run.output.replace(keys.result_key(1), b"nonsense")
    totals = run.totals()
    assert (totals.shards, totals.documents) == (1, 3)
    assert totals.unreadable == (keys.result_key(1),)


def test_two_writers_of_one_lease_token_are_noticed() -> None:
    run = Run(0, 1)
    ReceiptLog(run.checkpoint, 1).append([run.receipts[0]])
    with pytest.raises(LostRaceError, match="same lease token"):
        ReceiptLog(run.checkpoint, 1).append([run.receipts[1]])
