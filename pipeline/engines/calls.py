"""A request on its way, and what it lost there; used by the dispatcher alone.

Boundary: no sending and no waiting here; a call is told what happened to it.
Invariant: whoever waits for `answer` gets it once, with the setbacks of all attempts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pipeline.engines.engine import Completion, FinishReason, Request, Setbacks, without_output


class WrongAnswersError(RuntimeError):
    """An engine answered other requests than it was sent: its answers cannot be trusted."""


@dataclass(slots=True, eq=False)
class Chunk:
    """Calls that travel together."""

    calls: list[Call]
    task: asyncio.Task[None]

    def leave(self) -> None:
        """A caller has gone: the chunk ends when nobody waits for it any more."""
        if all(call.answer.done() for call in self.calls):
            self.task.cancel()


@dataclass(slots=True, eq=False)
class Call:
    """A request whose caller waits for `answer`; once that is done, it is asked for no more."""

    request: Request
    answer: asyncio.Future[Completion] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    most_tokens: int = 0  # of an answer, where it does not come to an end of its own
    chunk: Chunk | None = None  # None until it departs
    _begun_s: float | None = None  # None while no engine has begun with it
    _prefilled: list[int] = field(default_factory=list)  # tokens, at each engine that began
    _lost_behind: list[int] = field(default_factory=list)  # tokens it had when an engine was lost
    _dropped: list[int] = field(default_factory=list)  # tokens that could not be continued
    _lost_s: float = 0.0
    _was_begun: bool = field(init=False)

    def __post_init__(self) -> None:
        # An earlier attempt at the run had an engine begin with it: what is next is not the first.
        self._was_begun = bool(self.request.partial.tokens or self.request.engine_deaths)

    def begin(self) -> None:
        """The engine that it was sent to begins; until then it waited for one."""
        if self._begun_s is None:
            self._begun_s = asyncio.get_running_loop().time()

    def lose(self) -> None:
        """The engine that it was sent to is gone; nothing is lost where it had not begun."""
        if self._begun_s is not None:
            self._lost_behind.append(len(self.request.partial.tokens))
            self._lose_time()
            self._note_attempt()

    def come_back(self, completion: Completion) -> None:
        """The engine that it was sent to has to go, and gave back what it had."""
        dropped = completion.output_tokens - len(completion.partial.tokens)
        if dropped > 0:
            self._dropped.append(dropped)
            self._lose_time()
        if completion.output_tokens > len(self.request.partial.tokens):
            self._note_attempt()
        self._begun_s = None
        self.request = replace(self.request, partial=completion.partial)

    def end(self, completion: Completion) -> None:
        """Answer its caller, if he still waits."""
        if self._begun_s is not None:
            self._note_attempt()
        if not self.answer.done():
            is_whole = completion.finish_reason in (FinishReason.STOP, FinishReason.LENGTH)
            length = completion.output_tokens if is_whole else self.most_tokens
            setbacks = self._setbacks(length)
            self.answer.set_result(replace(completion, setbacks=setbacks))

    def blame(self) -> None:
        """An engine died on it alone."""
        self.request = replace(self.request, engine_deaths=self.request.engine_deaths + 1)

    def _setbacks(self, length: int) -> Setbacks:
        """A lost engine had come no further than the answer's length; if sampled, about so far."""
        lost = sum(max(0, length - behind) for behind in self._lost_behind)
        return Setbacks(
            restarts=len(self._lost_behind) + len(self._dropped),
            tokens=lost + sum(self._dropped),
            seconds=self._lost_s,
            salvaged_tokens=len(self.request.partial.tokens),
            prefilled_again_tokens=sum(self._prefilled[0 if self._was_begun else 1 :]),
        )

    def _note_attempt(self) -> None:
        """An engine that began with it is done with it."""
        self._prefilled.append(len(self.request.prompt_tokens) + len(self.request.partial.tokens))
        self._begun_s = None

    def _lose_time(self) -> None:
        if self._begun_s is not None:
            self._lost_s += asyncio.get_running_loop().time() - self._begun_s


def unanswered(calls: Sequence[Call]) -> list[Call]:
    """Those whose callers still wait."""
    return [call for call in calls if not call.answer.done()]


def fail(calls: Sequence[Call], error: Exception) -> None:
    """End the wait of those callers who still do."""
    for call in unanswered(calls):
        call.answer.set_exception(error)


def hand_over(completion: Completion, waiting: list[Call]) -> Call | None:
    """Give a completion to the caller who waits for it; the call itself if it was handed back.

    Raises:
        WrongAnswersError: nobody here waits for it.
    """
    for call in waiting:
        if call.request.id == completion.request_id:
            waiting.remove(call)
            if completion.finish_reason is FinishReason.HANDED_BACK:
                call.come_back(completion)
                return call
            call.end(completion)
            return None
    raise WrongAnswersError(f"an answer came for {completion.request_id}, not asked for here")


def crashed(request: Request) -> Completion:
    """The answer for a request that engines die on."""
    died = f"{request.engine_deaths} engines died on this document when it ran alone"
    return without_output(request, FinishReason.CRASH, died)
