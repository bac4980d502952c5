"""Where each token of an answer lies in its text.

Boundary: asks a tokenizer for the text of tokens, and compares it with the text of the answer.
Invariant: places are given only when the texts of the tokens make up the whole answer; else none
are.

A token's text depends on what is before it: sentencepiece drops the blank in front of the first
word, and a character may be spread over several tokens. So a token is decoded behind an anchor, and
as long as that gives no whole character or not the answer's text, together with the next ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pipeline.engines.value_tokens import Place

MOST_TOGETHER = 16  # tokens that are decoded together before the places count as unknown
REMEMBERED = 1 << 17
_ANCHOR = "a"
_UNFINISHED = "\ufffd"  # what a decoder gives for bytes that are no whole character


class TokenPlaces:
    """Places of tokens by one tokenizer; remembers the texts of tokens. For one thread."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._anchor = list(tokenizer.encode(_ANCHOR, add_special_tokens=False))
        self._anchor_text = self._decode(self._anchor)
        self._text_of = lru_cache(REMEMBERED)(self._text_behind_anchor)

    def places(self, tokens: Sequence[int], text: str) -> list[Place] | None:
        """The place of each token in `text`, their decoded text; None when it cannot be told.

        Special tokens have no text. `text` may end within the tokens, as at a stop string: what is
        behind it has no place.
        """
        found: list[Place] = []
        position = index = 0
        while index < len(tokens):
            group = self._group(tokens[index : index + MOST_TOGETHER], text, position)
            if group is None:
                return None
            found += group
            index += len(group)
            position = group[-1][1]
        return found if position == len(text) else None

    def _group(self, tokens: Sequence[int], text: str, position: int) -> list[Place] | None:
        """The places of the first tokens, as few as give whole characters of the text together."""
        wholes = [0]  # characters that are whole after each token
        for count in range(1, len(tokens) + 1):
            group = tuple(tokens[:count])
            decoded = self._decode(group) if position == 0 else self._text_of(group)
            if decoded is None:
                return None
            whole = decoded.rstrip(_UNFINISHED)
            is_whole = whole == decoded or count == len(tokens)
            if is_whole and _agree(text, position, decoded):
                end = min(position + len(decoded), len(text))
                starts = [position + before for before in wholes]
                # All but the last end within the character that the next one goes on with.
                stops = [min(start + 1, end) for start in starts[1:]]
                return list(zip(starts, [*stops, end], strict=True))
            # Where the next token changes this one's text, both begin at the same place.
            wholes.append(len(whole) if text.startswith(whole, position) else 0)
        return None

    def _text_behind_anchor(self, tokens: tuple[int, ...]) -> str | None:
        decoded = self._decode([*self._anchor, *tokens])
        if not decoded.startswith(self._anchor_text):
            return None
        return decoded[len(self._anchor_text) :]

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))


def _agree(text: str, position: int, decoded: str) -> bool:
    """Whether `text` goes on like `decoded`, as far as it goes."""
    return text.startswith(decoded, position) or decoded.startswith(text[position:])
