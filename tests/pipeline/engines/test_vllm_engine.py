"""What can be said of the vLLM engine without starting one."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest

from pipeline.engines.engine import (
    Completion,
    EngineDeadError,
    FinishReason,
    Request,
    without_output,
)
from pipeline.engines.generated import chosen_and_runner_up
from pipeline.engines.vllm_engine import FINISH_REASONS, VLLMEngine, cpu_cache_gib
from tests.pipeline.engine_builders import all_of, tier
from tests.pipeline.virtual_loop import run


def test_the_sampled_token_is_first_and_the_best_other_one_is_the_runner_up() -> None:
    from vllm.logprobs import FlatLogprobs

    flat = FlatLogprobs()
    # vLLM's order: the sampled token, then the two most probable ones.
    flat.append_fast([7, 7, 3], [-0.1, -0.1, -2.5], iter([1, 1, 2]), [None] * 3)
    flat.append_fast([9, 5, 6], [-4.0, -0.2, -1.0], iter([3, 1, 2]), [None] * 3)
    flat.append_fast([6, 5, 6], [-1.0, -0.2, -1.0], iter([2, 1, 2]), [None] * 3)
    flat.append_fast([8], [0.0], iter([1]), [None])
    chosen, runner_up = chosen_and_runner_up(flat)
    assert chosen == [-0.1, -4.0, -1.0, 0.0]
    assert runner_up == [-2.5, -0.2, -0.2, None]


def test_no_tokens_give_no_log_probabilities() -> None:
    from vllm.logprobs import FlatLogprobs

    assert chosen_and_runner_up(FlatLogprobs()) == ([], [])


def test_an_unanswered_request_keeps_its_id_and_prompt_length() -> None:
    made = without_output(Request("1.2.small", (1, 2, 3)), FinishReason.REJECTED, "too long", 2.0)
    assert (made.request_id, made.prompt_tokens, made.output_tokens) == ("1.2.small", 3, 0)
    assert (made.text, made.engine_s, made.confidence) == ("too long", 2.0, None)


# Contract with vllm 0.32: names that exist there.


def test_every_finish_reason_of_vllm_is_an_answer_or_known_not_to_be_one() -> None:
    from vllm.v1.engine import FINISH_REASON_STRINGS

    assert set(FINISH_REASON_STRINGS) == {*FINISH_REASONS, "error", "repetition"}


def test_the_errors_that_are_caught_are_those_that_vllm_raises() -> None:
    from vllm.exceptions import VLLMClientError, VLLMError
    from vllm.v1.engine.exceptions import EngineDeadError, EngineGenerateError

    assert all(
        issubclass(kind, VLLMError)
        for kind in (VLLMClientError, EngineDeadError, EngineGenerateError)
    )


# What vLLM raises must not leave the engine, unless the engine itself is dead.


def engine_that(raises: Exception | None, *, is_dead: bool = False, **output: object) -> VLLMEngine:
    """An engine whose `AsyncLLM` raises, or ends with one output."""

    async def generate(*_: object, **__: object) -> AsyncIterator[SimpleNamespace]:
        if raises is not None:
            raise raises
        yield SimpleNamespace(outputs=[SimpleNamespace(**output)])

    made = VLLMEngine(tier())
    made._engine = SimpleNamespace(generate=generate, errored=is_dead)
    made._sampling = SimpleNamespace(detokenize=True)
    return made


def generated(engine: VLLMEngine) -> Completion:
    [made] = run(all_of(engine.generate([Request("0.0.small", (1, 2))])))
    return made


def test_an_unexpected_error_of_one_request_is_a_rejection_with_its_cause() -> None:
    from vllm.v1.engine.exceptions import EngineGenerateError

    error = EngineGenerateError()
    error.__cause__ = ValueError("the grammar cannot be compiled")
    made = generated(engine_that(error))
    assert made.finish_reason is FinishReason.REJECTED
    assert made.text == "the grammar cannot be compiled"


def test_a_dead_engine_is_an_exception_however_vllm_puts_it() -> None:
    from vllm.v1.engine.exceptions import EngineDeadError as VLLMEngineDeadError
    from vllm.v1.engine.exceptions import EngineGenerateError

    for engine in (
        engine_that(VLLMEngineDeadError()),
        engine_that(EngineGenerateError(), is_dead=True),
    ):
        with pytest.raises(EngineDeadError):
            generated(engine)


class Slow:
    """An `AsyncLLM` that takes as many seconds for a prompt as its first token says."""

    errored = False

    def __init__(self, dies_at: int | None = None) -> None:
        self._dies_at = dies_at
        self.aborted: list[int] = []

    async def generate(
        self, prompt: dict[str, list[int]], *_: object, **__: object
    ) -> AsyncIterator[SimpleNamespace]:
        from vllm.v1.engine.exceptions import EngineDeadError as VLLMEngineDeadError

        [seconds] = prompt["prompt_token_ids"]
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self.aborted.append(seconds)
            raise
        if seconds == self._dies_at:
            raise VLLMEngineDeadError
        text = SimpleNamespace(finish_reason="stop", text="", token_ids=[], logprobs=no_logprobs())
        yield SimpleNamespace(outputs=[text])


def no_logprobs() -> object:
    from vllm.logprobs import FlatLogprobs

    return FlatLogprobs()


def slow_engine(inner: Slow) -> VLLMEngine:
    made = VLLMEngine(tier())
    made._engine, made._sampling = inner, SimpleNamespace(detokenize=True)
    return made


def taking(*seconds: int) -> list[Request]:
    return [Request(f"0.{one}.small", (one,)) for one in seconds]


def test_completions_come_when_they_are_done_and_not_when_the_slowest_is() -> None:
    engine = slow_engine(Slow())

    async def main() -> list[tuple[list[str], int]]:
        return [
            ([one.request_id for one in part], round(asyncio.get_running_loop().time()))
            async for part in engine.generate(taking(50, 2, 2, 7))
        ]

    begun, first, *later = run(main())
    assert begun == ([], 0)
    assert (sorted(first[0]), first[1]) == (["0.2.small", "0.2.small"], 2)
    assert later == [(["0.7.small"], 7), (["0.50.small"], 50)]


def test_what_was_done_before_the_engine_died_is_answered_first() -> None:
    engine = slow_engine(Slow(dies_at=3))

    async def main() -> list[str]:
        parts = engine.generate(taking(9, 1, 3))
        assert await anext(parts) == []
        got = [one.request_id for one in await anext(parts)]
        with pytest.raises(EngineDeadError):
            await anext(parts)
        return got

    assert run(main()) == ["0.1.small"]


def test_a_core_that_ends_no_step_leaves_its_health_open() -> None:
    engine = slow_engine(Slow())
    answer = asyncio.Event()

    async def healthy() -> None:
        pass

    engine._engine.check_health, engine._engine.is_sleeping = healthy, answer.wait

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(engine.check_health(), 60)
        answer.set()
        await engine.check_health()

    run(main())


def test_requests_that_nobody_waits_for_are_aborted() -> None:
    inner = Slow()
    engine = slow_engine(inner)

    async def main() -> None:
        parts = engine.generate(taking(1, 30, 40))
        assert await anext(parts) == []
        await anext(parts)
        await parts.aclose()
        await asyncio.sleep(0)

    run(main())
    assert sorted(inner.aborted) == [30, 40]


@pytest.mark.parametrize("reason", ["error", "repetition", None])
def test_an_end_that_is_no_answer_is_a_rejection(reason: str | None) -> None:
    made = generated(
        engine_that(None, finish_reason=reason, text="?", token_ids=[1], logprobs=None)
    )
    assert made.finish_reason is FinishReason.REJECTED
    assert str(reason) in made.text


def test_a_text_that_a_stop_string_left_empty_stays_empty() -> None:
    from vllm.logprobs import FlatLogprobs

    engine = engine_that(
        None, finish_reason="stop", text="", token_ids=[5], logprobs=FlatLogprobs()
    )
    made = generated(engine)
    assert (made.text, made.finish_reason, made.output_tokens) == ("", FinishReason.STOP, 1)


@pytest.mark.parametrize(("memory_gib", "cache_gib"), [(2, 1), (8, 1), (24, 2), (64, 4), (512, 4)])
def test_the_cache_of_an_engine_on_a_cpu_leaves_most_memory_free(
    memory_gib: int, cache_gib: int
) -> None:
    assert cpu_cache_gib(memory_gib * 2**30) == cache_gib
