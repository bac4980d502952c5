"""From a document and what became of it to its result row: pure.

A row's cost is its part of the engine's time at the price of the replica: while an engine holds n
requests, each has 1/n of every second (`shares.py`). Where an engine does not tell, it is taken for
full: usd_per_hour / 3600 * engine_s / in_flight_per_replica. What a run really costs is metered in
replica-seconds (`meter.py`), since engines also start, and wait.
"""

from __future__ import annotations

from dataclasses import dataclass

from checkpoints.result import NO_REWORK, ResultRow, Rework
from checkpoints.steps import Step
from pipeline.documents import Prepared
from pipeline.engines.engine import Completion, Setbacks
from pipeline.engines.tiers import Tier
from pipeline.failures import Failure
from pipeline.routing.route import Judgement
from pipeline.work import Work


def step_of(
    tier: Tier, completion: Completion, judgement: Judgement, answer: str | None = None
) -> Step:
    """What a tier did for a document; `answer` is kept where it is compared with another one."""
    share_s = completion.share_s
    if share_s is None:
        share_s = _engine_s(tier, completion.engine_s)
    return Step(
        tier=tier.name,
        is_kept=judgement.is_kept,
        reason=judgement.reason,
        prompt_tokens=completion.prompt_tokens,
        output_tokens=completion.output_tokens,
        engine_s=completion.engine_s,
        share_s=share_s,
        cost_usd=tier.placement.usd_per_hour / 3600 * share_s,
        score=judgement.score,
        features=judgement.features,
        answer=answer,
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a document's way ended with: the tier that had the last word, and its answer or why
    there is none; `rework` is of all tiers."""

    result: str | Failure
    tier: Tier | None = None
    completion: Completion | None = None
    steps: tuple[Step, ...] = ()
    rework: Rework = NO_REWORK


def row_of(work: Work, document: Prepared, outcome: Outcome) -> ResultRow:
    """The row of a document."""
    failure = outcome.result if isinstance(outcome.result, Failure) else None
    completion, tier, steps = outcome.completion, outcome.tier, outcome.steps
    return ResultRow(
        ordinal=document.ordinal,
        id=document.id,
        status="ok" if failure is None else "error",
        result=None if isinstance(outcome.result, Failure) else outcome.result,
        error_code=None if failure is None else failure.code.value,
        error=None if failure is None else failure.reason,
        tier=None if tier is None else tier.name,
        finish_reason=None if completion is None else completion.finish_reason.value,
        prompt_tokens=sum(step.prompt_tokens for step in steps),
        output_tokens=sum(step.output_tokens for step in steps),
        confidence=None if completion is None else completion.confidence,
        engine_s=sum(step.engine_s for step in steps),
        cost_usd=sum(step.cost_usd for step in steps),
        fingerprint=work.fingerprint,
        source=document.source,
        source_row=document.source_row,
        passthrough=document.passthrough,
        rework=outcome.rework,
        steps=steps if work.has_several_tiers else (),
    )


def rework_of(tier: Tier, setbacks: Setbacks) -> Rework:
    """What one tier did twice for a document."""
    return Rework(
        documents=int(setbacks.restarts > 0),
        tokens=setbacks.tokens,
        engine_s=_engine_s(tier, setbacks.seconds),
        gpu_s=_engine_s(tier, setbacks.seconds) * tier.placement.num_gpus,
        usd=_cost_usd(tier, setbacks.seconds),
        salvaged_tokens=setbacks.salvaged_tokens,
        prefilled_again_tokens=setbacks.prefilled_again_tokens,
    )


def _cost_usd(tier: Tier, request_s: float) -> float:
    return tier.placement.usd_per_hour / 3600 * _engine_s(tier, request_s)


def _engine_s(tier: Tier, request_s: float) -> float:
    """Seconds of a whole engine, of which a request in it has its share."""
    return request_s / tier.in_flight_per_replica
