"""The output tokens of an engine: all that it makes, and those of answers it has not finished.

Boundary: counts what vLLM's core gives out, inside the engine's process and the same for every
side; asks nobody what became of a request, so tokens of requests that end, are handed back, are
cancelled or die with the engine all count.
Invariant: the tap has the tokens of an answer before anyone has the answer; of what an engine makes
besides, it lacks the last `EVERY_S` seconds at most.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.tap import NODE, Tap

EVERY_S = 0.2


def begin(engine: Any, tap: Tap) -> asyncio.Task[None] | None:
    """Sample this `AsyncLLM` from now on; only on nodes that have a name."""
    if NODE not in os.environ:
        return None
    return asyncio.create_task(_sample(Meter(engine.output_processor, tap)))


class Meter:
    """Sits where vLLM takes its core's tokens."""

    def __init__(self, processor: Any, tap: Tap) -> None:
        self._processor = processor
        self._tap = tap
        self._process = processor.process_outputs
        self._generated = 0
        processor.process_outputs = self._count

    def note(self) -> None:
        """Write down the tokens as they are now."""
        states = self._processor.request_states.values()
        in_flight = sum(its.detokenizer.num_output_tokens() for its in states if its.detokenizer)
        self._tap.sampled(in_flight, self._generated)

    def _count(self, outputs: Sequence[Any], *others: Any, **named: Any) -> Any:
        self._generated += sum(len(one.new_token_ids) for one in outputs)
        processed = self._process(outputs, *others, **named)
        if any(one.finish_reason is not None for one in outputs):
            self.note()
        return processed


async def _sample(meter: Meter) -> None:
    while True:
        meter.note()
        await asyncio.sleep(EVERY_S)
