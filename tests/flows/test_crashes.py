"""SIGKILL at every place, on a real Ray of several nodes, with engines that only pretend.

What real engines do is shown in test_real_engine.py; here the ways to die are many and quick.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from checkpoints import keys
from infra.local_cluster import LocalCluster
from pipeline.preparing.tokens import HFTokenizer
from tests.flows.flow import (
    MODELS,
    ROOT,
    Flow,
    finish,
    kill_all,
    processes_named,
    wait_until,
    write_flow,
)

pytestmark = pytest.mark.flow

DELAY_S = "0.5"  # per chunk: a run of some seconds
COUNT = 600
HALF = COUNT // 2
IN_FLIGHT = 64  # twice max_num_seqs of write_flow's tier


def assert_proven(flow: Flow, documents: int) -> None:
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
    wait_until(lambda: len(list(flow.output.list(keys.RESULTS))) > 0, "a shard was committed")
    wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_until(lambda: not processes_named(cluster.nodes, "MapWorker"), "coordinators are gone")
    committed = {info.key: flow.output.read(info.key) for info in flow.output.list(keys.RESULTS)}
    kept, before = flow.journaled(), Counter(flow.served())
    code, final = finish(flow.start_driver(cluster, "0.01"))
    assert code == 0
    assert final["documents_restored"] >= len(kept)
    assert_proven(flow, COUNT)
    assert all(flow.output.read(key) == data for key, data in committed.items())
    again = Counter(flow.served()) - before
    generated = {tuple(int(part) for part in line.split(".")[:2]) for line in again}
    assert len(kept) >= HALF // 4
    assert not kept & generated


def test_a_killed_coordinator_loses_seconds(cluster: LocalCluster, tmp_path: Path) -> None:
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(cluster, DELAY_S)
    wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
    kill_all(cluster.nodes, "MapWorker")
    code, _ = finish(driver)
    assert code == 0
    assert_proven(flow, COUNT)
    # One flush interval of finished documents, and what was in flight.
    assert len(flow.served_twice()) <= 2 * IN_FLIGHT


def test_a_killed_replica_is_replaced(cluster: LocalCluster, tmp_path: Path) -> None:
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(cluster, DELAY_S)
    wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
    kill_all(cluster.nodes, "ServeReplica")
    code, final = finish(driver)
    assert code == 0
    assert final["documents_error"] == 0
    assert_proven(flow, COUNT)
    assert len(flow.served_twice()) <= IN_FLIGHT


@pytest.mark.parametrize("name", ["ServeController", "Board"])
def test_what_only_watches_may_die(cluster: LocalCluster, tmp_path: Path, name: str) -> None:
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(cluster, DELAY_S)
    wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
    kill_all(cluster.nodes, name)
    code, final = finish(driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert_proven(flow, COUNT)


def test_a_killed_node_takes_nothing_with_it(tmp_path: Path) -> None:
    with LocalCluster(head_cpus=2) as cluster:
        engine_node = {"gleaner.io/role": "engine"}
        doomed = cluster.add_node(num_cpus=2, labels=engine_node)
        flow = write_flow(tmp_path, count=COUNT)
        driver = flow.start_driver(cluster, DELAY_S)
        wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
        assert processes_named([doomed], "ServeReplica"), "the engine runs on its own node"
        assert not processes_named([doomed], "MapWorker"), "coordinators run elsewhere"
        doomed.kill()
        cluster.add_node(num_cpus=2, labels=engine_node)
        code, final = finish(driver)
        assert code == 0
        assert final["documents_error"] == 0
        assert_proven(flow, COUNT)


def test_the_whole_cluster_dies_and_another_one_resumes(tmp_path: Path) -> None:
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
    deadly = "\u2603"  # a snowman: bytes that no other document has
    (flow.folder / "documents/deadly.txt").write_text(deadly, encoding="utf-8")
    tokenizer = HFTokenizer(str(MODELS / "small"))
    harmless = set(tokenizer.encode_chat(None, ""))
    token = next(t for t in tokenizer.encode_chat(None, deadly) if t not in harmless)
    code, final = finish(flow.start_driver(cluster, "0.01", str(token)))
    assert (code, final["documents_ok"], final["documents_error"]) == (0, 60, 1)
    [row] = [row for row in flow.rows() if row["status"] == "error"]
    assert row["error_code"] == "engine_crash"
    assert str(row["source"]).endswith("deadly.txt")
    assert_proven(flow, 61)


def test_an_input_that_vanishes_after_planning_stops_the_run_by_name(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    flow = write_flow(tmp_path, count=60)
    victim = next((flow.folder / "documents/files").rglob("*.txt"))
    driver = flow.start_driver(cluster, "0.01")
    wait_until(lambda: (flow.folder / "checkpoint/plan/header.json").exists(), "it was planned")
    victim.unlink()
    assert driver.wait(120) != 0
    saved = flow.status()
    assert saved is not None
    assert saved.snapshot.state == "failed"
    assert victim.name in str(saved.snapshot.message)


def test_a_run_in_which_everything_fails_stops_early_and_is_failed(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    labels = {"prompt": "{{ text }}", "output": {"type": "label", "labels": ["yes", "no"]}}
    limits = {"flush_s": 1, "max_error_rate": 0.2, "min_documents_for_error_rate": 50}
    flow = write_flow(tmp_path, count=COUNT, task=labels, limits=limits)
    code, final = finish(flow.start_driver(cluster, DELAY_S))  # fake answers are numbers
    assert (code, final["state"]) == (1, "failed")
    assert final["documents_error"] < COUNT
    assert "max_error_rate" in str(final["message"])
    assert final["first_errors"][0]["code"] == "invalid_output"


def test_cancel_keeps_finished_work_and_a_resume_uses_it(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    flow = write_flow(tmp_path, count=COUNT)
    driver = flow.start_driver(cluster, DELAY_S)
    wait_until(lambda: flow.finished() >= HALF // 2, "a quarter was done")
    cancel = [sys.executable, "-m", "jobs", "cancel", str(flow.job_file)]
    subprocess.run(cancel, check=True, cwd=ROOT)
    code, final = finish(driver)
    assert (code, final["state"]) == (4, "cancelled")
    code, final = finish(flow.start_driver(cluster, "0.01"))
    assert code == 0
    assert len(flow.served_twice()) <= IN_FLIGHT  # answers that came while the run was stopping
    assert_proven(flow, COUNT)


def test_a_second_driver_is_turned_away_while_the_first_lives(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    flow = write_flow(tmp_path, count=COUNT)
    first = flow.start_driver(cluster, "4")  # long enough for a second process to start meanwhile
    wait_until(lambda: flow.finished() > 0, "the first driver works")
    run = [sys.executable, "-m", "jobs", "run", str(flow.job_file), "--address", cluster.address]
    second = subprocess.run(
        run, cwd=ROOT, env=os.environ | cluster.environment, capture_output=True, text=True
    )
    assert second.returncode == 5, second.stderr
    assert "alive" in second.stderr
    code, _ = finish(first)
    assert code == 0
    assert_proven(flow, COUNT)
