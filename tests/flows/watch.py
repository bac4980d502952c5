"""Watches a cluster's nodes until so many have noticed something, without a run.

    python -m tests.flows.watch ADDRESS SOURCE NODES

Prints what they noticed as JSON, by node id, and which node is the head.
"""

from __future__ import annotations

import json
import sys
import time

from infra.spot.ray_nodes import live_nodes
from infra.spot.sentinels import sentinels
from infra.spot.settings import SpotSettings
from jobs.ray_session import ray_session

WAIT_S = 60.0


def main(address: str, source: str, nodes: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    with (
        ray_session(address, show_worker_logs=False),
        sentinels(SpotSettings(source, poll_s=0.5)) as watched,
    ):
        [head] = [node.id for node in live_nodes() if node.is_head]
        while len(watched.notices()) < int(nodes) or len(live_nodes()) > 1:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"only these were noticed: {watched.notices()}")
            time.sleep(0.1)
        noticed = {
            one.node_id: (one.source, one.notice.kind, one.notice.deadline_unix_s)
            for one in watched.notices()
        }
    print(json.dumps({"head": head, "noticed": noticed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
