"""The story of a rehearsal: what is told, and what it adds up to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from jobs.chaos.fleet import Happened, NodeEvent
from jobs.chaos.timeline import Conduct, Timeline
from pipeline.progress import Snapshot, State, starting

RUNNING = replace(
    starting(""),
    state=State.IN_PROGRESS,
    message=None,
    documents_total=100,
    documents_ok=30,
    engines_ready=2,
    engines_wanted=2,
)


@dataclass
class Story:
    """A timeline of two nodes whose clock is set by hand."""

    now_s: float = 1000.0
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.timeline = Timeline(self.lines.append, 2, lambda: self.now_s)
        self.node(1, Happened.UP)
        self.node(2, Happened.UP)

    def node(self, node: int, happened: Happened, deadline_s: float | None = None) -> None:
        self.timeline.note_node(NodeEvent(self.now_s, node, happened, deadline_s))

    def run(self, snapshot: Snapshot) -> None:
        self.timeline.note_run(self.now_s, snapshot)

    def end(self) -> Conduct:
        return self.timeline.conduct(wall_s=1.0, driver_starts=1, left=(), problem=None)


def test_a_node_that_leaves_in_time_is_switched_off_later_and_not_killed() -> None:
    story = Story()
    story.node(1, Happened.NOTICED, story.now_s + 20)
    story.now_s += 5
    story.node(1, Happened.LEFT, story.now_s + 15)
    story.now_s += 15
    story.node(1, Happened.KILLED)
    said = [line.split("  ")[-1].strip() for line in story.lines[2:]]
    assert said == [
        "engine-1 gets notice: 20 s",
        "engine-1 is empty and has left, 15 s before its deadline",
        "engine-1 is switched off",
    ]
    its = story.end()
    assert (its.notices_given, its.nodes_left, its.nodes_killed, its.nodes_started) == (1, 1, 1, 2)


def test_a_node_that_did_not_leave_is_killed() -> None:
    story = Story()
    story.node(1, Happened.NOTICED, story.now_s + 20)
    story.node(1, Happened.KILLED)
    assert story.lines[-1].endswith("engine-1 is killed")


def test_node_seconds_are_missed_from_the_first_engine_on() -> None:
    story = Story()
    story.node(2, Happened.KILLED)
    story.now_s += 50  # before any engine is ready: nothing was lost
    story.run(RUNNING)
    story.now_s += 10
    story.node(1, Happened.KILLED)
    story.now_s += 5
    story.node(1, Happened.UP)
    story.node(2, Happened.UP)
    story.now_s += 7
    assert story.end().node_s_lost == pytest.approx(10 + 2 * 5)


def test_waiting_counts_only_once_there_was_an_engine() -> None:
    story = Story()
    waiting = replace(RUNNING, state=State.WAITING_FOR_ENGINES, engines_ready=0)
    story.run(waiting)
    story.now_s += 30
    story.run(RUNNING)
    story.now_s += 1
    story.run(waiting)
    story.now_s += 12
    story.run(RUNNING)
    story.now_s += 3
    its = story.end()
    assert its.waited_s == pytest.approx(12)
    assert its.ready_s == pytest.approx(30)
    assert any("the run waits for an engine" in line for line in story.lines)
    assert any("30%  the run goes on" in line for line in story.lines)


def test_a_status_that_was_seen_before_is_no_news() -> None:
    story = Story()
    story.run(RUNNING)
    told = len(story.lines)
    story.timeline.note_run(story.now_s, replace(RUNNING, state=State.WAITING_FOR_ENGINES))
    assert len(story.lines) == told
