"""`gleaner chaos` on real Ray nodes with real vLLM engines: what it does, proves and refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from infra.local_cluster import MARKER
from jobs.chaos.judgement import OF_ENGINES
from tests.flows.flow import MODELS, ROOT, STARTED, Flow, wait_until, write_flow

pytestmark = pytest.mark.flow

END_S = 420.0
SCHEMA_TASK = {
    "system": "Extract the fields as JSON.",
    "prompt": "{{ text }}",
    "output": {"type": "json", "schema_file": str(ROOT / "jobs/demo/schema.json")},
    "sampling": {"max_tokens": 128},
}
ON_DEMAND_TIER = {
    "name": "small",
    "model": str(MODELS / "small"),
    "engine": {
        "max_model_len": 1024,
        "max_num_seqs": 64,
        "max_num_batched_tokens": 2048,
        "dtype": "bfloat16",
        "enforce_eager": True,
    },
    "nodes": [{"market": "on-demand"}],
    "replicas": {"max": 2, "on_demand": 1},
}
ENOUGH = ("--nodes", "2", "--documents", "1500", "--notice", "20", "--back", "2")


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jobs", "chaos", *arguments]
    with (folder / "timeline.txt").open("w") as timeline:
        process = subprocess.Popen(
            [*command, "--out", str(folder / "out"), "--json"],
            cwd=ROOT,
            env=os.environ | {"GLEANER_TEST": str(folder)},
            stdout=subprocess.PIPE,
            stderr=timeline,
            text=True,
        )
    STARTED.append(process)
    return process


def end(process: subprocess.Popen[str], folder: Path) -> tuple[int, dict[str, object]]:
    """(exit code, the object on the last line of stdout)."""
    out, _ = process.communicate(timeout=END_S)
    print((folder / "timeline.txt").read_text())  # what a failed test shows
    found: dict[str, object] = json.loads(out.splitlines()[-1])
    return process.returncode, found


def told(folder: Path) -> str:
    return (folder / "timeline.txt").read_text()


def left_behind(folder: Path) -> list[int]:
    """Processes of the rehearsal's nodes that still live."""
    found = []
    for process in psutil.process_iter():
        try:
            its = process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if MARKER in its and its.get("GLEANER_TEST") == str(folder):
            found.append(process.pid)
    return found


@pytest.mark.timeout(600)
def test_a_node_that_gets_notice_leaves_in_time_and_nothing_is_lost(tmp_path: Path) -> None:
    code, found = end(start(tmp_path, "--schedule", "notice", *ENOUGH), tmp_path)
    assert (code, found["exit_code"], found["proven"]) == (0, 0, True)
    assert (found["documents"], found["missing"], found["duplicate"]) == (1500, 0, 0)
    assert (found["notices_given"], found["nodes_left"]) == (1, 1)
    assert (found["notices"], found["losses"]) == (1, 0)
    assert (found["redone_documents"], found["redone_tokens"]) == (0, 0)
    assert "engine-1 gets notice" in told(tmp_path)
    assert "has left" in told(tmp_path)
    assert not left_behind(tmp_path)


@pytest.mark.timeout(600)
def test_all_nodes_may_vanish_and_the_driver_too(tmp_path: Path) -> None:
    schedule = tmp_path / "worst.yaml"
    schedule.write_text(
        "outages:\n  - {at: 20%, node: driver, back: 0}\n  - {at: 50%, node: all, back: 2}\n"
    )
    code, found = end(start(tmp_path, "--schedule", str(schedule), *ENOUGH), tmp_path)
    assert (code, found["proven"]) == (0, True)
    assert (found["missing"], found["duplicate"]) == (0, 0)
    assert (found["driver_starts"], found["nodes_killed"], found["nodes_started"]) == (2, 2, 4)
    assert isinstance(found["waited_s"], float)
    assert found["waited_s"] > 0
    assert (found["notices_given"], found["notices"]) == (0, 0)
    assert isinstance(found["redone_documents"], int)
    assert found["redone_documents"] > 0


@pytest.mark.timeout(600)
def test_a_result_that_vanishes_is_missed(tmp_path: Path) -> None:
    flow = write_flow(tmp_path, count=200, rows_share=1.0)
    process = start(tmp_path, str(flow.job_file), "--schedule", "none", "--nodes", "1")
    written = tmp_path / "out/output"
    # The run has ended then, and nobody has looked at its results yet.
    wait_until(
        lambda: (written / "manifest.json").exists() or process.poll() is not None,
        "the run has its manifest",
        END_S,
    )
    assert process.poll() is None, told(tmp_path)
    min((written / "results").glob("*.parquet")).unlink()
    code, found = end(process, tmp_path)
    assert (code, found["exit_code"], found["proven"]) == (1, 1, False)
    assert isinstance(found["missing"], int)
    assert found["missing"] > 0
    assert "NOT PASSED" in told(tmp_path)
    assert not (tmp_path / "output").exists()  # the job's own place
    assert not (tmp_path / "checkpoint").exists()


@pytest.mark.timeout(600)
def test_a_fleet_that_never_comes_back_ends_the_rehearsal_unproven(tmp_path: Path) -> None:
    schedule = tmp_path / "gone.yaml"
    schedule.write_text("outages: [{at: 20%, node: all}]\n")
    arguments = ("--schedule", str(schedule), "--nodes", "1", "--documents", "600")
    code, found = end(start(tmp_path, *arguments), tmp_path)
    assert (code, found["proven"]) == (1, False)
    assert isinstance(found["missing"], int)
    assert 0 < found["missing"] < 600
    assert "no node is left and none will come" in told(tmp_path)


@pytest.mark.timeout(600)
def test_a_storm_costs_answers_that_cannot_be_continued_no_document(tmp_path: Path) -> None:
    flow = write_flow(
        tmp_path, count=2000, rows_share=1.0, task=SCHEMA_TASK, tiers=[ON_DEMAND_TIER]
    )
    schedule = ("--schedule", "storm", "--nodes", "2", "--notice", "6", "--back", "2")
    code, found = end(start(tmp_path, str(flow.job_file), *schedule), tmp_path)
    assert (code, found["proven"], found["problems"]) == (0, True, [])
    assert (found["documents"], found["missing"], found["duplicate"]) == (2000, 0, 0)
    codes = {row["error_code"] for row in Flow(tmp_path / "out").rows()}
    assert not codes & OF_ENGINES
    assert (found["notices_given"], found["outages_left"]) == (2, [])
    assert isinstance(found["notices"], int)
    assert found["notices"] > 0
    assert found["salvaged_tokens"] == 0  # an answer with a schema begins anew
    documents, tokens = found["redone_documents"], found["redone_tokens"]
    assert isinstance(documents, int)
    assert documents > 0  # the notice is shorter than what a drain needs: it ends them at once
    assert isinstance(tokens, int)
    assert tokens > 0
    assert (found["losses"], found["losses_under_notice"]) == (0, 0)
    assert isinstance(found["prefilled_again_tokens"], int)
    assert found["prefilled_again_tokens"] > 0
    assert "set aside" in told(tmp_path)  # or no node of the rehearsal would do for an engine


@pytest.mark.timeout(600)
def test_a_run_that_takes_longer_than_its_limit_has_not_passed(tmp_path: Path) -> None:
    code, found = end(start(tmp_path, "--limit", "1", "--nodes", "1"), tmp_path)
    assert (code, found["proven"]) == (1, False)
    assert "more than 1 s: raise --limit" in told(tmp_path)
