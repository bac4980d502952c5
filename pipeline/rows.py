"""From a document and what became of it to its result row: pure.

A row's cost is its engine seconds at the price of the replica, shared by the requests that a busy
replica holds: usd_per_hour / 3600 * engine_s / in_flight_per_replica. It ranks documents by cost;
what a run really costs is metered in replica-seconds (`meter.py`), since engines are not always
full.
"""

from __future__ import annotations

from checkpoints.result import NO_REWORK, ResultRow, Rework
from pipeline.documents import Prepared
from pipeline.engine import NO_SETBACKS, Completion, Setbacks
from pipeline.failures import Failure
from pipeline.tiers import Tier
from pipeline.work import Work


def answer_row(
    work: Work, document: Prepared, tier: Tier, completion: Completion, result: str
) -> ResultRow:
    """The row of a document that has its answer."""
    return _row(work, document, completion, tier, result=result, failure=None)


def failure_row(
    work: Work,
    document: Prepared,
    failure: Failure,
    completion: Completion | None = None,
    tier: Tier | None = None,
) -> ResultRow:
    """The row of a document that has none, with the last completion if there was one."""
    return _row(work, document, completion, tier, result=None, failure=failure)


def _row(
    work: Work,
    document: Prepared,
    completion: Completion | None,
    tier: Tier | None,
    *,
    result: str | None,
    failure: Failure | None,
) -> ResultRow:
    return ResultRow(
        ordinal=document.ordinal,
        id=document.id,
        status="ok" if failure is None else "error",
        result=result,
        error_code=None if failure is None else failure.code.value,
        error=None if failure is None else failure.reason,
        tier=None if tier is None else tier.name,
        finish_reason=None if completion is None else completion.finish_reason.value,
        prompt_tokens=0 if completion is None else completion.prompt_tokens,
        output_tokens=0 if completion is None else completion.output_tokens,
        confidence=None if completion is None else completion.confidence,
        engine_s=0.0 if completion is None else completion.engine_s,
        cost_usd=_cost_usd(tier, 0.0 if completion is None else completion.engine_s),
        fingerprint=work.fingerprint,
        source=document.source,
        source_row=document.source_row,
        passthrough=document.passthrough,
        rework=_rework(tier, NO_SETBACKS if completion is None else completion.setbacks),
    )


def _cost_usd(tier: Tier | None, request_s: float) -> float:
    return 0.0 if tier is None else tier.placement.usd_per_hour / 3600 * _engine_s(tier, request_s)


def _engine_s(tier: Tier, request_s: float) -> float:
    """Seconds of a whole engine, of which a request in it has its share."""
    return request_s / tier.in_flight_per_replica


def _rework(tier: Tier | None, setbacks: Setbacks) -> Rework:
    if tier is None:
        return NO_REWORK
    return Rework(
        documents=int(setbacks.restarts > 0),
        tokens=setbacks.tokens,
        engine_s=_engine_s(tier, setbacks.seconds),
        gpu_s=_engine_s(tier, setbacks.seconds) * tier.placement.num_gpus,
        usd=_cost_usd(tier, setbacks.seconds),
        salvaged_tokens=setbacks.salvaged_tokens,
    )
