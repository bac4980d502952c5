"""Which documents of a plan are the sample: uniformly drawn without replacement, in a saved order.

Boundary: pure; numbers of documents in, shards and ordinals out.
Invariant: the same draw gives the same documents in the same order, on every machine. The order is
the one in which the sample is split and tested, so it is fixed before any answer is seen.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from checkpoints.encoding import Json
from checkpoints.result import ResultRow

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Draw:
    """`size` of `documents` documents; `seed` makes the order."""

    seed: int
    documents: int
    size: int

    def positions(self) -> IntArray:
        """The documents by their position in the plan, shape (size,), in the sample's order."""
        generator = np.random.Generator(np.random.PCG64(self.seed))
        return generator.choice(self.documents, self.size, replace=False).astype(np.int64)

    def as_json(self) -> dict[str, Json]:
        """Plain values; `of_json` gives the draw back."""
        return asdict(self)

    @classmethod
    def of_json(cls, value: Mapping[str, Json]) -> Draw:
        """The draw that gave these values; TypeError where none did."""
        return cls(**value)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Sampled:
    """The documents of a sample, in its order: shapes (size,)."""

    shards: IntArray
    ordinals: IntArray

    def numbers(self) -> IntArray:
        """The shards that hold any, once each, in order."""
        return np.unique(self.shards)

    def of_shard(self, number: int) -> frozenset[int]:
        """The ordinals that are drawn of one shard."""
        return frozenset(self.ordinals[self.shards == number].tolist())


@dataclass(frozen=True, slots=True)
class SampledDocument:
    """A sampled document's row, its prompt in the job's first tier, its right answer.

    The prompt is empty where the document does not fit that tier.
    """

    row: ResultRow
    prompt: tuple[int, ...]
    gold: str | None


@dataclass(frozen=True, slots=True)
class SampledShard:
    """The sampled documents of one shard."""

    shard: int
    documents: tuple[SampledDocument, ...]


def new_draw(documents: int, size: int) -> Draw:
    """A draw with a seed of its own."""
    return Draw(secrets.randbits(63), documents, min(size, documents))


def locate(draw: Draw, shard_documents: IntArray) -> Sampled:
    """Where the drawn documents are; `shard_documents[n]` is the number of shard n's documents."""
    ends = np.cumsum(shard_documents)
    if len(ends) == 0 or int(ends[-1]) != draw.documents:
        raise ValueError(f"the draw is of {draw.documents} documents, the plan has others")
    positions = draw.positions()
    shards = np.searchsorted(ends, positions, side="right").astype(np.int64)
    return Sampled(shards, positions - (ends[shards] - shard_documents[shards]))
