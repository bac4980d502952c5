"""Engines that write down what they served, so that a test can count work done twice.

Importable in Ray workers; one file per process, one line per served request, flushed at once.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.engines.engine import Engine, FinishReason, Parts, Request
from pipeline.engines.fake_engine import FakeEngine
from pipeline.engines.tiers import Tier
from pipeline.engines.vllm_engine import VLLMEngine

REFUSAL = "refusal"  # a file beside the logs: why no engine starts from now on


@dataclass(frozen=True)
class CountedFactory:
    """Makes engines that log to `folder`; `delay_s` set: fake ones that answer after so long."""

    folder: str
    delay_s: float | None = None
    poison_token: int | None = None
    start_s: float = 0.0  # what a fake engine takes to start

    def __call__(self, tier: Tier) -> Engine:
        if self.delay_s is None:
            return CountedEngine(VLLMEngine(tier), Path(self.folder))
        engine = FakeEngine(delay_s=self.delay_s, poison_token=self.poison_token)
        return CountedEngine(engine, Path(self.folder), self.start_s)


class CountedEngine:
    """An engine that writes down each request it answered."""

    def __init__(self, inner: Engine, folder: Path, start_s: float = 0.0) -> None:
        self._inner = inner
        self._start_s = start_s
        self._refusal = folder / REFUSAL
        name = f"{os.getpid()}-{id(self)}"
        self._file = (folder / f"{name}.log").open("a", buffering=1)
        self._handed_back = (folder / f"{name}.back").open("a", buffering=1)
        self._aborted = (folder / f"{name}.aborted").open("a", buffering=1)

    async def start(self) -> None:
        await asyncio.sleep(self._start_s)
        if self._refusal.exists():
            raise RuntimeError(self._refusal.read_text())
        await self._inner.start()

    async def generate(self, requests: Sequence[Request]) -> Parts:
        try:
            async for part in self._inner.generate(requests):
                for completion in part:
                    is_back = completion.finish_reason is FinishReason.HANDED_BACK
                    file = self._handed_back if is_back else self._file
                    file.write(f"{completion.request_id} {completion.output_tokens}\n")
                yield part
        except (asyncio.CancelledError, GeneratorExit):
            self._aborted.write(f"{requests[0].id}\n")
            raise

    async def check_health(self) -> None:
        await self._inner.check_health()

    def drain(self, deadline_s: float) -> None:
        self._inner.drain(deadline_s)

    @property
    def is_closed(self) -> bool:
        return self._inner.is_closed


def served(folder: Path) -> list[str]:
    """Every request id that any engine answered, with repetitions."""
    return [line.split()[0] for line in _lines(folder, "log")]


def handed_back(folder: Path) -> dict[str, int]:
    """Requests that an engine handed back, with the tokens that it had generated of the answer."""
    return {name: int(tokens) for name, tokens in map(str.split, _lines(folder, "back"))}


def aborted(folder: Path) -> list[str]:
    """The first request of every call that an engine was told to give up."""
    return _lines(folder, "aborted")


def _lines(folder: Path, kind: str) -> list[str]:
    return [line for file in folder.glob(f"*.{kind}") for line in file.read_text().splitlines()]
