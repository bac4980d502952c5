"""Training batches: documents drawn by seed, as padded token tensors of similar length.

Boundary: text and tokens; the optimiser lives in `train.py`.
Invariant: batch `step` depends on the seed, the recipe's weights and the step alone, so a run that
is taken up again sees what it would have seen.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from transformers import PreTrainedTokenizerFast

from jobs.demo.document import draw_document
from jobs.demo.drills import Driller
from jobs.demo.examples import Example, example_of
from jobs.demo.prompt import PAD_TOKEN
from jobs.demo.sizes import Recipe

PROMPT_WEIGHT = 0.05
_STEPS_PER_CHUNK = 50
_IGNORED = 0.0
_EASY_SHARE = 0.15


@dataclass(frozen=True)
class Batch:
    """`token_ids` [batch, length] int64; `weights` [batch, length] of predicting each token."""

    token_ids: torch.Tensor
    weights: torch.Tensor


@dataclass(frozen=True)
class Supply:
    """Which documents come at which step."""

    seed: int
    recipe: Recipe

    def weights_at(self, step: int) -> tuple[float, float, float]:
        """Only forms right after the drills, then more and more of the recipe's mixture."""
        recipe = self.recipe
        easy_steps = max(1.0, _EASY_SHARE * (recipe.steps - recipe.drill_steps))
        progress = min(1.0, (step - recipe.drill_steps) / easy_steps)
        form, layout, prose = recipe.weights
        return (form + 2.0 * (1.0 - progress), layout * progress, prose * progress)


def collate(examples: list[Example], pad_token_id: int) -> Batch:
    """Pads on the right; padding weighs nothing."""
    length = max(len(example.token_ids) for example in examples)
    token_ids = torch.full((len(examples), length), pad_token_id)
    weights = torch.full((len(examples), length), _IGNORED)
    for row, example in enumerate(examples):
        count = len(example.token_ids)
        token_ids[row, :count] = torch.tensor(example.token_ids)
        weights[row, 1 : example.answer_start] = PROMPT_WEIGHT
        weights[row, example.answer_start : count] = 1.0
    return Batch(token_ids, weights)


def batches(
    supply: Supply, tokenizer: PreTrainedTokenizerFast, first_step: int, last_step: int
) -> Iterator[Batch]:
    """The batches of steps `first_step` to `last_step - 1`."""
    pad_token_id = tokenizer.convert_tokens_to_ids([PAD_TOKEN])[0]
    for chunk in range(first_step // _STEPS_PER_CHUNK, -(-last_step // _STEPS_PER_CHUNK)):
        for step, group in enumerate(_chunk(supply, tokenizer, chunk), chunk * _STEPS_PER_CHUNK):
            if first_step <= step < last_step:
                yield collate(group, pad_token_id)


def _chunk(supply: Supply, tokenizer: PreTrainedTokenizerFast, chunk: int) -> list[list[Example]]:
    """The examples of one chunk of steps, those of one batch being of similar length."""
    size = supply.recipe.batch_documents
    count = _STEPS_PER_CHUNK * size
    first_step = chunk * _STEPS_PER_CHUNK
    rng = random.Random(f"{supply.seed}:{chunk}")
    if first_step < supply.recipe.drill_steps:
        driller = Driller(rng, tokenizer)
        examples = [driller.example() for _ in range(count)]
    else:
        weights = supply.weights_at(first_step)
        examples = []
        for index in range(chunk * count, (chunk + 1) * count):
            document = draw_document(supply.seed, index, is_held_out=False, weights=weights)
            examples.append(example_of(tokenizer, document.text(), document.answer.to_json()))
    examples.sort(key=lambda example: len(example.token_ids))
    groups = [examples[start : start + size] for start in range(0, count, size)]
    rng.shuffle(groups)
    return groups
