"""An engine without a model, for tests of everything around engines.

It answers each request after a settable delay with a text computed from the prompt, so that a
result can be checked against its input. Prompts listed as poison kill it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from checkpoints.result import Confidence
from pipeline.engine import Completion, EngineDeadError, FinishReason, Parts, Request


def echo_token_sum(request: Request) -> str:
    """The sum of the prompt's token numbers: different prompts, different answers."""
    return str(sum(request.prompt_tokens))


@dataclass(slots=True)
class FakeEngine:
    """Implements `Engine`; not a value, because it can die.

    The requests of a call are answered in two parts, the second after another `delay_s`.
    """

    answer: Callable[[Request], str] = echo_token_sum
    delay_s: float = 0.0
    poison_token: int | None = None  # a prompt that holds this token kills the engine
    is_dead: bool = False
    served: list[str] = field(default_factory=list)

    async def start(self) -> None:
        """Nothing to load."""

    async def generate(self, requests: Sequence[Request]) -> Parts:
        """Answer all, or die of a poisonous one."""
        if self.poison_token is not None and any(
            self.poison_token in request.prompt_tokens for request in requests
        ):
            self.is_dead = True
        await self.check_health()
        half = len(requests) // 2
        for part in (requests[half:], requests[:half]):
            await asyncio.sleep(self.delay_s)
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
            output_tokens=len(text),
            confidence=Confidence(
                mean_logprob=-0.1,
                min_logprob=-0.5,
                p10_logprob=-0.4,
                top2_margin=0.9,
                tokens=len(text),
            ),
            engine_s=self.delay_s,
        )
