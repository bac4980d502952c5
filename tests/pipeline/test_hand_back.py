"""Work of an engine that has to go is finished by another one, behind the tokens it has got."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dispatch import Dispatcher
from pipeline.drain import MARGIN_S
from pipeline.engine import NOTHING, Completion, FinishReason, Partial, Parts, Request, handed_back
from pipeline.fake_engine import FakeEngine
from pipeline.tiers import Tier
from pipeline.vllm_engine import VLLMEngine
from tests.pipeline.dispatch_builders import LIMITS, Deaths, assert_answered, request
from tests.pipeline.engine_builders import POISON, all_of, answer_of, tier
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


# The same with vLLM's engine, of which only the outside is there.


class AsyncLLM:
    """Generates one token a second, each the number of its place; ends what is aborted."""

    errored = False

    def __init__(self) -> None:
        self.asked: dict[str, tuple[list[int], int]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def generate(
        self, prompt: dict[str, list[int]], sampling: SimpleNamespace, *, request_id: str
    ) -> AsyncIterator[SimpleNamespace]:
        tokens = prompt["prompt_token_ids"]
        self.asked[request_id] = (tokens, sampling.max_tokens)
        end = self._ends[request_id] = asyncio.Event()
        made: list[int] = []
        reason = "length"
        while len(made) < sampling.max_tokens:
            try:
                await asyncio.wait_for(end.wait(), 1)
                reason = "abort"
                break
            except TimeoutError:
                made.append(len(tokens) + len(made))
        output = SimpleNamespace(
            finish_reason=reason, text="", token_ids=made, logprobs=logprobs_of(made)
        )
        yield SimpleNamespace(outputs=[output])

    async def abort(self, request_ids: Iterable[str]) -> None:
        for request_id in request_ids:
            self._ends[request_id].set()


def logprobs_of(tokens: Sequence[int]) -> SimpleNamespace:
    """Of each token -token/100, the other one a hundred times less probable."""
    return SimpleNamespace(
        start_indices=[2 * n for n in range(len(tokens))],
        end_indices=[2 * n + 2 for n in range(len(tokens))],
        token_ids=[one for token in tokens for one in (token, token + 500)],
        logprobs=[one for token in tokens for one in (-token / 100, -token / 100 - 4.6)],
    )


def vllm_engine(inner: AsyncLLM, its: Tier) -> VLLMEngine:
    made = VLLMEngine(its)
    made._engine = inner
    made._sampling = Sampling(max_tokens=its.generation.max_tokens)
    made._tokenizer = SimpleNamespace(
        decode=lambda tokens, **_: " ".join(str(token) for token in tokens)
    )
    return made


class Sampling(SimpleNamespace):
    """What of vLLM's `SamplingParams` is used."""

    detokenize = False

    def clone(self) -> "Sampling":
        return Sampling(**vars(self))


ASKED = Request("0.0.small", (0, 1, 2))


async def cut_off(its: Tier, after_s: float) -> Completion:
    """The request, handed back by an engine that ended it then."""
    engine = vllm_engine(AsyncLLM(), its)
    waiting = asyncio.create_task(all_of(engine.generate([ASKED])))
    await asyncio.sleep(0)
    engine.drain(asyncio.get_running_loop().time() + after_s + MARGIN_S)
    [back] = await waiting
    assert back.finish_reason is FinishReason.HANDED_BACK
    return back


@pytest.mark.parametrize("after_s", [0.5, 1.5, 7.5, 15.5])
def test_a_continued_answer_is_the_one_that_nothing_interrupted(after_s: float) -> None:
    async def main() -> None:
        [whole] = await all_of(vllm_engine(AsyncLLM(), tier()).generate([ASKED]))
        back = await cut_off(tier(), after_s)
        assert len(back.partial.tokens) == back.output_tokens == int(after_s)
        other = AsyncLLM()
        again = replace(ASKED, partial=back.partial)
        [end] = await all_of(vllm_engine(other, tier()).generate([again]))
        assert replace(end, engine_s=0) == replace(whole, engine_s=0)
        assert end.output_tokens == 16
        [(prompt, max_tokens)] = other.asked.values()
        assert prompt == [0, 1, 2, *back.partial.tokens]
        assert max_tokens == 16 - int(after_s)

    run(main())


@pytest.mark.parametrize(
    "change", [{"json_schema": "{}"}, {"choices": ("a", "b")}, {"stop": ("x",)}]
)
def test_an_answer_that_cannot_be_continued_begins_anew_and_says_what_that_costs(
    change: dict[str, object],
) -> None:
    its = tier(generation=replace(tier().generation, **change))  # type: ignore[arg-type]
    back = run(cut_off(its, 5.5))
    assert back.partial == NOTHING
    assert back.output_tokens == 5


def test_what_never_began_is_handed_back_with_what_it_came_with() -> None:
    async def main() -> None:
        engine = vllm_engine(AsyncLLM(), tier())
        engine.drain(0)
        await asyncio.sleep(0.1)
        assert engine.is_closed
        came = replace(ASKED, partial=Partial((3, 4), (-0.1, -0.2), (None, -1.0), 2.0))
        [back] = await all_of(engine.generate([came]))
        assert (back.partial, back.output_tokens) == (came.partial, 2)

    run(main())


def test_answers_are_whole_over_any_number_of_engines() -> None:
    chance = random.Random(3)

    async def main() -> None:
        asked, engines = ASKED, 0
        while True:
            engine = vllm_engine(AsyncLLM(), tier())
            waiting = asyncio.create_task(all_of(engine.generate([asked])))
            await asyncio.sleep(0)
            engine.drain(asyncio.get_running_loop().time() + chance.uniform(0, 4) + MARGIN_S)
            [end] = await waiting
            engines += 1
            if end.finish_reason is not FinishReason.HANDED_BACK:
                break
            asked = replace(asked, partial=end.partial)
        assert engines > 5
        assert end.text == " ".join(str(token) for token in range(3, 19))
        assert end.confidence is not None
        assert end.confidence.tokens == 16

    run(main())
