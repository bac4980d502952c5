"""Populations whose losses are all known, random splits of them, and how often a promise broke."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import beta, binom

from pipeline.certification.betting import FloatArray
from pipeline.certification.certify import Promise, candidate_cuts, certify

Kind = Literal["binary", "graded", "small", "paired"]
KINDS: tuple[Kind, ...] = ("binary", "graded", "small", "paired")
Chooser = np.random.Generator


@dataclass(frozen=True)
class Population:
    """All documents of a job: (N,) each."""

    scores: FloatArray
    losses: FloatArray

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Split:
    """A sample in its order: the fit part, then the certification part; and the others."""

    everything: Population
    fit: Population
    part: Population
    others: Population


Certifier = Callable[[Split, Promise], float | None]
"""The threshold it would use, if any."""


def population(
    kind: Kind, size: int, chooser: Chooser, *, mean: float, quality: float = 1.0
) -> Population:
    """Losses of about `mean`; scores tell of them as far as `quality`, in [0, 1], says."""
    hidden = chooser.random(size)
    scores = quality * hidden + (1.0 - quality) * chooser.random(size)
    risk = (1.0 - hidden) ** 3
    risk *= mean / risk.mean()
    if kind == "binary":
        losses = (chooser.random(size) < risk).astype(float)
    elif kind == "graded":
        losses = np.minimum((chooser.random(size) < 2 * risk) * chooser.random(size), 1.0)
    elif kind == "small":
        losses = np.minimum(risk * chooser.exponential(size=size), 1.0)
    else:
        drawn = chooser.random(size)
        losses = (drawn < risk + 0.05).astype(float) - (drawn > 0.95)
    return Population(scores, losses)


def at_the_boundary(kind: Kind, size: int, total: float, chooser: Chooser) -> Population:
    """Losses that add up to `total`; scores that tell nothing."""
    if kind == "binary":
        losses = (np.arange(size) < total).astype(float)
    elif kind == "paired":
        helped = int(0.1 * size)
        losses = np.concatenate([-np.ones(helped), np.ones(helped + int(np.ceil(total)))])
        losses = np.concatenate([losses, np.zeros(size - len(losses))])
    else:
        losses = chooser.random(size)
        if kind == "graded":
            losses *= chooser.random(size) < 0.3
        else:
            losses **= 8.0
        for _ in range(50):
            losses = np.minimum(losses * (total / losses.sum()), 1.0)
    return Population(np.ones(size), losses)


def split(everything: Population, fit: int, part: int, chooser: Chooser) -> Split:
    order = chooser.permutation(len(everything))

    def of(chosen: np.ndarray) -> Population:
        return Population(everything.scores[chosen], everything.losses[chosen])

    return Split(everything, of(order[:fit]), of(order[fit : fit + part]), of(order[fit + part :]))


def broken(
    everything: Population,
    certifier: Certifier,
    promise: Promise,
    *,
    fit: int,
    part: int,
    runs: int = 1000,
    seed: int = 1,
) -> float:
    """The share of `runs` random splits in which the documents that were not sampled lost more."""
    chooser = np.random.default_rng(seed)
    count = 0
    for _ in range(runs):
        one = split(everything, fit, part, chooser)
        threshold = certifier(one, promise)
        if threshold is not None:
            lost = one.others.losses[one.others.scores >= threshold].sum()
            count += bool(lost > promise.within * len(everything) + 1e-9)
    return count / runs


def tolerated(promise: Promise, runs: int = 1000) -> float:
    """What a kept promise stays below, but for one time in 10,000."""
    return float(binom.ppf(1 - 1e-4, runs, 1 - promise.confidence)) / runs


def certified(
    one: Split, promise: Promise, *, count: int = 8, is_binary: bool = False
) -> float | None:
    """As a job does it: cuts from the fit part, proven on the other."""
    made = certify(
        one.part.scores,
        one.part.losses,
        candidate_cuts(one.fit.scores, count),
        promise=promise,
        documents=len(one.everything),
        spared=len(one.fit.scores),
        is_binary=is_binary,
    )
    return made.certified.threshold if made.certified else None


def clopper_pearson(one: Split, promise: Promise, *, count: int = 8) -> float | None:
    """The same cuts and order, but the exact binomial bound of documents with any loss."""
    chosen = None
    drawn = len(one.part)
    for cut in candidate_cuts(one.fit.scores, count):
        harmed = int(((one.part.scores >= cut) & (one.part.losses > 0)).sum())
        if (
            harmed == drawn
            or beta.ppf(promise.confidence, harmed + 1, drawn - harmed) > promise.within
        ):
            break
        chosen = cut
    return chosen


def escalated(one: Split, threshold: float | None) -> float:
    """The share of documents outside the sample that escalate."""
    return 1.0 if threshold is None else float((one.others.scores < threshold).mean())
