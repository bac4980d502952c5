"""Which tokens of a structured answer carry its values, and of which top-level field.

Boundary: pure; the text of an answer and the places of its tokens in, indices of tokens out. Keys,
quotes and punctuation are no values: a grammar forces them, so that their log probabilities near 0
would hide the others. Of an empty string, list or object the value is the character that closes
it, where the model chose to end.
Invariant: a text that is cut off or not JSON is read as far as it is JSON, and never an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

_LEXEME = re.compile(
    r"""[ \t\r\n]+
    | "(?P<text>[^"\\]*(?:\\.[^"\\]*)*)(?P<end>"?)
    | (?P<mark>[\[\]{},:])
    | (?P<bare>-?[0-9][-+.0-9eE]*|-|[a-z]+)
    | .""",
    re.DOTALL | re.VERBOSE,
)
_WORDS = ("true", "false", "null")
_CLOSED_BY = {"[": "]", "{": "}"}

Place = tuple[int, int]
"""Of a token: its first character in the text, and the one behind its last; the same for none."""


@dataclass(frozen=True, slots=True)
class ValueSpan:
    """The characters start..stop-1 are (part of) a value, within that top-level field if any."""

    start: int
    stop: int
    field: str | None


@dataclass(frozen=True, slots=True)
class ValueToken:
    """The token at `index` carries at least a character of a value of `field`."""

    index: int
    field: str | None


def value_tokens(text: str, places: Sequence[Place]) -> list[ValueToken]:
    """The value tokens of the JSON `text`; one that touches two fields is named for each.

    `places[i]` is the place of token i, ascending; places may overlap where tokens share a
    character.
    """
    found: list[ValueToken] = []
    spans = value_spans(text)
    first = 0
    for index, (start, stop) in enumerate(places):
        while first < len(spans) and spans[first].stop <= start:
            first += 1
        fields: list[str | None] = []
        reached = first
        while start < stop and reached < len(spans) and spans[reached].start < stop:
            if spans[reached].field not in fields:
                fields.append(spans[reached].field)
            reached += 1
        found.extend(ValueToken(index, field) for field in fields)
    return found


def value_spans(text: str) -> list[ValueSpan]:
    """Where the values are, in order; nested ones belong to their top-level field."""
    spans: list[ValueSpan] = []
    closers: list[str] = []  # of what is open
    field: str | None = None
    wants_key = was_opened = False
    for lexeme in _LEXEME.finditer(text):
        content, bare, mark = lexeme["text"], lexeme["bare"], lexeme["mark"]
        if content is not None and wants_key:
            wants_key = False
            if len(closers) == 1:
                field = _unescaped(content)
        elif content is not None:
            place = lexeme.span("text") if content or not lexeme["end"] else lexeme.span("end")
            spans.append(ValueSpan(*place, field))
        elif bare is not None and not wants_key and _is_scalar(bare):
            spans.append(ValueSpan(*lexeme.span(), field))
        elif mark in _CLOSED_BY and not wants_key:
            closers.append(_CLOSED_BY[mark])
            wants_key, was_opened = mark == "{", True
            continue
        elif mark is not None and mark in "]}" and closers and closers.pop() == mark:
            if was_opened:
                spans.append(ValueSpan(*lexeme.span(), field))
            wants_key = False
        elif mark == "," and closers:
            wants_key = closers[-1] == "}"
        elif lexeme[0].isspace():
            continue
        elif mark != ":" or not closers:
            break
        if not closers:
            break
        was_opened = False
    return [span for span in spans if span.start < span.stop]


def _is_scalar(bare: str) -> bool:
    """Whether it is a number or one of the words, or would go on as one."""
    return not bare.isalpha() or any(word.startswith(bare) for word in _WORDS)


def _unescaped(key: str) -> str:
    if "\\" not in key:
        return key
    try:
        return str(json.loads(f'"{key}"', strict=False))
    except ValueError:
        return key
