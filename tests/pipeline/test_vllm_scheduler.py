"""Blocks of tokens add up to what vLLM would have sent one by one."""

import inspect
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("vllm")

from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.engine import EngineCoreOutput, EngineCoreOutputs, FinishReason
from vllm.v1.outputs import LogprobsLists

from pipeline.vllm_scheduler import BLOCK_TOKENS, BlockScheduler, joined


class Steps:
    """In the place of vLLM's scheduler: its steps are given."""

    def __init__(self, steps: list[dict[int, list[EngineCoreOutput]]]) -> None:
        self.steps = iter(steps)

    def update_from_output(self, *_: object) -> dict[int, Any]:
        outputs = next(self.steps).items()
        return {client: EngineCoreOutputs(outputs=list(ones)) for client, ones in outputs}

    def finish_requests(self, request_ids: list[str], _: object) -> list[Any]:
        return [SimpleNamespace(request_id=name) for name in request_ids]


@pytest.fixture(autouse=True)
def given_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("__init__", "update_from_output", "finish_requests"):
        monkeypatch.setattr(Scheduler, name, getattr(Steps, name))


def token(name: str, number: int, *, ends: bool = False) -> EngineCoreOutput:
    logprobs = LogprobsLists(
        np.array([[number, number + 1]]), np.array([[-0.1 * number, -2.0]]), np.array([number])
    )
    reason = FinishReason.STOP if ends else None
    return EngineCoreOutput(name, [number], new_logprobs=logprobs, finish_reason=reason)


def sent(blocks: BlockScheduler, steps: int) -> list[list[EngineCoreOutput]]:
    """What leaves at each step, for client 0."""
    left = [blocks.update_from_output() for _ in range(steps)]
    return [by_client[0].outputs if by_client else [] for by_client in left]


def test_tokens_wait_for_their_block_or_the_end_of_their_request() -> None:
    length = BLOCK_TOKENS + 3
    steps = [{0: [token("a", n, ends=n == length - 1)]} for n in range(length)]
    blocks = [one for ones in sent(BlockScheduler(steps=steps), length) for one in ones]
    assert [one.new_token_ids for one in blocks] == [
        [*range(BLOCK_TOKENS)],
        [*range(BLOCK_TOKENS, length)],
    ]
    assert [one.finish_reason for one in blocks] == [None, FinishReason.STOP]
    ranks = np.concatenate([one.new_logprobs.sampled_token_ranks for one in blocks])
    assert ranks.tolist() == [*range(length)]
    assert blocks[0].new_logprobs.logprobs.shape == (BLOCK_TOKENS, 2)
    assert blocks[0].new_logprobs.logprob_token_ids[:, 1].tolist() == [*range(1, BLOCK_TOKENS + 1)]


def test_requests_do_not_mix() -> None:
    steps = [{0: [token("a", n), token("b", 100 + n, ends=n == 2)]} for n in range(3)]
    last = sent(BlockScheduler(steps=steps), 3)[-1]
    assert [(one.request_id, one.new_token_ids) for one in last] == [("b", [100, 101, 102])]


def test_a_step_that_only_adds_to_blocks_sends_nothing() -> None:
    assert BlockScheduler(steps=[{0: [token("a", 0)]}]).update_from_output() == {}


def test_tokens_of_a_request_that_was_aborted_do_not_come_back() -> None:
    blocks = BlockScheduler(steps=[{0: [token("a", 0)]}, {0: [token("a", 7, ends=True)]}])
    blocks.update_from_output()
    blocks.finish_requests(["a", "never seen"], None)
    [[again]] = sent(blocks, 1)
    assert again.new_token_ids == [7]


def test_an_error_without_tokens_brings_those_before_it() -> None:
    failed = EngineCoreOutput("a", [], finish_reason=FinishReason.ERROR)
    whole = joined([token("a", 1), token("a", 2), failed])
    assert (whole.new_token_ids, whole.finish_reason) == ([1, 2], FinishReason.ERROR)
    assert len(whole.new_logprobs.logprobs) == 2


def test_vllm_still_has_the_methods_that_are_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    step = inspect.signature(Scheduler.update_from_output).parameters
    assert [*step] == ["self", "scheduler_output", "model_runner_output"]
    end = inspect.signature(Scheduler.finish_requests).parameters
    assert [*end] == ["self", "request_ids", "finished_status"]
