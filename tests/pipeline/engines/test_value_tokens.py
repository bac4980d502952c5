"""Which tokens of a JSON answer carry its values."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.value_tokens import Place, value_spans, value_tokens


def values_in(text: str) -> list[tuple[str, str | None]]:
    return [(text[span.start : span.stop], span.field) for span in value_spans(text)]


def places_of(*tokens: str) -> list[Place]:
    ends = [len("".join(tokens[: count + 1])) for count in range(len(tokens))]
    return list(zip([0, *ends], ends, strict=False))


def carriers(*tokens: str) -> list[tuple[str, str | None]]:
    """The tokens of a text that carry values, each with its field."""
    found = value_tokens("".join(tokens), places_of(*tokens))
    return [(tokens[one.index], one.field) for one in found]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": "x y", "b": -1.5e3}', [("x y", "a"), ("-1.5e3", "b")]),
        ('{"a":true,"b":false,"c":null}', [("true", "a"), ("false", "b"), ("null", "c")]),
        (
            '{"a": {"b": [1, {"c": "x"}]}, "d": [2]}',
            [("1", "a"), ("x", "a"), ("2", "d")],
        ),
        (r'{"say \"\u00e9\"": "a \"b\" \\"}', [(r"a \"b\" \\", 'say "é"')]),
        ('{"a": "", "b": [], "c": {}}', [('"', "a"), ("]", "b"), ("}", "c")]),
        ('[1, {"a": 2}]', [("1", None), ("2", None)]),
        ('"text"', [("text", None)]),
        (" 7\n", [("7", None)]),
        ('{"a": "[1, {\\"b\\": 2}]"}', [('[1, {\\"b\\": 2}]', "a")]),
        ('{"a": "größe 日本 🙂"}', [("größe 日本 🙂", "a")]),
    ],
)
def test_values_are_found_with_their_top_level_field(
    text: str, values: list[tuple[str, str | None]]
) -> None:
    json.loads(text)
    assert values_in(text) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": 1, "b": "half of', [("1", "a"), ("half of", "b")]),
        ('{"a": "x\\', [("x", "a")]),
        ('{"a": "', []),
        ('{"a": tr', [("tr", "a")]),
        ('{"a": -', [("-", "a")]),
        ('{"a": 1, "b', [("1", "a")]),
        ('{"a": 1]{"b": 2}', [("1", "a")]),
        ('{"a": [1}, "b": 2}', [("1", "a")]),
        ('{"a": 1} {"b": 2}', [("1", "a")]),
        ("{1: 2}", []),
        ('{{"a": 1}}', []),
        ("Sure: 7", []),
        ("```json", []),
        (",1", []),
        ("", []),
    ],
)
def test_what_is_cut_off_or_no_json_is_read_as_far_as_it_is(
    text: str, values: list[tuple[str, str | None]]
) -> None:
    assert values_in(text) == values


def test_quotes_keys_and_punctuation_are_no_values() -> None:
    found = carriers('{"', "kind", '": "', "invo", "ice", '", "', "to", "tal", '": ', "12", "}")
    assert found == [("invo", "kind"), ("ice", "kind"), ("12", "total")]


def test_a_token_that_is_partly_a_value_counts() -> None:
    assert carriers('{"a": "', "x", 'y", "b', '": 1', "2}") == [
        ("x", "a"),
        ('y", "b', "a"),
        ('": 1', "b"),
        ("2}", "b"),
    ]


def test_a_token_over_two_fields_counts_for_both() -> None:
    assert carriers('{"a": ', '1, "b": 2', "}") == [('1, "b": 2', "a"), ('1, "b": 2', "b")]


def test_tokens_that_share_a_character_carry_it_all() -> None:
    text = '{"a": "🙂"}'
    found = value_tokens(text, [(0, 7), (7, 8), (7, 8), (7, 10), (10, 10)])
    assert [one.index for one in found] == [1, 2, 3]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=4), json_values, max_size=4), st.booleans(), st.integers(0, 2)
)
def test_every_field_has_a_value_and_every_value_its_field(
    document: dict[str, Any], is_ascii: bool, blanks: int
) -> None:
    text = json.dumps(document, ensure_ascii=is_ascii, indent=blanks or None)
    spans = value_spans(text)
    assert list(dict.fromkeys(span.field for span in spans if document)) == list(document)
    for name, value in document.items():
        its = [text[span.start : span.stop] for span in spans if span.field == name]
        if isinstance(value, str) and value:
            assert [json.loads(f'"{one}"') for one in its] == [value]
        elif value is None or isinstance(value, bool | int | float):
            assert [json.loads(one) for one in its] == [value]


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=4), st.data())
def test_of_a_text_that_is_cut_off_what_is_there_stays(
    document: dict[str, Any], data: st.DataObject
) -> None:
    text = json.dumps(document, ensure_ascii=False)
    cut = data.draw(st.integers(0, len(text)))
    whole = [span for span in value_spans(text) if span.stop < cut]
    assert value_spans(text[:cut])[: len(whole)] == whole


@given(st.text(alphabet='{}[]",:\\ 1atrue\n', max_size=30))
def test_no_text_is_an_error_and_spans_ascend(text: str) -> None:
    spans = value_spans(text)
    assert all(span.start < span.stop <= len(text) for span in spans)
    assert all(one.stop <= other.start for one, other in pairwise(spans))
