"""The seam between coordinators and engines, on a real Serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local_cluster import LocalCluster
from tests.flows.counting import aborted, served
from tests.flows.flow import ROOT, WAIT_S, finish, wait_until, write_flow

pytestmark = pytest.mark.flow


def test_a_caller_that_leaves_ends_its_work_at_the_engine(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.flows.leave", cluster.address, str(tmp_path)],
        cwd=ROOT,
        env=os.environ | cluster.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=WAIT_S,
    )
    answered = json.loads(ended.stdout.splitlines()[-1])
    assert answered == {"left": ["0.2.small", "0.3.small"], "stayed": ["0.9.small"]}
    wait_until(lambda: len(aborted(tmp_path)) == 1, "the engine hears that nobody waits")
    assert sorted(served(tmp_path)) == ["0.2.small", "0.3.small", "0.9.small"]


def test_two_cores_are_enough_for_an_engine_a_coordinator_and_a_reader(tmp_path: Path) -> None:
    flow = write_flow(tmp_path, count=60)
    with LocalCluster(head_cpus=2) as small:
        code, final = finish(flow.start_driver(small, "0.01"))
    assert (code, final["state"]) == (0, "completed")
    assert flow.verdict().proven
