"""The meter of tokens, on vLLM's own output processor without an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vllm import SamplingParams
from vllm.sampling_params import RequestOutputKind
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest, FinishReason
from vllm.v1.engine.output_processor import OutputProcessor, RequestOutputCollector

from tests.benchmarks.flight import Meter
from tests.benchmarks.tap import Sample, Tap, flights


def processor(*names: str) -> Any:
    """vLLM's, with these requests in it."""
    made = OutputProcessor(None, log_stats=False)
    for name in names:
        request = EngineCoreRequest(
            request_id=name,
            prompt_token_ids=[1, 2, 3],
            mm_features=None,
            sampling_params=SamplingParams(
                max_tokens=9, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY
            ),
            pooling_params=None,
            arrival_time=0.0,
            lora_request=None,
            cache_salt=None,
            data_parallel_rank=None,
            external_req_id=name,
        )
        made.add_request(
            request, None, queue=RequestOutputCollector(RequestOutputKind.FINAL_ONLY, name)
        )
    return made


def tokens(samples: list[Sample]) -> list[tuple[int, int]]:
    """(in flight, generated) of each sample."""
    return [(one.in_flight, one.generated) for one in samples]


def test_tokens_count_as_generated_whatever_becomes_of_their_request(tmp_path: Path) -> None:
    vllm = processor("ends", "is cancelled", "dies")
    meter = Meter(vllm, Tap(tmp_path))
    vllm.process_outputs(
        [EngineCoreOutput(name, [7, 7]) for name in ("ends", "is cancelled", "dies")]
    )
    meter.note()
    vllm.abort_requests(["is cancelled"], internal=False)
    vllm.process_outputs(
        [EngineCoreOutput("is cancelled", [8]), EngineCoreOutput("dies", [8])], None, None
    )
    meter.note()
    vllm.process_outputs([EngineCoreOutput("ends", [9], finish_reason=FinishReason.STOP)])
    [samples] = flights(tmp_path)
    assert tokens(samples) == [(6, 6), (5, 8), (3, 9)]


def test_an_answer_is_noted_without_waiting_for_the_next_sample(tmp_path: Path) -> None:
    vllm = processor("ends")
    Meter(vllm, Tap(tmp_path))
    vllm.process_outputs([EngineCoreOutput("ends", [7, 7, 7], finish_reason=FinishReason.LENGTH)])
    [samples] = flights(tmp_path)
    assert tokens(samples) == [(0, 3)]
