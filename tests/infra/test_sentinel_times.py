"""From when a notice without a time counts, and how often a draining node asks Ray."""

from __future__ import annotations

import random

import pytest

from infra.spot.notices import SilentSourceError
from infra.spot.sentinel import EARLIER_S, JITTER, LOOKS_PER_S, look_wait_s
from tests.infra.sentinel_world import NOW, POLL_S, World, interruption, untimed


def test_an_untimed_notice_counts_from_the_last_answer_without_it() -> None:
    world = World()
    world.show()
    quiet = world.now
    world.source.error = SilentSourceError("does not answer in time")
    world.step()
    world.source.error = None
    world.show(untimed(world.now + POLL_S))
    assert world.node.drained == [quiet + 30 - EARLIER_S]
    assert world.now == quiet + 2 * POLL_S


def test_an_untimed_notice_in_the_first_answer_counts_from_a_poll_before() -> None:
    world = World()
    world.show(untimed(NOW + POLL_S))
    assert world.node.drained == [NOW + 30 - EARLIER_S]


def test_an_untimed_notice_that_is_read_again_keeps_its_deadline() -> None:
    world = World()
    for _ in range(4):
        world.show(untimed(world.now + POLL_S))
    assert world.node.drained == [NOW + 30 - EARLIER_S]


def test_each_source_counts_from_its_own_last_answer() -> None:
    world = World()
    world.other.error = SilentSourceError("does not answer in time")
    world.show()
    world.other.error = None
    world.other.shown = [untimed(world.now + POLL_S)]
    world.step()
    assert world.node.drained == [world.now - POLL_S + 30 - EARLIER_S]


def test_small_clusters_look_every_second() -> None:
    assert {look_wait_s(nodes, phase) for nodes in (1, 50) for phase in (0.0, 0.99)} == {1.0}


def test_draining_nodes_of_any_number_look_no_oftener_than_the_control_service_bears() -> None:
    chooser = random.Random(1)
    for nodes in (51, 200, 1_000, 5_000):
        waits_s = [look_wait_s(nodes, chooser.random()) for _ in range(nodes)]
        assert sum(1 / wait_s for wait_s in waits_s) <= LOOKS_PER_S
        assert max(waits_s) <= nodes / LOOKS_PER_S * (1 + JITTER)
        assert len(set(waits_s)) == nodes


@pytest.mark.parametrize("fails", [False, True])
def test_a_node_of_a_large_cluster_looks_seldom_and_reads_its_sources_as_before(
    fails: bool,
) -> None:
    world = World()
    world.node.nodes = 1_000
    world.node.fails_when_asked = fails
    world.show(interruption(120))
    world.steps(100)
    assert world.source.reads >= 100 / POLL_S
    assert 100 / (20 * (1 + JITTER)) - 1 <= world.node.looks <= 5
    world.node.fails_when_asked, world.node.empty = False, True
    world.steps(20 * (1 + JITTER))
    assert world.step() is None


def test_news_between_two_looks_is_acted_on_at_once() -> None:
    world = World()
    world.node.nodes = 1_000
    world.show(interruption(120))
    world.show(interruption(60))
    assert world.node.drained == [NOW + 120 - EARLIER_S, NOW + 60 - EARLIER_S]


def test_a_clock_that_is_set_back_delays_no_look() -> None:
    world = World()
    world.show(interruption(120))
    world.step(-3600)
    assert world.node.looks == 1
