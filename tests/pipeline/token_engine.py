"""An engine that generates one token after the other behind a `Gate`, as vLLM's does.

`FakeEngine` answers whole chunks; here each request has a place of its own, what is cut off has the
tokens it has got, and every token is known to whoever wants to hold the books against it.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar

from checkpoints.partial import NOTHING, Partial
from pipeline.engines.drain import Gate
from pipeline.engines.engine import (
    Completion,
    EngineDeadError,
    FinishReason,
    Parts,
    Request,
    handed_back,
)

ANSWER = tuple(range(100, 108))
TOKENS = len(ANSWER)
TEXT = "text"
TOKEN_S = 0.7
PLACES = 3

CALLER: ContextVar[str] = ContextVar("caller")  # who sent the request that is being served


class TokenEngine:
    """Implements `Engine`."""

    def __init__(
        self, start_s: float, on_token: Callable[[str, str], None], *, keeps_partials: bool
    ) -> None:
        self.is_dead = False
        self.running = 0  # requests that have a place
        self._start_s = start_s
        self._on_token = on_token  # told the caller and the request
        self._keeps_partials = keeps_partials
        self._gate = Gate(PLACES, on_end=lambda: None, keeps_partials=keeps_partials)

    async def start(self) -> None:
        await asyncio.sleep(self._start_s)

    def drain(self, deadline_s: float) -> None:
        self._gate.drain(deadline_s)

    @property
    def is_closed(self) -> bool:
        return self._gate.is_closed

    async def check_health(self) -> None:
        if self.is_dead:
            raise EngineDeadError("the engine died")

    async def generate(self, requests: Sequence[Request]) -> Parts:
        begun = asyncio.get_running_loop().create_future()
        pending = {asyncio.create_task(self._admit(one, begun)) for one in requests}
        try:
            await asyncio.wait({begun, *pending}, return_when=asyncio.FIRST_COMPLETED)
            if begun.done():
                yield []
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                answered = [one.result() for one in done if one.exception() is None]
                if answered:
                    yield answered
                for one in done:
                    one.result()
        finally:
            for one in pending:
                one.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _admit(self, request: Request, begun: asyncio.Future[None]) -> Completion:
        await self.check_health()
        async with self._gate.place() as is_admitted:
            if not is_admitted:
                return handed_back(request, request.partial)
            if not begun.done():
                begun.set_result(None)
            self.running += 1
            try:
                return await self._generate(request)
            finally:
                self.running -= 1

    async def _generate(self, request: Request) -> Completion:
        tokens = list(request.partial.tokens)
        assert tuple(tokens) == ANSWER[: len(tokens)]
        while len(tokens) < TOKENS:
            if await self._gate.ends_within(TOKEN_S):
                kept = Partial(tuple(tokens)) if self._keeps_partials else NOTHING
                return handed_back(request, kept, len(tokens))
            await self.check_health()
            tokens.append(ANSWER[len(tokens)])
            self._on_token(CALLER.get(), request.id)
        return Completion(request.id, TEXT, FinishReason.STOP, 1, TOKENS, None, 1.0)
