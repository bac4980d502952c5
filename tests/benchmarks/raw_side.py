"""The ceiling: `vllm.LLM.generate` over prompts that are tokenised already.

    python -m tests.benchmarks.raw_side FOLDER PART PARTS [--logprobs]

Does one of PARTS equal parts of the documents: several processes are several engines.

`--logprobs` asks for what Gleaner's confidence features need, to show what those cost the engine.
What it found lies in FOLDER/raw-PART.json; stdout belongs to vLLM.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from vllm import LLM, RequestOutput, SamplingParams, TokensPrompt

from pipeline.preparing.tokens import HFTokenizer
from tests.benchmarks.tap import Tap
from tests.benchmarks.workload import ENGINE, MAX_TOKENS, MODEL, SYSTEM_PROMPT, Folder

WARM_UP = 32


def main(arguments: list[str]) -> None:
    folder = Folder(Path(arguments[0]))
    part, parts = int(arguments[1]), int(arguments[2])
    texts = folder.texts()[part::parts]
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
    outputs = model.generate(prompts, sampling, use_tqdm=False)
    answers = {
        one.id: output.outputs[0].text
        for one, output in zip(texts, outputs, strict=True)
        if output.outputs[0].finish_reason == "stop"
    }
    folder.raw(part).write_text(json.dumps(answers))


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
