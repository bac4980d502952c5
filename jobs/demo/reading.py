"""File bytes to text, the way the pipeline's loaders do it, so that training sees the same text.

Boundary: good files only; the loaders own the handling of bad ones.
Invariant: line ends are LF; HTML keeps at most one blank line between blocks; the cells of a table
row are joined by two blanks; PDF pages are joined by one blank line.
"""

import re

import pypdfium2
from bs4 import BeautifulSoup
from bs4.element import NavigableString, Tag

from jobs.demo.render import Format

_BLOCK_TAGS = frozenset(("h1", "p", "div", "table", "tr", "body"))


def read(content: bytes, format_: Format) -> str:
    """The text of a good file."""
    if format_ is Format.PDF:
        return _pdf_text(content)
    text = content.decode().replace("\r\n", "\n")
    return _html_text(text) if format_ is Format.HTML else text


def _pdf_text(content: bytes) -> str:
    document = pypdfium2.PdfDocument(content)
    try:
        pages = [page.get_textpage().get_text_range() for page in document]
    finally:
        document.close()
    return "\n\n".join(page.replace("\r\n", "\n") for page in pages).strip()


def _html_text(markup: str) -> str:
    soup = BeautifulSoup(markup, "html.parser")
    for tag in soup(["script", "style", "head"]):
        tag.decompose()
    text = _node_text(soup)
    lines = (re.sub(r"[ \t]+$", "", line) for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _node_text(node: Tag) -> str:
    if node.name == "br":
        return "\n"
    if node.name == "tr":
        cells = [_node_text(cell).strip() for cell in node.find_all(["td", "th"])]
        return "  ".join(cells) + "\n"
    parts = []
    for child in node.children:
        if isinstance(child, Tag):
            parts.append(_node_text(child))
        elif type(child) is NavigableString:
            parts.append(re.sub(r"\s+", " ", child) if child.strip() else "")
    text = "".join(parts)
    return f"{text.rstrip(chr(10))}\n" if node.name in _BLOCK_TAGS else text
