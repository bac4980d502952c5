"""What rules can ask about a document before any model has seen it.

Boundary: pure; computed from the loaded document and its prompt's length.
Invariant: a fact is computed when it is asked for the first time, and then kept: recognising a
language takes far longer than comparing lengths.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Literal, TypeAlias

from pipeline.documents import Document, text_or_none
from pipeline.routing.language import language_of
from pipeline.routing.layout import Layout, layout_of

Measure: TypeAlias = Literal["tokens", "characters", "lines", "digits", "table_lines"]


class Facts:
    """The facts of one document."""

    def __init__(
        self,
        document: Document,
        *,
        format: str,
        tokens: int | None,
        language: Callable[[str], str | None] = language_of,
    ) -> None:
        self._document = document
        self._recognise = language
        self.format = format
        self.tokens = tokens  # of its prompt for the first tier; None where that cannot be made

    @property
    def text(self) -> str:
        """The document's text."""
        return self._document.text

    @cached_property
    def folded(self) -> str:
        """The text without differences of case."""
        return self._document.text.casefold()

    @cached_property
    def language(self) -> str | None:
        """See language_of."""
        return self._recognise(self._document.text)

    @cached_property
    def layout(self) -> Layout:
        """See layout_of."""
        return layout_of(self._document.text)

    def measure(self, name: Measure) -> float | None:
        """A number about the document; None where it is not known."""
        match name:
            case "tokens":
                return self.tokens
            case "characters":
                return len(self._document.text)
            case "lines":
                return self.layout.lines
            case "digits":
                return self.layout.digits
            case "table_lines":
                return self.layout.table_lines

    def field(self, name: str) -> object:
        """A field of the document; None where it has none of that name."""
        return self._document.fields.get(name)

    def field_text(self, name: str) -> str | None:
        """A field as text; None where there is none, or one that nests too deep to be written."""
        return text_or_none(self.field(name))
