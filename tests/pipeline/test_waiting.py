"""A run that waits says for what."""

import inspect

import pytest

from pipeline.progress import State
from pipeline.serving import TierState
from pipeline.tiers import Placement
from pipeline.waiting import NO_DOCUMENTS, Waiting, room_wanted
from tests.pipeline.engine_builders import tier

HAS = {"CPU": 16.0, "GPU": 1.0, "accelerator_type:L4": 1.0, "memory": 1e9}


def small(ready: int, *, lacks_room: bool = False) -> dict[str, TierState]:
    return {"small": TierState(True, ready, wanted=2, problem=None, lacks_room=lacks_room)}


def test_engines_without_room_are_named_until_the_first_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: HAS)
    waiting = Waiting([tier()])
    assert waiting.state({}, 0) == (State.WAITING_FOR_ENGINES, None)
    assert waiting.state(small(0), 0) == (State.WAITING_FOR_ENGINES, None)
    assert waiting.state(small(0, lacks_room=True), 0) == (
        State.WAITING_FOR_ENGINES,
        "no node has room for an engine of tier small: it needs 1 CPU; the whole cluster has "
        "16 CPU and 1 GPU (L4), partly in use",
    )
    assert waiting.state(small(1, lacks_room=True), 1) == (State.IN_PROGRESS, None)


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


def test_the_room_that_an_engine_on_a_gpu_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0})
    words = room_wanted(tier(placement=Placement(4, 2, "H100", 1, 0.0)))
    assert "needs 4 CPU and 2 GPU of type H100; the whole cluster has 8 CPU and 0 GPU," in words


def test_serve_still_says_it_in_the_words_that_are_looked_for() -> None:
    from ray.serve._private import deployment_state

    assert "to be scheduled" in inspect.getsource(deployment_state)
