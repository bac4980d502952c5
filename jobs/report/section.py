"""What a page consists of: sections, and in them figures, bars and tables; values for the template.

Invariant: only a figure's drawing is markup, all else is text that the template escapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

Mood = Literal["plain", "good", "bad"]


@dataclass(frozen=True, slots=True)
class Card:
    """One figure of the headline, with what makes it clear."""

    name: str
    value: str
    note: str = ""
    mood: Mood = "plain"


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot and what it shows."""

    drawing: Markup
    caption: str
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of bars: `length` is a share of the longest, from 0 to 1."""

    name: str
    length: float
    value: str
    note: str = ""
    mood: Mood = "plain"


@dataclass(frozen=True, slots=True)
class Bars:
    """Rows to compare at a glance."""

    rows: tuple[Bar, ...]
    caption: str
    kind: Literal["bars"] = "bars"


@dataclass(frozen=True, slots=True)
class Table:
    """Cells in rows; the columns of `numbers` (places from 0) are aligned as numbers.

    `marked` is the row to notice.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    caption: str = ""
    marked: int | None = None
    kind: Literal["table"] = "table"


Part = Figure | Bars | Table


@dataclass(frozen=True, slots=True)
class Section:
    """A topic: its sentences, then what shows it."""

    name: str  # its anchor on the page
    title: str
    lines: tuple[str, ...]
    parts: tuple[Part, ...]


def bars_of(
    rows: Sequence[tuple[str, float, str, str]], caption: str, mood: Mood = "plain"
) -> Bars:
    """Bars of (name, amount, the amount in words, note), as long as their amounts."""
    longest = max((amount for _, amount, _, _ in rows), default=0.0) or 1.0
    return Bars(
        tuple(
            Bar(name, max(0.0, amount) / longest, words, note, mood)
            for name, amount, words, note in rows
        ),
        caption,
    )
