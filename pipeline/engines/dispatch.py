"""Sends requests to a tier in small chunks, and again when an engine is lost.

Boundary: one dispatcher per coordinator and tier, inside one asyncio loop; it does not know what an
engine is behind `send`.
Invariants: a request is answered exactly once to its caller, as soon as its own completion is here,
however often it was sent. Requests in flight stay at `max_in_flight` while callers have work, so
that no engine waits for a slow document.
A request whose caller has left is sent no more, and a chunk that nobody waits for is cancelled.
A lost node (`EngineLostError`) is nobody's fault and its chunk is sent again; a chunk lost
`max_losses` times in a row is treated as if it had killed its engines. An engine that died
on its work (`EngineDeadError`) makes all that it held suspects: together they run again with
everything else of this dispatcher waiting, and are halved when an engine dies on them again, until
the guilty request is alone. It is answered with `FinishReason.CRASH` after `max_deaths` deaths; the
others are answered as soon as they have their completion.
What an engine that has to go hands back leaves its chunk at once and joins another one, with the
tokens that it has got; nobody waits for the rest of the chunk it came from.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pipeline.engines.calls import (
    Call,
    Chunk,
    WrongAnswersError,
    crashed,
    fail,
    hand_over,
    unanswered,
)
from pipeline.engines.engine import Completion, EngineDeadError, Parts, Request
from pipeline.engines.isolation import Isolation
from pipeline.engines.losses import EngineLostError, NoEngineError, ResendLimits, resending

LINGER_S = 0.01  # a chunk that is not full waits this long for company,
HOLD_S = 0.25  # and this long while as many requests are in flight as may be: engines have work


@dataclass(frozen=True, slots=True)
class DispatchLimits(ResendLimits):
    """How a dispatcher sends."""

    chunk_size: int = 16
    max_in_flight: int = 512
    max_deaths: int = 3
    max_tokens: int = 0  # of an answer
    # A dead engine's replica answers "dead" until it is gone; a suspect sent there would be blamed.
    rest_after_death_s: float = 1.0
    rest_after_hand_back_s: float = 0.25  # routers learn within a second or so that it is closed


Send = Callable[[Sequence[Request]], Parts]
OnDeath = Callable[[Request], Awaitable[None]]
OnPartial = Callable[[Request], None]


class Dispatcher:
    """Callers await `generate(request)`; chunks travel underneath."""

    def __init__(
        self,
        send: Send,
        limits: DispatchLimits,
        on_death: OnDeath,
        on_partial: OnPartial = lambda _: None,
    ) -> None:
        self._send = send
        self._limits = limits
        self._on_death = on_death
        self._on_partial = on_partial
        self._slots = asyncio.Semaphore(limits.max_in_flight)
        self._isolation = Isolation()
        self._suspects: list[Call] = []
        self._investigation: asyncio.Task[None] | None = None
        # Less than a full chunk where few requests are in flight: what waits is not at an engine.
        self._full = max(1, min(limits.chunk_size, limits.max_in_flight // 4))
        self._waiting: list[Call] = []
        self._linger: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = 0
        self._is_closed = False
        self._rested_s = 0.0  # the loop's time until which suspects rest after a death

    async def generate(self, request: Request) -> Completion:
        """The completion of one request; waits for a slot, then for an engine.

        Raises whatever `send` raised, other than the loss or death of an engine.
        """
        if request.engine_deaths >= self._limits.max_deaths:
            return crashed(request)
        async with self._slots:
            if self._is_closed:
                await asyncio.get_running_loop().create_future()
            call = Call(request, most_tokens=self._limits.max_tokens)
            self._held += 1
            if request.engine_deaths:
                self._depart([call])
            else:
                self._join(call)
            try:
                return await call.answer
            except asyncio.CancelledError:
                self._leave(call)
                raise
            finally:
                self._held -= 1

    def close(self) -> None:
        """Begin nothing more: what is in flight is answered, all else waits until cancelled."""
        self._is_closed = True

    @property
    def in_flight(self) -> int:
        """Requests that are at engines, or on the way."""
        return self._held

    def _join(self, call: Call) -> None:
        self._waiting.append(call)
        if len(self._waiting) >= self._full:
            self._depart_together()
        elif self._linger is None:
            wait_s = HOLD_S if self._slots.locked() else LINGER_S
            loop = asyncio.get_running_loop()
            self._linger = loop.call_later(wait_s, self._depart_together)

    def _leave(self, call: Call) -> None:
        if call.chunk is not None:
            call.chunk.leave()

    def _depart_together(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        calls, self._waiting = unanswered(self._waiting), []
        if calls:
            self._depart(calls)

    def _depart(self, calls: list[Call]) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(calls))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        chunk = Chunk(calls, task)
        for call in calls:
            call.chunk = chunk

    async def _deliver(self, calls: list[Call]) -> None:
        """Answer every caller of the chunk, with a completion or with the error that ended it."""
        try:
            await self._obtain(calls)
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers get it
            fail(calls, error)
        finally:
            for call in calls:
                call.answer.cancel()  # changes nothing where there is an answer

    async def _obtain(self, calls: list[Call]) -> None:
        if not any(call.request.engine_deaths for call in calls):
            with contextlib.suppress(EngineDeadError):
                await resending(self._limits)(self._share, calls)
                return
        self._suspects += unanswered(calls)
        if self._investigation is None:
            self._investigation = asyncio.get_running_loop().create_task(self._investigate())
        await asyncio.wait([call.answer for call in calls])

    async def _investigate(self) -> None:
        """Answer every suspect; all that a dead engine held are here once nothing else runs."""
        try:
            async with self._isolation.alone():
                while self._suspects:
                    suspects, self._suspects = self._suspects, []
                    try:
                        await self._try_suspects(suspects)
                    except Exception as error:  # noqa: BLE001 - the callers get it
                        fail(suspects, error)
        finally:
            self._investigation = None

    async def _answer_resending(self, calls: list[Call]) -> None:
        await resending(self._limits)(self._answer_alone, calls)

    async def _answer_alone(self, calls: list[Call]) -> None:
        if await self._answer(calls):
            raise NoEngineError("the engine has to go and handed back what it was sent alone")

    async def _share(self, calls: list[Call]) -> None:
        async with self._isolation.shared():
            await self._answer(calls, self._take_back)

    def _take_back(self, call: Call) -> None:
        """A call that its engine handed back goes with others from now on."""
        if call.chunk is not None:
            call.chunk.calls.remove(call)
            call.chunk = None
        if call.answer.done():
            return
        rest_s = self._limits.rest_after_hand_back_s
        asyncio.get_running_loop().call_later(rest_s, self._join, call)

    async def _try_suspects(self, calls: list[Call]) -> None:
        """Each group alone, halved when an engine dies on it; what was not tried yet goes first."""
        fresh = [call for call in calls if not call.request.engine_deaths]
        groups = deque([fresh, *([call] for call in calls if call.request.engine_deaths)])
        while groups:
            group = unanswered(groups.popleft())
            if not group:
                continue
            await asyncio.sleep(self._rested_s - asyncio.get_running_loop().time())
            try:
                await self._try(group)
            except EngineDeadError:
                half = len(group) // 2
                if half:
                    groups.extend((group[:half], group[half:]))
                elif await self._may_try_again(group[0]):
                    groups.append(group)

    async def _try(self, group: list[Call]) -> None:
        """One trial, which ends when nobody waits for it any more."""
        trial = asyncio.get_running_loop().create_task(self._answer_resending(group))
        chunk = Chunk(group, trial)
        for call in group:
            call.chunk = chunk
        await asyncio.wait([trial])
        if not trial.cancelled():
            trial.result()  # raises what ended it

    async def _may_try_again(self, call: Call) -> bool:
        """Blame an engine's death on a request that was alone; answer it when that is too many."""
        call.blame()
        await self._on_death(call.request)
        if call.request.engine_deaths < self._limits.max_deaths:
            return True
        call.end(crashed(call.request))
        return False

    async def _answer(
        self, calls: list[Call], take_back: Callable[[Call], None] | None = None
    ) -> int:
        """One attempt to answer those calls that still wait for an answer.

        Gives how many were handed back; each goes to `take_back` at once, if there is one.
        """
        waiting, handed_back = unanswered(calls), 0
        if not waiting:
            return 0
        try:
            async with contextlib.aclosing(self._send([call.request for call in waiting])) as parts:
                async for part in parts:
                    if not part:
                        for one in waiting:
                            one.begin()
                    for completion in part:
                        call = hand_over(completion, waiting)
                        if call is not None:
                            handed_back += 1
                            self._note_partial(call)
                            if take_back is not None:
                                take_back(call)
        except (EngineLostError, EngineDeadError) as error:
            for one in waiting:
                one.lose()
            if isinstance(error, EngineDeadError):
                loop = asyncio.get_running_loop()
                self._rested_s = loop.time() + self._limits.rest_after_death_s
            if unanswered(waiting):
                raise
            return handed_back  # all answers came before
        if waiting:
            raise WrongAnswersError(f"no answer came for {[call.request.id for call in waiting]}")
        return handed_back

    def _note_partial(self, call: Call) -> None:
        if call.request.partial.tokens and not call.answer.done():
            self._on_partial(call.request)
