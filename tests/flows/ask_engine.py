"""One real vLLM engine of the bundled small model, asked twice; for test_signals.py.

    python -m tests.flows.ask_engine COUNT

The second time it is not asked about its answers. A line of stdout is JSON: `checked` and `plain`,
a list of answers each (text, finish_reason, output_tokens, confidence, right), and `reply_sums`,
for each self-check the sum of the probabilities that vLLM named.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from jobs.demo.document import draw_document
from jobs.demo.prompt import SYSTEM
from pipeline.engines.engine import Completion, Request
from pipeline.engines.vllm_engine import VLLMEngine
from pipeline.preparing.tokens import HFTokenizer
from tests.flows.flow import MODELS, ROOT
from tests.pipeline.engine_builders import all_of, tier

SEED = 31


async def main(count: int) -> None:
    model = str(MODELS / "small")
    its = tier()
    profile = replace(
        its.profile,
        max_model_len=1024,
        max_num_seqs=32,
        max_num_batched_tokens=2048,
        enable_prefix_caching=True,
    )
    generation = replace(
        its.generation,
        max_tokens=128,
        json_schema=(ROOT / "jobs/demo/schema.json").read_text(),
        self_check=True,
    )
    engine = VLLMEngine(replace(its, model=model, profile=profile, generation=generation))
    drawn = [draw_document(SEED, index, is_held_out=True) for index in range(count)]
    prompts = HFTokenizer(model).encode_chats([(SYSTEM, one.text()) for one in drawn])
    requests = [Request(f"0.{n}.small", prompt) for n, prompt in enumerate(prompts)]
    gold = [one.answer.to_json() for one in drawn]

    await engine.start()
    sums = record_replies(engine)
    checked = in_order(await all_of(engine.generate(requests)))
    engine._check = None
    plain = in_order(await all_of(engine.generate(requests)))
    print(
        json.dumps(
            {
                "checked": [facts(one, right) for one, right in zip(checked, gold, strict=True)],
                "plain": [facts(one, right) for one, right in zip(plain, gold, strict=True)],
                "reply_sums": sums,
            }
        )
    )
    engine._engine.shutdown()


def record_replies(engine: VLLMEngine) -> list[float]:
    """The sums of the probabilities of each reply, as they come."""
    check, sums = engine._check, list[float]()
    assert check is not None
    read = check.p_yes

    def p_yes(flat: Any) -> float | None:
        named = dict(zip(flat.token_ids, flat.logprobs, strict=True))
        sums.append(math.fsum(math.exp(logprob) for logprob in named.values()))
        return read(flat)

    check.p_yes = p_yes  # type: ignore[method-assign]
    return sums


def in_order(completions: Sequence[Completion]) -> list[Completion]:
    return sorted(completions, key=lambda one: int(one.request_id.split(".")[1]))


def facts(completion: Completion, gold: str) -> dict[str, Any]:
    return {
        "text": completion.text,
        "finish_reason": completion.finish_reason.value,
        "output_tokens": completion.output_tokens,
        "confidence": None if completion.confidence is None else asdict(completion.confidence),
        "right": completion.text == gold,
    }


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
