"""Text of txt, md and html files: bytes in, text or a failure out.

txt, md: UTF-8, or UTF-16 with a byte order mark; CRLF becomes LF; nothing else changes.
html: script, style and template are dropped; the declared charset counts, else UTF-8; blanks run
together as in a browser, except in `pre`; a block element ends its line; the cells of one table
row are joined by two spaces; runs of blank lines become one; the ends are stripped.
"""

import codecs
import re
import warnings
from dataclasses import dataclass, field

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from bs4.element import CData, NavigableString, Tag

from pipeline.failures import Code, Failure, failure

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What a page means by these names, says the WHATWG Encoding Standard.
_WINDOWS = frozenset({"iso-8859-1", "iso8859-1", "latin-1", "latin1", "us-ascii", "ascii"})
_DROPPED = frozenset({"script", "style", "template"})
_CELLS = frozenset({"td", "th"})
_BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd"),
        *("details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure"),
        *("footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head", "header", "hgroup"),
        *("hr", "html", "legend", "li", "main", "menu", "nav", "ol", "optgroup", "option", "p"),
        *("pre", "search", "section", "select", "summary", "table", "tbody", "textarea"),
        *("tfoot", "thead", "title", "ul"),
    }
)
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_BLANK_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")


def plain_text(data: bytes) -> str | Failure:
    """The text of a txt or md file."""
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _decoded(data[len(bom) :], encoding, len(bom))
    return _decoded(data, "utf-8", 0)


def html_text(data: bytes) -> str | Failure:
    """The visible text of an HTML file, by the rules above."""
    markup = _html_markup(data)
    if isinstance(markup, Failure):
        return markup
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # XHTML parsed as HTML; short texts that look like a path
        soup = BeautifulSoup(markup, "lxml")
    text = _visible_text(soup)
    return _BLANK_LINES.sub("\n\n", text).strip()


def _decoded(data: bytes, encoding: str, skipped: int) -> str | Failure:
    try:
        return data.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        reason = f"the file is not {name} at byte {skipped + error.start:,}"
        return failure(Code.UNDECODABLE, reason)


def _html_markup(data: bytes) -> str | Failure:
    if any(data.startswith(bom) for bom, _ in _BOMS):
        return plain_text(data)
    declared = EncodingDetector.find_declared_encoding(data, is_html=True)
    if declared is None or declared.lower().startswith("utf-16"):  # then it cannot be UTF-16
        return _decoded(data, "utf-8", 0)
    encoding = "windows-1252" if declared.lower() in _WINDOWS else declared
    try:
        codecs.lookup(encoding)
    except LookupError:
        reason = f"the page declares the unknown charset {declared!r}"
        return failure(Code.UNDECODABLE, reason)
    return _decoded(data, encoding, 0)


@dataclass(slots=True)
class _Lines:
    """Text under construction, in which blanks run together and lines end once."""

    pieces: list[str] = field(default_factory=list)
    last: str = "\n"  # the last character so far

    def add(self, text: str, *, verbatim: bool) -> None:
        if not verbatim:
            text = _BLANKS.sub(" ", text).replace("\xa0", " ")
            if self.last in " \n":
                text = text.removeprefix(" ")
        if text:
            self.pieces.append(text)
            self.last = text[-1]

    def end_line(self, *, always: bool = False) -> None:
        if self.last == " ":
            self.pieces[-1] = self.pieces[-1].removesuffix(" ")
        if self.last != "\n" or always:
            self.pieces.append("\n")
            self.last = "\n"

    def text(self) -> str:
        return "".join(self.pieces)


def _visible_text(soup: BeautifulSoup) -> str:
    """Walks the tree without recursion: pages nest deeper than Python's stack."""
    lines = [_Lines()]  # the innermost table cell last
    rows: list[list[str]] = []  # the innermost table row last
    verbatim = 0
    stack: list[tuple[object, bool]] = [(soup, True)]
    while stack:
        node, entering = stack.pop()
        if not isinstance(node, Tag):
            if type(node) in (NavigableString, CData):
                lines[-1].add(str(node).replace("\r\n", "\n"), verbatim=verbatim > 0)
            continue
        name = node.name
        if name in _DROPPED:
            continue
        if name == "br":
            lines[-1].end_line(always=True)
            continue
        if name in ("pre", "textarea"):
            verbatim += 1 if entering else -1
        if name == "tr":
            if entering:
                rows.append([])
            else:
                lines[-1].end_line()
                lines[-1].add("  ".join(rows.pop()), verbatim=True)
                lines[-1].end_line()
        elif name in _CELLS and rows:
            if entering:
                lines.append(_Lines())
            else:
                rows[-1].append(lines.pop().text().strip())
        elif name in _BLOCKS:
            lines[-1].end_line()
        if entering:
            stack.append((node, False))
            stack.extend((child, True) for child in reversed(node.contents))
    return lines[0].text()
