"""vLLM's engine hands back what it is cut off in, and continues what another one began.

Only the outside of vLLM is there; with the real one it is shown in flows/test_real_drain.py.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest

from checkpoints.partial import NOTHING, Partial
from pipeline.engines.drain import MARGIN_S
from pipeline.engines.engine import Completion, FinishReason, Request
from pipeline.engines.tiers import Tier
from pipeline.engines.vllm_engine import VLLMEngine
from tests.pipeline.engine_builders import all_of, tier
from tests.pipeline.virtual_loop import run


class AsyncLLM:
    """Generates one token a second, each the number of its place; ends what is aborted."""

    errored = False

    def __init__(self) -> None:
        self.asked: dict[str, tuple[list[int], int]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def generate(
        self, prompt: dict[str, list[int]], sampling: SimpleNamespace, *, request_id: str
    ) -> AsyncIterator[SimpleNamespace]:
        await asyncio.sleep(0.3)  # an abort that comes now finds nothing to end
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
            if request_id in self._ends:
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
    await asyncio.sleep(0.2)  # the engine looks once more whether anything runs
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
        assert replace(end, engine_s=0, share_s=0) == replace(whole, engine_s=0, share_s=0)
        assert end.output_tokens == 16
        [(prompt, max_tokens)] = other.asked.values()
        assert prompt == [0, 1, 2, *back.partial.tokens]
        assert max_tokens == 16 - int(after_s)

    run(main())


@pytest.mark.parametrize(
    "change",
    [
        {"json_schema": "{}"},
        {"choices": ("a", "b")},
        {"stop": ("x",)},
        {"seed": 7, "temperature": 1.0},
    ],
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
