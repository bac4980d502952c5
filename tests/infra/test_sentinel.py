"""A node does what its notices ask, once, and whatever its sources do."""

from __future__ import annotations

import logging
import math

import pytest

from infra.spot.notices import GarbledNoticeError, SilentSourceError
from infra.spot.ray_nodes import DrainRefusedError
from infra.spot.sentinel import EARLIER_S, Drain, Sentinel, decide
from infra.spot.settings import OnRebalance
from tests.infra.sentinel_world import NOW, POLL_S, REBALANCE, World, interruption


def test_a_node_without_notices_is_left_alone() -> None:
    world = World()
    assert world.show() == POLL_S
    assert world.node.drained == []
    assert world.sentinel.noticed() == ()


def test_an_interruption_drains_a_little_earlier_than_the_cloud_takes_the_machine() -> None:
    world = World()
    world.show(interruption(120))
    assert world.node.drained == [NOW + 120 - EARLIER_S]


def test_a_second_notice_changes_nothing() -> None:
    world = World()
    for _ in range(3):
        world.show(interruption(120))
    assert len(world.node.drained) == 1


def test_a_body_whose_time_moves_with_every_request_keeps_its_first_deadline() -> None:
    world = World()
    for in_s in (120, 125, 130):
        world.show(interruption(in_s))
    assert world.node.drained == [NOW + 120 - EARLIER_S]
    [seen] = world.sentinel.noticed()
    assert seen.notice.deadline_unix_s == NOW + 120
    assert (seen.node_id, seen.source, seen.noticed_unix_s) == ("ab12", "fake", NOW + POLL_S)


def test_an_earlier_deadline_replaces_a_later_one() -> None:
    world = World()
    world.show(interruption(120))
    world.show(interruption(60))
    assert world.node.drained == [NOW + 120 - EARLIER_S, NOW + 60 - EARLIER_S]


def test_two_notices_have_the_earlier_deadline() -> None:
    world = World()
    world.show(interruption(120), interruption(30, "Terminated"))
    assert world.node.drained == [NOW + 30 - EARLIER_S]
    assert len(world.sentinel.noticed()) == 2


def test_a_drain_that_somebody_else_ordered_for_earlier_is_kept() -> None:
    world = World()
    world.node.until = NOW + 20
    world.show(interruption(120))
    assert world.node.drained == []


def test_a_sentinel_that_starts_anew_orders_nothing_twice() -> None:
    world = World()
    world.show(interruption(120))
    restarted = Sentinel("ab12", world.node, (world.source.source,), OnRebalance.CORDON, POLL_S)
    restarted.step(NOW + 60)
    assert len(world.node.drained) == 1


def test_a_recommendation_cordons_and_an_interruption_after_it_sets_the_deadline() -> None:
    world = World()
    world.show(REBALANCE)
    world.show(REBALANCE)
    assert world.node.drained == [None]
    world.show(REBALANCE, interruption(120))
    assert world.node.drained == [None, NOW + 120 - EARLIER_S]


def test_a_recommendation_is_ignored_where_that_is_asked_for() -> None:
    world = World(OnRebalance.IGNORE)
    world.show(REBALANCE)
    assert world.node.drained == []
    assert len(world.sentinel.noticed()) == 1
    world.show(REBALANCE, interruption(120))
    assert world.node.drained == [NOW + 120 - EARLIER_S]


def test_a_recommendation_after_an_interruption_keeps_its_deadline() -> None:
    assert decide([REBALANCE], NOW, OnRebalance.CORDON) is None
    assert decide([REBALANCE], math.inf, OnRebalance.CORDON) is None
    assert decide([REBALANCE], None, OnRebalance.CORDON) == Drain(None)


def test_a_notice_that_is_withdrawn_is_told_once_and_the_node_still_goes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.show(interruption(120))
    with caplog.at_level(logging.WARNING):
        world.show()
        world.show()
    assert [record.getMessage() for record in caplog.records if "withdrew" in record.msg] == [
        f"fake withdrew {interruption(120)}; Ray cannot end a drain, so the node still goes"
    ]
    assert len(world.node.drained) == 1
    assert len(world.sentinel.noticed()) == 1


def test_what_fails_hides_no_other_source() -> None:
    world = World()
    world.other.shown = [interruption(120)]
    world.source.error = SilentSourceError("does not answer in time")
    world.step()
    assert world.node.drained == [NOW + 120 - EARLIER_S]


def test_each_kind_of_trouble_is_told_once_and_its_end_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    with caplog.at_level(logging.WARNING):
        for error in (SilentSourceError("answered 500"), GarbledNoticeError("is no list")) * 3:
            world.source.error = error
            assert world.step() == POLL_S
        world.source.error = None
        world.step()
    assert [record.getMessage() for record in caplog.records] == [
        "fake: answered 500; asking again",
        "fake: is no list; asking again",
        "fake answers again",
    ]


def test_a_failing_source_takes_nothing_back() -> None:
    world = World()
    world.node.error = ConnectionError("away")
    world.show(interruption(120))
    world.source.error = SilentSourceError("answered 500")
    world.node.error = None
    world.step()
    assert world.node.drained == [NOW + 120 - EARLIER_S]


@pytest.mark.parametrize("error", [ConnectionError("away"), DrainRefusedError("not now")])
def test_an_order_that_ray_did_not_take_is_given_again_with_the_first_deadline(
    error: Exception,
) -> None:
    world = World()
    world.node.error = error
    assert world.show(interruption(120)) == 1.0
    world.node.error = None
    world.show(interruption(140))
    assert world.node.drained == [NOW + 120 - EARLIER_S]


def test_a_drained_node_is_left_once_it_is_empty() -> None:
    world = World()
    assert world.show(interruption(120)) == 1.0
    assert world.step() == 1.0
    world.node.empty = True
    assert world.step() is None


def test_an_idle_node_that_stays_keeps_its_sentinel() -> None:
    world = World()
    world.node.empty = True
    assert world.step() == POLL_S


def test_the_cloud_is_told_when_the_node_is_empty_and_not_before() -> None:
    world = World()
    world.show(interruption(120, "Preempt", "e1"))
    world.step()
    assert world.source.acknowledged == []
    world.node.empty = True
    assert world.step() is None
    assert world.source.acknowledged == [interruption(120, "Preempt", "e1")]


def test_an_acknowledgement_that_failed_is_tried_until_it_succeeds_and_told_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    first, second = interruption(120, "Preempt", "e1"), interruption(120, "Preempt", "e2")
    world.other.shown = [second]
    world.source.refuses = True
    world.show(first)
    world.node.empty = True
    with caplog.at_level(logging.WARNING):
        assert [world.step(), world.step()] == [1.0, 1.0]
    told = [record.getMessage() for record in caplog.records]
    assert [text for text in told if "acknowledgement" in text] == [
        "fake (acknowledgement): answered 500 to an acknowledgement; asking again"
    ]
    assert world.sentinel.troubles() == ()  # its notice was heard
    world.source.refuses = False
    assert world.step() is None
    assert (world.source.acknowledged, world.other.acknowledged) == ([first], [second])


def test_a_cloud_that_takes_no_acknowledgement_keeps_no_node_beyond_its_deadline() -> None:
    world = World()
    world.source.refuses = True
    world.show(interruption(120, "Preempt", "e1"))
    world.node.empty = True
    assert world.step() == 1.0
    assert world.step(NOW + 120 - EARLIER_S - world.now) is None


def test_a_trouble_is_told_with_its_remedy_for_as_long_as_it_lasts() -> None:
    world = World()
    world.step()
    assert world.sentinel.troubles() == ()
    world.source.error = SilentSourceError("does not answer in time")
    world.other.error = GarbledNoticeError("is not a list of notices")
    world.step()
    assert set(world.sentinel.troubles()) == {
        "fake: does not answer in time; let pods reach it",
        "other: is not a list of notices; let pods reach it",
    }
    world.source.error = None
    world.step()
    assert world.sentinel.troubles() == ("other: is not a list of notices; let pods reach it",)
