"""What all nodes together tell a person."""

from __future__ import annotations

from infra.spot.node_report import NodeReport, Overview, overview
from infra.spot.sentinel import Noticed
from tests.infra.sentinel_world import NOW, REBALANCE, interruption

AWS = ("aws spot/instance-action", "aws events/recommendations/rebalance")
WELL = NodeReport(is_head=False, sources=AWS, noticed=(), troubles=())
DEAF = NodeReport(is_head=False, sources=AWS, noticed=(), troubles=("aws: silent", "aws: no token"))
BARE = NodeReport(is_head=False, sources=(), noticed=(), troubles=())
TOLD = NodeReport(
    is_head=False,
    sources=AWS,
    noticed=(Noticed("n", AWS[0], NOW, interruption(60)),),
    troubles=(),
)


def head(*noticed: Noticed) -> NodeReport:
    return NodeReport(is_head=True, sources=AWS, noticed=noticed, troubles=())


def test_before_any_report_the_setting_is_all_that_is_known() -> None:
    assert overview("auto", {}, frozenset("ab")) == Overview("auto", 0, 0, 0, 0, None, None)


def test_nodes_are_counted_by_what_they_can_hear() -> None:
    reports = {"a": WELL, "b": DEAF, "c": DEAF, "d": BARE}
    found = overview("auto", reports, frozenset("abcd"))
    assert (found.source, found.nodes, found.nodes_without_source) == ("aws", 3, 1)
    assert (found.nodes_in_trouble, found.trouble) == (2, "aws: silent")


def test_of_nodes_that_are_gone_only_the_notices_count() -> None:
    found = overview("auto", {"a": TOLD, "b": DEAF}, frozenset())
    assert (found.nodes, found.notices, found.nodes_in_trouble, found.trouble) == (0, 1, 0, None)


def test_only_an_interruption_of_the_head_ends_the_run() -> None:
    recommended = Noticed("h", AWS[1], NOW, REBALANCE)
    announced = Noticed("h", AWS[0], NOW, interruption(90))
    sooner = Noticed("h", AWS[0], NOW, interruption(30, "stop"))
    at_work = frozenset("ah")
    assert overview("auto", {"a": TOLD}, at_work).head_goes_by_unix_s is None
    assert overview("auto", {"h": head(recommended)}, at_work).head_goes_by_unix_s is None
    found = overview("auto", {"h": head(recommended, announced, sooner)}, at_work)
    assert found.head_goes_by_unix_s == NOW + 30
