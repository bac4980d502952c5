"""Nodes that are told to go, on a real Ray of several nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local_cluster import LocalCluster, LocalNode
from tests.flows.counting import handed_back
from tests.flows.flow import (
    ROOT,
    Flow,
    finish,
    processes_named,
    wait_until,
    write_flow,
)

pytestmark = pytest.mark.flow

COUNT = 600
DELAY_S = "2"  # a call takes four seconds: time enough to drain in the middle
SOON_S = 90.0
ENGINE = {"gleaner.io/role": "engine"}


@pytest.fixture
def spot() -> Iterator[LocalCluster]:
    """A head for coordinators; tests add the nodes for engines."""
    with LocalCluster(head_cpus=2) as cluster:
        yield cluster


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


def assert_nothing_was_lost(flow: Flow) -> None:
    verdict = flow.verdict()
    assert verdict.proven, verdict
    assert verdict.documents == COUNT
    assert not flow.served_twice()


def test_work_of_a_node_that_has_to_go_is_finished_elsewhere(
    spot: LocalCluster, tmp_path: Path
) -> None:
    going = add_engine_node(spot, "a")
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(spot, DELAY_S)
    wait_until(lambda: flow.finished() >= COUNT // 4, "a quarter was done")
    assert has_engine(going)
    staying = add_engine_node(spot, "b")
    drain(spot, "a", "25")
    wait_until(lambda: has_engine(staying), "the other node has an engine", SOON_S)
    wait_until(lambda: has_left(going), "the node left Ray by itself", SOON_S)
    code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_nothing_was_lost(flow)


def test_what_does_not_end_in_time_is_handed_back(spot: LocalCluster, tmp_path: Path) -> None:
    going = add_engine_node(spot, "a")
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(spot, "3")  # a call takes six seconds
    wait_until(lambda: flow.finished() >= COUNT // 10, "a tenth was done")
    drain(spot, "a", "5")
    wait_until(lambda: bool(handed_back(flow.counts)), "work was handed back", SOON_S)
    wait_until(lambda: has_left(going), "the node left Ray by itself", SOON_S)
    add_engine_node(spot, "b")  # until now there is no capacity at all
    code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_nothing_was_lost(flow)
