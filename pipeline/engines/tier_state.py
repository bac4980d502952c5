"""What Serve says of a tier's replicas, as a driver has to take it.

Boundary: pure; `serving.py` asks Serve. A pool that Serve has given up on, because the nodes of its
replicas died while they started, is to be deployed again: that says nothing of the engine, however
often it happens. What an engine itself dies of at its start is a problem, and a person has to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Ray's own words. What ran on a node that vanished is unavailable until Ray knows of the node; a
# process that ends on a node that lives is known as dead within a second, in other words.
NODE_LOST = ("its node has died", "The actor is temporarily unavailable")


@dataclass(frozen=True, slots=True)
class PoolState:
    """Replicas of one pool at this moment."""

    ready: int
    starting: int  # they have a node and are not ready yet
    unplaced: int  # they have no node yet
    failure: str | None = None  # of the latest start, once the pool has been given up
    start_error: str | None = None  # of the latest start that failed, as far as Serve tells
    refusal: str | None = None  # why starts fail at present, other than for the death of a node
    leaving: int = 0  # of those that are ready; their nodes drain

    @property
    def is_given_up(self) -> bool:
        """Whether nothing runs here or will; a pool with replicas is left alone."""
        return self.failure is not None and not self.ready


@dataclass(frozen=True, slots=True)
class TierState:
    """Replicas of one tier at this moment, over all its pools."""

    is_deployed: bool
    ready: int
    wanted: int
    problem: str | None  # why replicas do not start, once they have been given up
    starting: int = 0
    unplaced: int = 0
    refusal: str | None = None  # why starts fail at present
    leaving: int = 0


def tier_state(pools: Sequence[PoolState | None], *, wanted: int) -> TierState:
    """The state of a tier; None for a pool that is not deployed."""
    found = [pool for pool in pools if pool is not None and not _lost_its_nodes(pool)]
    return TierState(
        is_deployed=len(found) == len(pools),
        ready=sum(pool.ready for pool in found),
        wanted=wanted,
        problem="; ".join(_essence(pool.failure) for pool in found if pool.failure) or None,
        starting=sum(pool.starting for pool in found),
        unplaced=sum(pool.unplaced for pool in found),
        refusal="; ".join(_essence(pool.refusal) for pool in found if pool.refusal) or None,
        leaving=sum(pool.leaving for pool in found),
    )


def lost_its_node(failure: str) -> bool:
    """Whether an engine did not start because its node went."""
    return any(words in failure for words in NODE_LOST)


def _essence(failure: str) -> str:
    """What the engine said last; Ray's log of the replica has all of it."""
    return failure.strip().splitlines()[-1].strip()


def _lost_its_nodes(pool: PoolState) -> bool:
    return pool.is_given_up and lost_its_node(pool.failure or "")
