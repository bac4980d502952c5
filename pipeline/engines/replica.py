"""One engine in one Serve replica: its health, its driver, its end.

Boundary: Serve makes it and calls it; it knows of Serve only what it is handed.
Invariants: a replica whose engine died ends its process, so that Serve replaces it within seconds.
One that Serve stops on a node that drains goes on with what it has for as long as Serve lets it.
Engines whose run has had no driver for `ORPHANED_S` delete their application: they cost money, and
a driver that resumes later starts new ones. A replica on a node that drains ends its process once
its engine is empty: a node without work leaves Ray by itself, long before the others would notice
its death.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from pipeline.engines.drain import ReadDrain, ask
from pipeline.engines.engine import (
    Completion,
    EngineDeadError,
    EngineFactory,
    FinishReason,
    Request,
)
from pipeline.engines.engine_work import NO_WORK, EngineWork
from pipeline.engines.losses import NoEngineError
from pipeline.engines.stop_order import STOP_S, IsStopped, StopOrder, grace_s
from pipeline.engines.tiers import Tier
from pipeline.interruptions import Interruption

ORPHANED_S = 600.0
HEALTH_CHECK_S = 2.0
DRAIN_CHECK_S = 1.0
LAST_WORDS_S = 0.5  # between the last answers of a replica and its exit
IS_CLOSED = "is_closed"


class DriverLink(Protocol):
    """A replica's line to the driver of its run. Calls take up to seconds."""

    @property
    def engine(self) -> str:
        """Ray's id of this replica's actor."""
        ...

    @property
    def node(self) -> str:
        """Ray's id of the node that the replica is on."""
        ...

    def is_driver_alive(self, work: EngineWork) -> bool:
        """Whether the run has a driver; it hears that this engine lives and what it has done."""
        ...

    def report(self, event: Interruption) -> None:
        """Tell the driver, if there is one; a later report replaces this one."""
        ...


class Replica:
    """Made and called by Serve, on one asyncio loop."""

    async def __init__(  # type: ignore[misc] # Serve awaits it, on the loop that will serve
        self,
        make_engine: EngineFactory,
        tier: Tier,
        make_link: Callable[[], DriverLink],
        read_drain: ReadDrain,
        undeploy: Callable[[], None],
        is_stopped: IsStopped,
    ) -> None:
        self._link = make_link()
        self._tier = tier
        self._read_drain = read_drain
        self._undeploy = undeploy
        self._is_dying = False
        self._calls = 0
        self._work = NO_WORK
        self._event: Interruption | None = None
        self._returned: set[str] = set()  # requests that were handed back
        self._has_news = False
        self._reporting: asyncio.Future[None] | None = None
        self._engine = make_engine(tier)
        await self._engine.start()
        self._driven_s = time.monotonic()
        self._order = StopOrder(is_stopped)
        self._watching = asyncio.create_task(self._watch())

    async def generate(
        self, requests: Sequence[Request]
    ) -> AsyncGenerator[list[Completion] | None, None]:
        """Completions as they are done; None last when the engine died while it held this chunk.

        Raises:
            NoEngineError: the engine had died before; this chunk had no part in it.
        """
        if self._is_dying:
            raise NoEngineError("the engine died a moment ago; its replica is about to go")
        self._calls += 1
        self._note_emptiness()
        try:
            async for part in self._engine.generate(requests):
                self._work = self._work.plus(part)
                if self._event is not None:
                    self._event = self._event.noted(self._news_of(part), time.time())
                yield part
        except EngineDeadError:
            self._die()
            yield None
        finally:
            self._calls -= 1
            self._note_emptiness()

    async def check_health(self) -> None:
        """Called by Serve every few seconds; also where a missing driver is noticed."""
        self._order.hear()
        try:
            await self._engine.check_health()
        except EngineDeadError:
            self._die()
            raise
        now_s = time.monotonic()
        if await asyncio.to_thread(self._link.is_driver_alive, self._work):
            self._driven_s = now_s
        elif now_s - self._driven_s > ORPHANED_S:
            await asyncio.to_thread(self._undeploy)

    def record_routing_stats(self) -> dict[str, bool]:
        """Called by Serve every second; routers of all coordinators see it."""
        self._order.hear()
        return {IS_CLOSED: self._engine.is_closed}

    async def _watch(self) -> None:
        """End the engine in time, and then this process."""
        ordering = asyncio.create_task(self._order.watch())
        was_over = False
        try:
            while not (self._engine.is_closed and self._calls == 0):
                await asyncio.sleep(DRAIN_CHECK_S)
                deadline_unix_s = await ask(self._read_drain)
                if deadline_unix_s is not None:
                    self._note_notice(deadline_unix_s)
                left_s = self._left_s(deadline_unix_s)
                if left_s < math.inf:
                    self._engine.drain(asyncio.get_running_loop().time() + left_s)
                is_over = self._order.given_s is not None and left_s <= 0
                if is_over and was_over:
                    break  # what runs was told to end before: the engine hangs
                was_over = is_over
        finally:
            ordering.cancel()
        if self._reporting is not None:
            await asyncio.wait([self._reporting])  # whether it was heard or not
        self._die()

    def _left_s(self, deadline_unix_s: float | None) -> float:
        """Until the node goes, or Serve ends this replica; inf where neither is known."""
        left_s = math.inf if deadline_unix_s is None else deadline_unix_s - time.time()
        if self._order.given_s is None:
            return left_s
        # On a node that stays, its application is deleted or its engine hangs: nobody waits.
        lives_s = STOP_S if self._event is None else grace_s(self._tier.generation)
        return min(left_s, self._order.given_s + lives_s - time.monotonic())

    def _note_notice(self, deadline_unix_s: float) -> None:
        if self._event is None:
            self._event = Interruption(
                self._link.engine, self._link.node, self._tier.name, noticed_unix_s=time.time()
            )
        self._event = self._event.told(deadline_unix_s)
        self._note_emptiness()
        self._report()

    def _news_of(self, part: list[Completion]) -> list[Completion]:
        """Without what was handed back before: a closed engine may be asked more than once."""
        news = [one for one in part if one.request_id not in self._returned]
        self._returned.update(
            one.request_id for one in part if one.finish_reason is FinishReason.HANDED_BACK
        )
        return news

    def _note_emptiness(self) -> None:
        """When the engine under notice became empty; told at once, as its end may follow."""
        if self._event is None:
            return
        if self._calls:
            self._event = replace(self._event, ended_unix_s=None)
        elif self._event.ended_unix_s is None:
            self._event = replace(self._event, ended_unix_s=time.time())
            self._report()

    def _report(self) -> None:
        """Tell the driver what is known by then, as soon as an earlier report is through."""
        self._has_news = True
        if self._reporting is None or self._reporting.done():
            self._reporting = asyncio.ensure_future(self._report_news())

    async def _report_news(self) -> None:
        while self._has_news and self._event is not None:
            self._has_news = False
            await asyncio.to_thread(self._link.report, self._event)

    def _die(self) -> None:
        """End this process, so that Serve starts another replica, after its last answers."""
        self._is_dying = True
        asyncio.get_running_loop().call_later(LAST_WORDS_S, os._exit, 1)
