"""What works on a cordoned node goes on asking whether the machine is about to be taken.

Boundary: called about once a second by whatever works there, in its own process; Ray is told, and
all else follows from Ray's drain state.
Invariants: a node that Ray does not drain, or drains until a deadline, is not asked for here. This
needs no driver: a sentinel ends with its driver, and a new driver cannot start another one where
Ray places nothing more.
"""

from __future__ import annotations

import logging
import math
import os
import time
from functools import cache

import ray

from infra.spot.address import Place
from infra.spot.detect import poll_s, read_firmware, sources_of
from infra.spot.ray_nodes import drain as drain_node
from infra.spot.ray_nodes import draining, live_nodes, own_deadline
from infra.spot.sentinel import Sentinel
from infra.spot.settings import NONE, SpotSettings

LOGGER = logging.getLogger(__name__)


class WorkingNode:
    """A node of Ray with work on it: that of whoever asks."""

    def __init__(self, node_id: str) -> None:
        self._id = node_id

    def drains_until(self) -> float | None:
        """As Ray has it."""
        return draining().get(self._id)

    def drain(self, deadline_unix_s: float | None, reason: str) -> None:
        """Tell Ray."""
        drain_node(self._id, deadline_unix_s, reason)

    def is_empty(self) -> bool:
        """Never, as long as anybody asks."""
        return False

    def cluster_nodes(self) -> int:
        """Itself: nothing is asked about the others."""
        return 1


class CordonWatch:
    """A sentinel that is asked as often as one may, by somebody who comes by more often."""

    def __init__(self, sentinel: Sentinel, poll_s: float) -> None:
        self._sentinel = sentinel
        self._poll_s = poll_s
        self._due_unix_s = 0.0

    def look(self, now_unix_s: float) -> None:
        """Ask the sources and tell Ray, when it is time for that."""
        if now_unix_s >= self._due_unix_s:
            self._due_unix_s = now_unix_s + self._poll_s
            self._sentinel.step(now_unix_s)


def watched_deadline(settings: SpotSettings) -> float | None:
    """As `own_deadline`; where that is none but the node is to be left, ask for one."""
    until_unix_s = own_deadline()
    if until_unix_s == math.inf and settings.source != NONE:
        try:
            _watch_here(settings).look(time.time())
        except (ray.exceptions.RayError, OSError, ValueError) as error:
            LOGGER.warning("cannot watch this cordoned node; trying again: %s", error)
    return until_unix_s


@cache
def _watch_here(settings: SpotSettings) -> CordonWatch:
    """Of the node of this process."""
    node_id = ray.get_runtime_context().get_node_id()
    [node] = [one for one in live_nodes() if one.id == node_id]
    place = Place(node_id=node.id, node_ip=node.ip, hostname=node.hostname)
    every_s = poll_s(settings)
    sources = sources_of(settings, place, os.environ, read_firmware())
    its = Sentinel(node_id, WorkingNode(node_id), sources, settings.on_rebalance, every_s)
    return CordonWatch(its, every_s)
