"""An engine is asked about its own answer, and the answer never waits for more than that.

Only the outside of vLLM is there; with the real one it is shown in flows/test_signals.py.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import jobs.demo
from checkpoints.partial import Partial
from pipeline.engines.drain import MARGIN_S
from pipeline.engines.engine import Completion, FinishReason, Request
from pipeline.engines.self_check import (
    MOST_BEGINNINGS,
    QUESTION,
    REPLIES,
    SelfCheck,
    p_yes,
    question_tokens,
)
from pipeline.engines.vllm_engine import VLLMEngine
from pipeline.engines.vllm_settings import check_parameters
from tests.pipeline.engine_builders import all_of, tier
from tests.pipeline.virtual_loop import run

BUNDLED = Path(jobs.demo.__file__).parent / "models" / "small"
END = 1  # the bundled models' end-of-sequence token
ANSWER = [20, 21, 22, END]
ANSWER_S, REPLY_S = 4.0, 2.0
ASKED = Request("0.0.small", (5, 6))


@cache
def tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(BUNDLED)


def test_the_probability_of_yes_is_that_of_all_that_begins_it() -> None:
    reply = {"yes": 0.5, "Y": 0.125, "no": 0.25, "N": 0.125}
    logprobs = [(text, math.log(share)) for text, share in reply.items()]
    assert p_yes(logprobs) == pytest.approx(0.625)
    assert p_yes([*logprobs, (" ye", math.log(0.5)), ("maybe", 0.0)]) == pytest.approx(0.75)


def test_what_begins_no_reply_says_nothing() -> None:
    assert p_yes([]) is None
    assert p_yes([("<", 0.0), ("", -1.0), ("yes", -math.inf)]) is None


def test_the_question_is_a_turn_of_the_user_in_the_words_of_the_model() -> None:
    text = tokenizer().decode(question_tokens(tokenizer()))
    assert text == f"<|end|><|user|>{QUESTION}<|end|><|assistant|>"


@pytest.mark.parametrize(
    "template",
    [None, "{{ raise_exception('one turn only') }}", "{{ messages[0]['content'] }}"],
)
def test_where_the_template_has_no_place_for_it_the_question_is_a_paragraph(
    template: str | None,
) -> None:
    from transformers import PreTrainedTokenizerFast

    its = PreTrainedTokenizerFast.from_pretrained(BUNDLED)
    its.chat_template = template
    assert its.decode(question_tokens(its)) == f"\n\n{QUESTION}\n"


def test_the_engine_reads_prompt_answer_and_question_without_the_answers_end() -> None:
    check = SelfCheck(tokenizer(), None)
    question = list(question_tokens(tokenizer()))
    assert check.tokens_behind((5, 6), ANSWER) == [5, 6, 20, 21, 22, *question]
    assert check.tokens_behind((5, 6), [20, 21]) == [5, 6, 20, 21, *question]


def test_every_beginning_of_a_reply_is_named() -> None:
    beginnings = {reply[:count] for reply in REPLIES for count in range(1, len(reply) + 1)}
    assert beginnings & set(tokenizer().get_vocab())
    single_bytes = {reply[0] for reply in REPLIES}
    assert len(beginnings) + len(single_bytes) <= MOST_BEGINNINGS


def test_vllm_takes_the_parameters_of_the_check() -> None:
    made = check_parameters()
    assert (made.max_tokens, made.logprobs, made.temperature) == (1, MOST_BEGINNINGS, 0.0)
    assert made.structured_outputs.choice == list(REPLIES)
    assert made.logprob_token_ids is None


def flat(rows: Iterable[list[tuple[int, float]]]) -> Any:
    from vllm.logprobs import FlatLogprobs

    made = FlatLogprobs()
    for row in rows:
        tokens, logprobs = [token for token, _ in row], [value for _, value in row]
        made.append_fast(tokens, logprobs, iter(range(1, 1 + len(row))), [None] * len(row))
    return made


class AsyncLLM:
    """Answers in `ANSWER_S`; replies to the question in `REPLY_S`, 0.75 yes, or as told."""

    errored = False

    def __init__(self, *, ends: str = "stop", dies: bool = False) -> None:
        self.asked: list[list[int]] = []
        self._ends, self._dies = ends, dies
        self._aborted: dict[str, asyncio.Event] = {}

    async def generate(
        self, prompt: dict[str, list[int]], sampling: SimpleNamespace, *, request_id: str
    ) -> AsyncIterator[SimpleNamespace]:
        from vllm.v1.engine.exceptions import EngineDeadError

        self.asked.append(prompt["prompt_token_ids"])
        is_check = len(self.asked) > 1
        aborted = self._aborted[request_id] = asyncio.Event()
        try:
            await asyncio.wait_for(aborted.wait(), REPLY_S if is_check else ANSWER_S)
            reason, tokens, logprobs = "abort", [], flat([])
        except TimeoutError:
            if is_check and self._dies:
                raise EngineDeadError from None
            reason, tokens, logprobs = self._ends, ANSWER, flat([[(one, -0.5)] for one in ANSWER])
            if is_check:
                yes, no = (tokenizer().encode(text)[0] for text in ("y", "no"))
                shares = [(no, math.log(0.25)), (yes, math.log(0.75)), (no, math.log(0.25))]
                reason, tokens, logprobs = "length", [no], flat([shares])
        output = SimpleNamespace(finish_reason=reason, text="", token_ids=tokens, logprobs=logprobs)
        yield SimpleNamespace(outputs=[output])

    async def abort(self, request_ids: Iterable[str]) -> None:
        for request_id in request_ids:
            self._aborted[request_id].set()


@pytest.fixture(autouse=True)
def _engine_time_is_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr("pipeline.engines.vllm_engine.time", clock)


def checking_engine(inner: AsyncLLM, **generation: object) -> VLLMEngine:
    its = tier()
    changed = replace(its.generation, self_check=True, **generation)  # type: ignore[arg-type]
    made = VLLMEngine(replace(its, generation=changed))
    made._engine, made._tokenizer = inner, tokenizer()
    sampling = SimpleNamespace(detokenize=False, max_tokens=changed.max_tokens)
    sampling.clone = lambda: sampling
    made._sampling = sampling
    made._check = SelfCheck(tokenizer(), check_parameters())
    return made


def checked(inner: AsyncLLM, request: Request = ASKED, **generation: object) -> Completion:
    async def main() -> Completion:
        [made] = await all_of(checking_engine(inner, **generation).generate([request]))
        return made

    return run(main())


def test_a_complete_answer_carries_what_the_engine_thinks_of_it() -> None:
    inner = AsyncLLM()
    made = checked(inner)
    assert made.confidence is not None
    assert made.confidence.self_check == pytest.approx(0.75)
    assert made.finish_reason is FinishReason.STOP
    assert (made.output_tokens, made.confidence.tokens) == (4, 4)
    assert made.engine_s == pytest.approx(ANSWER_S + REPLY_S)
    assert inner.asked[1] == [5, 6, 20, 21, 22, *question_tokens(tokenizer())]


def alike(made: Completion, whole: Completion) -> bool:
    """But for the check and its times."""
    assert made.confidence is not None
    assert whole.confidence is not None
    plain = replace(whole.confidence, self_check=None)
    timeless = replace(whole, engine_s=0, share_s=0, confidence=plain)
    return replace(made, engine_s=0, share_s=0) == timeless


def test_an_engine_that_goes_gives_the_complete_answer_without_the_check() -> None:
    async def main() -> Completion:
        engine = checking_engine(AsyncLLM())
        waiting = asyncio.create_task(all_of(engine.generate([ASKED])))
        await asyncio.sleep(0)
        engine.drain(asyncio.get_running_loop().time() + ANSWER_S + REPLY_S / 2 + MARGIN_S)
        [made] = await waiting
        await asyncio.sleep(1)
        return made

    made = run(main())
    assert alike(made, checked(AsyncLLM()))
    assert made.engine_s == pytest.approx(ANSWER_S + REPLY_S / 2)


def test_an_engine_that_has_to_go_by_now_is_not_asked() -> None:
    inner = AsyncLLM()

    async def abort(request_ids: Iterable[str]) -> None:
        """It comes too late for the answer."""

    inner.abort = abort  # type: ignore[method-assign]

    async def main() -> Completion:
        engine = checking_engine(inner)
        waiting = asyncio.create_task(all_of(engine.generate([ASKED])))
        await asyncio.sleep(0)
        engine.drain(asyncio.get_running_loop().time() + ANSWER_S - 0.01 + MARGIN_S)
        [made] = await waiting
        await asyncio.sleep(1)
        return made

    made = run(main())
    assert made.finish_reason is FinishReason.STOP
    assert len(inner.asked) == 1


def test_an_answer_that_is_complete_when_its_time_is_over_is_given_without_the_check() -> None:
    made = checked(AsyncLLM(), timeout_s=ANSWER_S + REPLY_S / 2)
    assert alike(made, checked(AsyncLLM()))
    assert made.engine_s == pytest.approx(ANSWER_S + REPLY_S / 2)


def test_time_in_other_engines_counts_for_the_check_too() -> None:
    began = Request("0.0.small", (5, 6), partial=Partial((20,), (-0.5,), (None,), 10.0))
    made = checked(AsyncLLM(), began, timeout_s=10.0 + ANSWER_S + REPLY_S / 2, max_tokens=16)
    assert made.confidence is not None
    assert made.confidence.self_check is None
    assert made.engine_s == pytest.approx(10.0 + ANSWER_S + REPLY_S / 2)


def test_an_engine_that_dies_of_the_question_has_answered() -> None:
    assert alike(checked(AsyncLLM(dies=True)), checked(AsyncLLM()))


def test_without_room_for_the_question_it_is_not_asked() -> None:
    inner = AsyncLLM()
    fits = tier().profile.max_model_len - 1 - 3 - len(question_tokens(tokenizer()))
    assert checked(inner, Request("0.0.small", (5,) * fits)).confidence is not None
    assert len(inner.asked) == 2
    inner = AsyncLLM()
    made = checked(inner, Request("0.0.small", (5,) * (fits + 1)))
    assert made.confidence is not None
    assert made.confidence.self_check is None
    assert len(inner.asked) == 1


def test_an_answer_that_was_cut_off_is_not_asked_about() -> None:
    inner = AsyncLLM(ends="length")
    assert checked(inner).finish_reason is FinishReason.LENGTH
    assert len(inner.asked) == 1
