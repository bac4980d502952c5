"""Tokens that engines hold of unfinished answers, sampled inside the engine's process.

Boundary: reads vLLM's own request states, the same for every side; what dies with an engine is what
its last sample says, at most `EVERY_S` old.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from tests.benchmarks.tap import NODE, Tap

EVERY_S = 0.2


def begin(engine: Any, tap: Tap) -> asyncio.Task[None] | None:
    """Sample this `AsyncLLM` from now on; only on nodes that have a name."""
    return asyncio.create_task(_sample(engine, tap)) if NODE in os.environ else None


async def _sample(engine: Any, tap: Tap) -> None:
    while True:
        states = engine.output_processor.request_states.values()
        tap.in_flight(sum(its.detokenizer.num_output_tokens() for its in states if its.detokenizer))
        await asyncio.sleep(EVERY_S)
