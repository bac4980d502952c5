"""Measures a model folder with vLLM: `python -m jobs.demo.evaluate --model DIR --guided`.

Boundary: greedy decoding on held-out documents; prints shares and keeps nothing.
Invariant: the prompt goes through the model's chat template, as a served request does; an answer
counts only when its text equals the gold text exactly.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from vllm import LLM, SamplingParams

from jobs.demo.prompt import SYSTEM
from jobs.demo.score import Case, held_out_cases, summary
from pipeline.engines.vllm_settings import json_guide

SCHEMA = Path(__file__).parent / "schema.json"
MAX_ANSWER_TOKENS = 96
SHOWN_ERRORS = 3


def sampling(*, is_guided: bool) -> SamplingParams:
    """Greedy; guided by the answer's schema as a run guides it, if asked."""
    structured = None
    if is_guided:
        structured = json_guide(SCHEMA.read_text())
    return SamplingParams(
        temperature=0.0, max_tokens=MAX_ANSWER_TOKENS, structured_outputs=structured
    )


def answers(model: LLM, cases: Sequence[Case], params: SamplingParams) -> list[str]:
    """The generated text for each case."""
    conversations = [
        [{"role": "system", "content": SYSTEM}, {"role": "user", "content": case.text}]
        for case in cases
    ]
    outputs = model.chat(conversations, params, use_tqdm=False)
    return [output.outputs[0].text for output in outputs]


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=424_242)
    parser.add_argument("--guided", action="store_true", help="guided decoding by schema.json")
    options = parser.parse_args(arguments)
    cases = held_out_cases(options.seed, options.count)
    model = LLM(str(options.model), dtype="bfloat16", enforce_eager=True, disable_log_stats=True)
    params = sampling(is_guided=options.guided)
    answers(model, cases[:1], params)
    started_s = time.monotonic()
    texts = answers(model, cases, params)
    spent_s = time.monotonic() - started_s
    matches = [text == case.answer_json for text, case in zip(texts, cases, strict=True)]
    print(summary(cases, matches))
    print(f"seed {options.seed}, guided {options.guided}, {len(cases) / spent_s:.1f} documents/s")
    wrong = [place for place, is_match in enumerate(matches) if not is_match]
    for place in wrong[:SHOWN_ERRORS]:
        case = cases[place]
        print(
            f"{case.difficulty} gold   {case.answer_json}\n{case.difficulty} answer {texts[place]}"
        )


if __name__ == "__main__":
    main()
