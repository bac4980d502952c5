"""One rehearsal: a cluster, a run on it, and a schedule played against both.

Boundary: acts; when to do what is the clockwork's matter, whether all went well the report's.
Invariant: nothing of it is left running, however it ends.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from checkpoints.local_store import LocalStore
from infra.local_cluster import LocalCluster
from infra.spot.clockwork import Act, Clockwork, Does
from infra.spot.local_metadata import LocalMetadata
from infra.spot.schedule import DRIVER, Schedule
from jobs.chaos.announcer import MetadataAnnouncer
from jobs.chaos.driver_process import DriverProcess
from jobs.chaos.fleet import Fleet, Happened
from jobs.chaos.timeline import Conduct, Timeline
from pipeline.progress import Snapshot
from pipeline.status import read_status

HEAD_CPUS = 3  # besides one per coordinator: readers, Serve's controller, the driver's actors
POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What is rehearsed."""

    job: Path
    checkpoint: Path
    coordinators: int
    schedule: Schedule
    limit_s: float  # a run that takes longer is stopped, and not proven


def rehearse(its: Rehearsal, say: Callable[[str], None]) -> Conduct:
    """Play the schedule until the run ends; `say` gets a line for everything that happens.

    Raises:
        ClusterStartError: Ray did not start on this machine.
    """
    timeline = Timeline(say, its.schedule.nodes)
    with (
        LocalMetadata() as metadata,
        LocalCluster(head_cpus=HEAD_CPUS + its.coordinators) as cluster,
        Fleet(cluster, MetadataAnnouncer(metadata)) as fleet,
        DriverProcess(its.job, cluster.address, os.environ | cluster.environment) as driver,
    ):
        fleet.start(its.schedule.up_at_first)
        for event in fleet.events():
            timeline.note_node(event)
        driver.start()
        return _Play(its, fleet, driver, timeline).to_the_end()


@dataclass(slots=True)
class _Play:
    its: Rehearsal
    fleet: Fleet
    driver: DriverProcess
    timeline: Timeline
    clockwork: Clockwork = field(init=False)
    is_driver_down: bool = False  # killed by the schedule, not yet started again
    zero_s: float | None = None  # the schedule's time 0, of the monotonic clock
    share: float = 0.0

    def __post_init__(self) -> None:
        self.clockwork = Clockwork(self.its.schedule)
        if not self.its.schedule.up_at_first:
            self.zero_s = time.monotonic()

    def to_the_end(self) -> Conduct:
        started_s = time.monotonic()
        reason: str | None = None
        while self.is_driver_down or self.driver.exit_code is None:
            self._observe()
            self._act()
            for event in self.fleet.events():
                self.timeline.note_node(event)
            reason = self._reason_to_stop(time.monotonic() - started_s)
            if reason is not None:
                self.timeline.say(f"stopping the run: {reason}")
                self.driver.stop()
                break
            time.sleep(POLL_S)
        self._observe()
        exit_code = self.driver.exit_code
        if reason is None and exit_code != 0:
            reason = f"the run ended with exit code {exit_code}:\n{self.driver.last_words()}"
        return self.timeline.conduct(
            wall_s=time.monotonic() - started_s,
            driver_starts=self.driver.starts,
            left=self.clockwork.left,
            problem=reason,
        )

    def _observe(self) -> None:
        saved = read_status(LocalStore(self.its.checkpoint))
        if saved is None:
            return
        snapshot = saved.snapshot
        self.share = share_of(snapshot)
        if self.zero_s is None and snapshot.engines_ready:
            self.zero_s = time.monotonic()
        self.timeline.note_run(saved.saved_unix_s, snapshot)

    def _act(self) -> None:
        if self.zero_s is None:
            return
        for act in self.clockwork.due(time.monotonic() - self.zero_s, self.share):
            if act.node == DRIVER:
                self._do_to_driver(act)
            else:
                self.fleet.do(act)

    def _do_to_driver(self, act: Act) -> None:
        if act.does is Does.KILL:
            self.driver.kill()
            self.is_driver_down = True
            self.timeline.note_driver(Happened.KILLED)
        elif act.does is Does.RETURN:
            self.driver.start()
            self.is_driver_down = False
            self.timeline.note_driver(Happened.UP)

    def _reason_to_stop(self, spent_s: float) -> str | None:
        if spent_s > self.its.limit_s:
            return f"it has taken more than {self.its.limit_s:g} s: raise --limit"
        is_over = not (self.fleet.up or self.fleet.is_busy or self.clockwork.owes_returns)
        if is_over and self.share < 1.0:
            return "no node is left and none will come; a real run would wait for one"
        return None


def share_of(snapshot: Snapshot) -> float:
    """The part of all documents that is finished, 0 to 1."""
    if not snapshot.documents_total:
        return 0.0
    return min(1.0, snapshot.documents_finished / snapshot.documents_total)
