"""Which nodes a group holds, as Ray judges it, and the pools made of groups."""

import pytest
from ray._private.label_utils import validate_label_selector
from ray._raylet import node_labels_match_selector

from pipeline.engines.node_groups import FOR_ENGINES, MARKET, NOT_FOR_ENGINES, NodeGroup
from pipeline.engines.pools import Pool, pools
from pipeline.engines.tiers import Placement

CONDITIONS = ("a", "!a", "in(a,b)", "!in(a,b)", "in(a, b)")
LABELS: tuple[dict[str, str], ...] = ({}, {"x": "a"}, {"x": "b"}, {"x": "c"}, {"y": "a"})
SPOT, ON_DEMAND = NodeGroup(market="spot"), NodeGroup(market="on-demand")


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_node_belongs_to_a_group_when_ray_says_so(condition: str) -> None:
    group = NodeGroup(labels={"x": condition})
    assert validate_label_selector(group.selector) is None
    for labels in LABELS:
        assert (labels in group) == node_labels_match_selector(labels, group.selector), labels


def test_every_condition_of_a_group_must_hold() -> None:
    group = NodeGroup(market="spot", zone="a", labels={"x": "!b"})
    node = {MARKET: "spot", "ray.io/availability-zone": "a"}
    assert node in group
    assert node | {"x": "b"} not in group
    assert node | {MARKET: "on-demand"} not in group
    assert {} in NodeGroup()


def test_a_group_is_called_by_its_conditions() -> None:
    assert str(NodeGroup("spot", "L4", "us-east-1a", {"type": "!g6"})) == (
        "spot, L4, zone us-east-1a, type=!g6"
    )
    assert str(NodeGroup()) == "any node"


def placement(on_demand: int, *groups: NodeGroup) -> Placement:
    return Placement(1, 0, None, 4, 1.0, groups, on_demand)


def test_without_groups_engines_go_to_nodes_kept_for_them_then_to_others() -> None:
    assert pools(placement(0)) == (Pool(False, 4, (FOR_ENGINES, NOT_FOR_ENGINES)),)


def test_the_floor_is_a_part_of_all_replicas_with_the_on_demand_nodes_of_the_groups() -> None:
    zone = NodeGroup(zone="a")
    assert pools(placement(1, SPOT, zone, ON_DEMAND)) == (
        Pool(True, 1, (NodeGroup(market="on-demand", zone="a"), ON_DEMAND)),
        Pool(False, 3, (SPOT, zone, ON_DEMAND)),
    )
    [floor] = pools(placement(4))
    assert [group.selector for group in floor.groups] == [
        {MARKET: "on-demand", "gleaner.io/role": "engine"},
        {MARKET: "on-demand", "gleaner.io/role": "!engine"},
    ]
