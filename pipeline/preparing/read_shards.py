"""Reads planned shards and prepares their documents, inside a Ray Data read task.

Boundary: picklable and small, since every read task carries one; connections and tokenizers are
opened where it runs and kept for the process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkpoints.errors import NoRunError
from checkpoints.plan import read_header, read_shards
from pipeline.documents import InputSource, Prepared
from pipeline.engines.tiers import Tier
from pipeline.preparing.prepare import prepare_shard
from pipeline.preparing.tokens import TierTokens, tier_tokens
from pipeline.routing.rules import Rules
from pipeline.routing.sampling import Sampled
from pipeline.work import OpenStore


@dataclass(frozen=True, slots=True)
class ShardPreparer:
    """Gives (shard number, its prepared documents) for the numbers asked, in their order."""

    source: InputSource
    tiers: tuple[Tier, ...]
    rules: Rules
    gold_field: str | None
    open_checkpoint: OpenStore
    sampled: Sampled | None = None  # only these documents

    def __call__(self, numbers: Sequence[int]) -> Iterator[tuple[int, list[Prepared]]]:
        """Load, render and tokenise one shard after the other; one shard is held at a time."""
        store = self.open_checkpoint()
        header = read_header(store)
        if header is None:
            raise NoRunError("the plan of this run is gone from its checkpoint")
        tokens = [tokens_of(tier) for tier in self.tiers]
        for shard in read_shards(store, header, numbers):
            yield (
                shard.number,
                prepare_shard(
                    shard,
                    self.source,
                    tokens,
                    rules=self.rules,
                    gold_field=self.gold_field,
                    only=None if self.sampled is None else self.sampled.of_shard(shard.number),
                ),
            )


def tokens_of(tier: Tier) -> TierTokens:
    """How this tier counts tokens; what its longest answer needs is kept free."""
    room = tier.profile.max_model_len - tier.generation.max_tokens
    return tier_tokens(tier.name, tier.prompt, tier.model, tier.revision, max_prompt_tokens=room)
