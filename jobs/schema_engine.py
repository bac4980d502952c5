"""Whether the engine can hold a model to a JSON Schema, found out before anything starts.

vLLM 0.32 (sampling_params.py, `_validate_structured_outputs`, backend "auto") tries xgrammar, then
llguidance unless the schema has patternProperties. llguidance alone is asked first here: it needs
0.1 s, xgrammar 6 s, and one that accepts is enough.
"""

from __future__ import annotations

import json
from typing import Any

MOST_LEVELS = 64  # vllm/sampling_params.py, MAX_STRUCTURED_OUTPUT_JSON_NESTING


def engine_refusal(schema: dict[str, Any]) -> str | None:
    """Why no backend of the engine compiles `schema`; None when one does.

    Also None where no engine is installed (a driver without vLLM): the engine then says it itself.
    """
    if _levels(schema) > MOST_LEVELS:
        return f"it is nested more than {MOST_LEVELS} levels deep"
    asked = [_ask_guidance, _ask_xgrammar]
    refusals = []
    for ask in asked:
        try:
            refusal = ask(schema)
        except ImportError:
            continue
        if refusal is None:
            return None
        refusals.append(refusal)
    return "; ".join(refusals) or None


def _ask_guidance(schema: dict[str, Any]) -> str | None:
    import llguidance

    if _has_key(schema, "patternProperties"):
        return "patternProperties is not supported"
    try:
        grammar = llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
    except ValueError as error:
        return str(error)
    return llguidance.LLMatcher.validate_grammar(grammar, None) or None


def _ask_xgrammar(schema: dict[str, Any]) -> str | None:
    from vllm.v1.structured_output.backend_xgrammar import has_xgrammar_unsupported_json_features
    from xgrammar import Grammar

    if has_xgrammar_unsupported_json_features(schema):
        return "xgrammar does not support one of its features"
    try:
        Grammar.from_json_schema(schema)
    except (RuntimeError, ValueError) as error:
        return f"xgrammar: {error}"
    return None


def _has_key(value: object, key: str) -> bool:
    if isinstance(value, dict):
        return key in value or any(_has_key(below, key) for below in value.values())
    return isinstance(value, list) and any(_has_key(below, key) for below in value)


def _levels(value: object) -> int:
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max((_levels(v) for v in below if isinstance(v, dict | list)), default=0)
