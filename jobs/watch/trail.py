"""The way of a run as its watcher saw it: its rates, and what grew in the last minute.

Boundary: pure; it is fed with snapshots and the time at which each was saved.
Invariant: a snapshot that is seen twice counts once; points are in the order of their times.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from pipeline.progress import Snapshot

POINT_EVERY_S = 10.0
POINTS = 360  # an hour
RECENT_S = 60.0
BLOCKS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"


@dataclass(frozen=True, slots=True)
class Point:
    """A run at one moment, as far as lines are drawn of it."""

    unix_s: float
    documents: int
    output_tokens: int
    documents_per_s: float
    output_tokens_per_s: float
    cost_usd: float
    engines_ready: int
    errors: dict[str, int]


@dataclass(slots=True)
class Trail:
    """The points of the last hour, about one in ten seconds, and the latest."""

    points: deque[Point] = field(default_factory=lambda: deque(maxlen=POINTS))
    latest: Point | None = None

    def note(self, saved_unix_s: float, snapshot: Snapshot) -> None:
        """Take what a driver saved then."""
        if self.latest is not None and saved_unix_s <= self.latest.unix_s:
            return
        self.latest = Point(
            unix_s=saved_unix_s,
            documents=snapshot.documents_finished,
            output_tokens=snapshot.output_tokens,
            documents_per_s=snapshot.documents_per_s,
            output_tokens_per_s=snapshot.output_tokens_per_s,
            cost_usd=snapshot.cost_usd,
            engines_ready=snapshot.engines_ready,
            errors={error.code: error.count for error in snapshot.first_errors},
        )
        if not self.points or saved_unix_s - self.points[-1].unix_s >= POINT_EVERY_S:
            self.points.append(self.latest)

    def recent_errors(self) -> dict[str, int]:
        """How many errors of each code came in the last minute, as far as this watcher saw it."""
        if self.latest is None:
            return {}
        since_s = self.latest.unix_s - RECENT_S
        before = next((one for one in self.points if one.unix_s >= since_s), self.latest)
        return {
            code: count - before.errors.get(code, 0)
            for code, count in self.latest.errors.items()
            if count > before.errors.get(code, 0)
        }

    def usd_per_hour(self) -> float | None:
        """What the run costs at present; None before a span of time."""
        if self.latest is None or not self.points:
            return None
        since_s = self.latest.unix_s - 5 * RECENT_S
        before = next((one for one in self.points if one.unix_s >= since_s), self.latest)
        span_s = self.latest.unix_s - before.unix_s
        if span_s < POINT_EVERY_S:
            return None
        return max(0.0, self.latest.cost_usd - before.cost_usd) / span_s * 3600


def sparkline(values: list[float], *, width: int) -> str:
    """The last `width` values as blocks from nothing to the highest."""
    shown = values[-width:]
    highest = max(shown, default=0.0)
    if highest <= 0:
        return ""
    return "".join(BLOCKS[min(7, int(8 * max(0.0, value) / highest))] for value in shown)
