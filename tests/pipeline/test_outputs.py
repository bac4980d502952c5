import pickle

import pytest

from pipeline.failures import Failure
from pipeline.outputs import (
    FreeText,
    InvalidSchemaError,
    JsonObject,
    Label,
    OutputFormat,
    check_schema,
)

SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}, "city": {"type": "string"}},
    "required": ["total"],
    "additionalProperties": False,
}


def code_of(result: str | Failure) -> str:
    assert isinstance(result, Failure), result
    return result.code.value


@pytest.mark.parametrize("output", [FreeText(), Label(("a", "b")), JsonObject(SCHEMA)])
def test_truncated_and_empty_answers_are_failures_in_every_format(output: OutputFormat) -> None:
    truncated = output.parse("a" * 5000, "length")
    assert code_of(truncated) == "output_truncated"
    assert isinstance(truncated, Failure)
    assert "aaaa" in truncated.reason
    assert len(truncated.reason) < 500
    assert code_of(output.parse(" \n", "stop")) == "invalid_output"


def test_free_text_is_stripped() -> None:
    assert FreeText().parse("\n yes  indeed \n", "stop") == "yes  indeed"


def test_a_label_is_written_as_the_spec_writes_it() -> None:
    output = Label(("Invoice", "Straße", "US", "us"))
    assert output.parse(" invoice\n", "stop") == "Invoice"
    assert output.parse("STRASSE", "stop") == "Straße"
    assert output.parse("us", "stop") == "us"
    assert code_of(output.parse("Us", "stop")) == "invalid_output"
    assert code_of(output.parse("Invoice.", "stop")) == "invalid_output"


def test_json_is_checked_and_stored_in_the_order_produced() -> None:
    output = JsonObject(SCHEMA)
    assert (
        output.parse(' {"total":1.50,\n"city":"Köln"}', "stop") == '{"total": 1.5, "city": "Köln"}'
    )
    for text, says in (
        ('{"total":"1"}', "$.total"),
        ('{"city":"x"}', "'total' is a required property"),
        ('{"total":1,"x":2}', "Additional properties"),
        ("```json\n{}\n```", "not JSON"),
        ('{"total":NaN}', "NaN is no JSON value"),
        ("[" * 100_000, "not JSON"),
    ):
        result = output.parse(text, "stop")
        assert code_of(result) == "invalid_output"
        assert isinstance(result, Failure)
        assert says in result.reason
        assert len(result.reason) < 1100


def test_formats_travel_between_processes_also_after_use() -> None:
    output = JsonObject(SCHEMA)
    output.parse("{}", "stop")
    assert pickle.loads(pickle.dumps(output)).parse('{"total":1}', "stop") == '{"total": 1}'


def test_a_wrong_schema_is_refused_with_its_place() -> None:
    check_schema(SCHEMA)
    with pytest.raises(InvalidSchemaError, match=r"\$\.properties\.a\.type: 'nonsense'"):
        check_schema({"properties": {"a": {"type": "nonsense"}}})
    with pytest.raises(InvalidSchemaError, match="a schema is a mapping, not list"):
        check_schema([])
    with pytest.raises(InvalidSchemaError, match="#/\\$defs/absent is not in the schema"):
        check_schema({"$ref": "#/$defs/absent"})
    with pytest.raises(InvalidSchemaError, match=r"example\.com/x\.json is not in the schema"):
        check_schema({"properties": {"a": {"$ref": "https://example.com/x.json"}}})
