"""What happened in a rehearsal: told as it happens, summed up at the end.

Boundary: takes events and snapshots in and words out; acts on nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.spot.schedule import Outage
from jobs.chaos.fleet import Happened, NodeEvent, node_name
from jobs.wording.numbers import count, rate
from pipeline.progress import Snapshot, State

LINE_EVERY_S = 10.0
WAITING = frozenset({State.WAITING_FOR_ENGINES, State.WAITING_FOR_CAPACITY})


@dataclass(frozen=True, slots=True)
class Conduct:
    """What was done to a run, and how it took it."""

    wall_s: float  # from the start of the driver to its end
    ready_s: float | None  # from the start of the driver to the first engine
    driver_starts: int
    notices_given: int
    nodes_left: int  # left Ray by themselves before their deadline
    nodes_killed: int  # those that had left already among them
    nodes_started: int  # those that came back among them
    waited_s: float  # without any engine, once there had been one
    node_s_lost: float  # node seconds that the fleet was short of, from the first engine on
    outages_left: tuple[Outage, ...]  # that the run was too short for
    problem: str | None  # why the run did not come to its end


class Timeline:
    """The story of one rehearsal."""

    def __init__(
        self, say: Callable[[str], None], nodes: int, now_unix_s: Callable[[], float] = time.time
    ) -> None:
        self._say_line = say
        self._nodes = nodes
        self._now_unix_s = now_unix_s
        self._started_unix_s = self._shown_unix_s = self._summed_unix_s = now_unix_s()
        self._ready_unix_s: float | None = None
        self._saved_unix_s = 0.0
        self._up: set[int] = set()
        self._counts = dict.fromkeys(Happened, 0)
        self._is_waiting = False
        self._waited_s = self._lost_s = 0.0
        self._snapshot: Snapshot | None = None

    def say(self, words: str) -> None:
        """A line with the time since the start and how far the run is."""
        self._say_line(
            f"{self._now_unix_s() - self._started_unix_s:6.1f} s {self._far():>4}  {words}"
        )

    def note_node(self, event: NodeEvent) -> None:
        """Something happened to a node."""
        self._sum_up()
        name, left_s = node_name(event.node), (event.deadline_unix_s or 0.0) - event.unix_s
        self._counts[event.happened] += 1
        match event.happened:
            case Happened.UP:
                self._up.add(event.node)
                self.say(f"{name} is up")
            case Happened.NOTICED:
                self.say(f"{name} gets notice: {left_s:.0f} s")
            case Happened.LEFT:
                self._up.discard(event.node)
                self.say(f"{name} is empty and has left, {left_s:.0f} s before its deadline")
            case Happened.KILLED:
                has_left = event.node not in self._up
                self._up.discard(event.node)
                self.say(f"{name} is switched off" if has_left else f"{name} is killed")

    def note_driver(self, happened: Happened) -> None:
        """The driver was killed or started again."""
        self.say("the driver is killed" if happened is Happened.KILLED else "the driver is back")

    def note_run(self, saved_unix_s: float, snapshot: Snapshot) -> None:
        """Where the run stands, as last saved; the same one again changes nothing."""
        self._sum_up()
        if saved_unix_s <= self._saved_unix_s:
            return
        self._saved_unix_s, self._snapshot = saved_unix_s, snapshot
        if snapshot.engines_ready and self._ready_unix_s is None:
            self._ready_unix_s = self._now_unix_s()
            self.say(f"the first of {snapshot.engines_wanted} engines is ready")
        self._note_waiting(snapshot)
        if self._ready_unix_s and self._now_unix_s() - self._shown_unix_s >= LINE_EVERY_S:
            self._shown_unix_s = self._now_unix_s()
            self.say(
                f"{count(snapshot.documents_finished)} documents, "
                f"{rate(snapshot.documents_per_s)}, {snapshot.engines_ready} of "
                f"{snapshot.engines_wanted} engines"
            )

    def conduct(
        self, *, wall_s: float, driver_starts: int, left: tuple[Outage, ...], problem: str | None
    ) -> Conduct:
        """The story in numbers."""
        self._sum_up()
        ready_unix_s = self._ready_unix_s
        return Conduct(
            wall_s=wall_s,
            ready_s=None if ready_unix_s is None else ready_unix_s - self._started_unix_s,
            driver_starts=driver_starts,
            notices_given=self._counts[Happened.NOTICED],
            nodes_left=self._counts[Happened.LEFT],
            nodes_killed=self._counts[Happened.KILLED],
            nodes_started=self._counts[Happened.UP],
            waited_s=self._waited_s,
            node_s_lost=self._lost_s,
            outages_left=left,
            problem=problem,
        )

    def _note_waiting(self, snapshot: Snapshot) -> None:
        is_waiting = self._ready_unix_s is not None and snapshot.state in WAITING
        if is_waiting != self._is_waiting:
            self._is_waiting = is_waiting
            self.say("the run waits for an engine" if is_waiting else "the run goes on")

    def _sum_up(self) -> None:
        """Count the seconds since it was last called with what held during them."""
        now_unix_s = self._now_unix_s()
        spent_s, self._summed_unix_s = now_unix_s - self._summed_unix_s, now_unix_s
        if self._ready_unix_s is None:
            return
        self._lost_s += spent_s * (self._nodes - len(self._up))
        if self._is_waiting:
            self._waited_s += spent_s

    def _far(self) -> str:
        its = self._snapshot
        if its is None or not its.documents_total:
            return ""
        return f"{its.documents_finished / its.documents_total:.0%}"
