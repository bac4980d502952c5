"""Samples of a made-up job: documents of known difficulty, tiers of known skill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.certification.certify import Promise
from pipeline.certification.decision import Terms
from pipeline.certification.sample import Attempt, Labelled
from pipeline.certification.scoring import FEATURES

TOPIC_HARD, TOPIC_EASY = 17, 4711  # prompt tokens that tell how hard a document is


@dataclass(frozen=True, slots=True)
class Skill:
    """A made-up tier: how often it errs, how well its confidence tells, what an answer costs."""

    error: float  # share of documents that it gets wrong
    cost: float
    told: float = 4.0  # distance of the confidences of right and wrong answers, in deviations
    unusable: float = 0.0  # share of documents without a usable answer


def drawn(
    skills: Sequence[Skill],
    count: int,
    *,
    seed: int = 7,
    gold_error: float | None = None,
    has_topics: bool = False,
) -> list[Labelled]:
    """`count` documents; the last skill is the reference, right unless `gold_error` says else.

    The right answer is "right"; with `gold_error` that is the gold, and the reference misses it
    that often. With topics a document's prompt tells whether the first tier is wrong.
    """
    luck = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        attempts = []
        first_is_wrong = False
        for place, skill in enumerate(skills):
            is_reference = place == len(skills) - 1
            error = (gold_error or 0.0) if is_reference else skill.error
            is_wrong = bool(luck.random() < error)
            answer: str | None = f"wrong of {place}" if is_wrong else "right"
            if luck.random() < skill.unusable:
                answer = None
            signal = luck.normal(-skill.told / 2 if is_wrong else skill.told / 2)
            features = (float(signal), *(0.0,) * (len(FEATURES) - 1))
            attempts.append(Attempt(answer, features, skill.cost * float(luck.uniform(0.8, 1.2))))
            first_is_wrong = first_is_wrong or (place == 0 and is_wrong)
        words = luck.integers(0, 30_000, size=40).tolist()
        topic = [TOPIC_HARD if first_is_wrong else TOPIC_EASY] * 8 if has_topics else []
        gold = None if gold_error is None else "right"
        made.append(Labelled(tuple(attempts), (*topic, *words), gold))
    return made


def terms(**changes: object) -> Terms:
    """2 % at 95 % confidence against the strong tier, for a million documents."""
    fields: dict[str, object] = {
        "promise": Promise(within=0.02, confidence=0.95),
        "documents": 1_000_000,
        "loss": "exact",
    }
    return Terms(**(fields | changes))  # type: ignore[arg-type]
