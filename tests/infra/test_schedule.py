"""Schedules: what is refused, what the built-in ones tell, and what is due when."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.spot.builtin_schedules import BUILT_IN, Setting, built_in
from infra.spot.clockwork import Act, Clockwork, Does
from infra.spot.schedule import (
    DRIVER,
    Arrival,
    Moment,
    Outage,
    Schedule,
    ScheduleError,
    in_order,
)


def played(schedule: Schedule, *, step_s: float = 1.0, until_s: float = 400.0) -> list[Act]:
    """Every act, when one percent of the documents is finished per second."""
    clockwork, acts, now_s = Clockwork(schedule), [], 0.0
    while now_s <= until_s:
        acts += clockwork.due(now_s, min(1.0, now_s / 100))
        now_s += step_s
    return acts


def test_notice_kill_and_return_come_in_this_order_and_in_time() -> None:
    outage = Outage(Moment(0.3), 1, notice_s=20, back_after_s=10)
    acts = played(Schedule("s", 1, (outage,)))
    assert acts == [
        Act(Does.NOTICE, 1, 30.0, 50.0),
        Act(Does.KILL, 1, 50.0),
        Act(Does.RETURN, 1, 60.0),
    ]


def test_a_node_that_dies_early_is_told_the_later_deadline() -> None:
    acts = played(Schedule("s", 1, (Outage(Moment(after_s=5), 1, 20, dies_after_s=4),)))
    assert acts == [Act(Does.NOTICE, 1, 5.0, 25.0), Act(Does.KILL, 1, 9.0)]


def test_without_notice_there_is_only_the_kill() -> None:
    assert [act.does for act in played(Schedule("s", 1, (Outage(Moment(), 1),)))] == [Does.KILL]


def test_seconds_after_a_share_count_from_when_it_was_seen() -> None:
    [kill] = played(Schedule("s", 1, (Outage(Moment(0.5, 7), 1),)))
    assert kill.at_s == 57.0


def test_a_node_that_is_down_goes_again_only_when_it_is_back() -> None:
    twice = (Outage(Moment(0.1), 1, back_after_s=30), Outage(Moment(0.2), 1))
    acts = played(Schedule("s", 1, twice))
    assert [(act.does, act.at_s) for act in acts] == [
        (Does.KILL, 10.0),
        (Does.RETURN, 40.0),
        (Does.KILL, 40.0),
    ]


def test_an_outage_of_a_node_that_never_comes_back_is_left() -> None:
    twice = (Outage(Moment(0.1), 1), Outage(Moment(0.2), 1))
    clockwork = Clockwork(Schedule("s", 1, twice))
    clockwork.due(500, 0.9)
    assert clockwork.due(900, 1.0) == []
    assert clockwork.left == twice[1:]


def test_the_driver_returns_when_it_was_killed() -> None:
    acts = played(built_in("driver", Setting(2, 20, 10)))
    assert [(act.does, act.node) for act in acts] == [(Does.KILL, DRIVER), (Does.RETURN, DRIVER)]


def test_a_late_node_arrives_and_goes_no_sooner_than_it_is_there() -> None:
    schedule = Schedule("s", 2, (Outage(Moment(after_s=1), 2),), (Arrival(2, 40.0),))
    assert schedule.up_at_first == (1,)
    assert [(act.does, act.at_s) for act in played(schedule)] == [
        (Does.RETURN, 40.0),
        (Does.KILL, 40.0),
    ]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Moment(1.0), "below 100 %"),
        (lambda: Moment(after_s=-1), "0 or more"),
        (lambda: Outage(Moment(), 1, notice_s=-1), "notice is -1 s"),
        (lambda: Outage(Moment(), 1, back_after_s=-1), "back is -1 s"),
        (lambda: Outage(Moment(0.5), 1, 5, dies_after_s=6), "node 1 at 50%: dies 6 s after"),
        (lambda: Outage(Moment(), DRIVER, 5, back_after_s=0), "driver gets no notice"),
        (lambda: Outage(Moment(), DRIVER), "not started again"),
        (lambda: Schedule("s", 0, ()), "at least one"),
        (lambda: Schedule("s", 2, (Outage(Moment(), 3),)), "there are nodes 1 to 2"),
        (
            lambda: Schedule("s", 1, (Outage(Moment(0.5), 1), Outage(Moment(0.1), 1))),
            "not in the order",
        ),
        (lambda: built_in("nonsense", Setting(1, 1, 1)), "known are notice, kill"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(make: object, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        make()  # type: ignore[operator]


def test_all_notice_tells_all_nodes_at_once_and_a_storm_tells_half_of_them() -> None:
    for name, nodes in (("all-notice", [1, 2, 3, 4]), ("storm", [1, 2])):
        acts = played(built_in(name, Setting(4, 20, 10)))
        first_s = acts[0].at_s
        told = [act.node for act in acts if act.does is Does.NOTICE and act.at_s == first_s]
        assert told == nodes


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("nodes", [1, 2, 3, 8])
def test_every_built_in_schedule_can_be_told_and_played(name: str, nodes: int) -> None:
    schedule = built_in(name, Setting(nodes, 20, 10))
    kills = [act for act in played(schedule) if act.does is Does.KILL]
    assert len(kills) == len(schedule.outages)


moments = st.builds(Moment, st.floats(0, 0.99), st.floats(0, 50))
outages = st.builds(
    Outage,
    at=moments,
    node=st.integers(1, 3),
    notice_s=st.floats(0, 30),
    back_after_s=st.none() | st.floats(0, 30),
)


@settings(deadline=None)
@given(st.lists(outages, max_size=8), st.floats(0.3, 7))
def test_no_node_is_killed_twice_or_started_twice(some: list[Outage], step_s: float) -> None:
    is_up = dict.fromkeys((1, 2, 3), True)
    for act in played(Schedule("s", 3, in_order(some)), step_s=step_s):
        if act.does is Does.NOTICE:
            assert is_up[act.node]
            assert act.deadline_s is not None
            assert act.deadline_s >= act.at_s
        else:
            assert is_up[act.node] is (act.does is Does.KILL)
            is_up[act.node] = act.does is Does.RETURN
