"""Which tokens of an answer count as values, by how it was generated."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jobs.demo
from checkpoints.partial import Partial
from checkpoints.result import Confidence
from pipeline.engines.confidence import confidence_of
from pipeline.engines.generated import values_of
from pipeline.engines.tiers import Generation
from pipeline.engines.token_places import TokenPlaces
from tests.pipeline.engine_builders import tier

BUNDLED = Path(jobs.demo.__file__).parent / "models" / "small"
END = 1
ANSWER = '{"kind": "letter", "total": 12}'
FREE = tier().generation
JSON = replace(FREE, json_schema="{}")
LABEL = replace(FREE, choices=("a", "b"))


@cache
def tokenizer() -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast.from_pretrained(BUNDLED)


def confidence(generation: Generation, text: str, *, said: str | None = None) -> Confidence:
    """With -n/8 for the n-th token."""
    tokens = (*tokenizer().encode(text, add_special_tokens=False), END)
    logprobs = tuple(-number / 8 for number in range(len(tokens)))
    answer = Partial(tokens, logprobs, (None,) * len(tokens))
    places = TokenPlaces(tokenizer())
    values = values_of(generation, answer, text if said is None else said, places)
    made = confidence_of(answer.logprobs, answer.runner_up_logprobs, values)
    assert made is not None
    return made


def test_of_a_json_answer_only_what_carries_values_counts() -> None:
    made = confidence(JSON, ANSWER)
    pieces = [tokenizer().decode([one]) for one in tokenizer().encode(ANSWER)]
    assert pieces[:4] == ['{"', "kind", '": "', "letter"]
    assert pieces[-3:] == ["1", "2", "}"]
    last = len(pieces) - 2
    assert made.fields == (("kind", -3 / 8), ("total", -last / 8))
    assert made.value_tokens == 3
    assert made.value_mean_logprob == -(3 + last - 1 + last) / 8 / 3


def test_of_a_label_every_token_is_a_value() -> None:
    made = confidence(LABEL, "letter")
    assert made.value_tokens == made.tokens == 2
    assert made.value_mean_logprob == made.mean_logprob
    assert made.fields == ()


def test_free_text_has_no_values() -> None:
    made = confidence(FREE, ANSWER)
    assert (made.value_tokens, made.value_min_logprob, made.fields) == (None, None, ())


def test_where_the_tokens_do_not_make_up_the_text_nothing_is_said_of_values() -> None:
    made = confidence(JSON, ANSWER, said=ANSWER.replace("letter", "lettre"))
    assert made.tokens == confidence(JSON, ANSWER).tokens
    assert (made.value_tokens, made.fields) == (None, ())


def test_of_a_truncated_answer_the_values_so_far_count() -> None:
    assert [name for name, _ in confidence(JSON, ANSWER[:-2]).fields] == ["kind", "total"]
    assert [name for name, _ in confidence(JSON, ANSWER[:-6]).fields] == ["kind"]


def test_without_log_probabilities_no_tokens_are_looked_for() -> None:
    tokens = (*tokenizer().encode(ANSWER, add_special_tokens=False), END)
    assert values_of(JSON, Partial(tokens), ANSWER, TokenPlaces(tokenizer())) == ()
    assert values_of(JSON, Partial(tokens, (-1.0,) * len(tokens)), ANSWER, None) == ()
