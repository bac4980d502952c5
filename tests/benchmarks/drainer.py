"""Tells Ray itself that a node goes: the same call for every side of a comparison.

    python -m tests.benchmarks.drainer ADDRESS      # reads NODE DEADLINE lines from stdin

Boundary: `RayAnnouncer` is the fleet's announcer; the process behind it stays joined to Ray, so
that a drain is not late by the seconds that joining takes. It answers each line with one of its
own: `done`, or what went wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from threading import Lock

import ray

from infra.local_cluster import LocalCluster
from infra.spot.ray_nodes import DrainRefusedError, drain
from jobs.chaos.fleet import NODE_LABEL
from jobs.ray_session import ray_session
from tests.benchmarks.tap import NODE
from tests.benchmarks.workload import ROOT

READY, DONE = "ready", "done"


class RayAnnouncer:
    """Drains nodes by name; a context manager inside that of the cluster."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._lock = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.drainer", cluster.address],
            cwd=ROOT,
            env=os.environ | cluster.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> RayAnnouncer:
        self._expect(READY)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def environment(self, node: str) -> Mapping[str, str]:
        """The name under which the node's engines are tapped."""
        return {NODE: node}

    def announce(self, node: str, deadline_unix_s: float) -> None:
        """Have Ray drain the node."""
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(f"{node} {deadline_unix_s}\n")
            self._process.stdin.flush()
            self._expect(DONE)

    def retract(self, node: str) -> None:
        """Nothing: a new raylet is another node to Ray."""

    def _expect(self, word: str) -> None:
        assert self._process.stdout is not None
        answer = self._process.stdout.readline().strip()
        if answer != word:
            raise RuntimeError(f"the drainer said {answer!r}")


def node_id(name: str) -> str:
    """The live node with that name.

    Raises:
        DrainRefusedError: there is not exactly one.
    """
    found = [
        node["NodeID"]
        for node in ray.nodes()
        if node["Alive"] and node["Labels"].get(NODE_LABEL) == name
    ]
    if len(found) != 1:
        raise DrainRefusedError(f"{len(found)} live nodes are named {name}")
    return str(found[0])


def main(address: str) -> None:
    with ray_session(address, show_worker_logs=False):
        print(READY, flush=True)
        for line in sys.stdin:
            name, deadline = line.split()
            try:
                drain(node_id(name), float(deadline), "a benchmark")
            except (DrainRefusedError, ConnectionError) as error:
                print(f"{name}: {error}", flush=True)
            else:
                print(DONE, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
