"""Keeps a document's text from being read as a model's control tokens.

A document may hold the very words that a tokenizer takes for special tokens (`<|im_end|>`, `</s>`),
by chance or on purpose: the model would see its turn end in the middle of the document. Such words
are put between marks before they go into the prompt, and tokenised letter by letter there.
Boundary: pure text in, text out; `tokens.py` tokenises what is marked.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

_MARK = "\ufdd0"  # a noncharacter: no document may hold it (Unicode 16, section 23.7)
_LITERAL = re.compile(f"{_MARK}([^{_MARK}]*){_MARK}")


class LiteralMarks:
    """Marks what would be taken for one of these tokens; made once per set of tokenizers."""

    def __init__(self, special_tokens: Iterable[str]) -> None:
        words = sorted(filter(None, special_tokens), key=len, reverse=True)
        self._found = re.compile("|".join(map(re.escape, words)) or "(?!)")

    def mark(self, value: Any) -> Any:
        """A value of a document with every such word in it marked; other types as they are."""
        match value:
            case str():
                return self._found.sub(rf"{_MARK}\g<0>{_MARK}", value.replace(_MARK, "\ufffd"))
            case dict():
                return {name: self.mark(one) for name, one in value.items()}
            case list():
                return [self.mark(one) for one in value]
            case _:
                return value


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and of each whether it is literal; a template may have cut a mark off."""
    for number, piece in enumerate(_LITERAL.split(text)):
        whole = piece.replace(_MARK, "")
        if whole:
            yield whole, number % 2 == 1


def has_marks(text: str) -> bool:
    """Whether `pieces` would do anything."""
    return _MARK in text
