"""vLLM's scheduler, handing out tokens in blocks; runs inside the engine core's process.

vLLM sends every token of every request to the process in front of the engine as soon as it is
sampled, with its log probabilities, as a chat needs it. A batch needs a request's tokens when the
request ends. Here they wait in the engine core until there are `BLOCK_TOKENS` of them or the
request has ended, which saves most of the messages between the two processes.
Boundary: made by vLLM from its `scheduler_cls` setting; schedules nothing itself.
Invariant: joined, the blocks of a request are what vLLM would have sent token by token. Not for
stop strings, which vLLM looks for in front of the engine: those requests would run on unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.outputs import LogprobsLists

BLOCK_TOKENS = 16


class BlockScheduler(Scheduler):  # type: ignore[misc] # vLLM has no types here
    """vLLM's scheduler for steps that are scheduled one after another."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self._held: dict[str, list[Any]] = {}

    def update_from_output(self, *step: Any) -> dict[int, Any]:
        """vLLM's outputs of a step by client, less what waits for the rest of its block."""
        by_client: dict[int, Any] = super().update_from_output(*step)
        for outputs in by_client.values():
            held = (self._hold(output) for output in outputs.outputs)
            outputs.outputs = [output for output in held if output is not None]
        return {client: outputs for client, outputs in by_client.items() if _says(outputs)}

    def finish_requests(self, request_ids: str | Iterable[str] | None, status: Any) -> Any:
        """Called by vLLM when a request ends from outside; nobody waits for its tokens."""
        ended: list[Any] = super().finish_requests(request_ids, status)
        for request in ended:
            self._held.pop(request.request_id, None)
        return ended

    def _hold(self, output: Any) -> Any | None:
        held = self._held.setdefault(output.request_id, [])
        held.append(output)
        if output.finish_reason is None and len(held) < BLOCK_TOKENS:
            return None
        del self._held[output.request_id]
        return joined(held)


def joined(outputs: Sequence[Any]) -> Any:
    """Consecutive outputs of one request as one: the last of them, with the tokens of all."""
    *earlier, last = outputs
    if not earlier:
        return last
    last.new_token_ids = [token for output in outputs for token in output.new_token_ids]
    logprobs = [output.new_logprobs for output in outputs if output.new_logprobs is not None]
    if logprobs:
        last.new_logprobs = LogprobsLists(
            np.concatenate([one.logprob_token_ids for one in logprobs]),
            np.concatenate([one.logprobs for one in logprobs]),
            np.concatenate([one.sampled_token_ranks for one in logprobs]),
        )
    last.prefill_stats = outputs[0].prefill_stats  # only the first output has them
    last.events = [event for output in outputs for event in output.events or ()] or None
    return last


def _says(outputs: Any) -> bool:
    """Whether anything is left to be sent."""
    return bool(outputs.outputs or outputs.finished_requests or outputs.scheduler_stats)
