"""One shard made ready for the engines: load, render, tokenise, check lengths."""

from collections.abc import Sequence

from checkpoints.plan import Shard
from pipeline.documents import Document, InputSource, Prepared
from pipeline.failures import Code, Failure, failure
from pipeline.literal import ControlWords
from pipeline.loading import load_documents
from pipeline.prompts import Prompt, RenderError
from pipeline.tokens import Chat, TierTokens, Tokenizer

_BATCH_DOCUMENTS = 64
_BATCH_CHARACTERS = 4_000_000
_LONG_CHARACTERS_PER_TOKEN = 32  # ordinary text has 2 to 6


def prepare_shard(
    shard: Shard, source: InputSource, prompt: Prompt, tiers: Sequence[TierTokens]
) -> list[Prepared]:
    """One Prepared per document of the shard, in order.

    A tier in which a document does not fit is missing from its prompts; when it fits none, or is
    bad in another way, it carries a failure. Raises InputChangedError, InputAccessError and
    InputUnavailableError only.
    """
    variables = prompt.variables()
    words = ControlWords(frozenset().union(*(tier.tokenizer.special_tokens() for tier in tiers)))
    wanted = None if "fields" in variables else variables
    prepared: list[Prepared] = []
    waiting: list[tuple[Document, Chat]] = []
    held = 0
    for document in load_documents(shard, source, wanted):
        rendered = document.failure or _rendered(prompt, document, words, tiers)
        if isinstance(rendered, Failure):
            prepared.append(_failed(document, rendered))
            continue
        waiting.append((document, rendered))
        held += len(rendered[1])
        if len(waiting) >= _BATCH_DOCUMENTS or held >= _BATCH_CHARACTERS:
            prepared += _tokenised(waiting, tiers)
            waiting, held = [], 0
    prepared += _tokenised(waiting, tiers)
    return sorted(prepared, key=lambda one: one.ordinal)


def _rendered(
    prompt: Prompt, document: Document, words: ControlWords, tiers: Sequence[TierTokens]
) -> Chat | Failure:
    try:
        chat = prompt.render(document, words)
    except RenderError as error:
        return failure(Code.TEMPLATE_ERROR, f"the prompt cannot be made: {error}")
    return _surely_too_long(chat[1], tiers) or chat


def _surely_too_long(text: str, tiers: Sequence[TierTokens]) -> Failure | None:
    """Whether the beginning alone fits no tier, so that a huge text is not tokenised whole.

    A cut changes the tokens around it only, far fewer than the tenth that is allowed for.
    """
    room = max(tier.max_prompt_tokens for tier in tiers)
    start = text[: _LONG_CHARACTERS_PER_TOKEN * max(room, 1_000)]
    if len(start) == len(text):
        return None
    tokens = min(len(tier.tokenizer.encode_chat(None, start)) for tier in tiers)
    if tokens <= 1.1 * room + 100:
        return None
    return failure(Code.TOO_LONG, _too_long(f"more than {tokens:,}", room, tiers))


def _tokenised(
    waiting: Sequence[tuple[Document, Chat]], tiers: Sequence[TierTokens]
) -> list[Prepared]:
    chats = [chat for _, chat in waiting]
    encoded: list[tuple[Tokenizer, list[tuple[int, ...]]]] = []
    by_tier: list[list[tuple[int, ...]]] = []
    for tier in tiers:
        known = next((ids for tokenizer, ids in encoded if tokenizer == tier.tokenizer), None)
        if known is None:
            known = tier.tokenizer.encode_chats(chats)
            encoded.append((tier.tokenizer, known))
        by_tier.append(known)
    return [
        _fitted(document, tiers, [ids[number] for ids in by_tier])
        for number, (document, _) in enumerate(waiting)
    ]


def _fitted(
    document: Document, tiers: Sequence[TierTokens], prompts: Sequence[tuple[int, ...]]
) -> Prepared:
    fitting = {
        tier.name: ids
        for tier, ids in zip(tiers, prompts, strict=True)
        if len(ids) <= tier.max_prompt_tokens
    }
    if not fitting:
        room, tokens = max(
            (tier.max_prompt_tokens, len(ids)) for tier, ids in zip(tiers, prompts, strict=True)
        )
        return _failed(document, failure(Code.TOO_LONG, _too_long(f"{tokens:,}", room, tiers)))
    return Prepared(
        document.ordinal,
        document.id,
        document.source,
        document.source_row,
        document.passthrough,
        fitting,
    )


def _too_long(tokens: str, room: int, tiers: Sequence[TierTokens]) -> str:
    name = next(tier.name for tier in tiers if tier.max_prompt_tokens == room)
    return f"the prompt has {tokens} tokens, tier {name} takes {room:,} beside the longest answer"


def _failed(document: Document, why: Failure) -> Prepared:
    return Prepared(
        document.ordinal,
        document.id,
        document.source,
        document.source_row,
        document.passthrough,
        failure=why,
    )
