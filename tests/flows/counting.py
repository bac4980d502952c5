"""Engines that write down what they served, so that a test can count work done twice.

Importable in Ray workers; one file per process, one line per served request, flushed at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.engine import Engine, Parts, Request
from pipeline.fake_engine import FakeEngine
from pipeline.tiers import Tier
from pipeline.vllm_engine import VLLMEngine


@dataclass(frozen=True)
class CountedFactory:
    """Makes engines that log to `folder`; `delay_s` set: fake ones that answer after so long."""

    folder: str
    delay_s: float | None = None
    poison_token: int | None = None

    def __call__(self, tier: Tier) -> Engine:
        if self.delay_s is None:
            return CountedEngine(VLLMEngine(tier), Path(self.folder))
        engine = FakeEngine(delay_s=self.delay_s, poison_token=self.poison_token)
        return CountedEngine(engine, Path(self.folder))


class CountedEngine:
    """An engine that writes down each request it answered."""

    def __init__(self, inner: Engine, folder: Path) -> None:
        self._inner = inner
        name = f"{os.getpid()}-{id(self)}"
        self._file = (folder / f"{name}.log").open("a", buffering=1)
        self._aborted = (folder / f"{name}.aborted").open("a", buffering=1)

    async def start(self) -> None:
        await self._inner.start()

    async def generate(self, requests: Sequence[Request]) -> Parts:
        try:
            async for part in self._inner.generate(requests):
                self._file.write("".join(f"{completion.request_id}\n" for completion in part))
                yield part
        except (asyncio.CancelledError, GeneratorExit):
            self._aborted.write(f"{requests[0].id}\n")
            raise

    async def check_health(self) -> None:
        await self._inner.check_health()


def served(folder: Path) -> list[str]:
    """Every request id that any engine answered, with repetitions."""
    return [line for file in folder.glob("*.log") for line in file.read_text().splitlines()]


def aborted(folder: Path) -> list[str]:
    """The first request of every call that an engine was told to give up."""
    return [line for file in folder.glob("*.aborted") for line in file.read_text().splitlines()]
