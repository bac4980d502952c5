"""When engines that do not start end a run, and when they only are told."""

import pytest

from pipeline.engines.starts import AT_MOST, Starts
from pipeline.engines.tier_state import NODE_LOST, PoolState

READY, NONE = PoolState(1, 0, 0), PoolState(0, 1, 0)


def refused(start: int, *, ready: int = 0, why: str = "no memory") -> PoolState:
    """As Serve tells of the latest of so many failed starts."""
    return PoolState(ready, 1, 0, start_error=f"failed to start (pid={start}):\n{why}")


def test_before_the_first_engine_serves_verdict_is_taken() -> None:
    assert Starts().noted("a", PoolState(0, 0, 0, "no memory"), 1).failure == "no memory"


@pytest.mark.parametrize(("replicas", "allowed"), [(1, 3), (2, 6), (8, AT_MOST)])
def test_engines_that_no_longer_start_end_the_run_after_so_many_refusals(
    replicas: int, allowed: int
) -> None:
    starts = Starts()
    starts.noted("a", READY, replicas)
    for start in range(allowed - 1):
        for _ in range(3):  # Serve says it until the next one fails
            found = starts.noted("a", refused(start), replicas)
            assert found.failure is None
            assert "no memory" in (found.refusal or "")
    assert "no memory" in (starts.noted("a", refused(allowed), replicas).failure or "")


def test_a_driver_that_comes_to_engines_that_fail_counts_too() -> None:
    starts = Starts()
    found = [starts.noted("a", refused(start), 1).failure for start in range(3)]
    assert [one is None for one in found] == [True, True, False]


def test_serves_count_says_nothing_once_there_was_an_engine() -> None:
    """It has those of dead nodes in it, and of nodes that failed beside engines that worked."""
    starts = Starts()
    starts.noted("a", READY, 2)
    lost = PoolState(0, 1, 0, "failed to start 6 times", start_error="failed to start 6 times")
    assert starts.noted("a", lost, 2).failure is None


@pytest.mark.parametrize("words", NODE_LOST)
def test_starts_that_a_dead_node_ended_neither_count_nor_are_told(words: str) -> None:
    starts = Starts()
    starts.noted("a", READY, 1)
    for start in range(30):
        found = starts.noted("a", refused(start, why=words), 1)
        assert (found.failure, found.refusal) == (None, None)


def test_refusals_beside_an_engine_are_told_and_not_counted_until_another_one_is_ready() -> None:
    starts = Starts()
    starts.noted("a", READY, 2)
    for start in range(100):
        found = starts.noted("a", refused(start, ready=1), 2)
        assert found.failure is None
        assert found.refusal is not None
    assert starts.noted("a", refused(99), 2).failure is None
    assert starts.noted("a", refused(99, ready=1), 2).refusal is None


def test_an_engine_that_is_ready_begins_the_count_anew() -> None:
    starts = Starts()
    for life in range(4):
        found = [starts.noted("a", refused(10 * life + start), 2) for start in range(5)]
        assert [one.failure for one in found] == [None] * 5
        starts.noted("a", refused(10 * life + 9, ready=1), 2)


def test_what_failed_before_this_driver_came_to_engines_that_run_is_not_told() -> None:
    assert Starts().noted("a", refused(1, ready=1), 2).refusal is None


def test_pools_are_counted_apart() -> None:
    starts = Starts()
    for name in "ab":
        for start in range(2):
            assert starts.noted(name, refused(start), 1).failure is None
