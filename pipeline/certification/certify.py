"""Which cut escalates least and still keeps what was promised, proven on a random sample: pure.

Boundary: scores and losses of sampled documents in, a certification out. Where they come from, what
a loss is and what escalating costs is known elsewhere.
Invariant: if the documents of the certification part are a uniform random sample, without
replacement, of all but the spared ones, and its size, the scores and the cuts were settled without
looking at its losses, then with probability `promise.confidence` at least nothing is certified
whose loss over all documents of the job is above `promise.within`.

The job has N documents, n of them in the part. A document costs its loss where its score reaches
the cut, its escalated loss elsewhere (0 where the reference answers), and nothing if it was
sampled: then it keeps the reference's answer. So what is promised of a cut is
(1 / N) * sum over the N - spared - n others <= within.

Why the budget may contain the losses that were seen. The M = N - spared documents that the part was
drawn from lose in total what the part shows, S, and what the others lose. Were the promise broken,
their mean loss mu would be above m = (N * within + S) / M. Wealth that is bet against a mean, with
stakes that know nothing of it, grows with that mean: what it reaches against m it reaches against
mu too. But against the true mean it reaches 1 / (1 - confidence) at any draw with probability
1 - confidence at most. That S became known together with the wealth does not matter, nor at which
draw the wealth was highest. For losses of 0 and 1 the same is said with counts, exactly.

Cuts are tested from strict to lenient until the first failure, so each has the whole error
probability for itself: a false certification needs the first false cut to pass. Losses in [0, 1]
only grow with leniency, so a strict cut that fails hardly hides a lenient one that would pass.

Sources: fixed sequence, and draws without replacement for cascades, BARGAIN (arXiv 2509.02896); the
bets: `betting.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from pipeline.certification.betting import FloatArray, log_wealth, stakes
from pipeline.certification.hypergeometric import most_undrawn

PRECISION = 1e-6  # of bounds, as mean loss
ORDER_SEED = 20_230_801


@dataclass(frozen=True, slots=True)
class Promise:
    """With probability `confidence`, the mean loss is at most `within`."""

    within: float
    confidence: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.within < 1.0:
            raise ValueError(f"within is {self.within}: a mean loss, at least 0 and below 1")
        if not 0.0 < self.confidence < 1.0:
            raise ValueError(f"confidence is {self.confidence}: it has to be between 0 and 1")


@dataclass(frozen=True, slots=True)
class TestedCut:
    """What the certification part says about accepting scores of `threshold` and more.

    `escalated` is a share of the part, `mean_loss` the mean over the part of what its documents
    would have cost had they not been sampled, `bound` the least `within` that would have been
    certified: the mean loss over all documents of the job is not above it, with the confidence.
    """

    threshold: float
    escalated: float
    mean_loss: float
    bound: float
    is_certified: bool


@dataclass(frozen=True, slots=True)
class Certification:
    """The cuts in the order they were tested, the last certified among them, the part's size."""

    cuts: tuple[TestedCut, ...]
    chosen: int | None
    labels: int

    @property
    def certified(self) -> TestedCut | None:
        """The cut to use; None where none keeps the promise, or too little is known."""
        return None if self.chosen is None else self.cuts[self.chosen]


def candidate_cuts(scores: FloatArray, count: int = 20) -> tuple[float, ...]:
    """Thresholds that accept 1/count, 2/count, ... of `scores` (n,), then all (-inf).

    To be made of the fit part's scores. Those that are nan or -inf are of documents that always
    escalate, and count for nothing. Fewer than `count` where scores are the same.
    """
    if count < 1:
        raise ValueError(f"count is {count}: at least one cut is needed")
    able = scores[scores > -np.inf]
    if len(able) == 0:
        return (-math.inf,)
    shares = np.arange(1, count) / count
    found = np.quantile(able, 1.0 - shares, method="higher")
    return (*(float(cut) for cut in np.unique(found)[::-1]), -math.inf)


def certify(
    scores: FloatArray,
    losses: FloatArray,
    cuts: Sequence[float],
    *,
    promise: Promise,
    documents: int,
    spared: int = 0,
    escalated_losses: FloatArray | None = None,
    is_binary: bool = False,
) -> Certification:
    """The most lenient of `cuts` that keeps `promise`, by a fixed sequence from the strictest.

    `scores`, `losses` and `escalated_losses` (n,) are of the certification part, in any order. A
    score of nan or -inf never is accepted, whatever its loss. Losses lie in [-1, 1].
    `documents` are all of the job, `spared` those outside the part that keep the reference's
    answer. `is_binary` says that no document of the job can have another loss than 0 or 1, which
    proves more; it is a fact about the loss, not about this sample. ValueError names what is wrong.
    """
    population = documents - spared
    drawn = len(scores)
    if not 0 <= drawn <= population or spared < 0:
        raise ValueError(
            f"documents is {documents}, of which {drawn} are in the part and {spared} are spared:"
            " count all documents of the job, and each once"
        )
    if not cuts or any(math.isnan(cut) for cut in cuts):
        raise ValueError(f"cuts are {list(cuts)}: give at least one threshold, none of them nan")
    strict_first = np.array(sorted(set(cuts), reverse=True))
    # Bets need a random order; a sample that somebody sorted would pass for a better one.
    order = np.random.default_rng(ORDER_SEED).permutation(drawn)
    rest = np.zeros(drawn) if escalated_losses is None else escalated_losses
    scored = scores[order]
    accepted = (scored >= strict_first[:, None]) & (scored > -np.inf)
    charged = np.where(accepted, losses[order], rest[order])
    _check(charged, is_binary)
    bound_of = _exact_bounds if is_binary else _betting_bounds
    bounds = bound_of(charged, promise, documents, population)
    tested: list[TestedCut] = []
    for threshold, chosen, costs, bound in zip(
        strict_first, accepted, charged, bounds, strict=True
    ):
        tested.append(
            TestedCut(
                threshold=float(threshold),
                escalated=1.0 - float(chosen.mean()) if drawn else 1.0,
                mean_loss=float(costs.mean()) if drawn else 0.0,
                bound=bound,
                is_certified=bound <= promise.within,
            )
        )
        if not tested[-1].is_certified:
            break
    passed = sum(one.is_certified for one in tested)
    return Certification(tuple(tested), passed - 1 if passed else None, drawn)


def _exact_bounds(
    charged: FloatArray, promise: Promise, documents: int, population: int
) -> Iterator[float]:
    for costs in charged:
        yield (
            most_undrawn(
                int(costs.sum()),
                drawn=len(costs),
                population=population,
                confidence=promise.confidence,
            )
            / documents
        )


def _betting_bounds(
    charged: FloatArray, promise: Promise, documents: int, population: int
) -> Iterator[float]:
    budget = documents * promise.within
    every_made = stakes(
        charged, budget=budget, population=population, confidence=promise.confidence
    )
    for costs, made in zip(charged, every_made, strict=True):
        yield _betting_bound(costs, made, promise, documents, population)


def _betting_bound(
    costs: FloatArray, made: FloatArray, promise: Promise, documents: int, population: int
) -> float:
    """Where the wealth just reaches its target, if anywhere between what the rest can lose."""
    most = (population - len(costs)) / documents
    least = 0.0 if not (costs < 0.0).any() else -most

    def surplus(within: float) -> float:
        mean = (documents * within + float(costs.sum())) / population
        wealth = log_wealth(costs, made, mean=mean, population=population)
        return float(wealth.max(initial=0.0)) + math.log1p(-promise.confidence)

    promised = min(promise.within, most)
    low, high = (least, promised) if surplus(promised) >= 0.0 else (promised, most)
    if surplus(high) < 0.0:
        return most
    if surplus(low) >= 0.0:
        return low
    return min(high, float(brentq(surplus, low, high, xtol=PRECISION)) + PRECISION)


def _check(charged: FloatArray, is_binary: bool) -> None:
    wrong = charged[~((charged >= -1.0) & (charged <= 1.0))]
    if wrong.size:
        raise ValueError(f"a loss is {wrong[0]}: losses lie in [-1, 1]")
    between = charged[(charged != 0.0) & (charged != 1.0)] if is_binary else wrong
    if between.size:
        raise ValueError(f"a loss is {between[0]}, but is_binary allows 0 and 1 only: leave it out")
