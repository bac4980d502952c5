"""One training or evaluation example as token ids.

Boundary: text to ids; padding and weights belong to `batches.py`.
Invariant: the ids before `answer_start` are what a served model reads, the rest what it writes.
"""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerFast

from jobs.demo.prompt import END_TOKEN, prompt_text


@dataclass(frozen=True)
class Example:
    """Token ids of prompt and answer together; the answer starts at `answer_start`."""

    token_ids: tuple[int, ...]
    answer_start: int


def example_of(tokenizer: PreTrainedTokenizerFast, text: str, answer_json: str) -> Example:
    """Prompt, answer and end token as ids."""
    prompt = tokenizer.encode(prompt_text(text))
    answer = tokenizer.encode(answer_json + END_TOKEN)
    return Example((*prompt, *answer), len(prompt))
