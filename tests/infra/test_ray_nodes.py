"""What is used of Ray's private parts is there, and means what it meant in 2.60."""

import math
from types import SimpleNamespace

import pytest
import ray

from infra.spot import ray_nodes
from infra.spot.ray_nodes import (
    DrainRefusedError,
    LiveNode,
    drain,
    draining,
    live_nodes,
    occupancy,
    own_deadline,
)

HERE, OTHER = "a" * 56, "b" * 56


class Gcs:
    """Ray's control service, with the two calls that are used."""

    def __init__(self) -> None:
        self.drained: list[tuple[str, int, str, int]] = []
        self.found: dict[str, int] = {}
        self.refusal = ""
        self.error: Exception | None = None

    def drain_node(
        self, node_id: str, reason: int, message: str, deadline_ms: int
    ) -> tuple[bool, str]:
        if self.error is not None:
            raise self.error
        self.drained.append((node_id, reason, message, deadline_ms))
        return not self.refusal, self.refusal

    def get_draining_nodes(self, timeout: float) -> dict[str, int]:
        assert timeout > 0
        if self.error is not None:
            raise self.error
        return self.found


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Gcs:
    made = Gcs()
    nodes = [
        {
            "NodeID": node_id,
            "Alive": is_alive,
            "NodeManagerAddress": "10.0.0.7",
            "NodeManagerHostname": "worker",
            "Resources": {"CPU": 2.0, "node:__internal_head__": 1.0},
        }
        for node_id, is_alive in ((HERE, True), (OTHER, False))
    ]
    context = SimpleNamespace(gcs_address="127.0.0.1:1", get_node_id=lambda: HERE)
    monkeypatch.setattr(ray_nodes, "_gcs", lambda _: made)
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    monkeypatch.setattr(ray, "get_runtime_context", lambda: context)
    return made


def test_ray_still_has_what_is_used_of_it() -> None:
    from ray._raylet import InnerGcsClient  # type: ignore[attr-defined]
    from ray.core.generated import autoscaler_pb2

    assert ray.__version__.startswith("2.60."), "read infra/spot/ray_nodes.py against this Ray"
    assert callable(InnerGcsClient.drain_node)  # GcsClient passes calls on to it
    assert callable(InnerGcsClient.get_draining_nodes)
    assert callable(ray_nodes.ray_state.available_resources_per_node)
    assert callable(ray_nodes.ray_state.total_resources_per_node)
    assert autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION") == 2


def test_a_node_is_drained_until_its_deadline(gcs: Gcs) -> None:
    assert drain(HERE, 1_700_000_000.25, "why") == 1
    assert gcs.drained == [(HERE, 2, "why", 1_700_000_000_250)]


def test_a_node_without_a_deadline_is_cordoned(gcs: Gcs) -> None:
    drain(HERE, None, "why")
    assert gcs.drained[0][3] == 0


def test_a_deadline_long_ago_is_not_taken_for_none(gcs: Gcs) -> None:
    drain(HERE, -5.0, "why")
    assert gcs.drained[0][3] == 1


@pytest.mark.parametrize("node_id", [OTHER, "nonsense"])
def test_a_node_that_is_not_there_is_refused(gcs: Gcs, node_id: str) -> None:
    with pytest.raises(DrainRefusedError, match=node_id):
        drain(node_id, None, "why")
    assert not gcs.drained


def test_a_refusal_says_why(gcs: Gcs) -> None:
    gcs.refusal = "it is the head"
    with pytest.raises(DrainRefusedError, match="it is the head"):
        drain(HERE, None, "why")


def test_a_control_service_that_is_away_is_a_connection_error(gcs: Gcs) -> None:
    gcs.error = ray.exceptions.RpcError("unavailable", 14)
    with pytest.raises(ConnectionError):
        drain(HERE, None, "why")
    with pytest.raises(ConnectionError):
        draining()
    assert own_deadline() is None


def test_every_draining_node_has_its_deadline(gcs: Gcs) -> None:
    gcs.found = {HERE: 1_700_000_000_250, OTHER: 0}
    assert draining() == {HERE: 1_700_000_000.25, OTHER: math.inf}
    assert own_deadline() == 1_700_000_000.25


def test_a_node_that_stays_has_no_deadline(gcs: Gcs) -> None:
    gcs.found = {OTHER: 0}
    assert own_deadline() is None


def test_the_nodes_that_live_are_known_with_their_address(gcs: Gcs) -> None:
    assert live_nodes() == [LiveNode(id=HERE, ip="10.0.0.7", hostname="worker", is_head=True)]


@pytest.mark.parametrize(
    ("free", "total", "empty"),
    [
        ({"CPU": 2.0, "GPU": 1.0}, {"CPU": 2.0, "GPU": 1.0}, True),
        ({"CPU": 1.99999, "GPU": 1.0}, {"CPU": 2.0, "GPU": 1.0}, True),  # Ray's rounding
        ({"CPU": 1.0, "GPU": 1.0}, {"CPU": 2.0, "GPU": 1.0}, False),
        ({"CPU": 2.0}, {"CPU": 2.0, "GPU": 1.0}, False),  # what is taken whole is left out
        (None, {"CPU": 2.0}, False),
        ({"CPU": 2.0}, None, False),
    ],
)
def test_a_node_is_empty_when_all_it_has_is_free(
    gcs: Gcs,
    monkeypatch: pytest.MonkeyPatch,
    free: dict[str, float] | None,
    total: dict[str, float] | None,
    empty: bool,
) -> None:
    for name, amounts in (("available", free), ("total", total)):
        found = {} if amounts is None else {HERE: amounts}
        name = f"{name}_resources_per_node"
        monkeypatch.setattr(ray_nodes.ray_state, name, lambda found=found: found)
    assert occupancy().empty == ({HERE} if empty else set())
    assert occupancy().nodes == (0 if total is None else 1)
