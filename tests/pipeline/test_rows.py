"""A row says what its document is and what became of it."""

import pytest

from pipeline.engines.engine import Completion
from pipeline.failures import Code, Failure
from pipeline.routing.route import Judgement
from pipeline.rows import Outcome, row_of, step_of
from tests.pipeline.engine_builders import FINGERPRINT, completion, document, tier, work


def outcome(result: str | Failure, its: Completion) -> Outcome:
    """One tier's."""
    judgement = Judgement(not isinstance(result, Failure), "last")
    return Outcome(result, tier(), its, (step_of(tier(), its, judgement),))


def test_an_answer_carries_its_document_tier_tokens_and_confidence() -> None:
    its = completion()
    made = row_of(work(), document(7, shard=2), outcome("yes", its))
    assert (made.ordinal, made.id, made.source_row) == (7, "id-2-7", 2007)
    assert (made.status, made.result, made.error_code, made.error) == ("ok", "yes", None, None)
    assert (made.tier, made.finish_reason) == ("small", "stop")
    assert (made.prompt_tokens, made.output_tokens, made.engine_s) == (10, 2, 8.0)
    assert made.confidence == its.confidence
    assert made.fingerprint == FINGERPRINT.value


def test_an_answer_costs_its_share_of_the_replica() -> None:
    made = row_of(work(), document(0), outcome("yes", completion()))
    assert made.cost_usd == pytest.approx(8.0 * (3.6 / 3600) / 8)  # 4 decoded, 4 waiting


def test_a_failure_before_any_engine_costs_nothing() -> None:
    made = row_of(work(), document(0), Outcome(Failure(Code.EMPTY_TEXT, "nothing there")))
    assert (made.status, made.result) == ("error", None)
    assert (made.error_code, made.error) == ("empty_text", "nothing there")
    assert (made.tier, made.finish_reason, made.confidence) == (None, None, None)
    assert (made.prompt_tokens, made.output_tokens, made.engine_s, made.cost_usd) == (0, 0, 0, 0)


def test_a_failure_after_an_engine_keeps_what_the_engine_did() -> None:
    why = Failure(Code.INVALID_OUTPUT, "no label")
    made = row_of(work(), document(0), outcome(why, completion()))
    assert (made.tier, made.output_tokens) == ("small", 2)
    assert made.cost_usd > 0
