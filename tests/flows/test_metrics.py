"""What a run exports can be scraped as Prometheus does it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from infra.local_cluster import LocalCluster
from tests.flows.flow import ROOT, finish, wait_until, write_flow
from tests.flows.nodes import SOON_S

pytestmark = pytest.mark.flow

COUNT = 400
PORTS = "import json, ray; ray.init(); print(json.dumps([(n['NodeManagerAddress'], \
n['MetricsExportPort']) for n in ray.nodes()]))"


def scraped(host: str, port: int) -> dict[str, float]:
    """Our figures by name; a run's tag is left out."""
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    ours = [line for line in lines if line.startswith("ray_gleaner_")]
    return {line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in ours}


def test_the_figures_of_a_run_are_exported_while_it_runs(tmp_path: Path) -> None:
    with LocalCluster(head_cpus=3) as cluster:
        [(host, port)] = json.loads(
            subprocess.run(
                [sys.executable, "-c", PORTS],
                env={**cluster.environment, "RAY_ADDRESS": cluster.address, "PATH": ""},
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            ).stdout.splitlines()[-1]
        )
        flow = write_flow(tmp_path, count=COUNT)
        driver = flow.start_driver(cluster, "2")
        wait_until(lambda: flow.finished() > 0, "documents are finished", SOON_S)
        wait_until(
            lambda: scraped(host, port).get("ray_gleaner_documents_ok", 0) > 0,
            "the exporter shows finished documents",
            SOON_S,
        )
        found = scraped(host, port)
        code, _ = finish(driver)
    assert code == 0
    assert found["ray_gleaner_documents"] == COUNT
    assert found["ray_gleaner_engines_ready"] == 1
    assert found["ray_gleaner_redone_documents"] == 0
