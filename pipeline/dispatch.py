"""Sends requests to a tier in small chunks, and again when an engine is lost.

Boundary: one dispatcher per coordinator and tier, inside one asyncio loop; it does not know what an
engine is behind `send`.
Invariants: a request is answered exactly once to its caller, however often it was sent. Requests in
flight stay at `max_in_flight` while callers have work, so that no engine waits for a slow document.
A lost node (`EngineLostError`) is nobody's fault and is retried without limit. An engine that died
on its work (`EngineDeadError`) makes every chunk it held a suspect: suspects run one at a time with
everything else of this dispatcher waiting, and are halved when an engine dies on them again, until
the guilty request is alone. It is answered with `FinishReason.CRASH` after `max_deaths` deaths.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential_jitter

from pipeline.engine import Completion, EngineDeadError, FinishReason, Request

LINGER_S = 0.01  # a chunk that is not full waits this long for company


class EngineLostError(ConnectionError):
    """The engine's node or process is gone; the same requests may be sent to another."""


@dataclass(frozen=True, slots=True)
class DispatchLimits:
    """How a dispatcher sends."""

    chunk_size: int = 16
    max_in_flight: int = 512
    max_deaths: int = 3
    resend_after_s: float = 0.2  # first wait after a lost engine; grows to resend_at_most_s
    resend_at_most_s: float = 5.0


Send = Callable[[Sequence[Request]], Awaitable[list[Completion]]]
OnDeath = Callable[[Request], Awaitable[None]]


class Dispatcher:
    """Callers await `generate(request)`; chunks travel underneath."""

    def __init__(self, send: Send, limits: DispatchLimits, on_death: OnDeath) -> None:
        self._send = send
        self._limits = limits
        self._on_death = on_death
        self._slots = asyncio.Semaphore(limits.max_in_flight)
        self._open = asyncio.Event()  # cleared while suspects are being tried
        self._open.set()
        self._suspects = 0
        self._quarantine = asyncio.Lock()
        self._waiting: list[tuple[Request, asyncio.Future[Completion]]] = []
        self._linger: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def generate(self, request: Request) -> Completion:
        """The completion of one request; waits for a slot, then for an engine."""
        async with self._slots:
            answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
            self._waiting.append((request, answer))
            if len(self._waiting) >= self._limits.chunk_size:
                self._depart()
            elif self._linger is None:
                self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._depart)
            return await answer

    async def close(self) -> None:
        """Cancel what is in flight; its callers are cancelled too."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _depart(self) -> None:
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        chunk, self._waiting = self._waiting, []
        if chunk:
            task = asyncio.get_running_loop().create_task(self._deliver(chunk))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _deliver(self, chunk: list[tuple[Request, asyncio.Future[Completion]]]) -> None:
        """Answer every caller of the chunk, with a completion or with the error that ended it."""
        answers = {request.id: future for request, future in chunk}
        try:
            for completion in await self._obtain([request for request, _ in chunk]):
                if not answers[completion.request_id].done():
                    answers[completion.request_id].set_result(completion)
        except asyncio.CancelledError:
            for future in answers.values():
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the callers get it
            for future in answers.values():
                if not future.done():
                    future.set_exception(error)

    async def _obtain(self, requests: list[Request]) -> list[Completion]:
        await self._open.wait()
        if any(request.engine_deaths for request in requests):
            return await self._try_suspects([[request] for request in requests])
        try:
            return await self._send_until_answered(requests)
        except EngineDeadError:
            return await self._try_suspects([requests])

    async def _try_suspects(self, groups: list[list[Request]]) -> list[Completion]:
        """Each group alone on the engine, halved when an engine dies on it."""
        self._suspects += 1
        self._open.clear()
        try:
            completions: list[Completion] = []
            async with self._quarantine:
                while groups:
                    group = groups.pop()
                    try:
                        completions += await self._send_until_answered(group)
                    except EngineDeadError:
                        if len(group) > 1:
                            half = len(group) // 2
                            groups += [group[half:], group[:half]]
                            continue
                        blamed = replace(group[0], engine_deaths=group[0].engine_deaths + 1)
                        await self._on_death(blamed)
                        if blamed.engine_deaths >= self._limits.max_deaths:
                            completions.append(crashed(blamed))
                        else:
                            groups.append([blamed])
            return completions
        finally:
            self._suspects -= 1
            if self._suspects == 0:
                self._open.set()

    async def _send_until_answered(self, requests: list[Request]) -> list[Completion]:
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(EngineLostError),
            wait=wait_exponential_jitter(
                initial=self._limits.resend_after_s, max=self._limits.resend_at_most_s
            ),
        )
        return await retrying(self._send, requests)


def crashed(request: Request) -> Completion:
    """The answer for a request that engines die on."""
    return Completion(
        request_id=request.id,
        text=f"{request.engine_deaths} engines died on this document when it ran alone",
        finish_reason=FinishReason.CRASH,
        prompt_tokens=len(request.prompt_tokens),
        output_tokens=0,
        confidence=None,
        engine_s=0.0,
    )
