"""What works on a cordoned node notices that the machine is taken, with no sentinel there."""

from __future__ import annotations

import math

import pytest

from infra.spot import cordoned
from infra.spot.cordoned import CordonWatch, WorkingNode, watched_deadline
from infra.spot.sentinel import EARLIER_S
from infra.spot.settings import SpotSettings
from tests.infra.sentinel_world import NOW, POLL_S, World, interruption


@pytest.mark.parametrize(
    ("until", "source", "looks"),
    [(None, "aws", 0), (NOW, "aws", 0), (math.inf, "none", 0), (math.inf, "aws", 1)],
)
def test_only_a_cordoned_node_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, until: float | None, source: str, looks: int
) -> None:
    world = World()
    watch = CordonWatch(world.sentinel, POLL_S)
    monkeypatch.setattr(cordoned, "own_deadline", lambda: until)
    monkeypatch.setattr(cordoned, "_watch_here", lambda _: watch)
    assert watched_deadline(SpotSettings(source)) == until
    assert world.source.reads == looks


def test_that_a_node_cannot_be_watched_does_not_hide_that_it_is_cordoned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(_: SpotSettings) -> CordonWatch:
        raise ConnectionError("Ray's control service does not answer")

    monkeypatch.setattr(cordoned, "own_deadline", lambda: math.inf)
    monkeypatch.setattr(cordoned, "_watch_here", away)
    assert watched_deadline(SpotSettings("aws")) == math.inf


def test_an_interruption_after_the_cordon_reaches_ray_once() -> None:
    world = World()
    world.node.until = math.inf
    watch = CordonWatch(world.sentinel, POLL_S)
    for second in range(60):
        if second == 20:
            world.source.shown = [interruption(140)]
        watch.look(NOW + second)
    assert world.node.drained == [NOW + 140 - EARLIER_S]


def test_sources_are_asked_no_more_often_than_they_should_be() -> None:
    world = World()
    watch = CordonWatch(world.sentinel, POLL_S)
    for second in range(60):
        watch.look(NOW + second)
    assert world.source.reads == 60 / POLL_S


def test_a_node_that_is_drained_goes_with_the_work_not_before() -> None:
    assert not WorkingNode("ab12").is_empty()
