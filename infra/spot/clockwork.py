"""What is due: a schedule against the clock and the progress of a run.

Boundary: pure; time and progress come in, acts go out. Whether an act worked is not known here.
Invariants: an outage begins once its moment is there and its node is up again after an earlier one.
Of one node, acts come in the order notice, kill, return.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from infra.spot.schedule import Outage, Schedule


class Does(StrEnum):
    """What is done to a node, or to the driver."""

    NOTICE = "notice"
    KILL = "kill"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Act:
    """One thing to do to `node` (0: the driver)."""

    does: Does
    node: int
    at_s: float
    deadline_s: float | None = None  # of a notice


class Clockwork:
    """Plays a schedule; asked again and again."""

    def __init__(self, schedule: Schedule) -> None:
        self._waiting = list(schedule.outages)
        self._down_until: dict[int, float] = {}
        self._reached_s: dict[float, float] = {0.0: 0.0}  # when a share of documents was first seen
        self._coming: list[Act] = []
        for arrival in schedule.arrivals:
            self._down_until[arrival.node] = _or_never(arrival.at_s)
            if arrival.at_s is not None:
                self._coming.append(Act(Does.RETURN, arrival.node, arrival.at_s))

    @property
    def left(self) -> tuple[Outage, ...]:
        """Outages that have not begun."""
        return tuple(self._waiting)

    @property
    def owes_returns(self) -> bool:
        """Whether a node or the driver will come back by itself."""
        return any(act.does is Does.RETURN for act in self._coming)

    def due(self, now_s: float, share: float) -> list[Act]:
        """Acts whose time has come, in their order; each is given once.

        `now_s` counts from the schedule's time 0, `share` is the part of documents finished.
        """
        for outage in self._waiting:
            if share >= outage.at.share:
                self._reached_s.setdefault(outage.at.share, now_s)
        for outage in self._beginning(now_s):
            self._waiting.remove(outage)
            self._coming += self._acts(outage)
        found = sorted((act for act in self._coming if act.at_s <= now_s), key=lambda act: act.at_s)
        self._coming = [act for act in self._coming if act.at_s > now_s]
        return found

    def _beginning(self, now_s: float) -> Iterator[Outage]:
        seen: set[int] = set()
        for outage in tuple(self._waiting):
            reached_s = self._reached_s.get(outage.at.share)
            if reached_s is None or reached_s + outage.at.after_s > now_s:
                continue
            if outage.node in seen or self._down_until.get(outage.node, 0.0) > now_s:
                continue  # of one node, one after the other
            seen.add(outage.node)
            yield outage

    def _acts(self, outage: Outage) -> Iterator[Act]:
        # Outages in seconds keep their time, however late somebody asked.
        planned_s = self._reached_s[outage.at.share] + outage.at.after_s
        begins_s = max(planned_s, self._down_until.get(outage.node, 0.0))
        dies_s = begins_s + outage.lives_s
        if outage.notice_s:
            deadline_s = begins_s + outage.notice_s
            yield Act(Does.NOTICE, outage.node, begins_s, deadline_s)
        yield Act(Does.KILL, outage.node, dies_s)
        self._down_until[outage.node] = float("inf")
        if outage.back_after_s is not None:
            back_s = dies_s + outage.back_after_s
            self._down_until[outage.node] = back_s
            yield Act(Does.RETURN, outage.node, back_s)


def _or_never(at_s: float | None) -> float:
    return float("inf") if at_s is None else at_s
