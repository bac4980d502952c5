"""Whoever watches sees every change, the end, and the silence of a driver; once each."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace

import pytest
from rich.console import Console

from checkpoints.errors import NoRunError
from checkpoints.memory_store import MemoryStore
from checkpoints.run import open_run
from jobs.display import PlainDisplay
from jobs.status import RunStatus
from jobs.watch.follow import follow, statuses
from pipeline.progress import State
from pipeline.status import save_status
from tests.checkpoints.checkpoint_builders import run_record
from tests.jobs.watch.watch_builders import PER_S, STARTED, TOTAL, snapshot, status


def shown(found: list[RunStatus], now_unix_s: Iterator[float]) -> tuple[RunStatus, list[str]]:
    text = io.StringIO()
    display = PlainDisplay(Console(file=text, width=300), lambda: 0.0)
    last = follow(iter(found), display, job="job.yaml", now_unix_s=lambda: next(now_unix_s))
    return last, [line.split(" ", 1)[1] for line in text.getvalue().splitlines()]


def test_a_run_is_followed_until_it_is_over() -> None:
    checkpoint = MemoryStore()
    open_run(checkpoint, run_record())
    end_s = TOTAL // PER_S
    seconds = iter([10, 20, end_s])
    save_status(checkpoint, snapshot(0))

    def sleep(_: float) -> None:
        save_status(checkpoint, snapshot(next(seconds)))

    found = list(statuses(checkpoint, "place", sleep=sleep))
    finished = [one.snapshot.documents_finished for one in found if one.snapshot is not None]
    assert finished == [0, 100, 200, TOTAL]


def test_a_store_that_is_away_for_a_moment_ends_no_watch() -> None:
    class Shaky(MemoryStore):
        away = False

        def read(self, key: str) -> bytes:
            if self.away:
                raise ConnectionError("away")
            return super().read(key)

    checkpoint = Shaky()
    open_run(checkpoint, run_record())
    save_status(checkpoint, snapshot(0))
    moments = iter([True, True, False])

    def sleep(_: float) -> None:
        checkpoint.away = next(moments)
        if not checkpoint.away:
            save_status(checkpoint, replace(snapshot(5), state=State.CANCELLED))

    found = list(statuses(checkpoint, "place", sleep=sleep))
    states = [one.snapshot.state for one in found if one.snapshot is not None]
    assert states == ["in_progress"] * 3 + ["cancelled"]


def test_where_there_is_no_run_there_is_nothing_to_watch() -> None:
    with pytest.raises(NoRunError, match="no run at place"):
        next(statuses(MemoryStore(), "place"))


def test_a_driver_that_falls_silent_is_told_once_and_again_when_it_is_silent_again() -> None:
    silent, back = status(10), status(300)
    last, lines = shown(
        [silent, silent, silent, back, back],
        iter([STARTED + second for second in (11, 200, 201, 301, 500)]),
    )
    assert last is back
    stale = [line for line in lines if line.startswith("stale: ")]
    assert len(stale) == 2
    assert stale[0].endswith("it is probably gone - gleaner run job.yaml resumes")


def test_a_run_whose_driver_has_not_reported_yet_is_waited_for() -> None:
    early = status(0, snapshot=None, written_unix_s=None)
    last, lines = shown([early, status(2)], iter([STARTED + 1, STARTED + 3]))
    assert last.snapshot is not None
    assert lines[0] == "state: in progress"
