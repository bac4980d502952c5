"""What an engine is asked about its own answer: one more token behind a prompt in its cache.

Boundary: makes the question and reads the reply; `vllm_engine.py` sends it. The engine may only
begin "yes" or "no", so that the probabilities of its one token are those of the beginnings of these
two words, and add up to 1. Source: P(True), Kadavath et al., arXiv 2207.05221.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import TemplateError

QUESTION = "Is this answer right? Reply yes or no:"
REPLIES = ("yes", "no", "Yes", "No")
# Ten beginnings of these are tokens of many models, four more where single bytes are; vLLM names
# 20 at most unless told otherwise.
MOST_BEGINNINGS = 14
_ANSWER = "<<answer>>"


class SelfCheck:
    """The question as one model's tokens, and how to read its reply."""

    def __init__(self, tokenizer: Any, sampling: Any) -> None:
        """`sampling` are vLLM's parameters for the reply, kept for who sends the question."""
        self.sampling = sampling
        self._tokenizer = tokenizer
        self._question = question_tokens(tokenizer)
        self._special = frozenset(tokenizer.all_special_ids)

    def tokens_behind(self, prompt: Sequence[int], answer: Sequence[int]) -> list[int]:
        """What the engine reads: the prompt, the answer without its end, and the question."""
        end = len(answer)
        while end and answer[end - 1] in self._special:
            end -= 1
        return [*prompt, *answer[:end], *self._question]

    def p_yes(self, flat: Any) -> float | None:
        """P(yes) from vLLM's flat log probabilities of the reply; None where it gave none."""
        if flat is None or not flat.start_indices:
            return None
        listed = slice(flat.start_indices[0], flat.end_indices[0])
        once = dict(zip(flat.token_ids[listed], flat.logprobs[listed], strict=True))
        return p_yes((self._tokenizer.decode([token]), value) for token, value in once.items())


def p_yes(logprobs: Iterable[tuple[str, float]]) -> float | None:
    """P(yes) / (P(yes) + P(no)) from the texts that begin the reply and their log probabilities.

    None where nothing of it begins a reply with a probability above 0.
    """
    shares = {"y": 0.0, "n": 0.0}
    for text, logprob in logprobs:
        first = text.strip()[:1].lower()
        if first in shares:
            shares[first] += math.exp(logprob)
    both = sum(shares.values())
    return shares["y"] / both if both > 0 else None


def question_tokens(tokenizer: Any) -> tuple[int, ...]:
    """What stands between an answer (without its end-of-sequence token) and the reply.

    By the model's chat template, a turn of the user; without one, or where it has no place for an
    earlier answer, a paragraph.
    """
    behind = _templated(tokenizer) if getattr(tokenizer, "chat_template", None) else None
    text = f"\n\n{QUESTION}\n" if behind is None else behind
    return tuple(tokenizer.encode(text, add_special_tokens=False))


def _templated(tokenizer: Any) -> str | None:
    talk = [("user", "document"), ("assistant", _ANSWER), ("user", QUESTION)]
    messages = [{"role": role, "content": content} for role, content in talk]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except TemplateError:
        return None
    behind = str(text).partition(_ANSWER)[2]
    return behind if QUESTION in behind else None
