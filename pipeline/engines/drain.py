"""How an engine spends its last seconds: what still fits, what is handed back, when it ends.

Boundary: decides; the engine generates and ends requests, and nobody here knows why it has to go.
Invariants: the earliest deadline it was given holds. Requests are admitted for as long as one that
takes as long as most recent ones did would end in time. What is running `MARGIN_S` before the
deadline is ended then, so that its tokens can leave the node.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

LOGGER = logging.getLogger(__name__)
MARGIN_S = 3.0  # to hand back tokens and say goodbye
SAME_S = 0.1  # a deadline read again comes from two clocks, which drift
PACE_OF = 200  # requests; the latest
PACE_QUANTILE = 0.9


class Pace:
    """How long the latest requests took."""

    def __init__(self, quantile: float = PACE_QUANTILE) -> None:
        self._quantile = quantile
        self._spent_s: deque[float] = deque(maxlen=PACE_OF)

    def note(self, spent_s: float) -> None:
        """A request was in the engine for so long, from its admission to its end."""
        self._spent_s.append(spent_s)

    def predicted_s(self) -> float | None:
        """So long, or shorter, is what that part of the latest took; None before the first."""
        if not self._spent_s:
            return None
        ordered = sorted(self._spent_s)
        return ordered[math.ceil(self._quantile * len(ordered)) - 1]


def last_admission_s(now_s: float, end_s: float, predicted_s: float | None) -> float:
    """Until when a request may begin that should end at `end_s`.

    Where nothing is known of the pace, half of what is left is for beginning.
    """
    if predicted_s is None:
        return now_s + max(0.0, end_s - now_s) / 2
    return end_s - predicted_s


class Gate:
    """An engine's places; closed for good once what begins would not end in time.

    Made anywhere, used inside one asyncio loop. Times are that loop's.
    """

    def __init__(
        self, places: int, *, on_end: Callable[[], None], keeps_partials: bool = True
    ) -> None:
        self._places = asyncio.Semaphore(places)
        self._on_end = on_end
        # What is cut off is lost where nobody can continue it: there the slowest counts.
        self._pace = Pace(PACE_QUANTILE if keeps_partials else 1.0)
        self._told_s, self._end_s = 0.0, math.inf
        self._timers: list[asyncio.TimerHandle] = []
        self._closed = asyncio.Event()
        self._ended = asyncio.Event()

    @property
    def is_closed(self) -> bool:
        """Whether every further request is handed back."""
        return self._closed.is_set()

    @property
    def has_ended(self) -> bool:
        """Whether what still ran was told to end."""
        return self._ended.is_set()

    async def ends_within(self, seconds: float) -> bool:
        """Wait so long; True as soon as what runs is told to end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        return self.has_ended

    def drain(self, deadline_s: float) -> None:
        """Be done before `deadline_s`; the earliest of several holds.

        To be called again and again: until when requests are admitted follows the pace.
        """
        loop = asyncio.get_running_loop()
        is_news = deadline_s - MARGIN_S < self._end_s - SAME_S
        if is_news:
            self._told_s, self._end_s = loop.time(), deadline_s - MARGIN_S
        elif self.is_closed or self._end_s == math.inf:
            return
        closes_s = last_admission_s(self._told_s, self._end_s, self._pace.predicted_s())
        for timer in self._timers:
            timer.cancel()
        self._timers = [loop.call_at(closes_s, self._close), loop.call_at(self._end_s, self._end)]

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[bool, None]:
        """A place for one request, waited for; False at once when the gate closes instead."""
        if not await self._enter():
            yield False
            return
        entered_s = asyncio.get_running_loop().time()
        try:
            yield True
            if not self.has_ended:  # nor left, nor failed: those say nothing of the pace
                self._pace.note(asyncio.get_running_loop().time() - entered_s)
        finally:
            self._places.release()

    async def _enter(self) -> bool:
        if self.is_closed:
            return False
        if not self._places.locked():
            await self._places.acquire()
            return True
        entering = asyncio.create_task(self._places.acquire())
        closing = asyncio.create_task(self._closed.wait())
        try:
            await asyncio.wait((entering, closing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            if not entering.done():
                entering.cancel()
            elif self.is_closed or asyncio.current_task().cancelling():  # type: ignore[union-attr]
                self._places.release()
        return entering.done() and not self.is_closed

    def _close(self) -> None:
        self._closed.set()

    def _end(self) -> None:
        self._closed.set()
        self._ended.set()
        self._on_end()


ReadDrain = Callable[[], float | None]
"""By when this node is to be left, in unix seconds; inf when it is, but not by when; None when it
stays. Picklable; asked every second in a thread of the replica's process."""


def never() -> float | None:
    """The deadline of a node that stays."""
    return None


def tell(read_drain: ReadDrain) -> float | None:
    """What it says; None too while nobody can tell, which is logged."""
    try:
        return read_drain()
    except Exception:  # whatever it is: who stops looking misses the notice
        LOGGER.exception("cannot tell whether this node drains; asking again")
        return None


async def ask(read_drain: ReadDrain) -> float | None:
    """As `tell`, beside the loop."""
    return await asyncio.to_thread(tell, read_drain)
