"""What a driver has seen of the starts of a run's engines, pool by pool.

Boundary: pure, but remembers; fed with every look at Serve. Serve counts failed starts too, but
with those whose node died, and from the last time that a pool had all its replicas, which a pool
that is larger than its room never has. So Serve's verdict is taken for a pool that has had no
engine yet; after that, starts that failed for reasons of their own since it last had an engine.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from pipeline.engines.tier_state import PoolState, lost_its_node

PER_REPLICA, AT_MOST = 3, 20  # failed starts in a row; as Serve counts before the first engine


@dataclass(slots=True)
class _Seen:
    """Of one pool."""

    has_started: bool = False
    ready: int = 0
    refusals: int = 0  # since it last had an engine
    latest: str | None = None  # Ray names the process in each error: no two are alike
    shown: str | None = None  # until another engine is ready


@dataclass(slots=True)
class Starts:
    """Of all pools of a run, by their name at Serve."""

    _pools: defaultdict[str, _Seen] = field(default_factory=lambda: defaultdict(_Seen))

    def noted(self, name: str, found: PoolState, replicas: int) -> PoolState:
        """What Serve says of a pool of so many replicas, judged by what it said before.

        `failure` is set once the pool has to be given up, `refusal` while starts fail.
        """
        seen = self._pools[name]
        is_first_look = seen == _Seen()
        if found.ready > seen.ready:
            seen.shown = None
        seen.ready = found.ready
        error = found.start_error
        if error is not None and error != seen.latest:
            seen.latest = error
            was_before_us = is_first_look and found.ready > 0
            if not lost_its_node(error) and not was_before_us:
                seen.shown = error
                seen.refusals += 1
        if found.ready:
            seen.has_started, seen.refusals = True, 0
        failure = None if seen.has_started else found.failure
        if seen.refusals >= min(PER_REPLICA * replicas, AT_MOST):
            failure = seen.shown
        return replace(found, failure=failure, refusal=seen.shown)
