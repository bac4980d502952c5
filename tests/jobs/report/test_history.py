"""The course of a run comes from its receipts alone, and stays small however long it was."""

from __future__ import annotations

import numpy as np
import pytest

from checkpoints.memory_store import MemoryStore
from checkpoints.receipts import ReceiptLog, read_receipts
from checkpoints.steps import Audited, Tally
from jobs.report.history import history_of, read_history
from jobs.report.series import (
    MOST_BUCKETS,
    MOST_POINTS,
    Clock,
    bucket_edges,
    rates,
    running_mean,
    shares,
    sums,
    thinned,
)
from tests.jobs.report.report_builders import STARTED, Size, changed, receipts


def test_the_log_gives_every_receipt_back_as_it_was_written() -> None:
    store, made = MemoryStore(), receipts(Size(9), is_routed=True)
    log = ReceiptLog(store, token=1)
    log.append(made[:4])
    log.append(made[4:])
    assert sorted(read_receipts(store, 9), key=lambda one: one.shard) == made


def test_of_several_receipts_of_a_shard_the_newest_driver_is_believed() -> None:
    store, (first, *_) = MemoryStore(), receipts(Size(1))
    ReceiptLog(store, token=2).append([changed(first, ok=77)])
    ReceiptLog(store, token=1).append([first])
    assert [one.ok for one in read_receipts(store, 1)] == [77]


def test_a_damaged_object_and_a_shard_of_another_plan_are_left_out() -> None:
    store, made = MemoryStore(), receipts(Size(5))
    ReceiptLog(store, token=1).append(made)
    store.create("receipts/0000000002-00000000.parquet", b"no table")
    assert {one.shard for one in read_receipts(store, 3)} == {0, 1, 2}


def test_a_history_is_in_the_order_of_the_commits() -> None:
    made = receipts(Size(6))
    found = history_of(reversed(made))
    assert found.committed_unix_s.tolist() == [one.committed_unix_s for one in made]
    assert found.documents.tolist() == [500.0] * 6
    assert len(read_history(MemoryStore(), 6)) == 0


def test_the_sample_and_the_audit_do_not_count_as_escalated() -> None:
    (one,) = receipts(Size(1))
    reasons = {"sampled": 10, "audited": 3, "unsure": 20, "truncated": 5}
    found = history_of([changed(one, tiers={"small": Tally(kept=62, escalated=reasons)})])
    assert found.flows["small"].documents.tolist() == [62 + 3 + 20 + 5]
    assert found.flows["small"].sent_on.tolist() == [25]


def test_a_tier_that_comes_later_was_not_asked_before() -> None:
    first, second = receipts(Size(2))
    later = changed(second, tiers={"large": Tally(kept=9)}, audits=(Audited(0.5, 1.0),))
    found = history_of([first, later])
    assert found.flows["large"].documents.tolist() == [0, 9]
    assert found.audit_losses.tolist() == [1.0]
    assert found.audited_unix_s.tolist() == [second.committed_unix_s]


@pytest.mark.parametrize(
    ("span_s", "unit", "end"),
    [(0, "seconds", 1.0), (90, "seconds", 90.0), (600, "minutes", 10.0), (7200, "hours", 2.0)],
)
def test_a_clock_counts_in_a_unit_that_suits_the_run(span_s: float, unit: str, end: float) -> None:
    clock = Clock(STARTED, STARTED + span_s)
    assert (clock.unit, clock.end) == (unit, end)
    assert clock.since(np.array([STARTED - 5.0])).tolist() == [0.0]


def test_no_plot_has_more_points_than_fit_on_it() -> None:
    many = np.arange(100_000, dtype=np.float64)
    times, same = thinned(many, many)
    assert len(times) == MOST_POINTS
    assert (times[0], times[-1]) == (0.0, 99_999.0)
    assert times.tolist() == same.tolist()
    assert len(bucket_edges(Clock(0.0, 60.0), len(many))) == MOST_BUCKETS + 1
    assert thinned(many[:3])[0].tolist() == [0.0, 1.0, 2.0]


def test_a_steady_run_has_a_steady_rate_wherever_the_commits_fall() -> None:
    times = np.arange(7.0, 100.1, 7.0)
    found = rates(times, np.full(len(times), 70.0), np.linspace(0.0, 98.0, 11))
    assert found == pytest.approx(np.full(10, 10.0))


def test_nothing_that_was_done_is_missing_from_the_sums() -> None:
    edges = np.array([0.0, 1.0, 2.0])
    found = sums(np.array([0.5, 1.5, 2.0, 2.7]), np.array([1.0, 2.0, 4.0, 8.0]), edges)
    assert found.tolist() == [1.0, 14.0]


def test_a_share_of_nothing_is_unknown() -> None:
    found = shares(np.array([1.0, 0.0]), np.array([4.0, 0.0]))
    assert found[0] == 0.25
    assert np.isnan(found[1])
    assert running_mean(np.array([1.0, 0.0, 0.5])).tolist() == [1.0, 0.5, 0.5]
