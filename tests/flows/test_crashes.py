"""SIGKILL at every place, on a real Ray of several nodes, with engines that only pretend.

What real engines do is shown in test_real_engine.py; here the ways to die are many and quick.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpoints import keys
from infra.local_cluster import LocalCluster
from tests.flows.flow import ROOT, finish, processes_named, wait_until, write_flow

pytestmark = pytest.mark.flow

DELAY_S = "0.5"  # per chunk: a run of some seconds
COUNT = 600
HALF = COUNT // 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    os.environ["PYTHONPATH"] = str(ROOT)
    with LocalCluster(head_cpus=4) as running:
        yield running


def assert_proven(flow, documents: int) -> None:
    verdict = flow.verdict()
    assert verdict.proven, verdict
    assert verdict.documents == documents


def test_a_run_ends_with_one_row_per_document(cluster: LocalCluster, tmp_path: Path) -> None:
    flow = write_flow(tmp_path, count=200, has_bad_documents=True)
    code, final = finish(flow.start_driver(cluster, "0.01"))
    assert code == 0
    assert final["state"] == "completed"
    assert_proven(flow, 206)
    errors = sorted(row["error_code"] for row in flow.rows() if row["status"] == "error")
    assert errors == [
        "broken_pdf",
        "empty_text",
        "encrypted_pdf",
        "too_long",
        "undecodable",
    ]
    assert not flow.served_twice()
    assert not list(flow.checkpoint.list(keys.JOURNAL))


def test_a_killed_driver_is_resumed_and_no_journaled_document_is_generated_again(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(cluster, DELAY_S)
    wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
    committed = {info.key: flow.output.read(info.key) for info in flow.output.list(keys.RESULTS)}
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    code, final = finish(flow.start_driver(cluster, "0.01"))
    assert code == 0
    assert final["documents_restored"] > 0
    assert_proven(flow, COUNT)
    assert all(flow.output.read(key) == data for key, data in committed.items())
    # At most what one flush interval and the requests in flight hold.
    assert len(flow.served_twice()) <= 2 * 2 * 32


def test_a_killed_coordinator_loses_seconds(cluster: LocalCluster, tmp_path: Path) -> None:
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(cluster, DELAY_S)
    wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
    [coordinator] = processes_named(cluster, "MapWorker")
    coordinator.kill()
    code, _ = finish(driver)
    assert code == 0
    assert_proven(flow, COUNT)
    assert len(flow.served_twice()) <= 2 * 2 * 32


def test_a_killed_replica_is_replaced(cluster: LocalCluster, tmp_path: Path) -> None:
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(cluster, DELAY_S)
    wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
    for replica in processes_named(cluster, "ServeReplica"):
        replica.kill()
    code, final = finish(driver)
    assert code == 0
    assert final["documents_error"] == 0
    assert_proven(flow, COUNT)


def test_a_killed_node_takes_nothing_with_it(tmp_path: Path) -> None:
    os.environ["PYTHONPATH"] = str(ROOT)
    with LocalCluster(head_cpus=2) as cluster:
        engine_node = {"gleaner.io/role": "engine"}
        doomed = cluster.add_node(num_cpus=2, labels=engine_node, resources={"seat": 1})
        flow = write_flow(tmp_path, count=COUNT)
        driver = flow.start_driver(cluster, DELAY_S)
        wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
        doomed.kill()
        cluster.add_node(num_cpus=2, labels=engine_node)
        code, final = finish(driver)
        assert code == 0
        assert final["documents_error"] == 0
        assert_proven(flow, COUNT)


def test_the_whole_cluster_dies_and_another_one_resumes(tmp_path: Path) -> None:
    os.environ["PYTHONPATH"] = str(ROOT)
    flow = write_flow(tmp_path, count=COUNT)
    with LocalCluster(head_cpus=4) as first:
        driver = flow.start_driver(first, DELAY_S)
        wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
        driver.kill()
        first.head.kill()
        driver.wait()
    with LocalCluster(head_cpus=4) as second:
        code, final = finish(flow.start_driver(second, "0.01"))
    assert code == 0
    assert final["documents_restored"] > 0
    assert_proven(flow, COUNT)


def test_a_document_that_kills_engines_is_set_aside(cluster: LocalCluster, tmp_path: Path) -> None:
    flow = write_flow(tmp_path, count=60, limits={"flush_s": 1, "attempts": 2})
    poisoned = "Zyxwvut"
    (flow.folder / "documents/poison.txt").write_text(poisoned)
    from pipeline.tokens import HFTokenizer
    from tests.flows.flow import MODELS

    with_poison = HFTokenizer(str(MODELS / "small")).encode_chat(None, poisoned)
    without = HFTokenizer(str(MODELS / "small")).encode_chat(None, "a")
    token = next(t for t in with_poison if t not in without)
    code, final = finish(flow.start_driver(cluster, "0.01", str(token)))
    assert final["documents_error"] >= 1
    assert code == 0 or final["state"] == "failed"
