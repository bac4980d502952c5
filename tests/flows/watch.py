"""Watches a cluster's nodes, each with one CPU of work, until all have noticed something.

    python -m tests.flows.watch ADDRESS SOURCE

Then ends the work, waits until only the head is left, and prints what the nodes noticed as JSON, by
node id, and which of them is the head.
"""

from __future__ import annotations

import json
import sys

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from infra.spot.ray_nodes import live_nodes
from infra.spot.sentinels import sentinels
from infra.spot.settings import SpotSettings
from jobs.ray_session import ray_session
from tests.flows.flow import wait_until

WAIT_S = 120.0


class Work:
    """Holds a CPU."""


def main(address: str, source: str) -> None:
    with (
        ray_session(address, show_worker_logs=False),
        sentinels(SpotSettings(source, poll_s=0.5)) as watched,
    ):
        nodes = live_nodes()
        [head] = [node.id for node in nodes if node.is_head]
        work = [
            ray.remote(Work)
            .options(num_cpus=1, scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, False))
            .remote()
            for node in nodes
        ]
        wait_until(lambda: watched.overview().notices == len(nodes), "all noticed", WAIT_S)
        for one in work:
            ray.kill(one)
        wait_until(lambda: [node.id for node in live_nodes()] == [head], "the others left", WAIT_S)
        noticed = {
            node_id: (one.source, one.notice.kind, one.notice.deadline_unix_s)
            for node_id, report in watched.reports().items()
            for one in report.noticed
        }
        head_goes_by_unix_s = watched.overview().head_goes_by_unix_s
    found = {"head": head, "noticed": noticed, "head_goes_by_unix_s": head_goes_by_unix_s}
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
