"""Work of an engine that has to go is finished by another one, behind the tokens it has got."""

import asyncio
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.partial import NOTHING, Partial
from pipeline.engines.dispatch import Dispatcher
from pipeline.engines.drain import MARGIN_S
from pipeline.engines.engine import Completion, FinishReason, Parts, Request, handed_back
from pipeline.engines.fake_engine import FakeEngine
from tests.pipeline.dispatch_builders import LIMITS, Deaths, assert_answered, request
from tests.pipeline.engine_builders import POISON, answer_of
from tests.pipeline.virtual_loop import run


@dataclass(slots=True)
class Nodes:
    """Engines that come and go: each of `lives_s` is one, draining so long after it came."""

    lives_s: Sequence[float]
    delay_s: float = 1.0
    served: list[str] = field(default_factory=list)
    partials: dict[str, Partial] = field(default_factory=dict)  # as last sent
    _up: FakeEngine | None = None
    _came: int = 0

    async def send(self, requests: Sequence[Request]) -> Parts:
        for one in requests:
            before = self.partials.get(one.id, NOTHING)
            assert one.partial.tokens[: len(before.tokens)] == before.tokens
            self.partials[one.id] = one.partial
        async for part in self._engine().generate(requests):
            yield part

    def _engine(self) -> FakeEngine:
        if self._up is None or self._up.is_closed:
            life_s = self.lives_s[self._came] if self._came < len(self.lives_s) else math.inf
            self._came += 1
            self._up = FakeEngine(
                answer=answer_of, delay_s=self.delay_s, served=self.served, poison_token=POISON
            )
            self._up.drain(asyncio.get_running_loop().time() + life_s + MARGIN_S)
        return self._up


def answered(nodes: Nodes, requests: Sequence[Request]) -> list[Completion]:
    async def main() -> list[Completion]:
        dispatcher = Dispatcher(nodes.send, LIMITS, Deaths().note)
        ends = await asyncio.gather(*(dispatcher.generate(one) for one in requests))
        await asyncio.sleep(2 * nodes.delay_s)  # an engine may have an empty part to end
        return ends

    return run(main())


@settings(deadline=None)
@given(
    lives_s=st.lists(st.floats(0, 30), max_size=12),
    count=st.integers(1, 60),
    delay_s=st.sampled_from([0.1, 1.0, 7.0]),
)
def test_every_request_is_generated_to_its_end_once_however_engines_come_and_go(
    lives_s: list[float], count: int, delay_s: float
) -> None:
    nodes = Nodes(lives_s, delay_s)
    asked = [request(n) for n in range(count)]
    assert_answered(asked, answered(nodes, asked))
    assert Counter(nodes.served) == Counter(one.id for one in asked)


def test_an_answer_goes_on_behind_what_it_has_got() -> None:
    nodes = Nodes(lives_s=[1.5, 1.5])  # each cuts off the second half of its first chunk
    asked = [request(n) for n in range(2)]
    ends = answered(nodes, asked)
    assert_answered(asked, ends)
    assert [one.output_tokens - len(one.text) for one in ends] == [1, 0]
    assert nodes.partials["0.0.small"].tokens == (1,)


def test_nobody_waits_for_the_rest_of_the_chunk_that_he_came_from() -> None:
    calls: list[tuple[str, ...]] = []

    async def send(requests: Sequence[Request]) -> Parts:
        calls.append(tuple(one.id for one in requests))
        if len(calls) > 1:
            await asyncio.sleep(1)
            yield [ended(one) for one in requests]
            return
        yield [handed_back(requests[0], NOTHING)]
        await asyncio.sleep(100)
        yield [ended(one) for one in requests[1:]]

    async def main() -> float:
        dispatcher = Dispatcher(send, LIMITS, Deaths().note)
        first, *rest = (asyncio.create_task(dispatcher.generate(request(n))) for n in range(4))
        assert (await first).text == answer_of(request(0))
        first_s = asyncio.get_running_loop().time()
        await asyncio.gather(*rest)
        return first_s

    assert run(main()) < 2
    assert [len(one) for one in calls] == [4, 1]


def test_suspects_that_are_handed_back_stay_alone() -> None:
    sent: list[tuple[str, ...]] = []

    async def send(requests: Sequence[Request]) -> Parts:
        sent.append(tuple(one.id for one in requests))
        await asyncio.sleep(1)
        if len(sent) < 4:
            yield [handed_back(one, NOTHING) for one in requests]
        else:
            yield [ended(one) for one in requests]

    async def main() -> list[Completion]:
        dispatcher = Dispatcher(send, LIMITS, Deaths().note)
        asked = [request(n, engine_deaths=1) for n in range(2)]
        return await asyncio.gather(*(dispatcher.generate(one) for one in asked))

    assert [one.finish_reason for one in run(main())] == [FinishReason.STOP] * 2
    assert {len(one) for one in sent} == {1}


def test_who_leaves_while_his_call_rests_is_asked_for_no_more() -> None:
    sent: list[str] = []

    async def send(requests: Sequence[Request]) -> Parts:
        sent.extend(one.id for one in requests)
        yield [handed_back(one, NOTHING) for one in requests]

    async def main() -> None:
        dispatcher = Dispatcher(send, LIMITS, Deaths().note)
        caller = asyncio.create_task(dispatcher.generate(request(0)))
        await asyncio.sleep(0.1)
        caller.cancel()
        await asyncio.sleep(10)

    run(main())
    assert sent == ["0.0.small"]


def ended(one: Request) -> Completion:
    return Completion(one.id, answer_of(one), FinishReason.STOP, 1, 2, None, 1.0)
