"""Prompts as token ids, exactly as the engine's model sees them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from pipeline.preparing.literal import has_marks, pieces
from pipeline.preparing.prompts import Prompt

_GENERIC_CLASSES = frozenset({"PreTrainedTokenizerFast", "TokenizersBackend"})

Chat = tuple[str | None, str]
"""A system prompt, or None, and what the user says."""


class Tokenizer(Protocol):
    """What fit_documents needs of a tokenizer; equal ones encode, and hash, alike."""

    def encode_chat(self, system: str | None, user: str) -> tuple[int, ...]:
        """One prompt as token ids, ready for generation."""

    def encode_chats(self, chats: Sequence[Chat]) -> list[tuple[int, ...]]:
        """Many prompts at once, in order; what is marked in them (literal.py) is plain text."""

    def special_tokens(self) -> frozenset[str]:
        """The words that are control tokens to the model."""


@dataclass(frozen=True, slots=True)
class HFTokenizer:
    """A Hugging Face tokenizer by path or name; loaded on first use, once per process.

    With a chat template, the prompt is that template with the generation prompt; without one it is
    the system prompt, a blank line and the user's text, with the special tokens that the tokenizer
    itself puts around a text.
    """

    path: str
    revision: str | None = None

    def encode_chat(self, system: str | None, user: str) -> tuple[int, ...]:
        """See Tokenizer."""
        return self.encode_chats([(system, user)])[0]

    def encode_chats(self, chats: Sequence[Chat]) -> list[tuple[int, ...]]:
        """See Tokenizer."""
        if not chats:
            return []
        tokenizer = _load(self.path, self.revision)
        has_template = bool(tokenizer.chat_template)
        texts = [
            _templated(tokenizer, chat) if has_template else plain_prompt(chat) for chat in chats
        ]
        # A chat template writes its special tokens itself.
        adds_special = not has_template
        plain = [text for text in texts if not has_marks(text)]
        encoded = iter(_ids(tokenizer, plain, add_special_tokens=adds_special) if plain else ())
        return [
            _encode_pieces(tokenizer, text, adds_special) if has_marks(text) else next(encoded)
            for text in texts
        ]

    def special_tokens(self) -> frozenset[str]:
        """See Tokenizer."""
        added = _load(self.path, self.revision).added_tokens_decoder.values()
        return frozenset(token.content for token in added if token.special)


@dataclass(frozen=True, slots=True)
class TierTokens:
    """How a tier asks and counts: prompt, tokenizer, and max_model_len less the longest answer."""

    name: str
    prompt: Prompt
    tokenizer: Tokenizer
    max_prompt_tokens: int


def tier_tokens(
    name: str, prompt: Prompt, model: str, revision: str | None, *, max_prompt_tokens: int
) -> TierTokens:
    """A tier that counts with the tokenizer of its own model."""
    return TierTokens(name, prompt, HFTokenizer(model, revision), max_prompt_tokens)


def plain_prompt(chat: Chat) -> str:
    """The prompt for a model without a chat template."""
    system, user = chat
    return f"{system}\n\n{user}" if system else user


def _templated(tokenizer: Any, chat: Chat) -> str:
    system, user = chat
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": user})
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def _ids(tokenizer: Any, texts: list[str], **settings: bool) -> list[tuple[int, ...]]:
    encoded = tokenizer(
        texts,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
        **settings,
    )
    return [tuple(ids) for ids in encoded["input_ids"]]


def _encode_pieces(tokenizer: Any, text: str, adds_special: bool) -> tuple[int, ...]:
    before, after = _put_around(tokenizer) if adds_special else ((), ())
    ids = [
        token
        for piece, is_literal in pieces(text)
        for token in _ids(
            tokenizer, [piece], add_special_tokens=False, split_special_tokens=is_literal
        )[0]
    ]
    return (*before, *ids, *after)


def _put_around(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The special tokens that the tokenizer puts before and after a text."""
    [bare] = _ids(tokenizer, ["a"], add_special_tokens=False)
    [whole] = _ids(tokenizer, ["a"], add_special_tokens=True)
    start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


@lru_cache(maxsize=8)
def _load(path: str, revision: str | None) -> Any:
    # Imported here, since even the light part of transformers takes a second.
    if _is_generic(Path(path)):
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(path)
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path, revision=revision)


def _is_generic(folder: Path) -> bool:
    """Whether AutoTokenizer would only choose the generic class, after importing all of torch.

    That import costs every reading process six CPU seconds and 330 MiB.
    """
    try:
        config = json.loads((folder / "tokenizer_config.json").read_bytes())
    except (OSError, ValueError):
        return False
    is_whole = (folder / "tokenizer.json").is_file() and "auto_map" not in config
    return is_whole and config.get("tokenizer_class") in _GENERIC_CLASSES
