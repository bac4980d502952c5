"""One document's way: for each tier that the route allows, generate, judge, keep or escalate.

Boundary: async, free of Ray and of storage; tiers are asked through callables, and a step that the
way goes on from is told to whoever makes it durable.
Invariant: every document comes to one outcome. Of a way that was begun before, no step is done
again that is in `past`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from checkpoints.journal import JournalState
from checkpoints.partial import NOTHING
from checkpoints.result import NO_REWORK, ResultRow
from checkpoints.steps import Step
from pipeline.certification.agreement import Loss, loss_named, paired
from pipeline.documents import Prepared
from pipeline.engines.engine import Completion, FinishReason, Request
from pipeline.engines.tiers import Tier
from pipeline.failures import Code, Failure
from pipeline.judge import judge
from pipeline.routing.route import Judgement, Reason, Route, judged
from pipeline.rows import Outcome, rework_of, row_of, step_of
from pipeline.work import Work

FAILED = frozenset(code.value for code in Code)

Generate = Callable[[Request], Awaitable[Completion]]
OnStep = Callable[[int, int, Step], None]
"""Takes shard, ordinal and a step behind which another tier is asked."""


class Walks:
    """The ways of a coordinator's documents; `route` may be replaced while they are walked."""

    def __init__(self, work: Work, generate: Mapping[str, Generate], on_step: OnStep) -> None:
        self.route: Route = work.route
        self._work = work
        self._tiers = {tier.name: tier for tier in work.tiers}
        self._generate = generate
        self._on_step = on_step
        self._loss: Loss | None = None if work.loss is None else loss_named(work.loss)

    async def to_row(self, shard: int, document: Prepared, past: JournalState) -> ResultRow:
        """The document's one row."""
        if document.failure is not None:
            return row_of(self._work, document, Outcome(document.failure))
        outcome = await self._walk(shard, document, past)
        if self._loss is not None and self._is_audited(document):
            steps = compared(outcome, document.gold, self._loss)
            outcome = replace(outcome, steps=steps)
        return row_of(self._work, document, outcome)

    async def _walk(self, shard: int, document: Prepared, past: JournalState) -> Outcome:
        ladder = self.route.from_tier(document.start)
        last = next((name for name in reversed(ladder) if name in document.prompts), None)
        outcome = Outcome(Failure(Code.TOO_LONG, "the document fits no tier of the route"))
        waiting: Outcome | None = None  # would be kept, and is compared with the last tier's
        for name in ladder:
            if waiting is not None and name != last:
                continue
            known = past.steps.get((document.ordinal, name))
            if known is not None:
                outcome = _resumed(outcome, self._tiers[name], known)
                if known.reason == Reason.AUDITED:
                    waiting = outcome
                continue
            prompt = document.prompts.get(name)
            if prompt is None or self.route.skips(name, prompt):
                why = Reason.TOO_LONG if prompt is None else Reason.SKIPPED
                passed = Step(tier=name, is_kept=False, reason=why)
                outcome = replace(outcome, steps=(*outcome.steps, passed))
                continue
            request = Request(
                f"{shard}.{document.ordinal}.{name}",
                prompt,
                past.engine_deaths.get(document.ordinal, 0),
                past.partials.get((document.ordinal, name), NOTHING),
            )
            outcome = await self._ask(document, request, name, outcome, is_last=name == last)
            if name == last or _is_over(outcome):
                break
            if outcome.steps[-1].reason == Reason.AUDITED:
                waiting = outcome
            self._on_step(shard, document.ordinal, outcome.steps[-1])
        if waiting is not None and isinstance(outcome.result, Failure):
            steps, rework = outcome.steps, outcome.rework
            return replace(waiting, steps=steps, rework=rework)  # it would have been kept
        return outcome

    async def _ask(
        self, document: Prepared, request: Request, name: str, so_far: Outcome, *, is_last: bool
    ) -> Outcome:
        """What one tier makes of a document, behind what others made of it."""
        tier, route = self._tiers[name], self.route
        completion = await self._generate[name](request)
        answer = judge(completion, self._work.output_format)
        judgement = judged(route, name, answer, completion.confidence, is_last=is_last)
        if judgement.is_kept and not is_last and self._is_audited(document):
            judgement = Judgement(False, Reason.AUDITED, judgement.score, judgement.features)
        is_compared = judgement.reason == Reason.AUDITED or route.is_sampling
        kept_text = answer if is_compared and isinstance(answer, str) else None
        return Outcome(
            result=answer,
            tier=tier,
            completion=completion,
            steps=(*so_far.steps, step_of(tier, completion, judgement, kept_text)),
            rework=so_far.rework + rework_of(tier, completion.setbacks),
        )

    def _is_audited(self, document: Prepared) -> bool:
        if self._work.wants_gold and document.gold is None:
            return False
        return self.route.is_audited(document.id, self._work.fingerprint)


def _is_over(outcome: Outcome) -> bool:
    """A document that kills engines is set aside, not shown to those of the next tier."""
    completion = outcome.completion
    has_crashed = completion is not None and completion.finish_reason is FinishReason.CRASH
    return outcome.steps[-1].is_kept or has_crashed


def compared(outcome: Outcome, gold: str | None, loss: Loss) -> tuple[Step, ...]:
    """The steps of an audited document, one of them with its loss.

    That of the answer that would have been kept; where there is none, the first step loses nothing.
    """
    steps = list(outcome.steps)
    if not steps or (steps[0].is_kept and len(steps) == 1):
        return outcome.steps  # it began at the last tier: there is nothing to compare
    audited = next((n for n, step in enumerate(steps) if step.reason == Reason.AUDITED), None)
    if audited is None:
        return (replace(steps[0], loss=0.0), *steps[1:])
    lost, answer, reference = 0.0, steps[audited].answer, outcome.result
    if answer is not None and steps[-1].is_kept and isinstance(reference, str):
        compare = loss if gold is None else paired(loss, gold)
        lost = compare(answer, reference)
    steps[audited] = replace(steps[audited], loss=lost)
    return tuple(steps)


def _resumed(so_far: Outcome, tier: Tier, step: Step) -> Outcome:
    """Behind a step that an earlier attempt made durable."""
    result: str | Failure = so_far.result
    if step.answer is not None:
        result = step.answer
    elif step.reason in FAILED:
        result = Failure(Code(step.reason), f"tier {tier.name} had no usable answer")
    return Outcome(result, tier, None, (*so_far.steps, step), NO_REWORK)
