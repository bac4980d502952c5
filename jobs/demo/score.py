"""Share of held-out documents whose whole answer is right.

Boundary: scores a loaded model; nothing is trained or written here.
Invariant: a case counts as right when, given the prompt, the most likely token is the gold one at
every place of the answer and its end; that is the same as greedy decoding giving the gold answer.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from jobs.demo.answer import Difficulty, Kind
from jobs.demo.batches import collate
from jobs.demo.document import draw_document
from jobs.demo.examples import example_of
from jobs.demo.prompt import PAD_TOKEN

_BATCH_DOCUMENTS = 32


@dataclass(frozen=True)
class Case:
    """One held-out document as text with its gold answer."""

    text: str
    answer_json: str
    difficulty: Difficulty
    kind: Kind


def held_out_cases(seed: int, count: int) -> list[Case]:
    """Documents in equal shares of difficulty (at random) with names that no training text has."""
    drawn = (draw_document(seed, index, is_held_out=True) for index in range(count))
    return [
        Case(document.text(), document.answer.to_json(), document.difficulty, document.answer.kind)
        for document in drawn
    ]


def exact_matches(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    cases: Sequence[Case],
    device: torch.device,
) -> list[bool]:
    """For each case whether greedy decoding gives exactly the gold answer."""
    pad_token_id = tokenizer.convert_tokens_to_ids([PAD_TOKEN])[0]
    examples = [example_of(tokenizer, case.text, case.answer_json) for case in cases]
    order = sorted(range(len(cases)), key=lambda place: len(examples[place].token_ids))
    matches = [False] * len(cases)
    for start in range(0, len(order), _BATCH_DOCUMENTS):
        places = order[start : start + _BATCH_DOCUMENTS]
        batch = collate([examples[place] for place in places], pad_token_id)
        token_ids = batch.token_ids.to(device)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
            likeliest = model(input_ids=token_ids, use_cache=False).logits.argmax(-1)
        is_answer = batch.weights[:, 1:] == 1.0
        is_wrong = (likeliest[:, :-1] != token_ids[:, 1:]).cpu() & is_answer
        for place, has_error in zip(places, is_wrong.any(dim=1).tolist(), strict=True):
            matches[place] = not has_error
    return matches


def summary(cases: Sequence[Case], matches: Sequence[bool]) -> str:
    """One line: the share of exact answers in all, by difficulty and by kind."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for case, is_match in zip(cases, matches, strict=True):
        for name in ("all", case.difficulty.value, case.kind.value):
            groups[name].append(is_match)
    names = ["all", *Difficulty, *Kind]
    shares = (
        f"{name} {sum(groups[name]) / len(groups[name]):.1%}" for name in names if groups[name]
    )
    return f"exact of {len(cases)}: " + ", ".join(shares)
