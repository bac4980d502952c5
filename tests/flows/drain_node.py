"""Drains a node of a local Ray as a sentinel would, found by a label.

    python -m tests.flows.drain_node ADDRESS LABEL=VALUE SECONDS

SECONDS from now is the deadline; `none` cordons. Prints the node's id.
"""

from __future__ import annotations

import sys
import time

import ray

from infra.spot.ray_nodes import drain
from jobs.ray_session import ray_session


def main(arguments: list[str]) -> None:
    address, label, seconds = arguments
    name, _, value = label.partition("=")
    with ray_session(address, show_worker_logs=False):
        [node_id] = [
            node["NodeID"]
            for node in ray.nodes()
            if node["Alive"] and node["Labels"].get(name) == value
        ]
        deadline_unix_s = None if seconds == "none" else time.time() + float(seconds)
        drain(node_id, deadline_unix_s, "a flow test")
    print(node_id)


if __name__ == "__main__":
    main(sys.argv[1:])
