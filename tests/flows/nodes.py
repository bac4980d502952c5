"""Nodes of a local cluster that are told to go."""

from __future__ import annotations

import os
import subprocess
import sys

from infra.local_cluster import LocalCluster, LocalNode
from tests.flows.flow import ROOT, processes_named

SOON_S = 180.0
ENGINE = {"gleaner.io/role": "engine"}


def add_engine_node(cluster: LocalCluster, name: str) -> LocalNode:
    return cluster.add_node(num_cpus=1, labels=ENGINE | {"test": name})


def drain(cluster: LocalCluster, name: str, seconds: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.flows.drain_node", cluster.address, f"test={name}", seconds],
        cwd=ROOT,
        env=os.environ | cluster.environment,
        check=True,
        timeout=60,
    )


def has_engine(node: LocalNode) -> bool:
    return bool(processes_named([node], "ServeReplica"))


def has_left(node: LocalNode) -> bool:
    """Whether a node's raylet is gone, which nobody killed."""
    return not processes_named([node], "raylet/raylet")
