"""The parts a document is made of, before a file format is chosen.

Boundary: structure without appearance; `render.py` turns blocks into bytes.
Invariant: block texts are one line each and hold no markup characters of any output format.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A title line."""

    text: str


@dataclass(frozen=True)
class Lines:
    """Lines that belong together, such as an address."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Paragraph:
    """Running text; `render.py` breaks it into lines, never inside a value."""

    text: str


@dataclass(frozen=True)
class Pairs:
    """Labels with values."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first row being the head."""

    rows: tuple[tuple[str, ...], ...]


Block = Heading | Lines | Paragraph | Pairs | Table
GLUE = "\u00a0"


def glued(value: str) -> str:
    """`value` with blanks that no line break may replace; renderers write them as plain blanks."""
    return value.replace(" ", GLUE)
