"""What the documents say of work done twice holds against what engines really generated."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.partial import NOTHING, Partial
from pipeline.dispatch import Dispatcher
from pipeline.engine import Completion, FinishReason, Parts, Request, handed_back
from pipeline.losses import EngineLostError
from tests.pipeline.dispatch_builders import LIMITS, Deaths, request
from tests.pipeline.virtual_loop import run

TOKENS = 8  # of every answer; one per second
ANSWER = tuple(range(100, 100 + TOKENS))


@dataclass(frozen=True)
class Life:
    """An engine: it goes so long after it came, and how."""

    lives_s: float
    ends: Literal["drained", "drained, nothing kept", "killed"]


@dataclass
class Market:
    """One engine at a time; the last one stays. Writes down every token that is generated."""

    lives: Sequence[Life]
    generated: Counter[tuple[str, int]] = field(default_factory=Counter)
    _came: int = 0
    _goes_s: float = 0.0
    _life: Life | None = None

    async def send(self, requests: Sequence[Request]) -> Parts:
        now_s = asyncio.get_running_loop().time()
        if self._life is None or (now_s >= self._goes_s and self._came <= len(self.lives)):
            self._life = self.lives[self._came] if self._came < len(self.lives) else None
            self._came += 1
            self._goes_s = now_s + (10_000 if self._life is None else self._life.lives_s)
        life, goes_s = self._life, self._goes_s
        running = {one: list(one.partial.tokens) for one in requests}
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
                self.generated[one.id, len(tokens)] += 1
                tokens.append(ANSWER[len(tokens)])
                if len(tokens) == TOKENS:
                    assert tuple(tokens) == ANSWER
                    del running[one]
                    yield [ended(one)]

    def twice(self, name: str) -> int:
        return sum(n - 1 for (id_, _), n in self.generated.items() if id_ == name)


def ended(one: Request) -> Completion:
    return Completion(one.id, "text", FinishReason.STOP, 1, TOKENS, None, 1.0)


def answered(market: Market, count: int) -> list[Completion]:
    async def main() -> list[Completion]:
        dispatcher = Dispatcher(market.send, LIMITS, Deaths().note)
        calls = (dispatcher.generate(request(n)) for n in range(count))
        ends = await asyncio.gather(*calls)
        assert dispatcher.in_flight == 0
        return ends

    return run(main())


lives = st.lists(
    st.builds(
        Life,
        st.floats(0.5, 20),
        st.sampled_from(["drained", "drained, nothing kept", "killed"]),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(lives=lives, count=st.integers(1, 24))
def test_no_more_was_done_twice_than_the_answers_say(lives: list[Life], count: int) -> None:
    market = Market(lives)
    for end in answered(market, count):
        twice = market.twice(end.request_id)
        assert twice <= end.setbacks.tokens
        assert twice == 0 or end.setbacks.restarts > 0
        assert end.setbacks.restarts == 0 or end.setbacks.seconds > 0


@settings(deadline=None)
@given(lives=st.lists(st.builds(Life, st.floats(0.5, 20), st.just("drained")), max_size=6))
def test_engines_that_hand_back_cost_nothing(lives: list[Life]) -> None:
    market = Market(lives)
    for end in answered(market, 12):
        assert market.twice(end.request_id) == 0
        assert (end.setbacks.restarts, end.setbacks.tokens) == (0, 0)


def test_tokens_of_an_engine_that_had_to_go_are_salvaged() -> None:
    [end] = answered(Market([Life(3.5, "drained")]), 1)
    assert end.setbacks.salvaged_tokens == 3
    assert end.setbacks.tokens == 0


def test_what_cannot_be_continued_is_counted_to_the_token() -> None:
    [end] = answered(Market([Life(3.5, "drained, nothing kept")]), 1)
    assert (end.setbacks.restarts, end.setbacks.tokens) == (1, 3)
    assert end.setbacks.salvaged_tokens == 0


def test_a_killed_engine_counts_with_all_that_was_missing_from_its_answers() -> None:
    market = Market([Life(2.5, "drained"), Life(3.5, "killed")])
    [end] = answered(market, 1)
    assert market.twice(end.request_id) == 3
    assert end.setbacks.tokens == TOKENS - 2  # the two salvaged ones are not generated again
    assert end.setbacks.salvaged_tokens == 2
    assert end.setbacks.seconds == 4
