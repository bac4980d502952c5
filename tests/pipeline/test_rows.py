"""A row says what its document is and what became of it."""

import pytest

from pipeline.failures import Code, Failure
from pipeline.rows import answer_row, failure_row
from tests.pipeline.engine_builders import FINGERPRINT, completion, document, tier, work


def test_an_answer_carries_its_document_tier_tokens_and_confidence() -> None:
    its = completion()
    made = answer_row(work(), document(7, shard=2), tier(), its, "yes")
    assert (made.ordinal, made.id, made.source_row) == (7, "id-2-7", 2007)
    assert (made.status, made.result, made.error_code, made.error) == ("ok", "yes", None, None)
    assert (made.tier, made.finish_reason) == ("small", "stop")
    assert (made.prompt_tokens, made.output_tokens, made.engine_s) == (10, 2, 8.0)
    assert made.confidence == its.confidence
    assert made.fingerprint == FINGERPRINT.value


def test_an_answer_costs_its_share_of_the_replica() -> None:
    made = answer_row(work(), document(0), tier(), completion(), "yes")
    assert made.cost_usd == pytest.approx(8.0 * (3.6 / 3600) / 8)  # 4 decoded, 4 waiting


def test_a_failure_before_any_engine_costs_nothing() -> None:
    made = failure_row(work(), document(0), Failure(Code.EMPTY_TEXT, "nothing there"))
    assert (made.status, made.result) == ("error", None)
    assert (made.error_code, made.error) == ("empty_text", "nothing there")
    assert (made.tier, made.finish_reason, made.confidence) == (None, None, None)
    assert (made.prompt_tokens, made.output_tokens, made.engine_s, made.cost_usd) == (0, 0, 0, 0)


def test_a_failure_after_an_engine_keeps_what_the_engine_did() -> None:
    why = Failure(Code.INVALID_OUTPUT, "no label")
    made = failure_row(work(), document(0), why, completion(), tier())
    assert (made.tier, made.output_tokens) == ("small", 2)
    assert made.cost_usd > 0
