"""Notices of a cloud reach the nodes of a real Ray, and nothing is lost or done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local_cluster import LocalCluster, LocalNode
from infra.spot.local_metadata import LocalMetadata
from tests.flows.counting import handed_back
from tests.flows.flow import (
    ROOT,
    Flow,
    finish,
    kill_all,
    processes_named,
    wait_until,
    write_flow,
)
from tests.flows.nodes import ENGINE, SOON_S, has_engine, has_left

pytestmark = pytest.mark.flow

COUNT = 600
DELAY_S = "2"  # a call takes four seconds: time enough to drain in the middle


@pytest.fixture
def spot() -> Iterator[LocalCluster]:
    """A head for coordinators; tests add the nodes for engines."""
    with LocalCluster(head_cpus=2) as cluster:
        yield cluster


@pytest.fixture
def metadata() -> Iterator[LocalMetadata]:
    with LocalMetadata() as running:
        yield running


def add_engine_node(cluster: LocalCluster, endpoint: str | None = None) -> LocalNode:
    environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint} if endpoint else {}
    return cluster.add_node(num_cpus=1, labels=ENGINE, environment=environment)


def has_sentinel(node: LocalNode) -> bool:
    return bool(processes_named([node], "NodeSentinel"))


def has_notice(flow: Flow) -> bool:
    saved = flow.status()
    return saved is not None and saved.snapshot.interruptions.notices > 0


def assert_all_is_done_once(flow: Flow) -> None:
    verdict = flow.verdict()
    assert verdict.proven, verdict
    assert verdict.documents == COUNT
    assert not flow.served_twice()


def test_a_notice_drains_its_node_and_a_node_that_joins_later_is_watched_too(
    spot: LocalCluster, metadata: LocalMetadata, tmp_path: Path
) -> None:
    first = add_engine_node(spot, metadata.endpoint("first"))
    flow = write_flow(tmp_path, count=COUNT, spot={"poll_s": 0.5})
    driver = flow.start_driver(spot, DELAY_S)
    wait_until(lambda: flow.finished() >= COUNT // 10, "a tenth was done", SOON_S)
    later = add_engine_node(spot, metadata.endpoint("later"))
    kill_all([first], "NodeSentinel")  # another one comes in its place
    metadata.interrupt("first", time.time() + 20)
    wait_until(lambda: has_engine(later), "the other node has an engine", SOON_S)
    wait_until(lambda: has_left(first), "the node left Ray by itself", SOON_S)
    wait_until(lambda: has_sentinel(later), "the node that joined is watched", SOON_S)
    metadata.interrupt("later", time.time() + 12)
    add_engine_node(spot)
    wait_until(lambda: has_left(later), "the later node left Ray by itself", SOON_S)
    code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_all_is_done_once(flow)
    watch = final["node_watch"]
    assert isinstance(watch, dict)
    assert (watch["source"], watch["notices"], watch["trouble"]) == ("aws", 2, None)


def test_a_metadata_service_that_no_node_reaches_is_told_to_the_user(
    spot: LocalCluster, tmp_path: Path
) -> None:
    add_engine_node(spot, "http://127.0.0.1:9")  # the discard port: nobody listens
    flow = write_flow(tmp_path, count=COUNT, spot={"poll_s": 0.5})
    driver = flow.start_driver(spot, DELAY_S)

    def trouble() -> str:
        saved = flow.status()
        return "" if saved is None else saved.snapshot.node_watch.trouble or ""

    wait_until(lambda: "aws" in trouble(), "the trouble is in the status", SOON_S)
    assert "cannot be reached" in trouble()
    assert "a pod needs a hop limit of 2" in trouble()
    code, final = finish(driver)
    watch = final["node_watch"]
    assert isinstance(watch, dict)
    assert (code, watch["nodes_in_trouble"], watch["notices"]) == (0, 1, 0)


def test_a_rebalance_recommendation_cordons_and_an_interruption_after_it_has_its_deadline(
    spot: LocalCluster, tmp_path: Path
) -> None:
    notices = tmp_path / "notices.json"
    going = add_engine_node(spot)
    source = f"file:{notices}"
    flow = write_flow(tmp_path / "flow", count=COUNT, spot={"source": source})
    driver = flow.start_driver(spot, DELAY_S)
    wait_until(lambda: flow.finished() >= COUNT // 10, "a tenth was done", SOON_S)
    notices.write_text('[{"event": "rebalance"}]')
    before = len(flow.served())
    wait_until(lambda: len(flow.served()) >= before + 100, "the engine went on", SOON_S)
    assert has_engine(going)
    assert not handed_back(flow.counts)
    notices.write_text(json.dumps([{"event": "interruption", "deadline_unix_s": time.time() + 12}]))
    wait_until(lambda: has_left(going), "the node left Ray by itself", SOON_S)
    notices.unlink()
    add_engine_node(spot)
    code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_all_is_done_once(flow)


def test_an_interruption_after_a_cordon_is_noticed_although_the_driver_is_another_one(
    spot: LocalCluster, tmp_path: Path
) -> None:
    notices = tmp_path / "notices.json"
    going = add_engine_node(spot)
    flow = write_flow(tmp_path / "flow", count=COUNT, spot={"source": f"file:{notices}"})
    first = flow.start_driver(spot, DELAY_S)
    wait_until(lambda: flow.finished() >= COUNT // 10, "a tenth was done", SOON_S)
    notices.write_text('[{"event": "rebalance"}]')
    wait_until(lambda: has_notice(flow), "the node is cordoned", SOON_S)
    first.kill()
    first.wait()
    wait_until(lambda: not has_sentinel(going), "its sentinel ended with its driver", SOON_S)
    second = flow.start_driver(spot, DELAY_S)
    before = len(flow.served())
    wait_until(lambda: len(flow.served()) > before + 20, "the engine serves it", SOON_S)
    notices.write_text(json.dumps([{"event": "interruption", "deadline_unix_s": time.time() + 12}]))
    wait_until(lambda: has_left(going), "the node left Ray by itself", SOON_S)
    notices.unlink()
    add_engine_node(spot)
    code, final = finish(second)
    assert (code, final["documents_error"]) == (0, 0)
    assert flow.verdict().proven


def test_what_nodes_noticed_is_kept_when_they_are_gone_and_the_head_stays(
    spot: LocalCluster, tmp_path: Path
) -> None:
    nodes = [add_engine_node(spot), add_engine_node(spot)]
    deadline_unix_s = time.time() + 120
    notices = tmp_path / "notices.json"
    notice = {"event": "interruption", "deadline_unix_s": deadline_unix_s}
    notices.write_text(json.dumps([notice]))
    source = f"file:{notices}"
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.watch", spot.address, source],
        cwd=ROOT,
        env=os.environ | spot.environment,
        stdout=subprocess.PIPE,
        timeout=120,
        check=True,
    )
    found = json.loads(done.stdout)
    assert len(found["noticed"]) == 3
    assert found["head"] in found["noticed"]
    expected = [source, "interruption", deadline_unix_s]
    assert list(found["noticed"].values()) == [expected] * 3
    assert found["head_goes_by_unix_s"] == deadline_unix_s
    assert all(has_left(node) for node in nodes)
    assert not has_left(spot.head)
    wait_until(lambda: not has_sentinel(spot.head), "the sentinels ended with their driver", SOON_S)


def test_a_node_whose_work_ended_is_idle_to_ray_again(spot: LocalCluster, tmp_path: Path) -> None:
    node = add_engine_node(spot)
    driver = subprocess.Popen(
        [sys.executable, "-m", "tests.flows.watch", spot.address, f"file:{tmp_path}/none"],
        cwd=ROOT,
        env=os.environ | spot.environment,
    )
    try:
        wait_until(lambda: has_sentinel(node), "the node that works is watched", SOON_S)
        kill_all([node], "ray::Work")
        wait_until(lambda: not has_sentinel(node), "its sentinel ended", SOON_S)
        assert has_sentinel(spot.head)
    finally:
        driver.kill()
        driver.wait()


def test_where_there_is_no_cloud_no_sentinel_stays(spot: LocalCluster, tmp_path: Path) -> None:
    node = add_engine_node(spot)
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(spot, DELAY_S)
    wait_until(lambda: has_sentinel(node), "the node was asked for its cloud", SOON_S)
    wait_until(lambda: not has_sentinel(node), "its sentinel ended", SOON_S)
    before = len(flow.served())
    wait_until(lambda: len(flow.served()) >= before + 100, "the run went on", SOON_S)
    assert not any(has_sentinel(one) for one in spot.nodes)
    driver.terminate()


def test_a_node_that_gets_sigterm_hands_its_work_back(spot: LocalCluster, tmp_path: Path) -> None:
    going = add_engine_node(spot)
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(spot, DELAY_S)
    wait_until(lambda: flow.finished() >= COUNT // 4, "a quarter was done", SOON_S)
    staying = add_engine_node(spot)
    going.process.send_signal(signal.SIGTERM)
    wait_until(lambda: has_left(going), "the node left Ray", SOON_S)
    wait_until(lambda: has_engine(staying), "the other node has an engine", SOON_S)
    code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_all_is_done_once(flow)
