"""A store that goes away in the middle of a run, for a minute, for everyone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from checkpoints.verify import verify
from infra.local_cluster import LocalCluster
from infra.s3 import S3Store
from pipeline.status import read_status
from tests.flows.flow import Flow, finish, wait_until, write_flow
from tests.flows.test_s3_run import upload
from tests.infra.fault_proxy import fault_proxy
from tests.infra.s3_servers import CREDENTIALS, make_bucket, ministack_server

pytestmark = pytest.mark.flow

COUNT = 240
OUTAGE_S = 60.0
SOON_S = 240.0


def on_s3(folder: Path) -> Flow:
    """A job of many small shards whose input, output and checkpoint are in a bucket."""
    limits = {"flush_s": 1, "shards_in_flight": 3, "target_shard_tokens": 2_000}
    flow = write_flow(folder, count=COUNT, limits=limits)
    job = yaml.safe_load(flow.job_file.read_text())
    job["input"]["uri"] = "s3://contracts/documents/"
    job["output"] = "s3://contracts/output"
    job["checkpoint"] = "s3://contracts/checkpoint"
    flow.job_file.write_text(yaml.safe_dump(job))
    return flow


def test_a_store_that_is_away_for_a_minute_costs_nothing_but_the_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ministack_server(tmp_path) as server, fault_proxy(server) as proxy:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.endpoint}.items():
            monkeypatch.setenv(name, value)
        make_bucket(server, "contracts")
        flow = on_s3(tmp_path / "flow")
        upload(flow.folder / "documents", server)
        output = S3Store("contracts", "output", endpoint_url=server)
        checkpoint = S3Store("contracts", "checkpoint", endpoint_url=server)

        def finished() -> int:
            saved = read_status(checkpoint)
            return 0 if saved is None else saved.snapshot.documents_finished

        with LocalCluster(head_cpus=4) as cluster:  # its workers inherit the endpoint
            driver = flow.start_driver(cluster, "0.3")
            wait_until(lambda: finished() >= COUNT // 4, "a quarter was done", SOON_S)
            proxy.down, back_s = True, time.monotonic() + OUTAGE_S
            asked = len(proxy.seen)
            wait_until(lambda: time.monotonic() > back_s, "the outage is over", 2 * OUTAGE_S)
            assert driver.poll() is None
            assert finished() < COUNT, "the outage was in the middle"
            assert len(proxy.seen) > asked, "somebody asked meanwhile"
            proxy.down = False
            code, final = finish(driver)
        assert (code, final["state"], final["documents_error"]) == (0, "completed", 0)
        verdict = verify(output, checkpoint)
        assert verdict.proven, verdict
        assert verdict.documents == COUNT
        assert not flow.served_twice()
