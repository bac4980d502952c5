"""A run that waits says for what."""

from dataclasses import replace

import pytest

from pipeline.engines.node_groups import MARKET, ZONE, NodeGroup
from pipeline.engines.tier_state import TierState
from pipeline.engines.tiers import Placement
from pipeline.progress import State
from pipeline.waiting import NO_DOCUMENTS, NO_ROOM_S, Waiting, room_wanted
from tests.pipeline.engine_builders import tier

HAS = {"CPU": 16.0, "GPU": 1.0, "accelerator_type:L4": 1.0, "memory": 1e9}


class Clock:
    """A monotonic clock, and a wall clock that is half an hour past an epoch's midnight with it."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def unix_s(self) -> float:
        return 1_800_000_000.0 + self.now_s


def small(ready: int, *, starting: int = 0, unplaced: int = 0) -> dict[str, TierState]:
    return {"small": TierState(True, ready, 2, None, starting, unplaced)}


def test_engines_that_find_no_node_for_a_while_make_a_run_wait_for_capacity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: HAS)
    clock = Clock()
    waiting = Waiting([tier()], clock, clock.unix_s)
    assert waiting.state({}, 0) == (State.WAITING_FOR_ENGINES, None)
    assert waiting.state(small(0, unplaced=2), 0) == (State.WAITING_FOR_ENGINES, None)
    clock.now_s = NO_ROOM_S
    for _ in range(2):
        assert waiting.state(small(0, unplaced=2), 0) == (
            State.WAITING_FOR_CAPACITY,
            "since 2027-01-15 08:00 UTC, no node has room for an engine of tier small: it needs "
            "1 CPU; the whole cluster has 16 CPU and 1 GPU (L4), partly in use; nothing is lost, "
            "the run goes on when there is room",
        )
        clock.now_s = 3600.0 * 100
    assert waiting.state(small(1, unplaced=1), 1) == (State.IN_PROGRESS, None)


def test_a_tier_without_room_is_named_while_another_one_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: HAS)
    clock = Clock()
    waiting = Waiting([tier(), tier("large")], clock, clock.unix_s)
    states = small(1) | {"large": TierState(True, 0, 1, None, 0, unplaced=1)}
    assert waiting.state(states, 1) == (State.IN_PROGRESS, None)
    clock.now_s = NO_ROOM_S
    state, message = waiting.state(states, 1)
    assert state is State.IN_PROGRESS
    assert "no node has room for an engine of tier large" in (message or "")
    assert "small" not in (message or "")


def test_an_engine_that_has_its_node_is_waited_for_as_an_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: HAS)
    clock = Clock()
    waiting = Waiting([tier()], clock, clock.unix_s)
    for now_s, starting, expected in (
        (0.0, 0, State.WAITING_FOR_ENGINES),
        (30.0, 0, State.WAITING_FOR_CAPACITY),
        (31.0, 1, State.WAITING_FOR_ENGINES),
        (32.0, 0, State.WAITING_FOR_ENGINES),
        (53.0, 0, State.WAITING_FOR_CAPACITY),
    ):
        clock.now_s = now_s
        assert waiting.state(small(0, starting=starting, unplaced=1), 0)[0] is expected, now_s


def test_nodes_that_nothing_fits_are_named_by_their_group(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [{}, {MARKET: "spot", ZONE: "b"}, {MARKET: "on-demand"}]
    nodes = [{"Alive": True, "Labels": one} for one in labels]
    gone = {"Alive": False, "Labels": {MARKET: "spot", ZONE: "a"}}
    monkeypatch.setattr("ray.cluster_resources", lambda: HAS)
    monkeypatch.setattr("ray.nodes", lambda: [*nodes, gone])
    groups = (NodeGroup(market="spot", zone="a"), NodeGroup(market="on-demand"))
    words = room_wanted(tier(placement=replace(tier().placement, groups=groups)))
    assert (
        "it needs 1 CPU on a node of (spot, zone a: no such nodes) or (on-demand: 1 such nodes); "
        "the whole"
    ) in words


def test_engines_that_get_no_documents_are_told_after_a_while() -> None:
    now_s = 0.0
    waiting = Waiting([tier()], lambda: now_s)
    assert waiting.state(small(1), 0)[1] is None
    now_s = 59.0
    assert waiting.state(small(1), 0)[1] is None
    now_s = 61.0
    assert waiting.state(small(1), 0) == (State.IN_PROGRESS, NO_DOCUMENTS)
    assert waiting.state(small(1), 1)[1] is None
    now_s = 100.0
    assert waiting.state(small(1), 1)[1] is None


def test_why_engines_do_not_start_is_told_while_they_fail() -> None:
    waiting = Waiting([tier()], lambda: 0.0)
    refused = {"small": TierState(True, 0, 2, None, starting=1, refusal="no memory")}
    state, message = waiting.state(refused, 0)
    assert state is State.WAITING_FOR_ENGINES
    assert "tier small did not start and is tried again: no memory" in str(message)
    beside = {"small": TierState(True, 1, 2, None, starting=1, refusal="no memory")}
    assert "no memory" in str(waiting.state(beside, 5)[1])


def test_the_room_that_an_engine_on_a_gpu_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0})
    words = room_wanted(tier(placement=Placement(4, 2, "H100", 1, 0.0)))
    assert "needs 4 CPU and 2 GPU of type H100; the whole cluster has 8 CPU and 0 GPU," in words
