"""What a run waits for, in words: engines that find no room, or documents that do not come.

Boundary: looks at counts, and at the cluster's resources and labels; changes nothing. That there
is no room is no error, however long it lasts: nothing is held that could be lost meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass

import ray
from ray.exceptions import RayError

from pipeline.dataset import COORDINATOR_CPUS, READ_CPUS
from pipeline.engines.pools import pools
from pipeline.engines.tier_state import TierState
from pipeline.engines.tiers import Placement, Tier
from pipeline.progress import State

NO_ROOM_S = 20.0  # a replica that gets a node has told Serve of it by then
NO_DOCUMENTS_S = 60.0
NO_DOCUMENTS = (
    "the engines are ready, but no document reaches them: reading and coordination need "
    f"{READ_CPUS + COORDINATOR_CPUS:g} CPU beside the engines, on nodes that are not kept for them"
)


@dataclass(frozen=True, slots=True)
class _NoRoom:
    """Since when no node has had room for any engine, on two clocks."""

    since_s: float
    since_unix_s: float


class Waiting:
    """Asked once a second by the driver."""

    def __init__(
        self,
        tiers: Sequence[Tier],
        now_s: Callable[[], float] = time.monotonic,
        now_unix_s: Callable[[], float] = time.time,
    ) -> None:
        self._tiers = tiers
        self._now_s = now_s
        self._now_unix_s = now_unix_s
        self._idle_since_s: float | None = None
        self._no_room: _NoRoom | None = None

    def state(self, states: Mapping[str, TierState], in_hand: int) -> tuple[State, str | None]:
        """The state of a run that goes on, and what it lacks.

        `in_hand` is how many documents coordinators have: one that only posts gives engines nothing
        to do, and Ray Data gives no work to one whose node drains.
        """
        now_s = self._now_s()
        lacking = without_room(states)
        if not lacking:
            self._no_room = None
        elif self._no_room is None:
            self._no_room = _NoRoom(now_s, self._now_unix_s())
        wanted = None
        if self._no_room is not None and now_s - self._no_room.since_s >= NO_ROOM_S:
            wanted = self._room_wanted(lacking, self._no_room)
            if not any(one.ready or one.starting for one in states.values()):
                return State.WAITING_FOR_CAPACITY, wanted
        if not any(state.ready for state in states.values()):
            return State.WAITING_FOR_ENGINES, wanted or refusals(states)
        if in_hand or self._idle_since_s is None:
            self._idle_since_s = now_s
        is_idle = now_s - self._idle_since_s > NO_DOCUMENTS_S
        return State.IN_PROGRESS, wanted or (NO_DOCUMENTS if is_idle else refusals(states))

    def _room_wanted(self, lacking: Set[str], no_room: _NoRoom) -> str:
        try:
            wanted = "; ".join(room_wanted(tier) for tier in self._tiers if tier.name in lacking)
        except RayError:  # the cluster does not answer at the moment
            wanted = "no node has room for an engine"
        since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(no_room.since_unix_s))
        return f"since {since}, {wanted}; nothing is lost, the run goes on when there is room"


def refusals(states: Mapping[str, TierState]) -> str | None:
    """Why engines do not start at present, if Serve has tried in vain."""
    found = [
        f"an engine of tier {name} did not start and is tried again: {state.refusal}"
        for name, state in states.items()
        if state.refusal is not None
    ]
    return "; ".join(found) or None


def without_room(states: Mapping[str, TierState]) -> frozenset[str]:
    """Tiers of which replicas are asked for, and none is ready or has got a node."""
    return frozenset(
        name for name, one in states.items() if one.unplaced and not (one.ready or one.starting)
    )


def room_wanted(tier: Tier) -> str:
    """What a replica of this tier needs of the cluster and what the cluster has."""
    placement, has = tier.placement, ray.cluster_resources()
    wanted = f"{placement.num_cpus:g} CPU"
    if placement.num_gpus:
        wanted += f" and {placement.num_gpus:g} GPU"
    if placement.accelerator is not None:
        wanted += f" of type {placement.accelerator}"
    kinds = sorted(name.partition(":")[2] for name in has if name.startswith("accelerator_type:"))
    found = f"{has.get('CPU', 0):g} CPU and {has.get('GPU', 0):g} GPU"
    if kinds:
        found += f" ({', '.join(kinds)})"
    return (
        f"no node has room for an engine of tier {tier.name}: it needs {wanted}"
        f"{_where(placement)}; the whole cluster has {found}, partly in use"
    )


def _where(placement: Placement) -> str:
    """The groups of nodes that a job names, each with how many such nodes there are."""
    if not (placement.groups or placement.on_demand_replicas):
        return ""
    nodes = [node["Labels"] for node in ray.nodes() if node["Alive"]]
    groups = {str(group): group for pool in pools(placement) for group in pool.groups}
    found = [
        f"({words}: {sum(labels in group for labels in nodes) or 'no'} such nodes)"
        for words, group in groups.items()
    ]
    return " on a node of " + " or ".join(found)
