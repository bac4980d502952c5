"""Ray's nodes and their drain state; private Ray APIs, all in this file.

Boundary: Ray 2.60 offers draining to its autoscaler and a hidden command only; `tests/infra/
test_ray_nodes.py` pins what is used here. Ray's drain state is the one truth about a node that has
to go, whoever told Ray: a sentinel, `ray drain-node`, the autoscaler or KubeRay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import ray
import ray._private.state as ray_state
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.core.generated import autoscaler_pb2

TIMEOUT_S = 5.0
HEAD = "node:__internal_head__"  # a resource that Ray gives to its head
LEAST = 1e-4  # of a resource; Ray counts in steps of this size


class DrainRefusedError(RuntimeError):
    """Ray did not accept that a node is drained; the message says why."""


@dataclass(frozen=True, slots=True)
class LiveNode:
    """A node that Ray has now."""

    id: str  # hex
    ip: str
    hostname: str
    is_head: bool


def live_nodes() -> list[LiveNode]:
    """Every node that Ray takes for alive.

    Raises:
        ConnectionError: Ray's control service does not answer.
    """
    try:
        found = ray.nodes()
    except (ray.exceptions.RayError, OSError) as error:
        raise ConnectionError(f"Ray's control service does not answer: {error}") from error
    return [
        LiveNode(
            id=node["NodeID"],
            ip=node["NodeManagerAddress"],
            hostname=node["NodeManagerHostname"],
            is_head=HEAD in node["Resources"],
        )
        for node in found
        if node["Alive"]
    ]


@dataclass(frozen=True, slots=True)
class Occupancy:
    """What is taken of Ray's nodes."""

    nodes: int  # that Ray has now
    empty: frozenset[str]  # by hex id


def occupancy() -> Occupancy:
    """Which nodes are empty: of their CPUs, GPUs and other resources nothing is taken.

    What takes none, a sentinel for one, is not seen; a node that Ray has just met is not empty. Ray
    2.60 answers for all nodes or none, so that this costs its control service work for each.

    Raises:
        ConnectionError: Ray's control service does not answer.
    """
    try:
        free_by_node = ray_state.available_resources_per_node()
        total_by_node = ray_state.total_resources_per_node()
    except (ray.exceptions.RayError, OSError) as error:
        raise ConnectionError(f"Ray's control service does not answer: {error}") from error
    empty = frozenset(
        node_id
        for node_id, total in total_by_node.items()
        if node_id in free_by_node
        and all(free_by_node[node_id].get(name, 0.0) > have - LEAST for name, have in total.items())
    )
    return Occupancy(len(total_by_node), empty)


def drain(node_id: str, deadline_unix_s: float | None, reason: str) -> int:
    """Tell Ray that a node goes: nothing new is placed there, Serve starts replacements.

    `node_id` in hex. Without a deadline the node is cordoned: what runs there may end in its own
    time. A second call replaces the deadline of the first. Returns how many nodes Ray has.

    Raises:
        DrainRefusedError: Ray refused, or knows no such node.
        ConnectionError: Ray's control service does not answer.
    """
    live = {node.id for node in live_nodes()}
    if node_id not in live:
        raise DrainRefusedError(f"Ray has no live node {node_id}")  # Ray itself would say nothing
    deadline_ms = 0 if deadline_unix_s is None else max(1, round(deadline_unix_s * 1000))
    try:
        is_accepted, refusal = _gcs(_address()).drain_node(
            node_id,
            autoscaler_pb2.DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION"),
            reason,
            deadline_ms,
        )
    except (ray.exceptions.RayError, OSError) as error:
        raise ConnectionError(f"Ray's control service does not answer: {error}") from error
    if not is_accepted:
        raise DrainRefusedError(f"Ray does not drain {node_id}: {refusal}")
    return len(live)


def draining() -> dict[str, float]:
    """Live nodes that drain, by hex id: until when in unix seconds, inf without a deadline.

    Raises:
        ConnectionError: Ray's control service does not answer.
    """
    try:
        found = _gcs(_address()).get_draining_nodes(timeout=TIMEOUT_S)
    except (ray.exceptions.RayError, OSError) as error:
        raise ConnectionError(f"Ray's control service does not answer: {error}") from error
    return {node_id: deadline_ms / 1000 or math.inf for node_id, deadline_ms in found.items()}


def own_deadline() -> float | None:
    """Until when the node of this Ray process is to be left, in unix seconds.

    inf when it is to be left, but not by when; None when it stays, or while nobody can tell.
    """
    try:
        return draining().get(ray.get_runtime_context().get_node_id())
    except ConnectionError:
        return None


def _address() -> str:
    return str(ray.get_runtime_context().gcs_address)


@cache
def _gcs(address: str) -> Any:
    return GcsClient(address=address)
