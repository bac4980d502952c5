"""The ceiling: `vllm.LLM.generate` over prompts that are tokenised already.

    python -m tests.benchmarks.raw_side FOLDER [--logprobs]

`--logprobs` asks for what Gleaner's confidence features need, to show what those cost the engine.
What it found lies in FOLDER/raw.json; stdout belongs to vLLM.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from vllm import LLM, RequestOutput, SamplingParams, TokensPrompt

from pipeline.tokens import HFTokenizer
from tests.benchmarks.tap import Tap
from tests.benchmarks.workload import ENGINE, MAX_TOKENS, MODEL, SYSTEM_PROMPT, Folder

WARM_UP = 32


def main(arguments: list[str]) -> None:
    folder = Folder(Path(arguments[0]))
    texts = folder.texts()
    encoded = HFTokenizer(str(MODEL)).encode_chats([(SYSTEM_PROMPT, one.text) for one in texts])
    prompts = [TokensPrompt(prompt_token_ids=list(ids)) for ids in encoded]
    model = LLM(str(MODEL), disable_log_stats=True, **ENGINE)
    with_logprobs = "--logprobs" in arguments
    sampling = SamplingParams(
        temperature=0.0,
        max_tokens=MAX_TOKENS,
        logprobs=2 if with_logprobs else None,
        flat_logprobs=with_logprobs,
    )
    # Prompts of its own: the prefix cache must not know those that are measured.
    warm = [TokensPrompt(prompt_token_ids=[*ids[:8], *reversed(ids)]) for ids in encoded[:WARM_UP]]
    model.generate(warm, sampling, use_tqdm=False)
    tap_steps(model, folder)
    started_s = time.perf_counter()
    outputs = model.generate(prompts, sampling, use_tqdm=False)
    spent_s = time.perf_counter() - started_s
    answers = {
        one.id: output.outputs[0].text
        for one, output in zip(texts, outputs, strict=True)
        if output.outputs[0].finish_reason == "stop"
    }
    folder.raw.write_text(json.dumps({"generate_s": spent_s, "answers": answers}))


def tap_steps(model: LLM, folder: Folder) -> None:
    """Write down what each step of the engine finishes; requests are numbered, not named."""
    tap = Tap(folder.tap)
    tap.ready()
    step = model.llm_engine.step

    def tapped() -> list[RequestOutput]:
        outputs: list[RequestOutput] = step()
        finished = [output.request_id for output in outputs if output.finished]
        if finished:
            tap.answered(finished)
        return outputs

    model.llm_engine.step = tapped


if __name__ == "__main__":
    main(sys.argv[1:])
