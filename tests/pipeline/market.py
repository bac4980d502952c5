"""Engines, one at a time, each with a life and an end; every token they generate is known."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from checkpoints.partial import NOTHING, Partial
from pipeline.engines.engine import Completion, FinishReason, Parts, Request, handed_back
from pipeline.engines.losses import EngineLostError

TOKENS = 8  # of every answer; one per second
TEXT = "text"
ANSWER = tuple(range(100, 100 + TOKENS))


@dataclass(frozen=True)
class Lifetime:
    """An engine: it goes so long after it came, and how."""

    lives_s: float
    ends: Literal["drained", "drained, nothing kept", "killed"]


@dataclass
class Market:
    """One engine at a time; the last one stays. Writes down every token that is generated."""

    lives: Sequence[Lifetime]
    generated: Counter[tuple[str, int]] = field(default_factory=Counter)
    prefilled: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    _came: int = 0
    _goes_s: float = 0.0
    _life: Lifetime | None = None

    async def send(self, requests: Sequence[Request]) -> Parts:
        now_s = asyncio.get_running_loop().time()
        if self._life is None or (now_s >= self._goes_s and self._came <= len(self.lives)):
            self._life = self.lives[self._came] if self._came < len(self.lives) else None
            self._came += 1
            self._goes_s = now_s + (10_000 if self._life is None else self._life.lives_s)
        life, goes_s = self._life, self._goes_s
        running = {one: list(one.partial.tokens) for one in requests}
        yield []
        while running:
            await asyncio.sleep(1)
            if asyncio.get_running_loop().time() > goes_s:
                assert life is not None
                if life.ends == "killed":
                    raise EngineLostError("its node is gone")
                is_kept = life.ends == "drained"
                yield [
                    handed_back(one, Partial(tuple(tokens)) if is_kept else NOTHING, len(tokens))
                    for one, tokens in running.items()
                ]
                return
            for one, tokens in list(running.items()):
                if len(tokens) == len(one.partial.tokens):  # the first one comes with the prefill
                    self.prefilled[one.id].append(len(one.prompt_tokens) + len(tokens))
                self.generated[one.id, len(tokens)] += 1
                tokens.append(ANSWER[len(tokens)])
                if len(tokens) == TOKENS:
                    assert tuple(tokens) == ANSWER
                    del running[one]
                    yield [ended(one)]

    def twice(self, name: str) -> int:
        return sum(n - 1 for (id_, _), n in self.generated.items() if id_ == name)


def ended(one: Request) -> Completion:
    return Completion(one.id, TEXT, FinishReason.STOP, 1, TOKENS, None, 1.0)
