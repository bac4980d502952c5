"""What a rule can demand of a document: small values, each with its test and its words.

Boundary: pure; what is asked about a document comes from `Facts`.
Invariant: a condition about a fact that a document does not have does not hold.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from pipeline.documents import text_or_none
from pipeline.failures import shortened
from pipeline.routing.facts import Facts, Measure
from pipeline.routing.patterns import is_found

Scalar: TypeAlias = str | int | float | bool
_LONGEST_SHOWN = 60  # characters of a field's value in words


@dataclass(frozen=True, slots=True)
class Within:
    """Strictly between two numbers; at least one of them is given."""

    below: float | None
    above: float | None

    def holds(self, number: float | None) -> bool:
        """Whether there is a number and it lies between."""
        return (
            number is not None
            and (self.below is None or number < self.below)
            and (self.above is None or number > self.above)
        )

    def __str__(self) -> str:
        sides = (("above", self.above), ("below", self.below))
        return " and ".join(f"{word} {_number(n)}" for word, n in sides if n is not None)


@dataclass(frozen=True, slots=True)
class Measured:
    """A number about the document lies within bounds."""

    measure: Measure
    within: Within

    def holds(self, facts: Facts) -> bool:
        """Whether the document fulfils it."""
        return self.within.holds(facts.measure(self.measure))

    def seen(self, facts: Facts) -> str:
        """The fact that it tests, in words."""
        number = facts.measure(self.measure)
        return f"{self.measure} {'unknown' if number is None else _number(number)}"

    def __str__(self) -> str:
        return str(self.within)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The language or format is one of these."""

    fact: Literal["language", "format"]
    values: tuple[str, ...]

    def holds(self, facts: Facts) -> bool:
        """Whether the document fulfils it."""
        return self._value(facts) in self.values

    def seen(self, facts: Facts) -> str:
        """The fact that it tests, in words."""
        return f"{self.fact} {self._value(facts) or 'unknown'}"

    def _value(self, facts: Facts) -> str | None:
        return facts.language if self.fact == "language" else facts.format

    def __str__(self) -> str:
        return _any_of(self.values)


@dataclass(frozen=True, slots=True)
class FieldIs:
    """A field equals one of these values, or is a list that holds one.

    A number also equals text that reads as it ("7", from CSV), true and false text of any case.
    """

    name: str
    values: tuple[Scalar, ...]

    def holds(self, facts: Facts) -> bool:
        """Whether the document fulfils it."""
        field = facts.field(self.name)
        held = field if isinstance(field, list) else [field]
        return any(_equals(one, wanted) for one in held for wanted in self.values)

    def seen(self, facts: Facts) -> str:
        """The fact that it tests, in words."""
        return _seen_field(self.name, facts)

    def __str__(self) -> str:
        return _any_of(self.values)


@dataclass(frozen=True, slots=True)
class FieldMeasured:
    """A field is a number, or text that reads as one, within bounds."""

    name: str
    within: Within

    def holds(self, facts: Facts) -> bool:
        """Whether the document fulfils it."""
        return self.within.holds(_number_in(facts.field(self.name)))

    def seen(self, facts: Facts) -> str:
        """The fact that it tests, in words."""
        return _seen_field(self.name, facts)

    def __str__(self) -> str:
        return str(self.within)


@dataclass(frozen=True, slots=True)
class FieldMatches:
    """A pattern is found in a field's text."""

    name: str
    pattern: str

    def holds(self, facts: Facts) -> bool:
        """Whether the document fulfils it."""
        text = facts.field_text(self.name)
        return text is not None and is_found(self.pattern, text)

    def seen(self, facts: Facts) -> str:
        """The fact that it tests, in words."""
        return _seen_field(self.name, facts)

    def __str__(self) -> str:
        return f"matches {self.pattern}"


@dataclass(frozen=True, slots=True)
class Contains:
    """The text contains one of these words, whatever their case; a part of a longer word counts."""

    words: tuple[str, ...]

    def holds(self, facts: Facts) -> bool:
        """Whether the document fulfils it."""
        return self._found(facts) is not None

    def seen(self, facts: Facts) -> str:
        """The fact that it tests, in words."""
        found = self._found(facts)
        return "text without the words" if found is None else f"text contains {found}"

    def _found(self, facts: Facts) -> str | None:
        return next((word for word in self.words if word.casefold() in facts.folded), None)

    def __str__(self) -> str:
        return _any_of(self.words)


@dataclass(frozen=True, slots=True)
class Matches:
    """A pattern is found in the text."""

    pattern: str

    def holds(self, facts: Facts) -> bool:
        """Whether the document fulfils it."""
        return is_found(self.pattern, facts.text)

    def seen(self, facts: Facts) -> str:
        """The fact that it tests, in words."""
        return "text matches" if self.holds(facts) else "text does not match"

    def __str__(self) -> str:
        return self.pattern


Condition: TypeAlias = (
    Measured | OneOf | FieldIs | FieldMeasured | FieldMatches | Contains | Matches
)


def field_asked(condition: Condition) -> str | None:
    """The document's field that a condition is about."""
    about_fields = FieldIs | FieldMeasured | FieldMatches
    return condition.name if isinstance(condition, about_fields) else None


def _equals(value: object, wanted: Scalar) -> bool:
    if isinstance(wanted, bool):
        return value is wanted or (isinstance(value, str) and value.lower() == str(wanted).lower())
    if isinstance(wanted, int | float):
        return _number_in(value) == wanted
    return text_or_none(value) == wanted


def _number_in(value: object) -> float | None:
    if value is None or isinstance(value, bool | list | dict | bytes):
        return None
    try:
        return float(value)  # type: ignore[arg-type]  # whatever a loader gives, e.g. Decimal
    except (TypeError, ValueError, OverflowError):
        return None


def _seen_field(name: str, facts: Facts) -> str:
    text = facts.field_text(name)
    shown = "missing" if text is None else shortened(" ".join(text.split()), _LONGEST_SHOWN)
    return f"field {name} {shown}"


def _any_of(values: tuple[Scalar, ...]) -> str:
    return f"one of {', '.join(map(str, values))}"


def _number(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else f"{number:.4g}"
