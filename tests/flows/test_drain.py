"""Nodes that are told to go, on a real Ray of several nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.local_cluster import LocalCluster
from tests.flows.counting import handed_back
from tests.flows.flow import Flow, finish, wait_until, write_flow
from tests.flows.nodes import SOON_S, add_engine_node, drain, has_engine, has_left

pytestmark = pytest.mark.flow

COUNT = 600
DELAY_S = "2"  # a call takes four seconds: time enough to drain in the middle


@pytest.fixture
def spot() -> Iterator[LocalCluster]:
    """A head for coordinators; tests add the nodes for engines."""
    with LocalCluster(head_cpus=2) as cluster:
        yield cluster


def interruptions(final: dict[str, object]) -> dict[str, Any]:
    found = final["interruptions"]
    assert isinstance(found, dict)
    return found


def has_notice(flow: Flow) -> bool:
    saved = flow.status()
    return saved is not None and saved.snapshot.interruptions.notices > 0


def assert_nothing_was_lost(flow: Flow, count: int = COUNT) -> None:
    verdict = flow.verdict()
    assert verdict.proven, verdict
    assert verdict.documents == count
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
    its = interruptions(final)
    assert (its["notices"], its["losses"], its["rework"]["documents"]) == (1, 0, 0)
    [event] = its["events"]
    assert event["documents"] == its["finished_under_notice"] > 0
    assert event["noticed_unix_s"] < event["ended_unix_s"] < event["deadline_unix_s"]


def test_an_engine_that_was_replaced_finishes_what_it_has(
    spot: LocalCluster, tmp_path: Path
) -> None:
    going = add_engine_node(spot, "a")
    task = {"prompt": "{{ text }}", "sampling": {"max_tokens": 400}}  # Serve waits for 32 s
    flow = write_flow(tmp_path, count=200, task=task)
    driver = flow.start_driver(spot, "8")  # a call takes sixteen seconds
    wait_until(lambda: flow.finished() >= 20, "a tenth was done", SOON_S)
    staying = add_engine_node(spot, "b")
    drain(spot, "a", "none")
    wait_until(lambda: has_engine(staying), "the other node has an engine", SOON_S)
    wait_until(lambda: has_left(going), "the node left Ray by itself", SOON_S)
    code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_nothing_was_lost(flow, 200)
    assert not handed_back(flow.counts)
    its = interruptions(final)
    assert (its["notices"], its["losses"], its["rework"]["documents"]) == (1, 0, 0)
    assert its["finished_under_notice"] > 0


def test_what_outlasts_the_time_that_serve_leaves_is_handed_back(
    spot: LocalCluster, tmp_path: Path
) -> None:
    going = add_engine_node(spot, "a")
    flow = write_flow(tmp_path, count=100)  # Serve waits for 17 s
    driver = flow.start_driver(spot, "25")  # a call takes fifty seconds
    wait_until(lambda: has_engine(going), "the engine is on the first node", SOON_S)
    staying = add_engine_node(spot, "b")
    wait_until(lambda: flow.finished() >= 10, "a tenth was done", SOON_S)
    drain(spot, "a", "none")
    wait_until(lambda: has_engine(staying), "the other node has an engine", SOON_S)
    wait_until(lambda: has_left(going), "the node left Ray by itself", SOON_S)
    code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_nothing_was_lost(flow, 100)
    its = interruptions(final)
    assert its["handed_back"] == len(handed_back(flow.counts)) > 0
    assert (its["notices"], its["losses"], its["rework"]["documents"]) == (1, 0, 0)


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
    its = interruptions(final)
    assert its["handed_back"] == len(handed_back(flow.counts))
    assert (its["notices"], its["losses"], its["rework"]["documents"]) == (1, 0, 0)
    # Every fake engine that cuts an answer off has one token of it.
    assert its["rework"]["salvaged_tokens"] == sum(handed_back(flow.counts).values())


def test_a_node_that_dies_during_its_own_drain_costs_what_it_held(
    spot: LocalCluster, tmp_path: Path
) -> None:
    going = add_engine_node(spot, "a")
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(spot, "3")
    wait_until(lambda: flow.finished() >= COUNT // 10, "a tenth was done")
    drain(spot, "a", "600")
    wait_until(lambda: has_notice(flow), "the engine knows of the notice", SOON_S)
    going.kill()
    add_engine_node(spot, "b")
    code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert flow.verdict().proven
    its = interruptions(final)
    assert (its["notices"], its["losses"]) == (1, 1)
    assert its["events"][0]["is_lost"]
    redone = its["rework"]["documents"]
    assert 0 < redone < COUNT // 2
    assert len(flow.served_twice()) <= redone  # answered by an engine that could not deliver


def test_a_coordinator_whose_node_has_to_go_leaves_nothing_behind(tmp_path: Path) -> None:
    with LocalCluster(head_cpus=0) as cluster:
        going = cluster.add_node(num_cpus=2, labels={"test": "c1"})
        add_engine_node(cluster, "a")
        flow = write_flow(tmp_path, count=COUNT, limits={"flush_s": 60, "coordinators": 1})
        driver = flow.start_driver(cluster, DELAY_S)
        wait_until(lambda: flow.finished() >= COUNT // 10, "a tenth was done", SOON_S)
        cluster.add_node(num_cpus=2)
        drain(cluster, "c1", "40")
        wait_until(lambda: has_left(going), "the node left Ray by itself", SOON_S)
        code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_nothing_was_lost(flow)
    assert interruptions(final)["restarted_documents"] == 0


def test_a_coordinator_on_a_cordoned_node_goes_where_it_gets_work(tmp_path: Path) -> None:
    with LocalCluster(head_cpus=0) as cluster:
        going = cluster.add_node(num_cpus=2, labels={"test": "c1"})
        add_engine_node(cluster, "a")
        limits = {
            "flush_s": 1,
            "coordinators": 1,
            "shards_in_flight": 1,
            "target_shard_tokens": 4000,
        }
        flow = write_flow(tmp_path, count=COUNT, limits=limits)
        driver = flow.start_driver(cluster, DELAY_S)
        wait_until(lambda: flow.finished() >= 20, "a tenth was done", SOON_S)
        cluster.add_node(num_cpus=2)
        drain(cluster, "c1", "none")
        wait_until(lambda: has_left(going), "the node left Ray by itself", SOON_S)
        assert driver.poll() is None, "it left because the run was over"
        code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_nothing_was_lost(flow)
