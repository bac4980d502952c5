"""The ways through the tiers that a sample offers: each tier alone, each pair of tiers.

Boundary: pure; forecasts pairs on the fit part and tests a few on the certification part. What is
chosen among them is the planner's matter. Invariant: nothing that is tested was chosen by looking
at the part that it is tested on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from pipeline.certification.certify import Certification, Promise, TestedCut, certify
from pipeline.certification.power import expected_bound, labels_needed
from pipeline.certification.sample import BoolArray, FloatArray, Sample

ENDLESS = 10**12  # documents: a sample is nothing of them
CANDIDATES = 2  # at most; each further one takes its part of the allowed error
CLOSE = 1.1  # a second pair is worth that when it is forecast to cost at most so much more


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tiers by their place in the ladder: the first answers, the second where it escalates."""

    first: int
    second: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What one cut of a pair comes to."""

    threshold: float
    escalated: float  # share of the documents
    mean_loss: float  # over all documents
    cost: float  # per document


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the fit part lets expect of a pair.

    `likely` is the most lenient cut that the labels there are can be expected to certify,
    `possible` the cheapest one that ever more labels could. `labels_needed` is about how many a cut
    needs that costs less than the reference; None where no number helps.
    """

    pair: Pair
    cuts: tuple[float, ...]
    likely: Figures | None
    possible: Figures | None
    labels_needed: int | None


@dataclass(frozen=True, slots=True)
class Trial:
    """A pair after its certification.

    `elsewhere_bound` is that of its certified cut for endlessly many documents like these, of which
    none is spared: what it promises of another batch.
    """

    pair: Pair
    certification: Certification
    elsewhere_bound: float | None

    @property
    def cut(self) -> TestedCut | None:
        """The certified cut that escalates least."""
        return self.certification.certified


def accepted(scores: FloatArray, threshold: float) -> BoolArray:
    """Which answers are kept at `threshold`; a score of -inf or nan never is."""
    kept: BoolArray = np.isfinite(scores) & (scores >= threshold)
    return kept


def document_costs(sample: Sample, pair: Pair, is_accepted: BoolArray) -> FloatArray:
    """What each document costs: the first tier always, the second where it escalates; (n,)."""
    costs: FloatArray = sample.costs[:, pair.first] + np.where(
        is_accepted, 0.0, sample.costs[:, pair.second]
    )
    return costs


def forecast(
    fit: Sample,
    scores: FloatArray,
    pair: Pair,
    cuts: Sequence[float],
    *,
    allowed: float,
    confidence: float,
    labels: int,
) -> Forecast:
    """What to expect of `pair` when `labels` documents test it.

    `scores` are the first tier's on the fit part, `cuts` run from strict to lenient, `allowed` is
    the mean loss that the promise leaves to documents outside the sample.
    """
    reference_cost = float(fit.costs[:, -1].mean())
    likely: Figures | None = None
    possible: Figures | None = None
    needed: int | None = None
    needed_so_far: int | None = 0
    is_in_sequence = True
    for threshold in cuts:
        figures, variance = _figures(fit, scores, pair, threshold)
        bound = expected_bound(figures.mean_loss, variance, labels=labels, confidence=confidence)
        more = labels_needed(figures.mean_loss, variance, allowed=allowed, confidence=confidence)
        # A cut is reached only through the stricter ones.
        is_in_sequence = is_in_sequence and bound <= allowed
        needed_so_far = None if more is None or needed_so_far is None else max(needed_so_far, more)
        if is_in_sequence:
            likely = figures
        if needed_so_far is None:
            continue
        if possible is None or figures.cost < possible.cost:
            possible = figures
        if figures.cost < reference_cost:
            needed = needed_so_far if needed is None else min(needed, needed_so_far)
    return Forecast(pair, tuple(cuts), likely, possible, needed)


def most_promising(forecasts: Sequence[Forecast], *, reference_cost: float) -> list[Forecast]:
    """The one or two pairs worth a test: those forecast to cost least, less than the reference.

    Where none of them is likely to be certified it is the one that needs the fewest labels, else
    the one that comes nearest to paying: testing a single pair takes nothing from another.
    """
    likely = sorted(
        (one.likely.cost, place)
        for place, one in enumerate(forecasts)
        if one.likely is not None and one.likely.cost < reference_cost
    )
    if likely:
        near = [place for cost, place in likely[:CANDIDATES] if cost <= CLOSE * likely[0][0]]
        return [forecasts[place] for place in near]
    hoped = [
        (float(one.labels_needed), place)
        for place, one in enumerate(forecasts)
        if one.labels_needed is not None
    ]
    nearest = [
        (one.possible.cost if one.possible is not None else math.inf, place)
        for place, one in enumerate(forecasts)
    ]
    return [forecasts[place] for _, place in (sorted(hoped) or sorted(nearest))[:1]]


def try_pairs(
    rest: Sample,
    scores: Sequence[FloatArray],
    candidates: Sequence[Forecast],
    *,
    promise: Promise,
    documents: int,
    spared: int,
) -> list[Trial]:
    """Each candidate on the certification part, so that all verdicts hold together.

    The allowed error 1 - confidence is divided among the candidates (Bonferroni): the chance that
    any of them is certified wrongly is at most the sum of theirs, so the cheapest certified one may
    be picked afterwards, whatever the certification part shows of costs. `scores[tier]` are (n,).
    """
    confidence = 1 - (1 - promise.confidence) / max(1, len(candidates))
    each = Promise(within=promise.within, confidence=confidence)
    trials = []
    for candidate in candidates:
        pair = candidate.pair
        is_last = pair.second == len(rest.tiers) - 1
        test = partial(
            certify,
            scores[pair.first],
            rest.losses[:, pair.first],
            promise=each,
            escalated_losses=None if is_last else rest.losses[:, pair.second],
            is_binary=rest.is_binary,
        )
        found = test(candidate.cuts, documents=documents, spared=spared)
        elsewhere = None
        if found.certified is not None:
            alone = test([found.certified.threshold], documents=ENDLESS, spared=0)
            elsewhere = alone.cuts[0].bound
        trials.append(Trial(pair, found, elsewhere))
    return trials


def _figures(
    fit: Sample, scores: FloatArray, pair: Pair, threshold: float
) -> tuple[Figures, float]:
    """What a cut comes to on the fit part, and the variance of its losses."""
    kept = accepted(scores, threshold)
    losses = np.where(kept, fit.losses[:, pair.first], fit.losses[:, pair.second])
    figures = Figures(
        threshold=threshold,
        escalated=float((~kept).mean()),
        mean_loss=float(losses.mean()),
        cost=float(document_costs(fit, pair, kept).mean()),
    )
    return figures, float(losses.var())
