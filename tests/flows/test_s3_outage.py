"""A store that goes away in the middle of a run, for everyone, and one that is slow throughout."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from checkpoints.verify import verify
from infra.local_cluster import LocalCluster
from infra.s3 import S3Store
from pipeline.status import read_status
from tests.flows.flow import Flow, finish, wait_until, write_flow
from tests.flows.test_s3_run import upload
from tests.infra.fault_proxy import FaultProxy, fault_proxy
from tests.infra.s3_servers import CREDENTIALS, make_bucket, ministack_server

pytestmark = pytest.mark.flow

COUNT = 240
OUTAGE_S = 60.0
SOON_S = 120.0
SLOW_S = 2.0  # every answer of a slow store


def on_s3(folder: Path, count: int, shard_tokens: int) -> Flow:
    """A job whose input, output and checkpoint are in a bucket."""
    limits = {"flush_s": 1, "shards_in_flight": 3, "target_shard_tokens": shard_tokens}
    flow = write_flow(folder, count=count, limits=limits)
    job = yaml.safe_load(flow.job_file.read_text())
    job["input"]["uri"] = "s3://contracts/documents/"
    job["output"] = "s3://contracts/output"
    job["checkpoint"] = "s3://contracts/checkpoint"
    flow.job_file.write_text(yaml.safe_dump(job))
    return flow


@contextmanager
def bucket(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, FaultProxy]]:
    """(the server's own address, the proxy through which everybody else goes)."""
    with ministack_server(folder) as server, fault_proxy(server) as proxy:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": proxy.endpoint}.items():
            monkeypatch.setenv(name, value)
        make_bucket(server, "contracts")
        yield server, proxy


def test_a_store_that_is_away_for_a_minute_costs_nothing_but_the_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bucket(tmp_path, monkeypatch) as (server, proxy):
        flow = on_s3(tmp_path / "flow", COUNT, shard_tokens=2_000)
        upload(flow.folder / "documents", server)
        output = S3Store("contracts", "output", endpoint_url=server)
        checkpoint = S3Store("contracts", "checkpoint", endpoint_url=server)

        def finished() -> int:
            saved = read_status(checkpoint)
            return 0 if saved is None else saved.snapshot.documents_finished

        with LocalCluster(head_cpus=4) as cluster:  # its workers inherit the endpoint
            driver = flow.start_driver(cluster, "2")
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


def test_a_store_that_takes_seconds_for_every_answer_costs_time_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with bucket(tmp_path, monkeypatch) as (server, proxy):
        flow = on_s3(tmp_path / "flow", COUNT // 2, shard_tokens=8_000)
        upload(flow.folder / "documents", server)
        proxy.delay_s = SLOW_S
        with LocalCluster(head_cpus=4) as cluster:
            code, final = finish(flow.start_driver(cluster, "2"))
        assert (code, final["state"], final["documents_error"]) == (0, "completed", 0)
        stores = (
            S3Store("contracts", name, endpoint_url=server) for name in ("output", "checkpoint")
        )
        verdict = verify(*stores)
        assert verdict.proven, verdict
        assert verdict.documents == COUNT // 2
        assert not flow.served_twice()
