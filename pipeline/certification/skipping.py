"""Which documents should not even be tried on the cheap tier, told from their prompts alone.

Boundary: pure; evaluated without scikit-learn, which only fits. Invariant: it is fitted on the fit
part and used only where the certification part shows that it saves. Skipping sends a document to
the reference, so it can take nothing from a promise about losses in [0, 1]; against gold an
accepted answer may be better than the reference's, so there nothing is skipped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.certification.sample import BoolArray, FloatArray
from pipeline.certification.savings import lower_bound

BUCKETS = 1024
FEWEST_OF_A_KIND = 10  # documents that escalate, and that do not, for a fit to mean anything
FEWEST_SKIPPED = 10  # skips on the certification part, for their mean to mean anything
_STRENGTH = 10.0  # inverse of the L2 penalty: a bag of unit length has small entries
_MULTIPLIER = 2654435761  # 2^32 / golden ratio: Knuth's multiplicative hash


@dataclass(frozen=True, slots=True)
class SkipModel:
    """A logistic regression on a hashed bag of prompt tokens and the logarithm of its length."""

    weights: tuple[float, ...]  # one per bucket
    length_weight: float
    length_mean: float
    length_scale: float
    intercept: float
    skips_above: float  # probability of escalation

    def probability(self, prompt_ids: Sequence[int]) -> float:
        """How likely the cheap tier's answer is to escalate."""
        bag, length = features_of(prompt_ids, buckets=len(self.weights))
        logit = (
            self.intercept
            + float(bag @ np.asarray(self.weights))
            + self.length_weight * (length - self.length_mean) / self.length_scale
        )
        return float(1 / (1 + math.exp(-max(-700.0, min(700.0, logit)))))

    def skips(self, prompt_ids: Sequence[int]) -> bool:
        """Whether to go to the next tier at once; never without knowing the prompt."""
        return len(prompt_ids) > 0 and self.probability(prompt_ids) > self.skips_above


def features_of(prompt_ids: Sequence[int], *, buckets: int = BUCKETS) -> tuple[FloatArray, float]:
    """The bag, of log counts per bucket and unit length, and the log of the number of tokens."""
    ids = np.asarray(prompt_ids, dtype=np.uint64)
    hashed = ((ids * np.uint64(_MULTIPLIER)) & np.uint64(0xFFFFFFFF)) >> np.uint64(16)
    bag = np.log1p(np.bincount((hashed % np.uint64(buckets)).astype(np.int64), minlength=buckets))
    return bag / max(float(np.linalg.norm(bag)), 1.0), math.log1p(len(prompt_ids))


def fit_skipping(
    prompts: Sequence[Sequence[int]],
    escalates: BoolArray,
    *,
    cheap_cost: float,
    next_cost: float,
) -> SkipModel | None:
    """The model of which documents escalate, from the fit part; None where there is too little.

    A skip saves the cheap tier's cost where the document would have escalated, and costs the next
    tier's, less the cheap one's, where it would not: it pays above a probability of
    1 - cheap_cost / next_cost.
    """
    kinds = int(escalates.sum()), int((~escalates).sum())
    if not prompts or min(kinds) < FEWEST_OF_A_KIND or not 0 < cheap_cost < next_cost:
        return None
    from sklearn.linear_model import LogisticRegression  # slow to import

    made = [features_of(prompt) for prompt in prompts]
    lengths = np.array([length for _, length in made])
    mean, scale = float(lengths.mean()), float(lengths.std()) or 1.0
    matrix = np.column_stack([np.array([bag for bag, _ in made]), (lengths - mean) / scale])
    model = LogisticRegression(C=_STRENGTH, max_iter=500).fit(matrix, escalates)
    weights = [float(weight) for weight in model.coef_[0]]
    return SkipModel(
        weights=tuple(weights[:-1]),
        length_weight=weights[-1],
        length_mean=mean,
        length_scale=scale,
        intercept=float(model.intercept_[0]),
        skips_above=1 - cheap_cost / next_cost,
    )


def skipped(model: SkipModel, prompts: Sequence[Sequence[int]]) -> BoolArray:
    """Which of the documents are not tried on the cheap tier; (n,)."""
    return np.array([model.skips(prompt) for prompt in prompts], dtype=np.bool_)


def is_worth_it(
    skips: BoolArray, escalates: BoolArray, *, cheap_costs: FloatArray, next_costs: FloatArray
) -> bool:
    """Whether skipping saves on the certification part: a 95 % lower bound of the mean above 0.

    All (n,), of the same documents. A skip saves the cheap tier's cost, and costs the next tier's
    where the document would not have gone there.
    """
    if skips.sum() < FEWEST_SKIPPED:
        return False
    saved = np.where(skips, cheap_costs - np.where(escalates, 0.0, next_costs), 0.0)
    return lower_bound(saved) > 0
