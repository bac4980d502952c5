"""A completion is an answer, or a failure with a stable code."""

import pytest

from pipeline.engines.engine import FinishReason
from pipeline.failures import Code, Failure
from pipeline.judge import judge
from pipeline.outputs import FreeText, Label
from tests.pipeline.engine_builders import completion


def test_a_finished_generation_is_parsed() -> None:
    assert judge(completion(" yes "), FreeText()) == "yes"


def test_the_output_format_may_refuse_it() -> None:
    refused = judge(completion("perhaps"), Label(("yes", "no")))
    assert isinstance(refused, Failure)
    assert refused.code is Code.INVALID_OUTPUT


def test_a_generation_cut_off_at_the_limit_is_no_answer() -> None:
    cut = judge(completion("ye", finish_reason=FinishReason.LENGTH), FreeText())
    assert isinstance(cut, Failure)
    assert cut.code is Code.OUTPUT_TRUNCATED


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (FinishReason.CRASH, Code.ENGINE_CRASH),
        (FinishReason.REJECTED, Code.ENGINE_ERROR),
        (FinishReason.ABORT, Code.TIMEOUT),
    ],
)
def test_what_no_engine_answered_has_its_own_code(reason: FinishReason, code: Code) -> None:
    failed = judge(completion("because", finish_reason=reason), FreeText())
    assert isinstance(failed, Failure)
    assert failed.code is code
    assert "because" in failed.reason or "8 s" in failed.reason


def test_a_reason_is_one_line_of_bounded_length() -> None:
    text = "line\n" * 1000
    failed = judge(completion(text, finish_reason=FinishReason.REJECTED), FreeText())
    assert isinstance(failed, Failure)
    assert "\n" not in failed.reason
    assert len(failed.reason) < 1100


def test_every_finish_reason_of_an_end_is_judged() -> None:
    with pytest.raises(ValueError, match="handed back"):
        judge(completion(finish_reason=FinishReason.HANDED_BACK), FreeText())
    for reason in set(FinishReason) - {FinishReason.HANDED_BACK}:
        assert judge(completion(finish_reason=reason), FreeText()) is not None
