"""Which tiers a document is asked of, and when an answer is kept: pure.

Boundary: values and one decision; who makes them from a sample is `planner.py`'s matter, who asks
the tiers is `walk.py`'s.
Invariant: an answer that cannot be used is never kept, and the last tier's usable answer always is.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from checkpoints.result import Confidence
from pipeline.certification.scoring import ScoreModel, features
from pipeline.certification.skipping import SkipModel
from pipeline.failures import Failure

AUDIT_STEPS = 1 << 64


class Reason(StrEnum):
    """Why an answer was kept or not; a failure's own code is the reason where it has none."""

    LAST = "last"  # nothing stronger is there to ask
    USABLE = "usable"  # the route asks for no more than that
    CONFIDENT = "confident"  # its score reaches the threshold
    UNSURE = "unsure"  # it does not
    SAMPLED = "sampled"  # every tier is asked, the last one's answer stays
    SKIPPED = "skipped"  # it would surely be unsure, by the document's prompt
    AUDITED = "audited"  # it would be kept; the reference is asked to compare
    TOO_LONG = "too_long"  # the document does not fit


@dataclass(frozen=True, slots=True)
class Trust:
    """An answer whose score reaches the threshold is kept; an infinite one keeps none."""

    model: ScoreModel
    threshold: float

    def score(self, confidence: Confidence | None) -> tuple[float, tuple[float, ...]]:
        """(score, the features it was made from)."""
        found = features(confidence)
        return float(self.model.score(np.asarray(found))), found


@dataclass(frozen=True, slots=True)
class Route:
    """The tiers of a run, cheap to strong, as documents climb them; the last is the reference.

    Where `trusts` has no entry for a tier, every usable answer of it is kept. `is_sampling` asks
    all tiers from where a document begins. Of `audit_share` of the documents the kept answer is
    compared with the reference's. `order` has the job's tiers that the ladder leaves out, too.
    """

    ladder: tuple[str, ...]
    order: tuple[str, ...] = ()
    trusts: Mapping[str, Trust] = field(default_factory=dict)
    audit_share: float = 0.0
    skip: SkipModel | None = None  # of documents that go past the first tier
    is_sampling: bool = False
    revision: int = 0  # counts the changes during a run

    def from_tier(self, start: str | None) -> tuple[str, ...]:
        """The tiers for a document that begins at `start`, or at the next stronger one there is."""
        order = self.order or self.ladder
        if start is None or start not in order:
            return self.ladder
        weaker = order[: order.index(start)]
        return tuple(name for name in self.ladder if name not in weaker)

    def is_audited(self, document_id: str, run_fingerprint: str) -> bool:
        """Whether this document is drawn: by its id alone, so that a resume draws the same."""
        if not self.audit_share or not self.trusts:
            return False
        digest = hashlib.sha256(f"{run_fingerprint}\n{document_id}".encode("utf-8", "replace"))
        drawn = int.from_bytes(digest.digest()[:8], "big")
        return drawn < self.audit_share * AUDIT_STEPS

    def skips(self, tier: str, prompt: tuple[int, ...]) -> bool:
        """Whether a document goes past this tier without being asked."""
        return (
            self.skip is not None
            and not self.is_sampling
            and tier == self.ladder[0] != self.ladder[-1]
            and self.skip.skips(prompt)
        )

    def tightened(self, threshold: float) -> Route:
        """The same with another threshold for the first tier; infinity distrusts all but the last.

        Raises KeyError for a route without a threshold.
        """
        trust = replace(self.trusts[self.ladder[0]], threshold=threshold)
        distrusted = self.ladder[:-1] if threshold == math.inf else self.ladder[:1]
        trusts = {**self.trusts, **dict.fromkeys(distrusted, trust)}
        return replace(self, trusts=trusts, revision=self.revision + 1)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of an answer."""

    is_kept: bool
    reason: str
    score: float | None = None
    features: tuple[float, ...] | None = None


def judged(
    route: Route,
    tier: str,
    answer: str | Failure,
    confidence: Confidence | None,
    *,
    is_last: bool,
) -> Judgement:
    """Keep the answer of this tier, or go on? `is_last`: the document fits no stronger tier."""
    trust = route.trusts.get(tier)
    score, made_from = (None, None) if trust is None else trust.score(confidence)
    if route.is_sampling:
        made_from = features(confidence)
    if isinstance(answer, Failure):
        return Judgement(False, answer.code.value, score, made_from)
    if is_last:
        return Judgement(True, Reason.LAST, score, made_from)
    if route.is_sampling:
        return Judgement(False, Reason.SAMPLED, score, made_from)
    if trust is None or score is None:
        return Judgement(True, Reason.USABLE)
    is_kept = score >= trust.threshold
    return Judgement(is_kept, Reason.CONFIDENT if is_kept else Reason.UNSURE, score, made_from)
