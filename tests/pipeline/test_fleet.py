"""The engines of a run: where they are, and which of them have to go."""

from __future__ import annotations

from pipeline.engine_log import EngineSign
from pipeline.engines.engine_work import EngineWork
from pipeline.fleet import SHOWN, NodeFacts, fleet_of
from pipeline.interruptions import Interruption

WORK = EngineWork(12, 600, 90)


def sign(node: str, tier: str = "small") -> EngineSign:
    return EngineSign(node, tier, 1.0, WORK, 30.0)


def test_engines_stand_by_tier_and_node_with_what_ray_knows_of_it() -> None:
    nodes = {"n1": NodeFacts("10.0.0.1", "spot", "g6.xlarge", "a"), "n2": NodeFacts("10.0.0.2")}
    signs = {"e1": sign("n2"), "e2": sign("n1"), "e3": sign("n2", "large"), "e4": sign("n" * 40)}
    fleet = fleet_of(signs, {}, nodes, ())
    assert [(one.tier, one.node) for one in fleet] == [
        ("large", "10.0.0.2"),
        ("small", "10.0.0.1"),
        ("small", "10.0.0.2"),
        ("small", "n" * 12),
    ]
    assert (fleet[1].market, fleet[1].machine, fleet[1].zone) == ("spot", "g6.xlarge", "a")
    assert (fleet[0].documents, fleet[0].output_tokens, fleet[0].has_notice) == (12, 90, False)


def test_who_has_notice_stays_until_it_is_empty_and_who_is_dead_is_gone() -> None:
    events = {
        "goes": Interruption("goes", "n1", "small", 1.0, deadline_unix_s=130.0),
        "empty": Interruption("empty", "n1", "small", 1.0, 130.0, ended_unix_s=40.0),
    }
    signs = {"goes": sign("n1"), "empty": sign("n1"), "dead": sign("n9")}
    [left] = fleet_of(signs, events, {}, {"n9"})
    assert (left.has_notice, left.goes_by_unix_s) == (True, 130.0)


def test_a_large_fleet_is_cut_off() -> None:
    assert len(fleet_of({str(i): sign(str(i)) for i in range(900)}, {}, {}, ())) == SHOWN
