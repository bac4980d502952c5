"""A sentinel on every node of a Ray cluster that has work, for as long as a run's driver watches.

Boundary: starts and ends actors and collects what they report; each of them decides for its own
node. A thread of the driver looks for nodes that joined.
Invariants: nothing that goes wrong here ends the run. A node without a source of notices keeps no
actor, nor does one without work: to Ray no node with an actor is idle, and its autoscaler would
never let it go. The head is watched but never drained: with it goes the cluster's control store, so
there is nowhere to hand work to; a run that loses it is resumed from its journal.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from infra.spot.address import Place
from infra.spot.detect import poll_s, read_firmware, sources_of
from infra.spot.node_report import NodeReport, Overview, overview
from infra.spot.ray_nodes import LiveNode, drain, draining, live_nodes, occupancy
from infra.spot.sentinel import Sentinel
from infra.spot.settings import NONE, SpotSettings

LOGGER = logging.getLogger(__name__)
LOOK_S = 3.0  # between two looks at Ray's nodes
END_S = 10.0  # a look that is under way ends within this
IDLE_S = 30.0  # without work, before a node's sentinel ends
# What Ray's calls raise: errors of its own, and built-in ones for some states of its services.
RAY_ERRORS = (ray.exceptions.RayError, OSError, ValueError)


class RayNode:
    """A node that Ray drains."""

    def __init__(self, node_id: str) -> None:
        self._id = node_id
        self._nodes = 1

    def drains_until(self) -> float | None:
        """As Ray has it."""
        return draining().get(self._id)

    def drain(self, deadline_unix_s: float | None, reason: str) -> None:
        """Tell Ray."""
        self._nodes = drain(self._id, deadline_unix_s, reason)

    def is_empty(self) -> bool:
        """Whether no resource of it is taken."""
        found = occupancy()
        self._nodes = found.nodes
        return self._id in found.empty

    def cluster_nodes(self) -> int:
        """As many as Ray had at the last of these calls, at first 1."""
        return self._nodes


class HeadNode:
    """The head, which stays to its end."""

    def __init__(self) -> None:
        self._until: float | None = None

    def drains_until(self) -> float | None:
        """What `drain` was told last."""
        return self._until

    def drain(self, deadline_unix_s: float | None, reason: str) -> None:
        """Only say so."""
        self._until = math.inf if deadline_unix_s is None else deadline_unix_s
        LOGGER.error("the cluster's head is announced to go (%s); the run can be resumed", reason)

    def is_empty(self) -> bool:
        """Never: its sentinel stays."""
        return False

    def cluster_nodes(self) -> int:
        """Itself: it asks Ray for nothing."""
        return 1


class NodeSentinel:
    """The actor on one node."""

    def __init__(self, node: LiveNode, settings: SpotSettings) -> None:
        place = Place(node_id=node.id, node_ip=node.ip, hostname=node.hostname)
        self._is_head = node.is_head
        self._sources = sources_of(settings, place, os.environ, read_firmware())
        self._sentinel = Sentinel(
            node.id,
            HeadNode() if node.is_head else RayNode(node.id),
            self._sources,
            settings.on_rebalance,
            poll_s(settings),
        )

    def watch(self) -> NodeReport:
        """Until the node is drained and empty; at once where there is nothing to ask."""
        while self._sources:
            wait_s = self._sentinel.step(time.time())
            if wait_s is None:
                break
            time.sleep(wait_s)
        return self.report()

    def report(self) -> NodeReport:
        """What this node has to tell now."""
        return NodeReport(
            is_head=self._is_head,
            sources=tuple(source.name for source in self._sources),
            noticed=self._sentinel.noticed(),
            troubles=self._sentinel.troubles(),
        )


@dataclass(slots=True)
class Watch:
    """A running actor, with the calls to it that are under way."""

    actor: Any
    watching: Any
    asking: Any


class Sentinels:
    """Those of one driver."""

    def __init__(self, settings: SpotSettings) -> None:
        self._settings = settings
        self._watches: dict[str, Watch] = {}
        self._over: set[str] = set()  # nodes that need no sentinel any more
        self._worked_s: dict[str, float] = {}  # when a node was last seen with work
        self._reports: dict[str, NodeReport] = {}
        self._trouble: str | None = None
        self._ending = threading.Event()

    def reports(self) -> dict[str, NodeReport]:
        """What each node told last, also those that are gone; a few seconds old."""
        return self._reports.copy()

    def overview(self) -> Overview:
        """All nodes together; the last trouble stays when it is over."""
        found = overview(self._settings.source, self.reports(), frozenset(self._worked_s))
        self._trouble = found.trouble or self._trouble
        return replace(found, trouble=self._trouble)

    def run(self) -> None:
        """Look at Ray's nodes until `end`."""
        while not self._ending.is_set():
            try:
                self._look()
            except RAY_ERRORS as error:
                LOGGER.warning("cannot look after the sentinels; trying again: %s", error)
            self._ending.wait(LOOK_S)

    def end(self) -> None:
        """Ask `run` to return."""
        self._ending.set()

    def stop_all(self) -> None:
        """End every actor; after `run` has returned."""
        for node_id in list(self._watches):
            self._stop(node_id)

    def _look(self) -> None:
        live = {node.id: node for node in live_nodes()}
        # Ray places nothing there, and their sentinels end by themselves; see also `cordoned.py`.
        going = draining().keys()
        busy = live.keys() - occupancy().empty
        self._worked_s = last_worked(self._worked_s, busy, time.monotonic())
        at_work = self._worked_s.keys()
        for node_id in self._watches.keys() - live.keys():
            self._stop(node_id)
        self._collect()
        for node_id in self._watches.keys() - at_work - going:
            self._stop(node_id)
        for node_id in (live.keys() & at_work) - self._watches.keys() - self._over - going:
            self._watches[node_id] = start(live[node_id], self._settings)

    def _collect(self) -> None:
        calls = {
            call: node_id
            for node_id, watch in self._watches.items()
            for call in (watch.asking, watch.watching)
        }
        if not calls:
            return
        done, _ = ray.wait(list(calls), num_returns=len(calls), timeout=0)
        for call in done:
            node_id = calls[call]
            if node_id not in self._watches:
                continue
            watch = self._watches[node_id]
            try:
                self._reports[node_id] = ray.get(call)
            except ray.exceptions.RayError as error:
                LOGGER.warning("the sentinel of node %s is lost: %s", node_id, error)
                self._stop(node_id)
                continue
            if call == watch.watching:
                self._over.add(node_id)
                self._stop(node_id)
            else:
                watch.asking = watch.actor.report.remote()

    def _stop(self, node_id: str) -> None:
        try:
            ray.kill(self._watches.pop(node_id).actor)
        except RAY_ERRORS as error:  # it ends with this driver anyway
            LOGGER.warning("cannot end the sentinel of node %s: %s", node_id, error)


def last_worked(before_s: Mapping[str, float], busy: Set[str], now_s: float) -> dict[str, float]:
    """When each node had work last; those without any for `IDLE_S` are left out."""
    kept_s = {node_id: at_s for node_id, at_s in before_s.items() if now_s - at_s < IDLE_S}
    return kept_s | dict.fromkeys(busy, now_s)


def start(node: LiveNode, settings: SpotSettings) -> Watch:
    """An actor on this very node, which takes none of its resources and ends with this driver."""
    actor = (
        ray.remote(NodeSentinel)
        .options(
            num_cpus=0,
            max_restarts=0,  # the next look starts another one; Ray would tell the user of each
            max_concurrency=2,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
        )
        .remote(node, settings)
    )
    return Watch(actor, watching=actor.watch.remote(), asking=actor.report.remote())


@contextmanager
def sentinels(settings: SpotSettings) -> Iterator[Sentinels]:
    """Every node that has work is watched while inside; expects a connected Ray."""
    watched = Sentinels(settings)
    if settings.source == NONE:
        yield watched
        return
    thread = threading.Thread(target=watched.run, name="sentinels", daemon=True)
    thread.start()
    try:
        yield watched
    finally:
        watched.end()
        thread.join(END_S)
        watched.stop_all()
