"""Cuts by hand, promises kept over random splits, the faults that break them, and the power."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import hypergeom

from pipeline.certification.certify import Promise, candidate_cuts, certify
from pipeline.certification.hypergeometric import chance_of_few, most_undrawn
from tests.pipeline.certify_builders import (
    Kind,
    Population,
    Split,
    at_the_boundary,
    broken,
    certified,
    clopper_pearson,
    escalated,
    population,
    split,
    tolerated,
)

PROMISE = Promise(within=0.05, confidence=0.9)
ALL = (-math.inf,)


def test_cuts_go_from_few_accepted_to_all() -> None:
    scores = np.array([0.9, 0.1, math.nan, 0.5, -math.inf, 0.7])
    assert candidate_cuts(scores, 4) == (0.9, 0.7, 0.5, -math.inf)


def test_equal_scores_make_one_cut_and_no_scores_only_all() -> None:
    assert candidate_cuts(np.full(50, 0.5), 20) == (0.5, -math.inf)
    assert candidate_cuts(np.full(3, math.nan)) == ALL
    assert candidate_cuts(np.zeros(0)) == ALL


def test_what_has_no_score_escalates_at_every_cut() -> None:
    scores = np.array([math.nan, -math.inf] * 100)
    made = certify(scores, np.full(200, math.nan), ALL, promise=PROMISE, documents=10_000)
    assert made.certified is not None
    assert (made.certified.escalated, made.certified.mean_loss) == (1.0, 0.0)


def test_an_empty_part_proves_nothing() -> None:
    made = certify(np.zeros(0), np.zeros(0), (0.5, *ALL), promise=PROMISE, documents=10)
    assert (made.chosen, made.labels, len(made.cuts)) == (None, 0, 1)
    assert made.cuts[0].bound == 1.0


@pytest.mark.parametrize("is_binary", [True, False])
def test_a_job_that_was_sampled_to_the_end_has_nothing_left_to_lose(is_binary: bool) -> None:
    made = certify(
        np.ones(90), np.ones(90), ALL, promise=Promise(0.0, 0.99), documents=100, spared=10,
        is_binary=is_binary,
    )  # fmt: skip
    assert made.certified is not None
    assert made.certified.bound == 0.0


@pytest.mark.parametrize("is_binary", [True, False])
@pytest.mark.parametrize("documents", [10_000, 10**9])
def test_no_loss_at_all_is_certified_from_enough_labels_on(documents: int, is_binary: bool) -> None:
    """From (1 - within)^n <= 1 - confidence on, which is n = 45, or little more with bets."""
    promise = {"promise": PROMISE, "documents": documents, "is_binary": is_binary}
    enough = 45 if is_binary else 60
    assert certify(np.ones(enough), np.zeros(enough), ALL, **promise).certified  # type: ignore[arg-type]
    assert not certify(np.ones(40), np.zeros(40), ALL, **promise).certified  # type: ignore[arg-type]


def test_testing_stops_at_the_first_cut_that_fails() -> None:
    scores = np.linspace(1, 0, 1000)
    losses = (scores < 0.5).astype(float)
    made = certify(scores, losses, (0.2, 0.9, 0.6, 0.0), promise=PROMISE, documents=10**6)
    assert [cut.threshold for cut in made.cuts] == [0.9, 0.6, 0.2]
    assert [cut.is_certified for cut in made.cuts] == [True, True, False]
    assert made.certified is made.cuts[1]
    assert all(cut.is_certified == (cut.bound <= PROMISE.within) for cut in made.cuts)


def test_what_an_intermediate_tier_loses_counts_where_it_answers() -> None:
    scores, losses = np.linspace(0, 1, 500), np.zeros(500)
    made = certify(
        scores, losses, (0.5,), promise=PROMISE, documents=10**6, escalated_losses=np.ones(500)
    )
    assert made.cuts[0].mean_loss == pytest.approx(0.5)
    assert made.certified is None


@pytest.mark.parametrize(
    ("losses", "others", "named"),
    [
        ([2.0], {}, "a loss is 2.0"),
        ([math.nan], {}, "a loss is nan"),
        ([0.5], {"is_binary": True}, "is_binary"),
        ([0.5], {"documents": 0}, "documents is 0"),
        ([0.5], {"spared": 10}, "10 are spared"),
        ([0.5], {"cuts": ()}, "at least one threshold"),
    ],
)
def test_a_mistake_is_named(losses: list[float], others: dict[str, object], named: str) -> None:
    given = {"cuts": ALL, "promise": PROMISE, "documents": 10} | others
    with pytest.raises(ValueError, match=named):
        certify(np.ones(1), np.array(losses), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("within", "confidence"), [(-0.1, 0.9), (1.0, 0.9), (0.1, 1.0), (0.1, 0)])
def test_a_promise_is_a_share_with_a_probability(within: float, confidence: float) -> None:
    with pytest.raises(ValueError, match="is"):
        Promise(within, confidence)


@pytest.mark.parametrize(
    ("lossy", "drawn", "documents"), [(0, 50, 60), (3, 50, 500), (7, 600, 10**9)]
)
def test_the_count_is_the_largest_that_is_not_refuted(
    lossy: int, drawn: int, documents: int
) -> None:
    most = most_undrawn(lossy, drawn=drawn, population=documents, confidence=0.95)
    if most:
        assert hypergeom.cdf(lossy, documents, lossy + most, drawn) > 0.05 * (1 - 1e-5)
    assert hypergeom.cdf(lossy, documents, lossy + most + 1, drawn) <= 0.05


@pytest.mark.parametrize(
    ("lossy", "drawn", "among", "population"),
    [(0, 5, 3, 10), (2, 8, 5, 10), (7, 600, 2 * 10**7, 10**9), (900, 50_000, 20_000, 10**6)],
)
def test_chances_are_those_of_scipy(lossy: int, drawn: int, among: int, population: int) -> None:
    found = chance_of_few(lossy, drawn=drawn, among=among, population=population)
    assert found == pytest.approx(hypergeom.cdf(lossy, population, among, drawn), rel=1e-6)


@pytest.mark.parametrize("documents", [5000, 250])
@pytest.mark.parametrize("quality", [0.0, 0.5, 0.9])
def test_counts_keep_the_promise(documents: int, quality: float) -> None:
    chooser = np.random.default_rng(5)
    everything = population("binary", documents, chooser, mean=0.15, quality=quality)
    found = broken(
        everything,
        lambda one, promise: certified(one, promise, is_binary=True, count=5),
        PROMISE,
        fit=50,
        part=150,
    )
    assert found <= tolerated(PROMISE)


@pytest.mark.parametrize(
    ("kind", "documents"), [("binary", 250), ("graded", 5000), ("paired", 1000)]
)
def test_bets_keep_the_promise(kind: Kind, documents: int) -> None:
    """Their boundary, with 1,000 splits of every kind, is in test_betting.py."""
    everything = population(kind, documents, np.random.default_rng(5), mean=0.12, quality=0.9)
    found = broken(everything, certified, PROMISE, fit=50, part=100, runs=300)
    assert found <= tolerated(PROMISE, 300)


@pytest.mark.parametrize(("documents", "part"), [(5000, 200), (1000, 200), (250, 200)])
@pytest.mark.parametrize("share", [1.0, 0.85])
def test_at_the_boundary_counts_break_the_promise_as_often_as_allowed(
    documents: int, part: int, share: float
) -> None:
    budget = PROMISE.within * documents
    total = share * budget * documents / (documents - part)
    everything = at_the_boundary("binary", documents, total + 1, np.random.default_rng(5))
    found = broken(everything, _all_or_none, PROMISE, fit=0, part=part)
    assert found <= tolerated(PROMISE)
    if share == 1.0 and documents > 250:
        assert found >= 0.03, "a test that hardly errs at the boundary has no power"


def _all_or_none(one: Split, promise: Promise) -> float | None:
    return _accepts_all(one.part, promise, len(one.everything))


def _accepts_all(part: Population, promise: Promise, documents: int) -> float | None:
    made = certify(
        part.scores, part.losses, ALL, promise=promise, documents=documents, is_binary=True
    )
    return made.certified.threshold if made.certified else None


def test_fitting_and_certifying_on_the_same_rows_is_caught() -> None:
    """A score that knows its own rows by heart, and of others nothing."""
    everything = population("binary", 5000, np.random.default_rng(5), mean=0.15, quality=0.0)

    def by_heart(one: Split, promise: Promise) -> float | None:
        known = Population(1.0 - one.part.losses, one.part.losses)
        made = certify(
            known.scores, known.losses, (0.5,), promise=promise, documents=5000, is_binary=True
        )
        return 0.0 if made.certified else None  # what it accepts of others is as bad as any

    found = broken(everything, by_heart, PROMISE, fit=0, part=150)
    assert found > tolerated(PROMISE)


def test_choosing_the_threshold_by_the_losses_that_should_prove_it_is_caught() -> None:
    everything = population("binary", 5000, np.random.default_rng(5), mean=0.15, quality=0.9)

    def peeking(one: Split, promise: Promise) -> float | None:
        return min(
            (
                cut
                for cut in candidate_cuts(one.part.scores, 20)
                if (one.part.losses * (one.part.scores >= cut)).mean() <= promise.within
            ),
            default=None,
        )

    assert broken(everything, peeking, PROMISE, fit=0, part=150) > tolerated(PROMISE)


def test_looking_again_after_every_few_labels_is_caught() -> None:
    """The part's size has to be settled beforehand."""
    documents = 50_000
    total = 1.01 * PROMISE.within * documents * documents / (documents - 400)
    everything = at_the_boundary("binary", documents, total, np.random.default_rng(5))

    def impatient(one: Split, promise: Promise) -> float | None:
        for labels in range(60, 401, 20):
            part = Population(one.part.scores[:labels], one.part.losses[:labels])
            if _accepts_all(part, promise, documents) is not None:
                return -math.inf
        return None

    found = broken(everything, impatient, PROMISE, fit=0, part=400, runs=400)
    assert found > tolerated(PROMISE, 400)


def test_counting_as_if_the_rest_were_without_end_is_caught() -> None:
    """With replacement: that few are left, and may all be bad by chance, is forgotten."""
    total = 0.8 * PROMISE.within * 250 * 250 / 50
    everything = at_the_boundary("binary", 250, total, np.random.default_rng(5))

    def endless(one: Split, promise: Promise) -> float | None:
        left = Promise(promise.within * 250 / 50, promise.confidence)
        return _accepts_all(one.part, left, 10**9)

    assert broken(everything, endless, PROMISE, fit=0, part=200) > tolerated(PROMISE)


@pytest.mark.parametrize("documents", [1000, 20_000])
@pytest.mark.parametrize("quality", [0.5, 1.0])
@pytest.mark.parametrize(
    ("kind", "is_binary"), [("binary", True), ("graded", False), ("paired", False)]
)
def test_no_more_is_escalated_than_with_clopper_pearson(
    kind: Kind, is_binary: bool, quality: float, documents: int
) -> None:
    """It can only count documents with any harm: nothing offsets them, and any loss counts as 1."""
    chooser = np.random.default_rng(9)
    everything = population(kind, documents, chooser, mean=0.08, quality=quality)
    ours, theirs = [], []
    for _ in range(30):
        one = split(everything, 100, 400, chooser)
        ours.append(escalated(one, certified(one, PROMISE, count=20, is_binary=is_binary)))
        theirs.append(escalated(one, clopper_pearson(one, PROMISE, count=20)))
    assert np.mean(ours) <= np.mean(theirs)


def test_bets_on_counts_nearly_reach_the_exact_test() -> None:
    chooser = np.random.default_rng(9)
    everything = population("binary", 20_000, chooser, mean=0.08, quality=0.9)
    bets, counts = [], []
    for _ in range(30):
        one = split(everything, 100, 400, chooser)
        bets.append(escalated(one, certified(one, PROMISE, count=20)))
        counts.append(escalated(one, certified(one, PROMISE, count=20, is_binary=True)))
    assert np.mean(counts) <= np.mean(bets) <= 1.15 * np.mean(counts)


def test_a_sample_that_was_sorted_passes_for_no_better() -> None:
    scores = np.linspace(1, 0, 1000)  # the good ones first
    made = certify(scores, (scores < 0.1).astype(float), ALL, promise=PROMISE, documents=10**6)
    assert made.certified is None


def test_the_order_of_the_sample_changes_no_count() -> None:
    chooser = np.random.default_rng(2)
    everything = population("binary", 500, chooser, mean=0.05)
    shuffled = chooser.permutation(500)
    made = [
        certify(
            everything.scores[order],
            everything.losses[order],
            (0.5, 0.2, *ALL),
            promise=PROMISE,
            documents=10**6,
            is_binary=True,
        )
        for order in (np.arange(500), shuffled)
    ]
    assert [cut.bound for cut in made[0].cuts] == [cut.bound for cut in made[1].cuts]
