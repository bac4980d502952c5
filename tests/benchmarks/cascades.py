"""Pairs of models whose answers are all known, and ways to choose what the cheap one may keep.

A way gets a random order of all documents, labels the first of them (or as it likes), and says
which documents keep the cheap answer. Sampled documents keep the strong one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from pipeline.certification.betting import FloatArray
from pipeline.certification.certify import Promise, candidate_cuts, certify

CUTS = 20
FIT = 90  # of the labels: raw confidences need no model, only cuts
LARGE = 10**9
MADE_UP = 1800
PAIRS = {
    "8B to 70B": ("llama", "llama3.1-8b", "llama3.1-70b"),
    "70B to 405B": ("llama", "llama3.1-70b", "llama3.1-405b"),
    "4o-mini to 4o": ("qwen_oai", "gpt-4o-mini", "gpt-4o"),
}


@dataclass(frozen=True, slots=True)
class Cascade:
    """Per document (N,): the cheap model's confidence, and what its answer loses to the strong."""

    name: str
    scores: FloatArray
    losses: FloatArray

    def copied(self, times: int) -> Cascade:
        """A job of so many copies of each document."""
        return Cascade(self.name, np.tile(self.scores, times), np.tile(self.losses, times))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which documents keep the cheap answer, which were labelled; about whom it was promised."""

    accepted: np.ndarray  # (N,) bool; none of the labelled
    labelled: np.ndarray
    is_large: bool

    def _judged(self, cascade: Cascade) -> int:
        return len(cascade.scores) - (len(self.labelled) if self.is_large else 0)

    def escalated(self, cascade: Cascade) -> float:
        """Share with a strong answer: of all documents; in a large job, of those not labelled."""
        return 1.0 - float(self.accepted.sum()) / self._judged(cascade)

    def loss(self, cascade: Cascade) -> float:
        """Mean loss of the same documents."""
        return float(cascade.losses[self.accepted].sum()) / self._judged(cascade)


Way = Callable[[Cascade, np.ndarray, Promise], Chosen]


def recorded(file: Path) -> list[Cascade]:
    """The pairs of a table (chain, split, i, model, correct, confidence); no confidence: never."""
    import pandas as pd

    table = pd.read_parquet(file)
    made = []
    for name, (chain, cheap, strong) in PAIRS.items():
        rows = table[table["chain"] == chain]
        one, other = (
            rows[rows["model"] == model].set_index(["split", "i"]).sort_index()
            for model in (cheap, strong)
        )
        scores = one["confidence"].fillna(-np.inf).to_numpy(float)
        losses = other["correct"].to_numpy(float) - one["correct"].to_numpy(float)
        made.append(Cascade(name, scores, losses))
    return made


def made_up(name: str, *, gap: float) -> Cascade:
    """A cheap model that is `gap` less often right than the strong one, and roughly knows when."""
    chooser = np.random.default_rng(8)
    hidden = chooser.random(MADE_UP)
    harm = np.minimum(4.0 * (gap + 0.03) * (1.0 - hidden) ** 3, 1.0)
    drawn = chooser.random(MADE_UP)
    losses = (drawn < harm).astype(float) - (drawn > 0.97)
    return Cascade(f"made up, {name}", hidden + 0.1 * chooser.standard_normal(MADE_UP), losses)


def betting(labels: int, *, is_large: bool) -> Way:
    """Ours: cuts from the first labels, proven on the others."""

    def way(cascade: Cascade, order: np.ndarray, promise: Promise) -> Chosen:
        fit, part = order[:FIT], order[FIT:labels]
        found = certify(
            cascade.scores[part],
            cascade.losses[part],
            candidate_cuts(cascade.scores[fit], CUTS),
            promise=promise,
            documents=LARGE if is_large else len(order),
            spared=FIT,
        ).certified
        return _accepting(cascade, order[:labels], found and found.threshold, is_large=is_large)

    return way


def clopper_pearson(labels: int) -> Way:
    """The same cuts and order; the exact bound of what only the strong model gets right."""

    def way(cascade: Cascade, order: np.ndarray, promise: Promise) -> Chosen:
        fit, part = order[:FIT], order[FIT:labels]
        chosen = None
        for cut in candidate_cuts(cascade.scores[fit], CUTS):
            harmed = int(((cascade.scores[part] >= cut) & (cascade.losses[part] > 0)).sum())
            bound = beta.ppf(promise.confidence, harmed + 1, len(part) - harmed)
            if bound > promise.within:
                break
            chosen = cut
        return _accepting(cascade, order[:labels], chosen, is_large=True)

    return way


def naive(labels: int) -> Way:
    """The most lenient cut of all labels whose mean loss there is within the promise."""

    def way(cascade: Cascade, order: np.ndarray, promise: Promise) -> Chosen:
        scores, losses = cascade.scores[order[:labels]], cascade.losses[order[:labels]]
        kept = [
            cut
            for cut in candidate_cuts(scores, CUTS)
            if np.where(scores >= cut, losses, 0.0).mean() <= promise.within
        ]
        return _accepting(cascade, order[:labels], min(kept, default=None), is_large=True)

    return way


def bargain() -> Way | None:
    """The package's accuracy method, with harm as a wrong answer; None where it is missing."""
    try:
        from BARGAIN import BARGAIN_A, Oracle, Proxy
    except ImportError:
        return None

    def way(cascade: Cascade, order: np.ndarray, promise: Promise) -> Chosen:
        class Cheap(Proxy):  # type: ignore[misc]
            def proxy_func(self, record: Any) -> tuple[bool, float]:
                return True, float(max(cascade.scores[int(record)], -1e9))

        class Strong(Oracle):  # type: ignore[misc]
            def oracle_func(self, record: Any, answer: Any) -> tuple[bool, bool]:
                return bool(cascade.losses[int(record)] <= 0), True

        oracle = Strong(verbose=False, max_workers=1)
        theirs = BARGAIN_A(
            Cheap(verbose=False, max_workers=1),
            oracle,
            target=1.0 - promise.within,
            delta=1.0 - promise.confidence,
            M=CUTS,
            verbose=False,
            seed=int(order[0]),
        )
        _, is_strong = theirs.process(list(range(len(order))), return_oracle_usage=True)
        labelled = np.array([index for index, _ in oracle.cached_validations], dtype=int)
        return Chosen(~np.array(is_strong), labelled, is_large=False)

    return way


def _accepting(
    cascade: Cascade, labelled: np.ndarray, threshold: float | None, *, is_large: bool
) -> Chosen:
    accepted = np.zeros(len(cascade.scores), dtype=bool)
    if threshold is not None:
        accepted = (cascade.scores >= threshold) & (cascade.scores > -np.inf)
    accepted[labelled] = False
    return Chosen(accepted, labelled, is_large)
