"""A job that two tiers have answered in full, and what becomes of it with this sample or another.

Boundary: pure. The planner draws and decides as in a run, and what it decides is followed for all
documents outside the sample by arithmetic on answers that are known. Without the audit.
Invariant: sampled documents cost both tiers and keep the strong one's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import binom

from pipeline.certification.agreement import loss_named
from pipeline.certification.certify import Promise
from pipeline.certification.decision import Decision, Terms
from pipeline.certification.options import accepted
from pipeline.certification.planner import plan_route
from pipeline.certification.sample import BoolArray, Labelled, Sample, sample_of
from pipeline.certification.skipping import skipped
from pipeline.routing.sampling import Draw

Kind = Literal["cascade", "cheap alone", "strong alone"]

ROUNDING = 1e-12
CHANCE = 0.01  # that a kept promise looks broken


@dataclass(frozen=True, slots=True)
class Answered:
    """All documents of a job (N,), each answered by both tiers, cheap and strong."""

    labelled: tuple[Labelled, ...]
    table: Sample
    loss: str

    def __len__(self) -> int:
        return len(self.labelled)


@dataclass(frozen=True, slots=True)
class Replay:
    """What one sample led to."""

    kind: Kind
    loss: float  # mean over all documents of the job
    escalated: float  # share with the strong answer, of the documents outside the sample
    saved: float  # share of the cost of the strong tier alone; the sample's own cost is in it


@dataclass(frozen=True, slots=True)
class Summary:
    """Shares and means over several replays; `escalated` is of the cascades, 1 without any."""

    runs: int
    violated: float
    loss: float
    cascades: float
    refused: float
    escalated: float
    saved: float


def answered(tiers: Sequence[str], labelled: Sequence[Labelled], loss: str) -> Answered:
    """The job whose documents these are; the promise is about the last tier's answers."""
    table = sample_of(tiers, labelled, loss=loss_named(loss), reference="strong")
    return Answered(tuple(labelled), table, loss)


def replay(job: Answered, promise: Promise, sample: int, seed: int) -> Replay:
    """The job once more, with a sample of so many documents that this seed draws."""
    drawn = Draw(seed, len(job), sample).positions()
    terms = Terms(promise, documents=len(job), loss=job.loss)
    decision = plan_route(job.table.tiers, [job.labelled[place] for place in drawn], terms)
    is_sampled = np.zeros(len(job), dtype=np.bool_)
    is_sampled[drawn] = True
    return follow(job, decision, is_sampled)


def follow(job: Answered, decision: Decision, is_sampled: BoolArray) -> Replay:
    """What comes of a decision; `is_sampled` (N,) are the documents that it was made from."""
    table = job.table
    is_asked = is_sampled | _asked(decision, table)
    is_kept = ~is_sampled & is_asked & _kept(decision, table)
    cheap, strong = table.costs[:, 0], table.costs[:, -1]
    cost = float(cheap[is_asked].sum() + strong[~is_kept].sum())
    others = len(table) - int(is_sampled.sum())
    return Replay(
        kind=_kind(decision),
        loss=float(table.losses[is_kept, 0].sum()) / len(table),
        escalated=1.0 - float(is_kept.sum()) / others if others else 1.0,
        saved=1.0 - cost / float(strong.sum()),
    )


def summary(replays: Sequence[Replay], promise: Promise) -> Summary:
    """Of at least one replay under this promise."""
    runs = len(replays)
    cascades = [one for one in replays if one.kind == "cascade"]
    return Summary(
        runs=runs,
        violated=sum(one.loss > promise.within + ROUNDING for one in replays) / runs,
        loss=sum(one.loss for one in replays) / runs,
        cascades=len(cascades) / runs,
        refused=sum(one.kind == "strong alone" for one in replays) / runs,
        escalated=sum(one.escalated for one in cascades) / len(cascades) if cascades else 1.0,
        saved=sum(one.saved for one in replays) / runs,
    )


def most_violated(promise: Promise, runs: int) -> float:
    """The share of `runs` that a promise, broken as often as it may be, exceeds by `CHANCE`."""
    return float(binom.ppf(1.0 - CHANCE, runs, 1.0 - promise.confidence)) / runs


def _asked(decision: Decision, table: Sample) -> BoolArray:
    """Which documents the cheap tier would be asked; (N,)."""
    if decision.threshold is None:
        return np.zeros(len(table), dtype=np.bool_)
    if decision.skip_model is None:
        return np.ones(len(table), dtype=np.bool_)
    return ~skipped(decision.skip_model, table.prompts)


def _kept(decision: Decision, table: Sample) -> BoolArray:
    """Which of the cheap tier's answers would be kept; (N,)."""
    if decision.threshold is None:
        return np.zeros(len(table), dtype=np.bool_)
    assert decision.score_model is not None
    scores = decision.score_model.score(table.features[0])
    return table.is_usable[:, 0] & accepted(scores, decision.threshold)


def _kind(decision: Decision) -> Kind:
    if decision.kind == "cascade":
        return "cascade"
    return "strong alone" if decision.threshold is None else "cheap alone"
