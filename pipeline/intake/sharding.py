"""From grains to shards of about equal weight; pure and deterministic.

A shard is a run of grains that follow each other in the input, so a document's position in the
input tells its shard and its ordinal. Shards then go largest first, so that no long shard starts
last. Everything is columns: a plan of a million shards needs no object per document.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from checkpoints.plan import Slice
from pipeline.intake.grains import Grains
from pipeline.intake.listing import FileTable

MOST_DOCUMENTS = 2_000
MOST_BYTES = 256 * 1024 * 1024
_SHARDS_OF_A_SMALL_JOB = 32
_SMALLEST_TARGET_TOKENS, _LARGEST_TARGET_TOKENS = 8_000, 250_000
_MOST_SHARDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Sharding:
    """Shard i of the input order holds grains first_grain[i] .. first_grain[i + 1] - 1."""

    grains: Grains
    first_grain: NDArray[np.int64]  # one longer than the number of shards
    first_document: NDArray[np.int64]  # position in the input; one longer too
    order: NDArray[np.int64]  # shard number -> place in input order, largest first

    def __len__(self) -> int:
        return len(self.order)


def default_target_tokens(estimated_tokens: int) -> int:
    """A shard size for a job of so many tokens.

    A small job is cut into 32 shards, so that several coordinators have work to the end, but into
    none under 8,000 tokens (commits would dominate); a large one into shards of 250,000 tokens
    (a coordinator's death costs little), more only where that would exceed a million shards.
    """
    wanted = estimated_tokens // _SHARDS_OF_A_SMALL_JOB
    wanted = min(max(wanted, _SMALLEST_TARGET_TOKENS), _LARGEST_TARGET_TOKENS)
    return max(wanted, estimated_tokens // _MOST_SHARDS)


def cut_shards(
    grains: Grains,
    *,
    target_tokens: int,
    most_documents: int = MOST_DOCUMENTS,
    most_bytes: int = MOST_BYTES,
) -> Sharding:
    """Shards that stay within all three limits, unless a single grain exceeds them."""
    if min(target_tokens, most_documents, most_bytes) < 1:
        raise ValueError("the limits of a shard are at least 1")
    sums = [
        (np.concatenate((np.zeros(1, np.int64), np.cumsum(column))), limit)
        for column, limit in (
            (grains.estimated_tokens, target_tokens),
            (grains.documents, most_documents),
            (grains.size_bytes, most_bytes),
        )
    ]
    cuts = [0]
    while cuts[-1] < len(grains):
        here = cuts[-1]
        fits = min(int(total.searchsorted(total[here] + most, "right")) for total, most in sums)
        cuts.append(max(fits - 1, here + 1))
    first_grain = np.array(cuts, np.int64)
    tokens = np.diff(sums[0][0][first_grain])
    order = np.argsort(-tokens, kind="stable")
    return Sharding(grains, first_grain, sums[1][0][first_grain], order)


def slices_of(sharding: Sharding, files: FileTable) -> Iterator[list[Slice]]:
    """The slices of every shard in final order, made one shard at a time."""
    for place in sharding.order.tolist():
        yield _shard_slices(
            sharding.grains,
            int(sharding.first_grain[place]),
            int(sharding.first_grain[place + 1]),
            files,
        )


def locate(
    sharding: Sharding, positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shard numbers and ordinals of documents, given by their positions in the input."""
    place = np.searchsorted(sharding.first_document, positions, "right") - 1
    number = np.empty(len(sharding), np.int64)
    number[sharding.order] = np.arange(len(sharding))
    return number[place], positions - sharding.first_document[place]


def _shard_slices(grains: Grains, first: int, last: int, files: FileTable) -> list[Slice]:
    """Grains first..last-1, with those that follow each other in one file merged."""
    begins = np.flatnonzero(np.diff(grains.file[first:last], prepend=-1)) + first
    slices = []
    for begin, end in zip(begins, np.append(begins[1:], last), strict=True):
        file = files[int(grains.file[begin])]
        slices.append(
            Slice(
                source=file.uri,
                format=file.format,
                start=int(grains.start[begin]),
                stop=int(grains.stop[end - 1]),
                first_row=int(grains.first_row[begin]),
                documents=int(grains.documents[begin:end].sum()),
                size_bytes=int(grains.size_bytes[begin:end].sum()),
                version=file.version,
                estimated_tokens=int(grains.estimated_tokens[begin:end].sum()),
            )
        )
    return slices
