"""Where coordinators post their counts and read whether to stop; one per driver.

Boundary: a plain class, run as a Ray actor beside the driver; holds nothing that a resume needs.
Invariants: counts are per shard and the latest post of a shard replaces its earlier ones, so a
shard that is taken up again after a crash is never counted twice; nor is one that a late post names
after the driver took it off. A coordinator that posts no more is waited for no more.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.progress import Counts, ErrorExample

NAMESPACE = "gleaner"
SILENT_S = 15.0  # a coordinator posts about once a second; after this it counts as gone
TAKEN_OFF_KEPT = 10_000  # shards; a post is late by seconds, not by so many shards


@dataclass(frozen=True, slots=True)
class BoardState:
    """What the driver reads."""

    open_shards: Counts  # of shards not yet taken off the board
    examples: Mapping[str, ErrorExample]  # one document per error code
    flushed: int  # coordinators that have stopped and journaled all they had
    coordinators: int  # those that still post


class Board:
    """Shared counts of one driver's coordinators."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._shards: dict[int, Counts] = {}
        self._examples: dict[str, ErrorExample] = {}
        self._flushed: dict[str, bool] = {}
        self._posted_s: dict[str, float] = {}
        self._taken_off: OrderedDict[int, None] = OrderedDict()
        self._is_stopping = False

    def post(
        self,
        coordinator: str,
        shards: Mapping[int, Counts],
        examples: Sequence[ErrorExample],
        has_flushed: bool,
    ) -> bool:
        """Take a coordinator's cumulative counts; answers whether it should stop."""
        for shard, counts in shards.items():
            if shard not in self._taken_off:
                self._shards[shard] = counts
        for example in examples:
            self._examples.setdefault(example.code, example)
        self._flushed[coordinator] = has_flushed
        self._posted_s[coordinator] = self._now()
        return self._is_stopping

    def take_off(self, shard: int) -> None:
        """The driver has the shard's receipt; from now on that counts."""
        self._shards.pop(shard, None)
        self._taken_off[shard] = None
        if len(self._taken_off) > TAKEN_OFF_KEPT:
            self._taken_off.popitem(last=False)

    def stop(self) -> None:
        """Tell every coordinator, with its next post, to journal what it has and stop."""
        self._is_stopping = True

    def state(self) -> BoardState:
        """Sums over all coordinators."""
        oldest_s = self._now() - SILENT_S
        posting = [name for name, posted_s in self._posted_s.items() if posted_s >= oldest_s]
        return BoardState(
            open_shards=sum(self._shards.values(), Counts()),
            examples=dict(self._examples),
            flushed=sum(self._flushed[name] for name in posting),
            coordinators=len(posting),
        )


def board_name(run_id: str) -> str:
    """Under this name a run's board is found while its driver lives."""
    return f"gleaner-board-{run_id}"


def start_board(run_id: str) -> Any:
    """A `Board` as a Ray actor on the driver's own node, which ends with the driver."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return (
        ray.remote(Board)
        .options(
            name=board_name(run_id),
            namespace=NAMESPACE,
            num_cpus=0,
            max_restarts=-1,
            scheduling_strategy=here,
        )
        .remote()
    )


def is_driver_alive(run_id: str) -> bool:
    """Whether the run has a driver on this Ray: its board ends with it."""
    try:
        ray.get_actor(board_name(run_id), namespace=NAMESPACE)
    except ValueError:
        return False
    return True
