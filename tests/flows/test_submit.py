"""A job sent to a real Ray head with token authentication, through its job server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local_cluster import LocalCluster
from tests.flows.flow import ROOT, write_flow

pytestmark = pytest.mark.flow

GLEANER = (sys.executable, "-m", "jobs")
RAY = (sys.executable, "-m", "ray.scripts.scripts")


def run(
    command: tuple[str, ...], environment: dict[str, str], folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True
    )


@pytest.mark.timeout(900)
def test_submit_runs_once_and_rays_own_command_line_works_too(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    flow = write_flow(tmp_path, count=30)
    submit = (*GLEANER, "submit", str(flow.job_file), "--address", cluster.dashboard_url, "--json")

    first = run(submit, cluster.environment)
    assert first.returncode == 0, first.stdout + first.stderr
    first_id = json.loads(first.stdout.splitlines()[-1])["submission_id"]
    verify = run((*GLEANER, "verify", str(flow.job_file)), {})
    assert verify.returncode == 0
    assert "30 documents" in verify.stdout
    assert "0 missing, 0 duplicate" in verify.stdout

    second = run(submit, cluster.environment)
    assert second.returncode == 0, second.stdout + second.stderr
    again = json.loads(second.stdout.splitlines()[-1])
    assert (again["submission_id"], again["is_attached"]) == (f"{first_id}-2", False)
    receipts = len(list(flow.checkpoint.list("receipts/")))
    assert receipts == 1, "the second submission found the run completed and did nothing"

    plain = run(
        (
            *(*RAY, "job", "submit", "--address", cluster.dashboard_url, "--working-dir", "."),
            *("--", "python", "-m", "jobs", "run", "job.yaml", "--address", "auto"),
        ),
        cluster.environment,
        folder=small_folder(tmp_path),
    )
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert "completed" in plain.stdout


def test_a_wrong_token_is_one_clear_line(cluster: LocalCluster, tmp_path: Path) -> None:
    flow = write_flow(tmp_path, count=3)
    token = tmp_path / "wrong"
    token.write_text("0" * 64)
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    submit = (*GLEANER, "submit", str(flow.job_file), "--address", cluster.dashboard_url)
    refused = run(submit, environment)
    assert refused.returncode == 3
    assert "token" in refused.stderr
    assert "Traceback" not in refused.stderr


def small_folder(flow_folder: Path) -> Path:
    """A working directory with the job file alone, its paths made absolute."""
    folder = flow_folder / "working"
    folder.mkdir()
    text = (flow_folder / "job.yaml").read_text()
    for name in ("documents", "output", "checkpoint"):
        text = text.replace(f": {name}\n", f": {flow_folder / name}\n")
    (folder / "job.yaml").write_text(text)
    return folder
