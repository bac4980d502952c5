"""One real engine over some documents; for test_blocks.py.

    python -m tests.flows.generate blocks|plain

`plain` has vLLM's own scheduler. The key-value cache is so small that requests are preempted; one
call is given up in the middle. Prints every completion of the others as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, replace

from jobs.demo.document import draw_document
from jobs.demo.prompt import SYSTEM
from pipeline.engine import Request
from pipeline.tokens import HFTokenizer
from pipeline.vllm_engine import VLLMEngine
from tests.flows.flow import MODELS
from tests.pipeline.engine_builders import all_of, tier

COUNT = 48
SCHEMA = (MODELS.parent / "schema.json").read_text()
SMALL_CACHE = {"num_gpu_blocks_override": 24, "block_size": 128}


async def main(which: str) -> None:
    extra = SMALL_CACHE | ({} if which == "blocks" else {"scheduler_cls": None})
    made = tier(model=str(MODELS / "small"))
    profile = replace(
        made.profile,
        max_model_len=1024,
        max_num_seqs=32,
        max_num_batched_tokens=2048,
        extra=extra,
    )
    generation = replace(made.generation, max_tokens=96, json_schema=SCHEMA)
    engine = VLLMEngine(replace(made, profile=profile, generation=generation))
    texts = [draw_document(11, n, is_held_out=True).text() for n in range(COUNT)]
    prompts = HFTokenizer(str(MODELS / "small")).encode_chats([(SYSTEM, text) for text in texts])
    requests = [Request(f"0.{n}.small", prompt) for n, prompt in enumerate(prompts)]
    await engine.start()
    given_up = engine.generate([Request(f"1.{n}.small", one) for n, one in enumerate(prompts)])
    await anext(given_up)
    await given_up.aclose()
    completions = await all_of(engine.generate(requests))
    print(json.dumps([asdict(one) for one in completions]), flush=True)
    os._exit(0)  # the engine's process ends with this one, as with a replica


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
