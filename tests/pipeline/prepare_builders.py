"""Shards prepared with a tokenizer whose tokens are characters."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.documents import InputSource, Prepared
from pipeline.preparing.prepare import prepare_shard
from pipeline.preparing.prompts import Prompt
from pipeline.preparing.tokens import Chat, TierTokens
from pipeline.routing.rules import NO_RULES, Rules
from tests.pipeline.planned import plan_of

ASK = Prompt("Be brief.", "Sum up: {{ text }}")


@dataclass(frozen=True)
class Letters:
    """A token per character."""

    name: str = "letters"

    def encode_chat(self, system: str | None, user: str) -> tuple[int, ...]:
        return tuple(map(ord, f"{system or ''}\n\n{user}"))

    def encode_chats(self, chats: Sequence[Chat]) -> list[tuple[int, ...]]:
        return [self.encode_chat(*chat) for chat in chats]

    def special_tokens(self) -> frozenset[str]:
        return frozenset()


def tiers_of(*rooms: int, prompt: Prompt = ASK) -> list[TierTokens]:
    return [
        TierTokens(f"tier{number}", prompt, Letters(), room) for number, room in enumerate(rooms)
    ]


def prepared(
    source: InputSource,
    prompt: Prompt = ASK,
    tiers: Sequence[TierTokens] | None = None,
    rules: Rules = NO_RULES,
    gold_field: str | None = None,
) -> list[Prepared]:
    found: list[Prepared] = []
    for shard in plan_of(source, 200):
        one = prepare_shard(
            shard,
            source,
            tiers or tiers_of(1000, prompt=prompt),
            rules=rules,
            gold_field=gold_field,
        )
        assert [document.ordinal for document in one] == list(range(shard.documents))
        found += one
    return sorted(found, key=lambda document: (document.source, document.source_row))


def codes_of(found: list[Prepared]) -> list[str | None]:
    return [document.failure.code.value if document.failure else None for document in found]
