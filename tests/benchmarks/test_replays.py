"""Replays of a job whose truth is known: what they cost and lose, and when a promise is broken."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pipeline.certification.certify import Promise
from pipeline.certification.decision import Decision
from pipeline.certification.planner import plan_route
from pipeline.certification.skipping import SkipModel
from tests.benchmarks.replays import (
    Answered,
    Replay,
    answered,
    follow,
    most_violated,
    replay,
    summary,
)
from tests.pipeline.sample_builders import Skill, drawn, terms

TIERS = ("small", "large")
PROMISE = Promise(within=0.05, confidence=0.9)
DOCUMENTS, SAMPLE = 1500, 500


def job(
    error: float = 0.2, cost: float = 0.2, *, told: float = 4.0, unusable: float = 0.0
) -> Answered:
    """`small` errs on this share, and mostly knows it."""
    skills = [Skill(error, cost, told, unusable), Skill(error=0.0, cost=1.0)]
    return answered(TIERS, drawn(skills, DOCUMENTS), "exact")


def certified(of: Answered) -> Decision:
    """The decision from its first documents."""
    made = plan_route(TIERS, of.labelled[:SAMPLE], terms(promise=PROMISE, documents=DOCUMENTS))
    assert made.kind == "cascade"
    return made


def first(count: int) -> np.ndarray:
    """The documents that were sampled."""
    return np.arange(DOCUMENTS) < count


def cost_ratio(of: Answered) -> float:
    costs = of.table.costs.sum(axis=0)
    return float(costs[0] / costs[1])


def test_a_sampled_document_costs_both_tiers_and_loses_nothing() -> None:
    its = job()
    found = follow(its, certified(its), first(DOCUMENTS))
    assert (found.loss, found.escalated) == (0.0, 1.0)
    assert found.saved == pytest.approx(-cost_ratio(its))


def test_a_kept_answer_costs_the_cheap_tier_alone_and_loses_what_it_is_wrong_by() -> None:
    its = job()
    everything = replace(certified(its), threshold=-math.inf)
    found = follow(its, everything, first(0))
    assert found.escalated == 0.0
    assert found.saved == pytest.approx(1.0 - cost_ratio(its))
    assert found.loss == float(its.table.losses[:, 0].mean()) > 0.1


def test_an_escalated_answer_costs_both_and_loses_nothing() -> None:
    its = job()
    found = follow(its, replace(certified(its), threshold=math.inf), first(0))
    assert (found.loss, found.escalated) == (0.0, 1.0)
    assert found.saved == pytest.approx(-cost_ratio(its))


def test_an_unusable_answer_is_never_kept() -> None:
    its = job(unusable=0.3)
    unusable = 1.0 - float(its.table.is_usable[:, 0].mean())
    found = follow(its, replace(certified(its), threshold=-math.inf), first(0))
    assert found.escalated == pytest.approx(unusable)
    assert found.loss < float(its.table.losses[:, 0].mean())


def test_a_skipped_document_costs_the_strong_tier_alone() -> None:
    its = job()
    skips_all = SkipModel((0.0,), 0.0, 0.0, 1.0, intercept=9.0, skips_above=0.5)
    found = follow(its, replace(certified(its), skip_model=skips_all), first(0))
    assert (found.saved, found.loss, found.escalated) == (0.0, 0.0, 1.0)


def test_a_refusal_costs_the_cheap_answers_of_the_sample() -> None:
    its = job(cost=0.95)
    found = replay(its, PROMISE, SAMPLE, seed=3)
    assert found.kind == "strong alone"
    assert found.loss == 0.0
    assert found.saved == pytest.approx(-0.95 * SAMPLE / DOCUMENTS, rel=0.05)


def test_a_cheap_tier_that_is_enough_is_told_from_a_cascade() -> None:
    assert replay(job(error=0.01), PROMISE, SAMPLE, seed=3).kind == "cheap alone"
    assert replay(job(), PROMISE, SAMPLE, seed=3).kind == "cascade"


def test_another_seed_draws_another_sample_and_the_same_one_the_same() -> None:
    its = job()
    once, again, other = (replay(its, PROMISE, SAMPLE, seed) for seed in (1, 1, 2))
    assert once == again != other


def test_over_many_samples_the_promise_is_kept_and_a_threshold_without_proof_is_not() -> None:
    its, runs = job(told=2.0), 20
    kept = summary([replay(its, PROMISE, SAMPLE, seed) for seed in range(runs)], PROMISE)
    assert kept.cascades > 0.9
    assert kept.violated <= most_violated(PROMISE, runs)
    everything = replace(certified(job()), threshold=-math.inf)
    careless = [follow(its, everything, first(SAMPLE))] * runs
    assert summary(careless, PROMISE).violated == 1.0 > most_violated(PROMISE, runs)


def test_a_summary_counts_kinds_and_takes_escalation_from_cascades_alone() -> None:
    replays = [
        Replay("cascade", loss=0.06, escalated=0.2, saved=0.5),
        Replay("cascade", loss=0.05, escalated=0.4, saved=0.3),
        Replay("cheap alone", loss=0.01, escalated=0.0, saved=0.7),
        Replay("strong alone", loss=0.0, escalated=1.0, saved=-0.1),
    ]
    found = summary(replays, PROMISE)
    assert (found.runs, found.cascades, found.refused, found.violated) == (4, 0.5, 0.25, 0.25)
    assert found.escalated == pytest.approx(0.3)
    assert found.saved == pytest.approx(0.35)
    assert found.loss == pytest.approx(0.03)


@pytest.mark.parametrize(("runs", "bound"), [(20, 0.3), (200, 0.15)])
def test_more_runs_leave_less_to_chance(runs: int, bound: float) -> None:
    assert most_violated(PROMISE, runs) == bound
