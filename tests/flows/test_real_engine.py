"""Real vLLM engines on the CPU with a bundled model: a run through one death after another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.local_cluster import LocalCluster
from tests.flows.flow import ROOT, finish, kill_all, processes_named, wait_until, write_flow

pytestmark = pytest.mark.flow

COUNT = 4000
SCHEMA = json.loads((ROOT / "jobs/demo/schema.json").read_text())
ENGINE_NODE = {"gleaner.io/role": "engine"}
TASK = {
    "system": "Extract the fields as JSON.",
    "prompt": "{{ text }}",
    "output": {"type": "json", "schema": SCHEMA},
    "sampling": {"max_tokens": 128},
}


@pytest.mark.timeout(1500)
def test_engine_coordinator_node_and_driver_die_and_every_document_has_its_answer(
    tmp_path: Path,
) -> None:
    with LocalCluster(head_cpus=2) as cluster:
        doomed = cluster.add_node(num_cpus=2, labels=ENGINE_NODE)
        flow = write_flow(tmp_path, count=COUNT, rows_share=0.9, task=TASK)

        driver = flow.start_driver(cluster)
        wait_until(lambda: flow.finished() >= COUNT * 0.15, "the engine worked")
        kill_all([doomed], "EngineCore")

        wait_until(lambda: flow.finished() >= COUNT * 0.35, "another engine worked")
        kill_all(cluster.nodes, "MapWorker")

        wait_until(lambda: flow.finished() >= COUNT * 0.5, "another coordinator worked")
        assert processes_named([doomed], "ServeReplica"), "the engine runs on its own node"
        doomed.kill()
        cluster.add_node(num_cpus=2, labels=ENGINE_NODE)

        wait_until(lambda: flow.finished() >= COUNT * 0.7, "the other node worked")
        driver.kill()
        driver.wait()
        code, final = finish(flow.start_driver(cluster))

    assert code == 0
    assert final["documents_restored"] > 0
    verdict = flow.verdict()
    assert verdict.proven, verdict
    assert verdict.documents == COUNT
    failed = {row["error_code"] for row in flow.rows() if row["status"] == "error"}
    assert failed <= {"output_truncated"}  # the small model runs on now and then
    assert verdict.error <= COUNT * 0.01
    for row in (row for row in flow.rows() if row["status"] == "ok"):
        assert set(json.loads(str(row["result"]))) == set(SCHEMA["required"])
        assert row["confidence_tokens"] == row["output_tokens"]
        assert row["confidence_min_logprob"] <= row["confidence_p10_logprob"] <= 0
    # Each death may cost what was in flight (64 requests) and one flush of finished ones.
    assert sum(times - 1 for times in flow.served_twice().values()) <= 4 * 2 * 64
