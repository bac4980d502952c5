"""A sentinel between a node and sources that do what a test tells them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from infra.spot.notices import Event, Notice, SilentSourceError, SourceError
from infra.spot.sentinel import Sentinel
from infra.spot.settings import OnRebalance
from infra.spot.sources.source import Source

NOW = 1_700_000_000.0
POLL_S = 5.0
REBALANCE = Notice(Event.REBALANCE, "rebalance", None)


def interruption(in_s: float, kind: str = "terminate", name: str = "") -> Notice:
    return Notice(Event.INTERRUPTION, kind, NOW + in_s, name)


def untimed(now: float) -> Notice:
    return Notice(Event.INTERRUPTION, "preempted", now + 30, is_deadline_assumed=True)


class FakeNode:
    """Ray's view of one node, with the calls that were made."""

    def __init__(self) -> None:
        self.until: float | None = None
        self.empty = False
        self.nodes = 1
        self.looks = 0
        self.fails_when_asked = False
        self.error: Exception | None = None
        self.drained: list[float | None] = []

    def drains_until(self) -> float | None:
        if self.error is not None:
            raise self.error
        return self.until

    def drain(self, deadline_unix_s: float | None, reason: str) -> None:
        assert reason
        self.drained.append(deadline_unix_s)
        self.until = math.inf if deadline_unix_s is None else deadline_unix_s

    def is_empty(self) -> bool:
        self.looks += 1
        if self.fails_when_asked:
            raise ConnectionError("away")
        return self.empty

    def cluster_nodes(self) -> int:
        return self.nodes


class FakeSource:
    """Shows what it is told to show."""

    def __init__(self, name: str = "fake") -> None:
        self.shown: Sequence[Notice] = ()
        self.error: SourceError | None = None
        self.refuses = False
        self.reads = 0
        self.acknowledged: list[Notice] = []
        self.source = Source(name, self.read, self.acknowledge, "let pods reach it")

    def read(self, now_unix_s: float) -> Sequence[Notice]:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return self.shown

    def acknowledge(self, notice: Notice) -> None:
        if self.refuses:
            raise SilentSourceError("answered 500 to an acknowledgement")
        self.acknowledged.append(notice)


class World:
    """A sentinel with its node and two sources."""

    def __init__(self, on_rebalance: OnRebalance = OnRebalance.CORDON) -> None:
        self.node, self.source, self.other = FakeNode(), FakeSource(), FakeSource("other")
        sources = (self.source.source, self.other.source)
        self.sentinel = Sentinel("ab12", self.node, sources, on_rebalance, POLL_S)
        self.now = NOW

    def show(self, *notices: Notice) -> float | None:
        self.source.shown = notices
        return self.step()

    def step(self, after_s: float = POLL_S) -> float | None:
        self.now += after_s
        return self.sentinel.step(self.now)

    def steps(self, lasting_s: float) -> None:
        end = self.now + lasting_s
        wait_s: float | None = 1.0
        while wait_s is not None and self.now + wait_s <= end:
            wait_s = self.step(wait_s)
