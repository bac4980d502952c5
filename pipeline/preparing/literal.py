"""Keeps a document's text from being read as a model's control tokens.

A document may hold the very words that a tokenizer takes for special tokens (`<|im_end|>`, `</s>`),
by chance or on purpose: the model would see its turn end in the middle of the document. So what a
template prints of a document is marked as it leaves the template, and a control word that has any
printed character in it is tokenised as plain text. Words in the template's own text stay what they
are; in a block that is captured (`{% set x %}...{% endset %}`) and printed, they count as printed.
Boundary: pure text in, text out; `tokens.py` tokenises what is marked.
"""

import re
from collections.abc import Iterable, Iterator

# Noncharacters, which no text holds that was meant for interchange (Unicode 16, section 23.7).
_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
_MARKS = str.maketrans("", "", _OPEN + _CLOSE)
_MARKED = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")


class ControlWords:
    """The words that are control tokens to some tokenizers; made once per set of tokenizers."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        longest_first = sorted(filter(None, words), key=len, reverse=True)
        self._found = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")

    def guarded(self, rendered: str) -> str:
        """What a template made, with marks only around control words that a document brought in."""
        text, printed = _spans(rendered)
        made: list[str] = []
        end = 0
        for word in self._found.finditer(text):
            if any(start < word.end() and word.start() < stop for start, stop in printed):
                made += [text[end : word.start()], _OPEN, word[0], _CLOSE]
                end = word.end()
        return "".join([*made, text[end:]])


def printed(value: str) -> str:
    """A value that a template prints, marked from end to end."""
    return f"{_OPEN}{value.translate(_MARKS)}{_CLOSE}"


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A guarded text in pieces, and of each whether it is to be read as plain text."""
    for number, piece in enumerate(_MARKED.split(text)):
        if piece:
            yield piece, number % 2 == 1


def has_marks(text: str) -> bool:
    """Whether `pieces` would give more than the text."""
    return _OPEN in text


def _spans(rendered: str) -> tuple[str, list[tuple[int, int]]]:
    """The text without marks, and where printed values stand in it; marks may be cut off."""
    parts: list[str] = []
    spans: list[tuple[int, int]] = []
    length = depth = start = 0
    for part in re.split(f"([{_OPEN}{_CLOSE}])", rendered):
        if part == _OPEN:
            start = start if depth else length
            depth += 1
        elif part == _CLOSE:
            depth = max(0, depth - 1)
            if depth == 0:
                spans.append((start, length))
        else:
            parts.append(part)
            length += len(part)
    if depth:
        spans.append((start, length))
    return "".join(parts), spans
