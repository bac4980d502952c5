"""The labelled sample of a job: what every tier answered on documents drawn at random.

Boundary: values and arrays, pure; who draws the documents and runs the tiers is no matter here.
Invariants: rows stand in the order in which the documents were drawn, and the last tier is the
reference, whose loss is 0 on every row. A loss is in [0, 1], against gold in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from pipeline.certification.agreement import BINARY, Loss, against_reference, paired
from pipeline.certification.route_errors import UnusableSampleError
from pipeline.certification.scoring import FEATURES

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Reference: TypeAlias = Literal["strong", "gold"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one tier made of one document.

    `answer` is the canonical result, None without a usable one (invalid, truncated, empty, or the
    document does not fit the tier): such a document escalates. `features` are those of scoring.py.
    """

    answer: str | None
    features: tuple[float, ...]
    cost: float  # in one unit for all tiers


@dataclass(frozen=True, slots=True)
class Labelled:
    """One sampled document with an attempt per tier, cheap to strong."""

    attempts: tuple[Attempt, ...]
    prompt_ids: Sequence[int] = ()  # prompt tokens of the first tier; empty where not known
    gold: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Labelled documents as arrays: n rows, one column per tier.

    `features[tier]` has one row per document, whatever it holds where `is_usable` is false.
    """

    tiers: tuple[str, ...]
    features: tuple[FloatArray, ...]  # per tier: (n, d)
    is_usable: BoolArray  # (n, tiers)
    losses: FloatArray  # (n, tiers), of the tier's answer if it were kept
    costs: FloatArray  # (n, tiers)
    prompts: tuple[Sequence[int], ...] = ()  # of each document, or nothing at all
    signals: tuple[str, ...] = FEATURES  # the names of the d features
    is_binary: bool = False  # whether no document of the job can have another loss than 0 or 1

    def __len__(self) -> int:
        return int(self.losses.shape[0])

    def rows(self, part: slice) -> Sample:
        """Some of the documents, in their order."""
        return Sample(
            tiers=self.tiers,
            features=tuple(matrix[part] for matrix in self.features),
            is_usable=self.is_usable[part],
            losses=self.losses[part],
            costs=self.costs[part],
            prompts=self.prompts[part],
            signals=self.signals,
            is_binary=self.is_binary,
        )


def sample_of(
    tiers: Sequence[str], labelled: Sequence[Labelled], *, loss: Loss, reference: Reference
) -> Sample:
    """The sample as arrays; the last of `tiers` is the reference.

    Losses without a usable answer: see agreement.py. Raises UnusableSampleError for a
    document without an attempt per tier, or without gold where the promise is about gold.
    """
    for index, document in enumerate(labelled):
        if len(document.attempts) != len(tiers):
            raise UnusableSampleError(
                f"sampled document {index} has {len(document.attempts)} attempts, there are "
                f"{len(tiers)} tiers: every tier answers every sampled document"
            )
        if reference == "gold" and document.gold is None:
            raise UnusableSampleError(
                f"sampled document {index} has no gold answer: give one to every document of the "
                "sample, or promise quality of: strong"
            )
    return Sample(
        tiers=tuple(tiers),
        features=tuple(
            _matrix([document.attempts[tier].features for document in labelled])
            for tier in range(len(tiers))
        ),
        is_usable=np.array(
            [[attempt.answer is not None for attempt in one.attempts] for one in labelled],
            dtype=np.bool_,
        ).reshape(-1, len(tiers)),
        losses=np.array(
            [_losses(one, loss, reference) for one in labelled], dtype=np.float64
        ).reshape(-1, len(tiers)),
        costs=np.array(
            [[attempt.cost for attempt in one.attempts] for one in labelled], dtype=np.float64
        ).reshape(-1, len(tiers)),
        prompts=tuple(one.prompt_ids for one in labelled)
        if any(len(one.prompt_ids) for one in labelled)
        else (),
        is_binary=reference == "strong" and loss in BINARY,
    )


def _losses(document: Labelled, loss: Loss, reference: Reference) -> list[float]:
    if reference == "gold" and document.gold is not None:
        compared = paired(loss, document.gold)
    else:
        compared = against_reference(loss)
    wanted = document.attempts[-1].answer
    others = [compared(attempt.answer, wanted) for attempt in document.attempts[:-1]]
    return [*others, 0.0]


def _matrix(rows: Sequence[tuple[float, ...]]) -> FloatArray:
    width = len(rows[0]) if rows else 0
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)
