"""Whether a completion is an answer: pure.

Boundary: one completion and the output format in; the canonical result or a failure out.
"""

from __future__ import annotations

from pipeline.engines.engine import Completion, FinishReason
from pipeline.failures import Code, Failure, failure
from pipeline.outputs import OutputFormat


def judge(completion: Completion, output_format: OutputFormat) -> str | Failure:
    """The canonical result text, or why there is none."""
    match completion.finish_reason:
        case FinishReason.CRASH:
            return failure(Code.ENGINE_CRASH, completion.text)
        case FinishReason.REJECTED:
            return failure(Code.ENGINE_ERROR, f"the engine refused the request: {completion.text}")
        case FinishReason.ABORT:
            return failure(Code.TIMEOUT, f"no end after {completion.engine_s:.0f} s in the engine")
        case FinishReason.HANDED_BACK:
            raise ValueError(f"{completion.request_id} was handed back: it is not at its end")
        case FinishReason.STOP | FinishReason.LENGTH:
            return output_format.parse(completion.text, completion.finish_reason.value)
