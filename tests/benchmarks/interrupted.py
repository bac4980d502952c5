"""One side of a comparison under one schedule: nodes taken from it, and what that did to it.

Boundary: a side is a command; its nodes are the same raylets for every side, drained through the
same call to Ray and killed by the same SIGKILL. What engines did is read from their taps.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.dataset as ds

from infra.local_cluster import LocalCluster
from infra.spot.clockwork import Clockwork
from infra.spot.schedule import Schedule
from jobs.chaos.fleet import Fleet, Happened, NodeEvent, node_name
from tests.benchmarks.drainer import RayAnnouncer
from tests.benchmarks.tap import InFlight, answers, flights, ready_unix_s
from tests.benchmarks.workload import ONE_THREAD, RAY_CPUS, ROOT, Folder, environment

POLL_S = 0.3


class DidNotFinishError(RuntimeError):
    """The side ended with an error, took too long, or has not exactly one row per document."""


@dataclass(frozen=True, slots=True)
class Side:
    """A command over a folder, where its rows lie below its output, and how they name tokens."""

    name: str
    line: list[str]
    results: str


@dataclass(frozen=True, slots=True)
class Suffered:
    """What interruptions did to one side; times from when the first engine was ready."""

    wall_s: float  # to the last answer
    answered_twice: int  # answers beyond the first of each document: finished, and done again
    tokens_twice: int  # of those answers
    tokens_died: int  # of unfinished answers in engines that were killed
    tokens_held: int  # of unfinished answers in the engines that were told or killed, at that time
    events: tuple[NodeEvent, ...]
    began_unix_s: float


@dataclass(slots=True)
class _Play:
    side: Side
    folder: Folder
    count: int
    schedule: Schedule
    limit_s: float
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.folder.path / "driver.log"

    def to_the_end(self) -> list[NodeEvent]:
        """What happened to nodes until the side ended."""
        with (
            _environment(),
            LocalCluster(head_cpus=RAY_CPUS) as cluster,
            RayAnnouncer(cluster) as announcer,
            Fleet(cluster, announcer) as fleet,
        ):
            fleet.start(self.schedule.up_at_first)
            events = fleet.events()
            surroundings = os.environ | cluster.environment
            with self.log.open("wb") as out:
                driver = subprocess.Popen(
                    [*self.side.line, cluster.address],
                    cwd=ROOT,
                    env=surroundings,
                    stdout=out,
                    stderr=out,
                )
            try:
                self._watch(driver, fleet, events)
            finally:
                driver.kill()
                driver.wait()
        return events

    def _watch(
        self, driver: subprocess.Popen[bytes], fleet: Fleet, events: list[NodeEvent]
    ) -> None:
        clockwork, tap = Clockwork(self.schedule), self.folder.tap
        give_up_s = time.monotonic() + self.limit_s
        while driver.poll() is None:
            if time.monotonic() > give_up_s:
                raise DidNotFinishError(f"{self.side.name} took over {self.limit_s:.0f} s")
            ready = ready_unix_s(tap)
            if ready:
                share = len({one.document for one in answers(tap)}) / self.count
                for act in clockwork.due(time.time() - min(ready), share):
                    fleet.do(act)
            events += fleet.events()
            time.sleep(POLL_S)
        if driver.returncode != 0:
            raise DidNotFinishError(f"{self.side.name} failed:\n{self.log.read_text()[-3000:]}")


def suffer(
    side: Side, folder: Folder, count: int, schedule: Schedule, *, limit_s: float
) -> Suffered:
    """Run the side under the schedule.

    Raises:
        DidNotFinishError: it did not come to exactly one row per document.
    """
    events = _Play(side, folder, count, schedule, limit_s).to_the_end()
    tokens = _tokens(folder.output / side.results)
    if len(tokens) != count:
        raise DidNotFinishError(f"{side.name}: {count} documents, {len(tokens)} rows")
    answered = answers(folder.tap)
    began_unix_s = min(ready_unix_s(folder.tap))
    twice = {
        document: times - 1
        for document, times in Counter(one.document for one in answered).items()
        if times > 1
    }
    return Suffered(
        wall_s=answered[-1].unix_s - began_unix_s,
        answered_twice=sum(twice.values()),
        tokens_twice=sum(times * _tokens_of(document, tokens) for document, times in twice.items()),
        tokens_died=sum(
            samples[-1].tokens for samples in flights(folder.tap) if _was_killed(samples, events)
        ),
        tokens_held=sum(_held(folder.tap, event) for event in _first_words(events)),
        events=tuple(events),
        began_unix_s=began_unix_s,
    )


def _first_words(events: Sequence[NodeEvent]) -> Iterator[NodeEvent]:
    """Of every outage its notice, or its kill where there was none."""
    told: set[int] = set()
    for event in events:
        if event.happened is Happened.NOTICED:
            told.add(event.node)
            yield event
        elif event.happened is Happened.KILLED:
            if event.node not in told:
                yield event
            told.discard(event.node)


def _was_killed(samples: Sequence[InFlight], events: Sequence[NodeEvent]) -> bool:
    """Whether the engine with these samples was on a node that was killed after the last."""
    last = samples[-1]
    return any(
        event.happened is Happened.KILLED
        and node_name(event.node) == last.node
        and event.unix_s >= last.unix_s
        for event in events
    )


def _held(tap: Path, event: NodeEvent) -> int:
    """Tokens of unfinished answers in that node's engine just before the event."""
    before = [
        sample
        for samples in flights(tap)
        for sample in samples
        if sample.node == node_name(event.node) and sample.unix_s <= event.unix_s
    ]
    return max(before, key=lambda sample: sample.unix_s).tokens if before else 0


def _tokens(results: Path) -> dict[str, int]:
    """Output tokens by the name that the tap has for a document.

    Raises:
        DidNotFinishError: a document has more than one row.
    """
    if not any(results.rglob("*.parquet")):
        return {}
    files = ds.dataset(results, format="parquet")
    found: dict[str, int] = {}
    for fragment in files.get_fragments():
        table = fragment.to_table()
        names = _names(Path(fragment.path), table.column_names, table.to_pydict())
        for name, tokens in zip(names, table.column("output_tokens").to_pylist(), strict=True):
            if name in found:
                raise DidNotFinishError(f"{name} has more than one row")
            found[name] = tokens or 0
    return found


def _names(file: Path, columns: list[str], rows: dict[str, list[object]]) -> list[str]:
    """Gleaner's requests are named by shard and ordinal, stock's by the row's id."""
    if "ordinal" not in columns:
        return [str(one) for one in rows["id"]]
    shard = int(file.stem.rpartition("-")[2])
    return [f"{shard}.{ordinal}" for ordinal in rows["ordinal"]]


def _tokens_of(document: str, tokens: dict[str, int]) -> int:
    """Of a tap's name, which for Gleaner ends with the tier."""
    return tokens.get(document) or tokens.get(document.rpartition(".")[0], 0)


@contextmanager
def _environment() -> Iterator[None]:
    """What Ray's workers inherit from the processes that start their nodes."""
    before = dict(os.environ)
    os.environ.update(environment(ONE_THREAD))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def as_json(suffered: Suffered) -> str:
    """For a log."""
    return json.dumps(
        {
            name: getattr(suffered, name)
            for name in ("wall_s", "answered_twice", "tokens_twice", "tokens_died", "tokens_held")
        }
    )
