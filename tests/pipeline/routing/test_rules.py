"""Which tier a document starts at: the first rule decides, and only what decides is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from pipeline.documents import Document
from pipeline.routing.conditions import (
    Condition,
    Contains,
    FieldIs,
    FieldMatches,
    FieldMeasured,
    Matches,
    Measured,
    OneOf,
    Within,
)
from pipeline.routing.facts import Facts
from pipeline.routing.rules import NO_RULES, Chosen, Rule, Rules, check, choose

SHORT = Measured("tokens", Within(below=100, above=None))
GERMAN = OneOf("language", ("de",))
DEEP: list[object] = []
for _ in range(100_000):
    DEEP = [DEEP]


def facts(
    text: str = "some text",
    fields: Mapping[str, object] | None = None,
    *,
    tokens: int | None = 50,
    format: str = "jsonl",
    language: Callable[[str], str | None] = lambda _: "de",
) -> Facts:
    document = Document(0, "id", text, fields or {}, (), "memory://d.jsonl", 0)
    return Facts(document, format=format, tokens=tokens, language=language)


def rules(*given: tuple[str, tuple[Condition, ...]]) -> Rules:
    made = (Rule(f"rule {n}", when, tier) for n, (tier, when) in enumerate(given, 1))
    return Rules(tuple(made), "small")


def test_the_first_rule_that_matches_decides_and_says_why() -> None:
    both = rules(("large", (SHORT, GERMAN)), ("medium", (SHORT,)))
    assert choose(both, facts()) == Chosen(
        "large", "rule 1", "tokens 50 (below 100); language de (one of de)"
    )
    assert choose(both, facts(language=lambda _: "fr")) == Chosen(
        "medium", "rule 2", "tokens 50 (below 100)"
    )
    assert choose(both, facts(tokens=100)) == Chosen("small", None, "no rule matches")


def test_without_rules_nothing_is_chosen() -> None:
    assert choose(NO_RULES, facts()) is None


def test_a_language_is_recognised_once_and_only_when_it_decides() -> None:
    texts: list[str] = []

    def counted(text: str) -> str:
        texts.append(text)
        return "de"

    twice = rules(("large", (SHORT, OneOf("language", ("fr",)))), ("medium", (SHORT, GERMAN)))
    choose(twice, facts(tokens=500, language=counted))
    assert texts == []
    choose(twice, facts(language=counted))
    assert texts == ["some text"]


@pytest.mark.parametrize(
    ("tokens", "holds"), [(99, False), (100, False), (101, True), (199, True), (200, False)]
)
def test_bounds_are_strict(tokens: int, holds: bool) -> None:
    between = Measured("tokens", Within(below=200, above=100))
    assert between.holds(facts(tokens=tokens)) is holds


@pytest.mark.parametrize(
    ("value", "wanted", "holds"),
    [
        ("ACME", "ACME", True),
        ("acme", "ACME", False),
        (["x", "ACME"], "ACME", True),
        ({"a": 1}, '{"a": 1}', True),
        ("7", 7, True),
        ("7.0", 7, True),
        (7, "7", True),
        ("seven", 7, False),
        (True, 1, False),
        (True, True, True),
        ("TRUE", True, True),
        (1, True, False),
        (None, "None", False),
        (DEEP, "x", False),
        ({"a": DEEP}, "x", False),
    ],
)
def test_a_field_equals_a_value_as_people_write_it(
    value: object, wanted: str | int | bool, holds: bool
) -> None:
    assert FieldIs("f", (wanted,)).holds(facts(fields={"f": value})) is holds


@pytest.mark.parametrize(
    ("value", "holds"),
    [(2021, True), ("2021", True), (2020, False), ("new", False), (None, False), ("nan", False)],
)
def test_a_field_is_compared_as_a_number(value: object, holds: bool) -> None:
    recent = FieldMeasured("year", Within(below=None, above=2020))
    assert recent.holds(facts(fields={"year": value})) is holds


@pytest.mark.parametrize(
    "condition",
    [
        FieldIs("f", ("x",)),
        FieldMeasured("f", Within(below=10, above=None)),
        FieldMatches("f", ""),
        Measured("tokens", Within(below=10, above=None)),
        OneOf("language", ("de",)),
    ],
)
def test_what_a_document_does_not_have_fulfils_nothing(condition: Condition) -> None:
    bare = facts(tokens=None, language=lambda _: None)
    assert not condition.holds(bare)
    assert condition.seen(bare).endswith(("missing", "unknown"))


def test_words_are_found_whatever_their_case() -> None:
    urgent = Contains(("asap", "EILT"))
    assert urgent.seen(facts("es eilt sehr")) == "text contains EILT"
    assert urgent.holds(facts("Reply ASAP!"))
    assert not urgent.holds(facts("as soon as possible"))


def test_patterns_are_found_in_text_and_fields() -> None:
    assert Matches(r"(?i)invoice\s+no").holds(facts("x INVOICE  No 7"))
    assert not Matches(r"^invoice").holds(facts("an invoice"))
    assert FieldMatches("id", r"^A-\d+$").holds(facts(fields={"id": "A-12"}))
    assert FieldMatches("n", "^12").holds(facts(fields={"n": 123}))


def test_layout_and_format_are_facts() -> None:
    table = facts("a\tb\t1\nplain line\n")
    assert Measured("table_lines", Within(below=None, above=0.4)).holds(table)
    assert Measured("lines", Within(below=3, above=1)).holds(table)
    assert Measured("characters", Within(below=20, above=None)).holds(table)
    assert Measured("digits", Within(below=None, above=0.05)).seen(table) == "digits 0.08333"
    assert OneOf("format", ("pdf", "jsonl")).holds(table)


def test_a_rule_that_does_not_match_names_the_conditions_that_fail() -> None:
    checks = check(rules(("large", (SHORT, GERMAN))).rules[0], facts(language=lambda _: None))
    assert [(one.holds, one.words) for one in checks] == [
        (True, "tokens 50 (below 100)"),
        (False, "language unknown (one of de)"),
    ]


def test_rules_name_the_fields_they_ask_about() -> None:
    when = (FieldIs("a", ("x",)), FieldMeasured("b", Within(1, None)), FieldMatches("c", "x"))
    assert rules(("large", (*when, SHORT))).fields == {"a", "b", "c"}
