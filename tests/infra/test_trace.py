"""Recorded traces: what is refused, and that a replay does to a fleet what the trace says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.spot.clockwork import Clockwork, Does
from infra.spot.schedule import Schedule, ScheduleError
from infra.spot.trace import Trace, parse_trace, replay

counts = st.lists(st.integers(0, 9), min_size=1, max_size=40)


def trace_text(data: object, gap: object = 600) -> str:
    return json.dumps({"metadata": {"gap_seconds": gap}, "data": data})


def up_at(schedule: Schedule, at_s: float) -> set[int]:
    """The nodes that are up just after this time."""
    up = set(schedule.up_at_first)
    clockwork = Clockwork(schedule)
    now_s = 0.0
    while now_s <= at_s:
        for act in clockwork.due(now_s, 0.0):
            if act.does is Does.KILL:
                assert act.node in up
                up.discard(act.node)
            elif act.does is Does.RETURN:
                assert act.node not in up
                up.add(act.node)
        now_s += 1.0
    return up


@given(counts, st.integers(1, 6), st.integers(0, 9), st.integers(0, 30))
def test_a_replay_has_the_counts_of_its_trace(
    data: list[int], nodes: int, seed: int, notice_s: int
) -> None:
    schedule = replay(
        Trace(10.0, tuple(data)), name="t", nodes=nodes, seed=seed, notice_s=float(notice_s)
    )
    for tick, count in enumerate(data):
        assert len(up_at(schedule, tick * 10.0)) == min(count, nodes)


@given(counts, st.integers(0, 9))
def test_a_notice_comes_no_sooner_than_its_node(data: list[int], seed: int) -> None:
    schedule = replay(Trace(10.0, tuple(data)), name="t", nodes=4, seed=seed, notice_s=25.0)
    up_since = dict.fromkeys(schedule.up_at_first, 0.0)
    up_since |= {one.node: one.at_s for one in schedule.arrivals if one.at_s is not None}
    for outage in schedule.outages:
        assert outage.at.after_s >= up_since[outage.node]
        assert outage.notice_s <= 25.0
        if outage.back_after_s is not None:
            up_since[outage.node] = outage.at.after_s + outage.lives_s + outage.back_after_s


@given(counts)
def test_the_same_seed_draws_the_same_nodes(data: list[int]) -> None:
    trace = Trace(1.0, tuple(data))
    one, other = (replay(trace, name="t", nodes=5, seed=3, notice_s=1.0) for _ in range(2))
    assert one == other


def test_a_trace_is_cut_and_made_faster() -> None:
    trace = parse_trace(trace_text([1, 2, 3, 4])).since(1300).faster(60)
    assert trace == Trace(10.0, (3, 4))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "not a trace"),
        ("nonsense", "not a trace"),
        (trace_text([1], gap="soon"), "not a trace"),
        (trace_text([1], gap=0), "gap_seconds is 0"),
        (trace_text([]), "no tick"),
        (trace_text([1, -2]), r"data\[1\] is -2"),
        (trace_text([1, 2.5]), r"data\[1\] is 2.5"),
        (trace_text([True]), r"data\[0\] is True"),
    ],
)
def test_what_is_no_trace_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ScheduleError, match=words):
        parse_trace(text)


def test_a_trace_cannot_start_after_its_end_or_stand_still() -> None:
    trace = parse_trace(trace_text([1, 2]))
    with pytest.raises(ScheduleError, match="lasts 1200 s"):
        trace.since(1200)
    with pytest.raises(ScheduleError, match="above 0"):
        trace.faster(0)


def test_a_run_may_be_over_before_a_trace_is() -> None:
    trace = parse_trace(trace_text([2, 1, 2, 0]))
    assert replay(trace, name="t", nodes=2, seed=1, notice_s=5.0).is_open_ended
