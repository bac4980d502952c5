"""A vLLM engine behind the `Engine` protocol.

Boundary: tokens in, text and a handful of numbers out. Log probabilities are reduced to confidence
features here; only those of an answer that another engine continues leave the process.
Invariant: the engine runs with exactly the limits of its profile, or does not start.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import psutil

from checkpoints.partial import NOTHING, Partial
from checkpoints.result import Confidence
from pipeline.engines.confidence import confidence_of
from pipeline.engines.drain import Gate
from pipeline.engines.engine import (
    Completion,
    EngineDeadError,
    FinishReason,
    Parts,
    Request,
    handed_back,
    without_output,
)
from pipeline.engines.generated import continued, values_of
from pipeline.engines.last_words import cause_of_start, own_log
from pipeline.engines.orphans import mark_replica
from pipeline.engines.self_check import SelfCheck
from pipeline.engines.shares import Shares
from pipeline.engines.tiers import Tier
from pipeline.engines.token_places import TokenPlaces
from pipeline.engines.vllm_settings import (
    assert_limits,
    can_be_continued,
    check_parameters,
    cpu_cache_gib,
    engine_arguments,
    sampling_parameters,
)

FINISH_REASONS = {  # vLLM's own further ones, "error" and "repetition", are no answers
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "abort": FinishReason.ABORT,
}
# Each part is a message that three processes handle; more of them slow a CPU engine by a quarter.
PART_S = 0.25
ABORT_AGAIN_S = 0.1
ON_A_CPU = {
    # The worker shares the engine core's process: no slower, less CPU time, a sooner start, and as
    # many threads as Ray gave the replica CPUs.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # What vLLM 0.32 compiled ahead of time for a CPU it cannot load, and compiles once more.
    "VLLM_USE_AOT_COMPILE": "0",
}


class VLLMEngine:
    """One vLLM `AsyncLLM`. Not picklable: made where it runs."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        self._engine: Any = None
        self._sampling: Any = None
        self._tokenizer: Any = None
        self._places: TokenPlaces | None = None  # where an answer has values to be found
        self._check: SelfCheck | None = None
        self._attempts = itertools.count()  # vLLM wants an id per attempt
        # A request's time starts when the engine can have it, not while more than enough wait.
        self._gate = Gate(
            tier.in_flight_per_replica,
            on_end=self._end_running,
            keeps_partials=can_be_continued(tier.generation),
        )
        self._shares = Shares()
        self._running: set[str] = set()
        self._ending: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the model; blocks its thread for the seconds to minutes that takes.

        Raises:
            EngineLimitsError: vLLM resolved other limits than the profile's.
            RuntimeError: vLLM cannot run this model here; says why.
        """
        from vllm import AsyncEngineArgs
        from vllm.platforms import current_platform
        from vllm.v1.engine.async_llm import AsyncLLM

        mark_replica()
        if current_platform.is_cpu():
            cache_gib = cpu_cache_gib(psutil.virtual_memory().total)
            for name, value in {**ON_A_CPU, "VLLM_CPU_KVCACHE_SPACE": str(cache_gib)}.items():
                os.environ.setdefault(name, value)
        arguments = AsyncEngineArgs(**engine_arguments(self._tier))
        try:
            self._engine = AsyncLLM.from_engine_args(arguments)
        except RuntimeError as error:
            raise RuntimeError(cause_of_start(own_log()) or str(error)) from error
        assert_limits(self._tier.profile, self._engine.vllm_config)
        self._tokenizer = self._engine.get_tokenizer()
        generation = self._tier.generation
        self._sampling = sampling_parameters(generation)
        if generation.has_confidence and generation.json_schema is not None:
            self._places = TokenPlaces(self._tokenizer)
        if generation.has_confidence and generation.self_check:
            self._check = SelfCheck(self._tokenizer, check_parameters())

    async def generate(self, requests: Sequence[Request]) -> Parts:
        """Generate all at once; the engine batches them with whatever else it holds."""
        begun = asyncio.get_running_loop().create_future()
        pending = {asyncio.create_task(self._admit(request, begun)) for request in requests}
        try:
            await asyncio.wait({begun, *pending}, return_when=asyncio.FIRST_COMPLETED)
            if begun.done():
                yield []
            while pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if pending:  # a part is a message: those that end next to each other share one
                    more, pending = await asyncio.wait(pending, timeout=PART_S)
                    done |= more
                answered = [task.result() for task in done if task.exception() is None]
                if answered:
                    yield answered
                for task in done:
                    task.result()  # raises what ended it
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def check_health(self) -> None:
        """Raise `EngineDeadError` when the engine's process is gone; wait while it hangs.

        The engine core answers between two steps, so that no answer means a step without end.
        """
        if self._engine is None:
            return
        from vllm.v1.engine.exceptions import EngineDeadError as VLLMEngineDeadError

        try:
            probe = asyncio.ensure_future(self._engine.is_sleeping())
            while not probe.done():  # vLLM leaves it open when the core dies meanwhile
                await self._engine.check_health()
                await asyncio.wait([probe], timeout=1)
            probe.result()
        except VLLMEngineDeadError as error:
            raise EngineDeadError(str(error)) from error

    def drain(self, deadline_s: float) -> None:
        """Be empty before `deadline_s`, a time of the running loop."""
        self._gate.drain(deadline_s)

    @property
    def is_closed(self) -> bool:
        """Whether every further request is handed back."""
        return self._gate.is_closed

    def _end_running(self) -> None:
        self._ending = asyncio.create_task(self._abort_all())

    async def _abort_all(self) -> None:
        while self._running:  # vLLM passes over those that are still on their way to it
            await self._engine.abort(list(self._running))
            await asyncio.sleep(ABORT_AGAIN_S)

    async def _admit(self, request: Request, begun: asyncio.Future[None]) -> Completion:
        async with self._gate.place() as is_admitted:
            if not is_admitted:
                return handed_back(request, request.partial)
            if not begun.done():
                begun.set_result(None)
            entered = self._shares.enter()
            try:
                made = await self._generate(request)
            finally:
                share_s = self._shares.leave(entered)
            before_s = request.partial.engine_s / self._tier.in_flight_per_replica
            return replace(made, share_s=share_s + before_s)

    async def _generate(self, request: Request) -> Completion:
        from vllm.exceptions import VLLMError
        from vllm.v1.engine.exceptions import EngineDeadError as VLLMEngineDeadError

        started_s = time.monotonic()
        try:
            final = await self._last_output(
                request.id,
                [*request.prompt_tokens, *request.partial.tokens],
                self._sampling_after(request.partial),
                self._left_s(request.partial),
            )
        except TimeoutError:
            return without_output(request, FinishReason.ABORT, "", time.monotonic() - started_s)
        except VLLMEngineDeadError as error:
            raise EngineDeadError(str(error)) from error
        except (VLLMError, ValueError) as error:  # vLLM hides the cause of the unexpected ones
            if self._engine.errored:
                raise EngineDeadError(str(error)) from error
            return without_output(request, FinishReason.REJECTED, str(error.__cause__ or error))
        if final is None:
            return without_output(request, FinishReason.REJECTED, "the engine gave no output")
        spent_s = time.monotonic() - started_s
        whole = continued(request.partial, final, spent_s)
        if final.finish_reason == "abort" and self._gate.has_ended:
            can_go_on = can_be_continued(self._tier.generation)
            return handed_back(request, whole if can_go_on else NOTHING, len(whole.tokens))
        finish_reason = FINISH_REASONS.get(final.finish_reason)
        if finish_reason is None:
            ended = f"vLLM ended the generation as {final.finish_reason!r}"
            return without_output(request, FinishReason.REJECTED, ended, spent_s)
        text = final.text if self._sampling.detokenize else self._decode(whole.tokens)
        confidence = self._confidence(whole, text)
        engine_s = whole.engine_s
        if self._check and confidence is not None and finish_reason is FinishReason.STOP:
            checking_s = time.monotonic()
            p_yes = await self._p_yes(self._check, request, whole)
            confidence = replace(confidence, self_check=p_yes)
            engine_s += time.monotonic() - checking_s
        return Completion(
            request_id=request.id,
            text=text,
            finish_reason=finish_reason,
            prompt_tokens=len(request.prompt_tokens),
            output_tokens=len(whole.tokens),
            confidence=confidence,
            engine_s=engine_s,
        )

    async def _last_output(
        self, request_id: str, tokens: list[int], sampling: Any, left_s: float | None
    ) -> Any:
        """vLLM's last output behind these tokens; None if there was none.

        Raises TimeoutError after `left_s`, and what vLLM raises.
        """
        from vllm.inputs import TokensPrompt

        final = None
        attempt = f"{request_id}.{next(self._attempts)}"
        self._running.add(attempt)
        try:
            async with asyncio.timeout(left_s):
                async for output in self._engine.generate(
                    TokensPrompt(prompt_token_ids=tokens), sampling, request_id=attempt
                ):
                    final = output.outputs[0]
        finally:
            self._running.discard(attempt)
        return final

    def _confidence(self, answer: Partial, text: str) -> Confidence | None:
        values = values_of(self._tier.generation, answer, text, self._places)
        return confidence_of(answer.logprobs, answer.runner_up_logprobs, values)

    async def _p_yes(self, check: SelfCheck, request: Request, answer: Partial) -> float | None:
        """How sure the engine is of its complete answer.

        None where it is not said: there is neither room nor time for it, or the engine goes.
        """
        from vllm.exceptions import VLLMError

        tokens = check.tokens_behind(request.prompt_tokens, answer.tokens)
        if self._gate.has_ended or len(tokens) >= self._tier.profile.max_model_len:
            return None
        try:
            final = await self._last_output(
                request.id, tokens, check.sampling, self._left_s(answer)
            )
        except (TimeoutError, VLLMError, ValueError):  # whoever waits notices a dead engine
            return None
        return None if final is None else check.p_yes(final.logprobs)

    def _sampling_after(self, partial: Partial) -> Any:
        """The sampling parameters for what is left of an answer."""
        if not partial.tokens:
            return self._sampling
        left = self._sampling.clone()
        left.max_tokens = self._sampling.max_tokens - len(partial.tokens)
        return left

    def _left_s(self, partial: Partial) -> float | None:
        """How long a request may still take, all its engines together."""
        timeout_s = self._tier.generation.timeout_s
        return None if timeout_s is None else timeout_s - partial.engine_s

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))
