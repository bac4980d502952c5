"""A tier in vLLM's terms; with the installed vLLM, without an engine."""

import dataclasses
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pipeline.engines.engine import EngineLimitsError
from pipeline.engines.tiers import EngineProfile
from pipeline.engines.vllm_settings import (
    assert_limits,
    engine_arguments,
    json_grammar,
    sampling_parameters,
)
from tests.pipeline.engine_builders import tier


def config(max_model_len: int = 256, max_num_seqs: int = 4, max_num_batched_tokens: int = 512):  # type: ignore[no-untyped-def]
    """The part of vLLM's resolved configuration that is looked at."""
    return SimpleNamespace(
        model_config=SimpleNamespace(max_model_len=max_model_len),
        scheduler_config=SimpleNamespace(
            max_num_seqs=max_num_seqs, max_num_batched_tokens=max_num_batched_tokens
        ),
    )


def test_the_limits_asked_for_pass() -> None:
    assert_limits(tier().profile, config())


def test_every_limit_that_differs_is_named() -> None:
    with pytest.raises(EngineLimitsError) as caught:
        assert_limits(tier().profile, config(max_model_len=128, max_num_seqs=2))
    assert "max_model_len: asked 256, runs with 128" in str(caught.value)
    assert "max_num_seqs: asked 4, runs with 2" in str(caught.value)
    assert "max_num_batched_tokens" not in str(caught.value)


def test_every_limit_of_the_profile_reaches_the_engine() -> None:
    profile = tier().profile
    arguments = engine_arguments(tier())
    for field in dataclasses.fields(EngineProfile):
        if field.name != "extra":
            assert arguments[field.name] == getattr(profile, field.name)
    assert arguments["model"] == "/models/small"


def test_extra_arguments_reach_the_engine_too() -> None:
    profile = replace(tier().profile, extra={"block_size": 32})
    assert engine_arguments(tier(profile=profile))["block_size"] == 32


def test_every_engine_argument_exists_in_vllm() -> None:
    from vllm import AsyncEngineArgs

    known = {field.name for field in dataclasses.fields(AsyncEngineArgs)}
    assert set(engine_arguments(tier())) <= known


def test_sampling_is_final_only_with_two_flat_log_probabilities() -> None:
    from vllm.sampling_params import RequestOutputKind

    made = sampling_parameters(replace(tier().generation, seed=7))
    assert (made.max_tokens, made.temperature, made.top_p, made.seed) == (16, 0.0, 1.0, 7)
    assert (made.logprobs, made.flat_logprobs) == (2, True)
    assert made.output_kind is RequestOutputKind.FINAL_ONLY
    assert made.structured_outputs is None
    assert not made.detokenize


def test_without_confidence_no_log_probabilities_are_asked_for() -> None:
    generation = replace(tier().generation, has_confidence=False)
    assert sampling_parameters(generation).logprobs is None


def test_stop_strings_need_the_text_while_it_is_generated() -> None:
    assert sampling_parameters(replace(tier().generation, stop=("END",))).detokenize


def test_structured_output_is_a_schema_or_choices() -> None:
    schema = '{"type": "object"}'
    by_schema = sampling_parameters(replace(tier().generation, json_schema=schema))
    assert by_schema.structured_outputs.grammar == json_grammar(schema)
    unsupported = '{"type": "array", "items": {"type": "integer"}, "uniqueItems": true}'
    elsewhere = sampling_parameters(replace(tier().generation, json_schema=unsupported))
    assert json_grammar(unsupported) is None
    assert elsewhere.structured_outputs.json == json.loads(unsupported)
    by_choice = sampling_parameters(replace(tier().generation, choices=("yes", "no")))
    assert by_choice.structured_outputs.choice == ["yes", "no"]


def test_a_guided_answer_has_the_blanks_of_json_dumps_and_no_others() -> None:
    from xgrammar import Grammar
    from xgrammar.testing import _is_grammar_accept_string

    schema = {
        "type": "object",
        "properties": {"number": {"type": "string"}, "total": {"type": "integer"}},
        "required": ["number", "total"],
        "additionalProperties": False,
    }
    text = json_grammar(json.dumps(schema))
    assert text is not None
    grammar = Grammar.from_ebnf(text)
    answer = json.dumps({"number": "A-1", "total": 3})
    assert _is_grammar_accept_string(grammar, answer)
    for other in (answer.replace(" ", ""), answer.replace(", ", ",\n"), "\n" + answer):
        assert not _is_grammar_accept_string(grammar, other)
