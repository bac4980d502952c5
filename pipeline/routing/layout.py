"""How a text looks: numbers that tell forms and tables from prose, computed from the text alone."""

import re
from dataclasses import dataclass

_CELL_ENDS = re.compile(r"[ \t]{2,}|\t")
_FEWEST_CELLS = 3


@dataclass(frozen=True, slots=True)
class Layout:
    """Measures of one text."""

    lines: int  # that are not blank
    digits: float  # share of the characters that are not blank
    table_lines: float  # share of the lines that are not blank


def layout_of(text: str) -> Layout:
    """The layout of a text; both shares of an empty one are 0.

    A table line has at least three cells, set apart by a tab, a `|`, or two or more blanks; loaders
    set the cells of HTML tables apart by two blanks.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    characters = sum(map(len, text.split()))
    if not lines:
        return Layout(0, 0.0, 0.0)
    return Layout(
        lines=len(lines),
        digits=sum(map(str.isdecimal, text)) / characters,
        table_lines=sum(map(_is_table_line, lines)) / len(lines),
    )


def _is_table_line(line: str) -> bool:
    cells = [cell for cell in _CELL_ENDS.split(line.replace("|", "\t").strip()) if cell]
    return len(cells) >= _FEWEST_CELLS
