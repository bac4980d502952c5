"""Replicas on a virtual clock, with the node, the driver and the controller that they know."""

import asyncio
import math
import os
import time
from dataclasses import replace

import pytest

from pipeline.engines.drain import never
from pipeline.engines.engine import Completion, Request
from pipeline.engines.engine_work import EngineWork
from pipeline.engines.fake_engine import FakeEngine
from pipeline.engines.replica import Replica
from pipeline.engines.stop_order import grace_s
from pipeline.interruptions import Interruption
from tests.pipeline.engine_builders import POISON, tier

TIER = tier(generation=replace(tier().generation, max_tokens=1000))
GRACE_S = grace_s(TIER.generation)


def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Clocks run with the virtual loop; the list has the times at which a process would end."""
    ends: list[float] = []

    def now_s() -> float:
        return asyncio.get_running_loop().time()

    monkeypatch.setattr(time, "monotonic", now_s)
    monkeypatch.setattr(time, "time", now_s)
    monkeypatch.setattr(os, "_exit", lambda _: ends.append(now_s()))
    return ends


class Link:
    """A driver that lives, and what it is told."""

    engine, node = "e1", "node-1"

    def __init__(self) -> None:
        self.reports: list[Interruption] = []

    def is_driver_alive(self, work: EngineWork) -> bool:
        return True

    def report(self, event: Interruption) -> None:
        self.reports.append(event)


class Node:
    """Says from `told_s` on until when it is to be left."""

    def __init__(self, told_s: float, deadline_s: float) -> None:
        self._told_s, self._deadline_s = told_s, deadline_s

    def read(self) -> float | None:
        if time.monotonic() < 1.5:
            raise RuntimeError("Ray does not answer")  # once; it must go on looking
        return self._deadline_s if time.monotonic() >= self._told_s else None


class Controller:
    """Serve's: stops the replica at `stops_s`; while it is away nothing can be asked of it."""

    def __init__(self, stops_s: float = math.inf, away_until_s: float = 0.0) -> None:
        self._stops_s, self._away_until_s = stops_s, away_until_s

    def is_stopped(self) -> bool:
        if time.monotonic() < self._away_until_s:
            raise ConnectionError("Serve has no controller")
        return time.monotonic() >= self._stops_s


async def made(  # type: ignore[no-untyped-def]
    node: Node | None = None,
    delay_s: float = 1.0,
    engine: FakeEngine | None = None,
    link: Link | None = None,
    controller: Controller | None = None,
):
    """A replica, initialised as Serve does it."""
    its = Replica.__new__(Replica)
    engine = engine or FakeEngine(delay_s=delay_s, poison_token=POISON)
    await its.__init__(  # type: ignore[misc]
        lambda _: engine,
        TIER,
        lambda: link or Link(),
        never if node is None else node.read,
        lambda: None,
        (controller or Controller()).is_stopped,
    )
    return its


async def call(its: Replica, *tokens: int) -> list[Completion | None]:
    """The completions of one call; None where the engine died."""
    found: list[Completion | None] = []
    async for part in its.generate([Request("0.0.small", tokens or (1,))]):
        found += [None] if part is None else part
    return found


async def checked(its: Replica, seconds: int) -> None:
    """Serve checks its health for so long."""
    for _ in range(seconds):
        await its.check_health()
        await asyncio.sleep(1)


def finish(its: Replica) -> None:
    its._watching.cancel()


async def asked(its: Replica) -> list[Completion]:
    """The completions of a call of two requests; each takes the engine's delay."""
    requests = [Request(f"0.{n}.small", (1,)) for n in range(2)]
    return [one async for part in its.generate(requests) if part for one in part]
