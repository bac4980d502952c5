"""A tier's replicas in pools: each pool's replicas may run on the same groups of nodes.

Boundary: pure; `serving.py` makes one application of each pool, because the replicas of one
deployment share their placement.
Invariant: the pools' replicas add up to the tier's `max_replicas`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipeline.engines.node_groups import FOR_ENGINES, NOT_FOR_ENGINES, ON_DEMAND, NodeGroup
from pipeline.engines.tiers import Placement


@dataclass(frozen=True, slots=True)
class Pool:
    """So many replicas, placed in the first of the groups that has room."""

    is_floor: bool  # on on-demand nodes only
    replicas: int
    groups: tuple[NodeGroup, ...]


def pools(placement: Placement) -> tuple[Pool, ...]:
    """The pools of a tier, one or two; first the floor, which fits fewer nodes than the other."""
    groups = placement.groups or (FOR_ENGINES, NOT_FOR_ENGINES)
    floor = placement.on_demand_replicas
    made = (
        Pool(True, floor, on_demand(groups)),
        Pool(False, placement.max_replicas - floor, tuple(groups)),
    )
    return tuple(pool for pool in made if pool.replicas)


def on_demand(groups: Iterable[NodeGroup]) -> tuple[NodeGroup, ...]:
    """What of the groups is on-demand nodes; empty where all of them are of another market."""
    return tuple(
        replace(group, market=ON_DEMAND) for group in groups if group.market in (None, ON_DEMAND)
    )


def actor_options(placement: Placement, pool: Pool) -> dict[str, object]:
    """Ray's options for a replica of this pool: on the first of its groups that has room."""
    first, *others = (group.selector for group in pool.groups)
    options: dict[str, object] = {
        "num_cpus": placement.num_cpus,
        "num_gpus": placement.num_gpus,
        "label_selector": first,
        "fallback_strategy": [{"label_selector": selector} for selector in others],
    }
    if placement.accelerator is not None:
        options["accelerator_type"] = placement.accelerator
    return options
