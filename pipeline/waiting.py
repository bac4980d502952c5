"""What a run waits for, in words: engines that find no room, or documents that do not come.

Boundary: looks at counts and at the cluster's resources; changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import ray
from ray.exceptions import RayError

from pipeline.dataset import COORDINATOR_CPUS, READ_CPUS
from pipeline.progress import State
from pipeline.serving import TierState
from pipeline.tiers import Tier

NO_DOCUMENTS_S = 60.0
NO_DOCUMENTS = (
    "the engines are ready, but no document has reached them: reading and coordination need "
    f"{READ_CPUS + COORDINATOR_CPUS:g} CPU beside the engines, on nodes that are not kept for them"
)


class Waiting:
    """Asked once a second by the driver."""

    def __init__(self, tiers: Sequence[Tier], now_s: Callable[[], float] = time.monotonic) -> None:
        self._tiers = tiers
        self._now_s = now_s
        self._idle_since_s: float | None = None

    def state(self, states: Mapping[str, TierState], coordinators: int) -> tuple[State, str | None]:
        """The state of a run that goes on, and what it lacks; `coordinators` is how many work."""
        if not any(state.ready for state in states.values()):
            return State.WAITING_FOR_ENGINES, self._engines_wanted(states)
        now_s = self._now_s()
        if coordinators or self._idle_since_s is None:
            self._idle_since_s = now_s
        has_waited_s = now_s - self._idle_since_s
        return State.IN_PROGRESS, NO_DOCUMENTS if has_waited_s > NO_DOCUMENTS_S else None

    def _engines_wanted(self, states: Mapping[str, TierState]) -> str | None:
        without_room = [
            tier for tier in self._tiers if tier.name in states and states[tier.name].lacks_room
        ]
        try:
            return "; ".join(room_wanted(tier) for tier in without_room) or None
        except RayError:  # the cluster does not answer at the moment
            return None


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
        f"no node has room for an engine of tier {tier.name}: it needs {wanted}; the whole cluster "
        f"has {found}, partly in use"
    )
