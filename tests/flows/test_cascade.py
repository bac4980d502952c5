"""A cascade on a real Ray: sampled, certified, followed, audited, and killed in between."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from checkpoints import keys
from checkpoints.plan import read_header
from checkpoints.result_file import decode_rows
from checkpoints.route_log import read_decision, read_draw
from infra.local_cluster import LocalCluster
from tests.flows.flow import MODELS, Flow, finish, processes_named, wait_until, write_flow

pytestmark = pytest.mark.flow

COUNT = 3000
SAMPLE = 900
WITHIN = 0.05
SOON_S = 240.0
ENGINE = {
    "max_model_len": 1024,
    "max_num_seqs": 32,
    "max_num_batched_tokens": 2048,
    "dtype": "bfloat16",
    "enforce_eager": True,
}


def tier(name: str, usd_per_hour: float) -> dict[str, object]:
    return {
        "name": name,
        "model": str(MODELS / name),
        "engine": ENGINE,
        "usd_per_hour": usd_per_hour,
        "num_cpus": 0.5,
    }


def cascade_flow(folder: Path, *, shards_in_flight: int | None = None, **route: object) -> Flow:
    limits = {} if shards_in_flight is None else {"shards_in_flight": shards_in_flight}
    sample = {} if "certificate" in route else {"sample": {"documents": SAMPLE}}
    return write_flow(
        folder,
        count=COUNT,
        rows_share=1.0,
        tiers=[tier("small", 1.0), tier("large", 10.0)],
        limits={"flush_s": 1, "coordinators": 1, **limits},
        route={
            "policy": "cascade",
            "quality": {"within": WITHIN, "confidence": 0.9},
            "loss": "exact",
            "audit": {"share": 0.2},
            **sample,
            **route,
        },
    )


def ways(flow: Flow) -> Counter[tuple[str, str]]:
    """(tier, reason) of every step in the results."""
    rows: list[dict[str, Any]] = flow.rows()  # type: ignore[assignment]
    return Counter((step["tier"], step["reason"]) for row in rows for step in row["steps"])


def wrong(flow: Flow) -> list[dict[str, object]]:
    return [row for row in flow.rows() if row["result"] == "wrong"]


@pytest.mark.timeout(900)
def test_a_killed_cascade_goes_on_with_its_sample_and_its_route(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    flow = cascade_flow(tmp_path)

    def start(delay_s: str) -> Any:
        return flow.start_driver(cluster, delay_s, module="drive_cascade")

    driver = start("0.3")
    wait_until(lambda: flow.finished() > SAMPLE // 4, "a part of the sample is answered", SOON_S)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    wait_until(lambda: not processes_named(cluster.nodes, "MapWorker"), "coordinators are gone", 60)
    draw, kept = read_draw(flow.checkpoint), flow.journaled()
    assert read_decision(flow.checkpoint) is None
    assert kept
    driver = start("0.1")
    wait_until(lambda: flow.finished() > COUNT // 2, "the rest is half done", SOON_S)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    decision = read_decision(flow.checkpoint)
    assert decision is not None
    code, final = finish(start("0.01"))
    assert code == 0
    assert flow.verdict().proven
    assert (read_draw(flow.checkpoint), read_decision(flow.checkpoint)) == (draw, decision)
    rows = {(int(row["shard"]), int(row["ordinal"])) for row in flow.rows_by_shard()}
    assert kept <= rows
    assert not {name for name in flow.served_twice() if place(name) in kept}
    found = ways(flow)
    assert found["small", "sampled"] == SAMPLE
    assert found["small", "confident"] > COUNT // 3
    assert found["small", "unsure"] > 0
    assert len(wrong(flow)) / COUNT <= WITHIN
    assert final["route"]["changes"] == []  # type: ignore[index]
    assert final["route"]["audited"] > 100  # type: ignore[index]
    saved = json.loads(flow.output.read(keys.CERTIFICATE))
    assert saved["decision"]["kind"] == "cascade"


def place(request_id: str) -> tuple[int, int]:
    shard, ordinal, _ = request_id.split(".", 2)
    return int(shard), int(ordinal)


@pytest.mark.timeout(900)
def test_documents_that_change_half_way_are_noticed_and_the_tier_is_trusted_no_more(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    before = cascade_flow(tmp_path / "before")
    code, _ = finish(before.start_driver(cluster, "0.01", module="drive_cascade"))
    assert code == 0
    changed = cascade_flow(
        tmp_path / "changed",
        shards_in_flight=2,  # what is in flight at the alarm was kept before it
        certificate=str(before.folder / "output" / keys.CERTIFICATE),
        quality={"within": 2 * WITHIN, "confidence": 0.9},  # of other documents it promises less
    )
    driver = changed.start_driver(cluster, "0.05", "10", module="drive_cascade")
    code, final = finish(driver)
    assert code == 0
    assert changed.verdict().proven
    [change, *_] = final["route"]["changes"]  # type: ignore[index]
    assert "is promised" in change["sentence"]
    found = ways(changed)
    assert found["small", "sampled"] == 0
    header = read_header(changed.checkpoint)
    assert header is not None
    last = [
        row
        for shard in range(header.shards - header.shards // 5, header.shards)
        for row in decode_rows(changed.output.read(keys.result_key(shard)))
    ]
    assert sum(row.result == "wrong" for row in last) <= WITHIN * len(last)


@pytest.mark.timeout(600)
def test_a_pair_that_does_not_pay_is_refused_before_more_is_spent(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    flow = cascade_flow(tmp_path)
    text = flow.job_file.read_text().replace("usd_per_hour: 10.0", "usd_per_hour: 0.5")
    flow.job_file.write_text(text)
    driver = flow.start_driver(cluster, "0.01", module="drive_cascade")
    driver.communicate(timeout=SOON_S)
    assert driver.returncode != 0
    saved = flow.status()
    assert saved is not None
    assert saved.snapshot.state == "failed"
    assert "no cascade" in (saved.snapshot.message or "")
    assert not list(flow.output.list(keys.RESULTS))
    assert len(flow.served()) <= 2 * SAMPLE
