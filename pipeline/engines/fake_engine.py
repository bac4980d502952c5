"""An engine without a model, for tests of everything around engines.

It answers each request after a settable delay with a text computed from the prompt, so that a
result can be checked against its input. Prompts listed as poison kill it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from checkpoints.partial import Partial
from checkpoints.result import Confidence
from pipeline.engines.drain import Gate
from pipeline.engines.engine import (
    Completion,
    EngineDeadError,
    FinishReason,
    Parts,
    Request,
    handed_back,
)


def echo_token_sum(request: Request) -> str:
    """The sum of the prompt's token numbers: different prompts, different answers."""
    return str(sum(request.prompt_tokens))


def one_token_more(request: Request) -> Partial:
    """What a fake engine has of an answer when it is cut off."""
    return replace(request.partial, tokens=(*request.partial.tokens, 1))


def fairly_sure(request: Request) -> Confidence:  # noqa: ARG001 - of every answer alike
    """What a fake engine says of its answers."""
    return Confidence(-0.1, -0.5, -0.4, 0.9, tokens=5)


@dataclass(slots=True)
class FakeEngine:
    """Implements `Engine`; not a value, because it can die.

    The requests of a call are answered in two parts, the second after another `delay_s`. Draining
    ends at the deadline; what is cut off has got one token more.
    """

    answer: Callable[[Request], str] = echo_token_sum
    confidence: Callable[[Request], Confidence] = fairly_sure
    delay_s: float = 0.0
    poison_token: int | None = None  # a prompt that holds this token kills the engine
    is_dead: bool = False
    served: list[str] = field(default_factory=list)
    _gate: Gate = field(default_factory=lambda: Gate(sys.maxsize, on_end=lambda: None))

    async def start(self) -> None:
        """Nothing to load."""

    def drain(self, deadline_s: float) -> None:
        """Be empty at `deadline_s`, a time of the running loop."""
        self._gate.drain(deadline_s)

    @property
    def is_closed(self) -> bool:
        """Whether every further request is handed back."""
        return self._gate.is_closed

    async def generate(self, requests: Sequence[Request]) -> Parts:
        """Answer all, or die of a poisonous one."""
        await self.check_health()
        async with self._gate.place() as is_admitted:
            if not is_admitted:
                yield [handed_back(request, request.partial) for request in requests]
                return
            yield []
            if self.poison_token is not None and any(
                self.poison_token in request.prompt_tokens for request in requests
            ):
                self.is_dead = True
            await self.check_health()
            half = len(requests) // 2
            for part in (requests[half:], requests[:half]):
                if await self._gate.ends_within(self.delay_s):
                    yield [handed_back(request, one_token_more(request)) for request in part]
                    continue
                await self.check_health()
                self.served.extend(request.id for request in part)
                if part:
                    yield [self._complete(request) for request in part]

    async def check_health(self) -> None:
        """Raise when a poisonous prompt has been seen."""
        if self.is_dead:
            raise EngineDeadError("the fake engine was poisoned")

    def _complete(self, request: Request) -> Completion:
        text = self.answer(request)
        return Completion(
            request_id=request.id,
            text=text,
            finish_reason=FinishReason.STOP,
            prompt_tokens=len(request.prompt_tokens),
            output_tokens=len(text) + len(request.partial.tokens),
            confidence=self.confidence(request),
            engine_s=self.delay_s,
        )
