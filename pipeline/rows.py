"""From a document and what became of it to its result row: pure.

A row's cost is its engine seconds at the price of the replica, shared by the requests that a busy
replica holds: usd_per_hour / 3600 * engine_s / in_flight_per_replica. It ranks documents by cost;
what a run really costs is metered in replica-seconds (`meter.py`), since engines are not always
full.
"""

from __future__ import annotations

from checkpoints.result import ResultRow
from pipeline.documents import Prepared
from pipeline.engine import Completion
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
        cost_usd=0.0 if completion is None or tier is None else _cost_usd(tier, completion),
        fingerprint=work.fingerprint,
        source=document.source,
        source_row=document.source_row,
        passthrough=document.passthrough,
    )


def _cost_usd(tier: Tier, completion: Completion) -> float:
    per_s = tier.placement.usd_per_hour / 3600
    return per_s * completion.engine_s / tier.in_flight_per_replica
