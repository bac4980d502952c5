"""The `rules` of a route: conditions on a document, and the tier at which it then starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator, field_validator, model_validator

from jobs.spec.base import Number, OneOrMany, Part, Slug, Text, one_or_many, refusal, require


def _scalar(value: object) -> str | int | float | bool:
    if isinstance(value, str | int | float | bool):
        return value
    raise refusal("should be text, a number, true or false", "write one value, or a list of them")


def _field_condition(value: object) -> object:
    if isinstance(value, Mapping | FieldSpec):
        return value
    return {"is": value if isinstance(value, list | tuple) else [value]}


Scalar = Annotated[
    str | int | float | bool,
    PlainValidator(_scalar, json_schema_input_type=str | int | float | bool),
]
FormatName = Literal["jsonl", "csv", "parquet", "txt", "md", "html", "pdf"]


class WithinSpec(Part):
    """Bounds of a number; at least one of them."""

    below: Number | None = None
    """Less than this."""
    above: Number | None = None
    """More than this."""

    @model_validator(mode="after")
    def _bounds_leave_room(self) -> WithinSpec:
        _check_bounds(self.below, self.above)
        require(
            self.below is not None or self.above is not None,
            "names no bound",
            "write {below: ...}, {above: ...} or both",
        )
        return self


class FieldSpec(Part):
    """What a field of the document has to be. `{lang: de}` and `{lang: [de, fr]}` are short for
    `{lang: {is: [de]}}` and so on; several of these hold together."""

    values: tuple[Scalar, ...] = Field(default=(), alias="is")
    """It equals one of these, or is a list that holds one. A number also equals text that reads as
    it."""
    below: Number | None = None
    """It is a number, or text that reads as one, less than this."""
    above: Number | None = None
    """It is a number, or text that reads as one, more than this."""
    matches: Text | None = None
    """This regular expression is found in its text (see `matches` of a rule)."""

    @field_validator("matches")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        return _checked_pattern(pattern)

    @model_validator(mode="after")
    def _demands_something(self) -> FieldSpec:
        _check_bounds(self.below, self.above)
        bounds_and_pattern = (self.below, self.above, self.matches)
        require(
            bool(self.values) or any(given is not None for given in bounds_and_pattern),
            "demands nothing",
            "write a value, a list of values, or {below, above, matches: ...}",
        )
        return self


class LayoutSpec(Part):
    """How the text looks; at least one of these, and all of those given hold."""

    lines: WithinSpec | None = None
    """Lines that are not blank."""
    digits: WithinSpec | None = None
    """The share of digits among the characters that are not blank, 0 to 1."""
    table_lines: WithinSpec | None = None
    """The share of lines with at least three cells, set apart by a tab, a | or two blanks, 0 to
    1."""

    @model_validator(mode="after")
    def _demands_something(self) -> LayoutSpec:
        given = (self.lines, self.digits, self.table_lines)
        require(any(given), "names no measure", "write lines, digits or table_lines")
        return self


class WhenSpec(Part):
    """Conditions on a document; at least one, and all of those given hold."""

    tokens: WithinSpec | None = None
    """The length of the prompt in tokens, as the first tier of the route counts them."""
    characters: WithinSpec | None = None
    """The length of the document's text in characters."""
    language: OneOrMany = ()
    """The language of the text is one of these codes, e.g. de or [de, fr]. A text that is too short
    or too mixed has none."""
    format: Annotated[tuple[FormatName, ...], BeforeValidator(one_or_many)] = ()
    """The document's format is one of these."""
    field: dict[Text, Annotated[FieldSpec, BeforeValidator(_field_condition)]] = Field(
        default_factory=dict
    )
    """What fields of the document have to be, by name: {customer: ACME}, {year: {above: 2020}}.
    A field that is not there fulfils nothing."""
    contains: OneOrMany = ()
    """The text contains one of these words or phrases, whatever their case; a part of a longer word
    counts."""
    matches: Text | None = None
    """This regular expression is found in the text. The syntax is RE2's, whose search takes time in
    proportion to the text, whatever the pattern; (?i) at its start ignores case."""
    layout: LayoutSpec | None = None
    """How the text looks."""

    @field_validator("language")
    @classmethod
    def _languages_are_known(cls, codes: tuple[str, ...]) -> tuple[str, ...]:
        if codes:
            from pipeline.routing.language import LANGUAGES

            unknown = [code for code in codes if code not in LANGUAGES]
            require(
                not unknown,
                f"cannot be recognised: {', '.join(unknown)}",
                "use ISO 639-1 codes such as en, de, zh",
            )
        return codes

    @field_validator("matches")
    @classmethod
    def _is_a_pattern(cls, pattern: str | None) -> str | None:
        return _checked_pattern(pattern)

    @model_validator(mode="after")
    def _demands_something(self) -> WhenSpec:
        given = [getattr(self, name) for name in type(self).model_fields]
        require(any(given), "holds no condition", "write one, or put the tier under route.else")
        return self


class RuleSpec(Part):
    """One rule: documents that fulfil `when` start at `tier`."""

    when: WhenSpec
    """The conditions, all of which hold."""
    tier: Slug
    """The tier at which such documents start."""
    name: Text | None = None
    """The name in results and reports. By default: rule and its place, e.g. rule 2."""


def _check_bounds(below: float | None, above: float | None) -> None:
    require(
        below is None or above is None or above < below,
        f"above ({above}) is not under below ({below}), so that nothing lies between",
        "exchange them",
    )


def _checked_pattern(pattern: str | None) -> str | None:
    if pattern is not None:
        from pipeline.routing.patterns import InvalidPatternError, check_pattern

        try:
            check_pattern(pattern)
        except InvalidPatternError as error:
            raise refusal(
                f"is no regular expression: {error}", "correct it (RE2 syntax, no look-around)"
            ) from error
    return pattern
