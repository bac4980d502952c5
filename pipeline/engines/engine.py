"""What an engine is to the pipeline: prompts of tokens in, completions out.

Boundary: knows neither vLLM nor Ray. `VLLMEngine` and `FakeEngine` speak this protocol.
Invariant: an engine answers every request of a call exactly once, each as soon as it is done, and
reports a request that it cannot serve as a completion, not as an exception. Only the death of the
engine itself is an exception, `EngineDeadError`; what was answered before it stands.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from checkpoints.partial import NOTHING, Partial
from checkpoints.result import Confidence
from pipeline.engines.tiers import Tier


class FinishReason(StrEnum):
    """Why a generation ended."""

    STOP = "stop"  # end-of-sequence token or a stop string
    LENGTH = "length"  # max_tokens reached
    ABORT = "abort"  # ended from outside; the tokens so far are returned
    REJECTED = "rejected"  # the engine refused the request; `Completion.text` says why
    CRASH = "crash"  # the engine died on it, alone, as often as allowed
    HANDED_BACK = "handed_back"  # the engine has to go; `Completion.partial` goes on elsewhere


@dataclass(frozen=True, slots=True)
class Setbacks:
    """What a request lost on its way because engines went away, and what was kept.

    `tokens` is the most that can have been generated twice, `seconds` those between the beginning
    at an engine and knowing that it is lost. `prefilled_again_tokens` are prompt and partial answer
    of every further attempt that an engine began, also of one that only continued.
    """

    restarts: int = 0
    tokens: int = 0
    seconds: float = 0.0
    salvaged_tokens: int = 0
    prefilled_again_tokens: int = 0


NO_SETBACKS = Setbacks()


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt for one tier. `id` is unique within a run and stable over attempts."""

    id: str
    prompt_tokens: tuple[int, ...]
    engine_deaths: int = 0  # how many engines have died on it when it was alone in its chunk
    partial: Partial = NOTHING


@dataclass(frozen=True, slots=True)
class Completion:
    """What an engine made of a request.

    `engine_s` is the time in seconds from the engine's admission of the request to its end;
    requests of a batch share those seconds, so their sum exceeds the engine's own time. `share_s`
    is the request's part of it; None where the engine does not tell. Text, tokens, confidence and
    times include the request's `partial`. When it is handed back,
    `output_tokens` may be more than the tokens in `partial`: the rest is lost.
    """

    request_id: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    output_tokens: int
    confidence: Confidence | None
    engine_s: float
    share_s: float | None = None
    partial: Partial = NOTHING
    setbacks: Setbacks = NO_SETBACKS  # the dispatcher's knowledge; an engine leaves it


def handed_back(request: Request, partial: Partial, output_tokens: int | None = None) -> Completion:
    """A request that goes on elsewhere behind `partial`, of `output_tokens` generated in all."""
    return Completion(
        request_id=request.id,
        text="",
        finish_reason=FinishReason.HANDED_BACK,
        prompt_tokens=len(request.prompt_tokens),
        output_tokens=len(partial.tokens) if output_tokens is None else output_tokens,
        confidence=None,
        engine_s=partial.engine_s,
        partial=partial,
    )


def without_output(
    request: Request, reason: FinishReason, text: str, engine_s: float = 0.0
) -> Completion:
    """A completion without output; `text` says why."""
    return Completion(
        request_id=request.id,
        text=text,
        finish_reason=reason,
        prompt_tokens=len(request.prompt_tokens),
        output_tokens=0,
        confidence=None,
        engine_s=engine_s,
    )


class EngineDeadError(RuntimeError):
    """The engine will never answer again: replace it and send the work elsewhere."""


class EngineLimitsError(RuntimeError):
    """The engine resolved other batch limits than the profile asks for."""


Parts = AsyncGenerator[list[Completion], None]
"""The completions of a call in the order in which they are done, a few at a time.

An empty part comes first, as soon as the engine begins with the first of the requests; none comes
where it begins with none of them. So whoever waits can tell the engine's time from the time before.
"""


class Engine(Protocol):
    """One replica's worth of a model."""

    async def start(self) -> None:
        """Load the model; raise `EngineLimitsError` if it runs with other limits than asked."""
        ...

    def generate(self, requests: Sequence[Request]) -> Parts:
        """One completion per request; raise `EngineDeadError` if the engine is gone."""
        ...

    async def check_health(self) -> None:
        """Raise `EngineDeadError` if the engine is gone; give no answer while it hangs."""
        ...

    def drain(self, deadline_s: float) -> None:
        """Be empty before `deadline_s`, a time of the running loop.

        Requests that would not end in time are handed back, and at last those that still run.
        """
        ...

    @property
    def is_closed(self) -> bool:
        """Whether every further request is handed back."""
        ...


EngineFactory = Callable[[Tier], Engine]
"""Makes an engine where it will run; picklable itself."""
