"""Requests, dispatchers and what their answers must be, for the tests of dispatch."""

import asyncio
from collections.abc import Sequence

from pipeline.engines.dispatch import (
    Dispatcher,
    DispatchLimits,
    Send,
)
from pipeline.engines.engine import Completion, FinishReason, Request
from tests.pipeline.engine_builders import POISON, answer_of
from tests.pipeline.virtual_loop import run

LIMITS = DispatchLimits(chunk_size=4, max_in_flight=16, max_deaths=3)


def request(number: int, *, is_poison: bool = False, engine_deaths: int = 0) -> Request:
    prompt = (number, POISON) if is_poison else (number,)
    return Request(f"0.{number}.small", prompt, engine_deaths)


class Deaths:
    """What a journal would keep."""

    def __init__(self) -> None:
        self.noted: list[Request] = []

    async def note(self, request: Request) -> None:
        self.noted.append(request)

    def counts(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for one in self.noted:
            found.setdefault(one.id, []).append(one.engine_deaths)
        return found


def answers(
    send: Send,
    requests: Sequence[Request],
    limits: DispatchLimits = LIMITS,
    deaths: Deaths | None = None,
) -> list[Completion]:
    async def main() -> list[Completion]:
        dispatcher = Dispatcher(send, limits, (deaths or Deaths()).note)
        return await asyncio.gather(*(dispatcher.generate(one) for one in requests))

    return run(main())


def assert_answered(requests: Sequence[Request], completions: Sequence[Completion]) -> None:
    for asked, got in zip(requests, completions, strict=True):
        assert got.request_id == asked.id
        if POISON in asked.prompt_tokens:
            assert got.finish_reason is FinishReason.CRASH
        else:
            assert (got.finish_reason, got.text) == (FinishReason.STOP, answer_of(asked))
