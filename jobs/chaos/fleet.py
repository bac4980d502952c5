"""The engine nodes of a rehearsal: started, told, killed and replaced, and who is up.

Boundary: acts on a `LocalCluster`; decides nothing. Every node has a thread, so that starting one
delays no other and what is done to one node happens in order.
Invariant: each node offers one CPU and one GPU to Ray, whatever the machine has.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from infra.local_cluster import LocalCluster, LocalNode
from infra.spot.clockwork import Act, Does
from jobs.chaos.announcer import Announcer

ROLE = {"gleaner.io/role": "engine"}
NODE_LABEL = "gleaner.io/node"


class Happened(StrEnum):
    """What became of a node."""

    UP = "up"
    NOTICED = "noticed"
    LEFT = "left"  # Ray by itself, before its deadline
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """Something happened to a node."""

    unix_s: float
    node: int
    happened: Happened
    deadline_unix_s: float | None = None  # of a notice


def node_name(node: int) -> str:
    """What a node is called in labels and on the screen."""
    return f"engine-{node}"


class Fleet:
    """Nodes by number; a context manager inside that of its cluster."""

    def __init__(self, cluster: LocalCluster, announcer: Announcer) -> None:
        self._cluster = cluster
        self._announcer = announcer
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._futures: list[Future[None]] = []
        self._up: dict[int, LocalNode] = {}
        self._told: dict[int, float] = {}  # by when each node that was told has to be gone
        self._told_lock = threading.Lock()
        self._events: queue.SimpleQueue[NodeEvent] = queue.SimpleQueue()

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads.values():
            thread.shutdown(wait=True, cancel_futures=True)

    @property
    def up(self) -> int:
        """Nodes that are up now, those that have been told to go among them."""
        return len(self._up)

    @property
    def is_busy(self) -> bool:
        """Whether something that was asked for is not done yet."""
        return bool(self._futures)

    def start(self, nodes: Iterable[int]) -> None:
        """Start these nodes side by side and wait until all have joined.

        Raises:
            ClusterStartError: a node did not start.
        """
        for started in [self._submit(node, Act(Does.RETURN, node, 0.0)) for node in nodes]:
            started.result()

    def do(self, act: Act) -> None:
        """Do this to its node, soon; a notice's time left counts from now."""
        self._futures.append(self._submit(act.node, act))

    def events(self) -> list[NodeEvent]:
        """What has happened since this was last asked, in order.

        Raises:
            ClusterStartError: a node that should have come did not start.
        """
        for future in [future for future in self._futures if future.done()]:
            self._futures.remove(future)
            future.result()
        with self._told_lock:
            for node in [node for node in self._told if self._has_left(node)]:
                self._note(node, Happened.LEFT, self._told.pop(node))
        found = []
        while not self._events.empty():
            found.append(self._events.get())
        return sorted(found, key=lambda event: event.unix_s)

    def _submit(self, node: int, act: Act) -> Future[None]:
        if node not in self._threads:
            self._threads[node] = ThreadPoolExecutor(1, thread_name_prefix=node_name(node))
        return self._threads[node].submit(self._do, act)

    def _do(self, act: Act) -> None:
        match act.does:
            case Does.NOTICE:
                self._tell(act)
            case Does.KILL:
                self._kill(act.node)
            case Does.RETURN:
                self._start(act.node)

    def _start(self, node: int) -> None:
        name = node_name(node)
        self._announcer.retract(name)
        self._up[node] = self._cluster.add_node(
            num_cpus=1,
            labels={**ROLE, NODE_LABEL: name},
            environment={
                "RAY_OVERRIDE_RESOURCES": json.dumps({"GPU": 1}),
                "RAY_NODE_MARKET_TYPE": "spot",
                **self._announcer.environment(name),
            },
        )
        self._note(node, Happened.UP)

    def _tell(self, act: Act) -> None:
        assert act.deadline_s is not None
        deadline_unix_s = time.time() + act.deadline_s - act.at_s
        self._announcer.announce(node_name(act.node), deadline_unix_s)
        with self._told_lock:
            self._told[act.node] = deadline_unix_s
        self._note(act.node, Happened.NOTICED, deadline_unix_s)

    def _kill(self, node: int) -> None:
        with self._told_lock:
            self._told.pop(node, None)
        killed_unix_s = self._up.pop(node).kill()  # also what is left of one that has left Ray
        self._events.put(NodeEvent(killed_unix_s, node, Happened.KILLED))

    def _has_left(self, node: int) -> bool:
        its = self._up.get(node)
        return its is not None and not its.is_in_ray()

    def _note(self, node: int, happened: Happened, deadline_unix_s: float | None = None) -> None:
        self._events.put(NodeEvent(time.time(), node, happened, deadline_unix_s))
