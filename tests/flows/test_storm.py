"""Nodes get notice at the same moment, on a real Ray of four engine nodes with fake engines."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local_cluster import LocalCluster
from infra.spot.builtin_schedules import Setting, built_in
from infra.spot.clockwork import Clockwork
from infra.spot.local_metadata import LocalMetadata
from infra.spot.schedule import Schedule
from jobs.chaos.announcer import MetadataAnnouncer
from jobs.chaos.fleet import Fleet, Happened, NodeEvent
from tests.flows.counting import handed_back
from tests.flows.flow import Flow, finish, wait_until, write_flow

pytestmark = pytest.mark.flow

DELAY_S = "4"  # a call takes eight seconds
NO_POISON = "-1"
START_S = "3"  # until an engine is ready
SETTING = Setting(nodes=4, notice_s=14.0, back_s=4.0)
END_S = 330.0


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(head_cpus=3) as running:
        yield running


@dataclass
class Play:
    """A schedule played against a run, whose time 0 is when all engines are ready."""

    flow: Flow
    count: int
    driver: subprocess.Popen[str]
    fleet: Fleet
    schedule: Schedule
    events: list[NodeEvent] = field(default_factory=list)
    zero_s: float | None = None
    share: float = 0.0  # of the documents, as the schedule is told

    def __post_init__(self) -> None:
        self.clockwork = Clockwork(self.schedule)

    def is_over(self) -> bool:
        """Do what is due; whether the run has ended."""
        saved = self.flow.status()
        ready = 0 if saved is None else saved.snapshot.engines_ready
        if self.zero_s is None and ready == self.schedule.nodes:
            self.zero_s = time.monotonic()
        self.events += self.fleet.events()
        if self.zero_s is not None:
            # A node that has come back has its engine before it is told once more.
            if ready == self.fleet.up == self.schedule.nodes:
                self.share = min(1.0, self.flow.finished() / self.count)
            for act in self.clockwork.due(time.monotonic() - self.zero_s, self.share):
                self.fleet.do(act)
        return self.driver.poll() is not None

    def noticed(self) -> list[set[int]]:
        """The nodes that were told together, in the order of time."""
        told = [event for event in self.events if event.happened is Happened.NOTICED]
        groups: list[set[int]] = []
        last_unix_s = 0.0
        for event in told:
            if event.unix_s - last_unix_s > 2.0:
                groups.append(set())
            groups[-1].add(event.node)
            last_unix_s = event.unix_s
        return groups


def suffer(
    cluster: LocalCluster, folder: Path, name: str, count: int
) -> tuple[Flow, Play, dict[str, Any]]:
    """A run under a built-in schedule: (the flow, what was played, its final snapshot)."""
    flow = write_flow(folder, count=count, rows_share=1.0, spot={"poll_s": 1})
    job = yaml.safe_load(flow.job_file.read_text())
    job["tiers"][0] |= {"num_gpus": 1, "replicas": {"max": SETTING.nodes}}
    flow.job_file.write_text(yaml.safe_dump(job))
    with (
        LocalMetadata() as metadata,
        Fleet(cluster, MetadataAnnouncer(metadata)) as fleet,
    ):
        schedule = built_in(name, SETTING)
        fleet.start(schedule.up_at_first)
        driver = flow.start_driver(cluster, DELAY_S, NO_POISON, START_S)
        play = Play(flow, count, driver, fleet, schedule)
        wait_until(play.is_over, "the run ended", END_S)
        code, final = finish(play.driver)
    assert (code, final["documents_error"]) == (0, 0)
    assert play.clockwork.left == (), "all of it was played"
    verdict = flow.verdict()
    assert verdict.proven, verdict
    assert verdict.documents == count
    return flow, play, final


def assert_notices_saved_everything(flow: Flow, final: dict[str, Any], notices: int) -> None:
    its = final["interruptions"]
    assert (its["notices"], its["losses"], its["rework"]["documents"]) == (notices, 0, 0)
    assert not flow.served_twice()
    assert its["rework"]["salvaged_tokens"] == sum(handed_back(flow.counts).values())
    assert its["starts"]["restart_seconds"] > 0
    watch = final["node_watch"]
    assert (watch["source"], watch["notices"], watch["trouble"]) == ("aws", notices, None)


@pytest.mark.timeout(400)
def test_half_of_four_nodes_get_notice_together_twice_and_nothing_is_done_twice(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    # So much work that the nodes of the first time come back before the second.
    flow, play, final = suffer(cluster, tmp_path, "storm", 4500)
    assert play.noticed() == [{1, 2}, {1, 2}]
    assert_notices_saved_everything(flow, final, notices=4)


@pytest.mark.timeout(400)
def test_all_four_nodes_get_notice_together_and_nothing_is_done_twice(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    flow, play, final = suffer(cluster, tmp_path, "all-notice", 2000)
    assert play.noticed() == [{1, 2, 3, 4}]
    assert_notices_saved_everything(flow, final, notices=4)
