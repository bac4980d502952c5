"""Documents rendered and tokenised for every tier, and the tiers in which they do not fit.

Boundary: documents in, documents out, in order and a bounded batch at a time; tiers with the same
prompt render once, and those with the same tokenizer too tokenise once.
Invariant: content never raises; what cannot be asked is a Failure, per tier.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.documents import Document
from pipeline.failures import Code, Failure, failure
from pipeline.preparing.literal import ControlWords
from pipeline.preparing.prompts import Prompt, RenderError
from pipeline.preparing.tokens import Chat, TierTokens, Tokenizer

_BATCH_DOCUMENTS = 64
_BATCH_CHARACTERS = 4_000_000
_LONG_CHARACTERS_PER_TOKEN = 32  # ordinary text has 2 to 6


@dataclass(frozen=True, slots=True)
class Fitted:
    """One document with its prompt for each tier in which it fits, and why not in the others."""

    document: Document
    prompts: Mapping[str, tuple[int, ...]]  # token ids by tier
    misfits: Mapping[str, Failure]  # by tier
    tokens: int | None  # of the first tier's prompt, of a far too long one of its beginning
    failure: Failure | None  # set when it fits no tier


@dataclass(frozen=True, slots=True)
class _TooLong:
    at_least_tokens: int


_Asked = Chat | _TooLong | Failure
_Encoded = Mapping[tuple[Prompt, Tokenizer], Sequence[tuple[int, ...] | _TooLong | Failure]]


def fit_documents(documents: Iterable[Document], tiers: Sequence[TierTokens]) -> Iterator[Fitted]:
    """One Fitted per document, in order; `tiers` cheap to strong, at least one."""
    words = ControlWords(frozenset().union(*(tier.tokenizer.special_tokens() for tier in tiers)))
    by_prompt = {
        prompt: [tier for tier in tiers if tier.prompt == prompt]
        for prompt in dict.fromkeys(tier.prompt for tier in tiers)
    }
    waiting: list[tuple[Document, Mapping[Prompt, _Asked]]] = []
    held = 0
    for document in documents:
        asked = {
            prompt: document.failure or _asked(prompt, document, words, alike)
            for prompt, alike in by_prompt.items()
        }
        waiting.append((document, asked))
        held += len(document.text)
        held += sum(len(chat[1]) for chat in asked.values() if isinstance(chat, tuple))
        if len(waiting) >= _BATCH_DOCUMENTS or held >= _BATCH_CHARACTERS:
            yield from _tokenised(waiting, tiers)
            waiting, held = [], 0
    yield from _tokenised(waiting, tiers)


def _asked(
    prompt: Prompt, document: Document, words: ControlWords, tiers: Sequence[TierTokens]
) -> _Asked:
    try:
        chat = prompt.render(document, words)
    except RenderError as error:
        return failure(Code.TEMPLATE_ERROR, f"the prompt cannot be made: {error}")
    return _surely_too_long(chat[1], tiers) or chat


def _surely_too_long(text: str, tiers: Sequence[TierTokens]) -> _TooLong | None:
    """Whether the beginning alone fits no tier, so that a huge text is not tokenised whole.

    A cut changes the tokens around it only, far fewer than the tenth that is allowed for.
    """
    room = max(tier.max_prompt_tokens for tier in tiers)
    start = text[: _LONG_CHARACTERS_PER_TOKEN * max(room, 1_000)]
    if len(start) == len(text):
        return None
    tokenizers = dict.fromkeys(tier.tokenizer for tier in tiers)
    tokens = min(len(tokenizer.encode_chat(None, start)) for tokenizer in tokenizers)
    return _TooLong(tokens) if tokens > 1.1 * room + 100 else None


def _tokenised(
    waiting: Sequence[tuple[Document, Mapping[Prompt, _Asked]]], tiers: Sequence[TierTokens]
) -> Iterator[Fitted]:
    encoded = {
        (prompt, tokenizer): _encoded([asked[prompt] for _, asked in waiting], tokenizer)
        for prompt, tokenizer in dict.fromkeys((tier.prompt, tier.tokenizer) for tier in tiers)
    }
    for number, (document, _) in enumerate(waiting):
        yield _fitted(document, number, encoded, tiers)


def _encoded(
    asked: Sequence[_Asked], tokenizer: Tokenizer
) -> list[tuple[int, ...] | _TooLong | Failure]:
    ids = iter(tokenizer.encode_chats([chat for chat in asked if isinstance(chat, tuple)]))
    return [next(ids) if isinstance(chat, tuple) else chat for chat in asked]


def _fitted(
    document: Document, number: int, encoded: _Encoded, tiers: Sequence[TierTokens]
) -> Fitted:
    prompts: dict[str, tuple[int, ...]] = {}
    misfits: dict[str, Failure] = {}
    counts: list[int | None] = []
    for tier in tiers:
        found = encoded[tier.prompt, tier.tokenizer][number]
        if isinstance(found, Failure):
            counts.append(None)
            misfits[tier.name] = found
        elif isinstance(found, _TooLong):
            counts.append(found.at_least_tokens)
            misfits[tier.name] = _too_long(tier, f"more than {found.at_least_tokens:,}")
        else:
            counts.append(len(found))
            if len(found) > tier.max_prompt_tokens:
                misfits[tier.name] = _too_long(tier, f"{len(found):,}")
            else:
                prompts[tier.name] = found
    why = None if prompts else _why_none(tiers, misfits)
    return Fitted(document, prompts, misfits, counts[0], why)


def _too_long(tier: TierTokens, tokens: str) -> Failure:
    return failure(
        Code.TOO_LONG,
        f"the prompt has {tokens} tokens, tier {tier.name} takes {tier.max_prompt_tokens:,} beside "
        "the longest answer",
    )


def _why_none(tiers: Sequence[TierTokens], misfits: Mapping[str, Failure]) -> Failure:
    """The misfit of the tier with the most room, of those whose prompt could be made."""
    made = [tier for tier in tiers if misfits[tier.name].code is Code.TOO_LONG]
    roomiest = max(made or tiers, key=lambda tier: tier.max_prompt_tokens)
    return misfits[roomiest.name]
