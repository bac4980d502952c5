"""A trail holds what lines are drawn of, and no moment twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.watch.trail import POINTS, Trail, sparkline
from pipeline.progress import ErrorKind
from tests.jobs.watch.watch_builders import STARTED, snapshot


def trail_of(seconds: range) -> Trail:
    trail = Trail()
    for second in seconds:
        trail.note(STARTED + second, snapshot(second))
    return trail


def test_a_status_that_is_read_again_is_no_new_point() -> None:
    trail = trail_of(range(0, 60, 2))
    points = list(trail.points)
    for _ in range(3):
        trail.note(STARTED + 58, snapshot(58))
    trail.note(STARTED + 20, snapshot(20))  # the driver's clock was set back
    assert list(trail.points) == points
    assert [point.unix_s - STARTED for point in points] == [0, 10, 20, 30, 40, 50]


def test_a_trail_of_days_keeps_the_last_hour() -> None:
    trail = trail_of(range(0, 100_000, 7))
    assert len(trail.points) == POINTS
    assert trail.latest is not None
    assert trail.latest.unix_s == STARTED + 99_995


def test_what_an_hour_costs_comes_from_the_last_five_minutes() -> None:
    trail = trail_of(range(0, 600, 2))
    assert trail.usd_per_hour() == pytest.approx(1.42)
    for second in range(600, 1000, 2):  # twice as many engines
        cost_usd = 600 * 1.42 / 3600 + (second - 600) * 2.84 / 3600
        trail.note(STARTED + second, replace(snapshot(second), cost_usd=cost_usd))
    assert trail.usd_per_hour() == pytest.approx(2.84)
    assert Trail().usd_per_hour() is None
    assert trail_of(range(0, 6, 2)).usd_per_hour() is None


def test_errors_of_the_last_minute_are_told_apart_from_old_ones() -> None:
    trail = Trail()
    for second, count in ((0, 0), (30, 40), (60, 40), (90, 40), (100, 43)):
        errors = (ErrorKind("too_long", count, None, None), ErrorKind("timeout", 7, None, None))
        trail.note(STARTED + second, replace(snapshot(second), first_errors=errors))
    assert trail.recent_errors() == {"too_long": 3}


def test_a_sparkline_reaches_from_nothing_to_the_highest() -> None:
    assert sparkline([0.0, 5.0, 10.0], width=10) == "\u2581\u2585\u2588"
    assert sparkline([10.0, 0.0, 5.0], width=2) == "\u2581\u2588"
    assert sparkline([], width=5) == sparkline([0.0, 0.0], width=5) == ""
