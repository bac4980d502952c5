"""What the figures of interruptions hold against their aims: each of them can be missed."""

from __future__ import annotations

import pytest

from jobs.chaos.fleet import Happened, NodeEvent, node_name
from tests.benchmarks.figures import Figure
from tests.benchmarks.interrupted import Suffered, account
from tests.benchmarks.interruptions import twice_figures, undisturbed_figures, waste_figures
from tests.benchmarks.rows import Row
from tests.benchmarks.tap import Answered, Sample

ROWS = {name: Row(name, True, 50) for name in ("0.0", "0.1")}
ANSWERED = [Answered(10.0, "0.0.large"), Answered(12.0, "0.1.large")]
NOTICED = NodeEvent(5.0, 1, Happened.NOTICED, 8.0)
KILLED = NodeEvent(5.0, 1, Happened.KILLED)


def suffered(event: NodeEvent, *, left_made: int, other_made: int) -> Suffered:
    """A node with 20 tokens in flight goes; 10 of these it made in its last moment."""
    leaves = [
        Sample(4.0, node_name(1), 10, 10),
        Sample(4.9, node_name(1), 20, 20),
        Sample(5.1, node_name(1), 0, left_made),
    ]
    stays = [Sample(12.0, node_name(2), 0, other_made)]
    return account(ROWS, ANSWERED, [leaves, stays], [event], 0.0)


def missed(figures: list[Figure]) -> list[str]:
    """The figures that miss their aim."""
    return [one.name for one in figures if one.met is False]


def test_tokens_that_are_continued_elsewhere_are_not_in_vain() -> None:
    its = suffered(NOTICED, left_made=20, other_made=80)
    assert its.tokens_wasted == 0
    assert not missed(waste_figures("x", its, is_noticed=True, has_aims=True))


def test_a_drain_that_throws_tokens_away_misses_its_aim() -> None:
    its = suffered(NOTICED, left_made=20, other_made=100)
    assert its.tokens_wasted == its.tokens_in_flight == 20
    assert missed(waste_figures("x", its, is_noticed=True, has_aims=True))


@pytest.mark.parametrize(("other_made", "is_met"), [(100, True), (110, True), (111, False)])
def test_a_kill_may_cost_what_was_in_flight_and_on_the_way(other_made: int, is_met: bool) -> None:
    its = suffered(KILLED, left_made=20, other_made=other_made)
    assert (its.tokens_in_flight, its.tokens_on_the_way) == (20, 10)
    assert bool(missed(waste_figures("x", its, is_noticed=False, has_aims=True))) is not is_met


def again(times: int) -> Suffered:
    """The first document is answered so many times more."""
    answered = sorted([*ANSWERED, *[ANSWERED[0]] * times], key=lambda one: one.unix_s)
    return account(ROWS, answered, [], [], 0.0)


@pytest.mark.parametrize(
    ("times", "is_noticed", "is_met"),
    [(0, True, True), (1, True, False), (1, False, True), (2, False, False)],
)
def test_only_without_notice_a_hundredth_may_be_answered_twice(
    times: int, is_noticed: bool, is_met: bool
) -> None:
    figures = twice_figures("x", again(times), 100, is_noticed=is_noticed, has_aims=True)
    assert bool(missed(figures)) is not is_met
    assert [one.value for one in figures] == [times, 50 * times]


@pytest.mark.parametrize("made", [99, 101])
def test_a_meter_that_is_wrong_either_way_is_seen_in_an_undisturbed_run(made: int) -> None:
    its = account(ROWS, ANSWERED, [[Sample(12.0, node_name(1), 0, made)]], [], 0.0)
    assert missed(undisturbed_figures("x", its, has_aims=True))


def test_a_side_to_compare_with_has_no_aims() -> None:
    its = suffered(KILLED, left_made=20, other_made=1000)
    figures = [
        *waste_figures("x", its, is_noticed=True, has_aims=False),
        *twice_figures("x", again(9), 100, is_noticed=True, has_aims=False),
        *undisturbed_figures("x", its, has_aims=False),
    ]
    assert {one.target for one in figures} == {None}
