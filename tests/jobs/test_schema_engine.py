"""A JSON Schema is refused exactly when no backend of the engine compiles it."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.schema_engine import engine_refusal

pytest.importorskip("llguidance")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"enum": ["a", "b", None]},
        {"type": "array", "items": {"type": "integer", "multipleOf": 5}},  # not in xgrammar
    ],
)
def test_a_schema_that_a_backend_compiles_is_taken(schema: dict[str, Any]) -> None:
    assert engine_refusal(schema) is None


def test_a_schema_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(70):
        schema = {"type": "array", "items": schema}
    assert engine_refusal(schema) == "it is nested more than 64 levels deep"


@pytest.mark.flow  # imports xgrammar and with it torch
def test_a_schema_that_no_backend_compiles_is_refused_with_their_reasons() -> None:
    refusal = engine_refusal({"$ref": "#/$defs/missing"})
    assert refusal is not None
    assert "missing" in refusal
