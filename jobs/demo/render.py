"""Blocks to file bytes: plain text, Markdown, HTML and PDF.

Boundary: appearance only; what a document says is decided in `forms.py`, `layouts.py`, `prose.py`.
Invariant: every value of the blocks can be read back unbroken from every format (`reading.py`).
"""

import html
import io
import random
import textwrap
from collections.abc import Sequence
from enum import StrEnum

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from jobs.demo.blocks import GLUE, Block, Heading, Lines, Pairs, Paragraph, Table

_WIDTH_CHARACTERS = 84
_MARGIN_POINTS = 56.0
_LEADING_POINTS = 15.0


class Format(StrEnum):
    """File formats; the value is the file name's ending."""

    TXT = "txt"
    MD = "md"
    HTML = "html"
    PDF = "pdf"


def render(blocks: Sequence[Block], format_: Format, rng: random.Random) -> bytes:
    """The document as a file; `rng` chooses between appearances of one format."""
    if format_ is Format.PDF:
        return _pdf(blocks, is_columnar=rng.random() < 0.5)
    if format_ is Format.HTML:
        return _html(blocks, is_tabular=rng.random() < 0.7).encode()
    if format_ is Format.MD:
        return _markdown(blocks, is_listed=rng.random() < 0.5).encode()
    return _text(blocks, is_aligned=rng.random() < 0.3).encode()


def _wrapped(text: str) -> list[str]:
    lines = textwrap.wrap(text, _WIDTH_CHARACTERS, break_long_words=False, break_on_hyphens=False)
    return [line.replace(GLUE, " ") for line in lines]


def _text(blocks: Sequence[Block], *, is_aligned: bool) -> str:
    parts = []
    for block in blocks:
        match block:
            case Heading(text):
                parts.append([text.upper() if is_aligned else text])
            case Lines(lines):
                parts.append(list(lines))
            case Paragraph(text):
                parts.append(_wrapped(text))
            case Pairs(rows):
                width = max(len(label) for label, _ in rows) + 3
                parts.append(
                    [
                        f"{label:<{width}}{value}" if is_aligned else f"{label}: {value}"
                        for label, value in rows
                    ]
                )
            case Table(rows):
                parts.append(["  ".join(row) for row in rows])
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _markdown(blocks: Sequence[Block], *, is_listed: bool) -> str:
    parts = []
    for block in blocks:
        match block:
            case Heading(text):
                parts.append([f"# {text}"])
            case Lines(lines):
                parts.append([f"{line}  " for line in lines[:-1]] + [lines[-1]])
            case Paragraph(text):
                parts.append([text.replace(GLUE, " ")])
            case Pairs(rows) if is_listed:
                parts.append([f"- **{label}:** {value}" for label, value in rows])
            case Pairs(rows):
                parts.append([f"**{label}:** {value}  " for label, value in rows])
            case Table(rows):
                cells = [f"| {' | '.join(row)} |" for row in rows]
                parts.append([cells[0], "|" + " --- |" * len(rows[0]), *cells[1:]])
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _html(blocks: Sequence[Block], *, is_tabular: bool) -> str:
    parts = []
    for block in blocks:
        match block:
            case Heading(text):
                parts.append(f"<h1>{_escaped(text)}</h1>")
            case Lines(lines):
                parts.append(f"<p>{'<br>'.join(_escaped(line) for line in lines)}</p>")
            case Paragraph(text):
                parts.append(f"<p>{_escaped(text)}</p>")
            case Pairs(rows) if is_tabular:
                parts.append(_html_table([(f"{label}:", value) for label, value in rows]))
            case Pairs(rows):
                parts += [f"<div>{_escaped(f'{label}: {value}')}</div>" for label, value in rows]
            case Table(rows):
                parts.append(_html_table(rows))
    head = '<meta charset="utf-8"><style>td {padding: 2px}</style>'
    body = "\n".join(parts)
    return f"<!doctype html>\n<html><head>{head}</head>\n<body>\n{body}\n</body></html>\n"


def _html_table(rows: Sequence[Sequence[str]]) -> str:
    cells = ("".join(f"<td>{_escaped(cell)}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>"


def _escaped(text: str) -> str:
    return html.escape(text.replace(GLUE, " "), quote=False)


def _pdf(blocks: Sequence[Block], *, is_columnar: bool) -> bytes:
    """One or more A4 pages in Helvetica; `is_columnar` sets values in a column of their own."""
    lines: list[tuple[tuple[float, str], ...]] = []
    for block in blocks:
        match block:
            case Heading(text):
                lines.append(((0.0, text),))
            case Lines(texts):
                lines += [((0.0, text),) for text in texts]
            case Paragraph(text):
                lines += [((0.0, line),) for line in _wrapped(text)]
            case Pairs(rows):
                lines += [_pdf_pair(label, value, is_columnar) for label, value in rows]
            case Table(rows):
                lines += [
                    tuple((150.0 * place, cell) for place, cell in enumerate(row)) for row in rows
                ]
        lines.append(())
    return _pdf_pages(lines)


def _pdf_pair(label: str, value: str, is_columnar: bool) -> tuple[tuple[float, str], ...]:
    if is_columnar:
        return ((0.0, f"{label}:"), (170.0, value))
    return ((0.0, f"{label}: {value}"),)


def _pdf_pages(lines: Sequence[Sequence[tuple[float, str]]]) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=True)
    top = A4[1] - _MARGIN_POINTS
    height = top
    canvas.setFont("Helvetica", 11)
    for line in lines:
        if height < _MARGIN_POINTS:
            canvas.showPage()
            canvas.setFont("Helvetica", 11)
            height = top
        for offset, text in line:
            canvas.drawString(_MARGIN_POINTS + offset, height, text)
        height -= _LEADING_POINTS
    canvas.save()
    return buffer.getvalue()
