"""Decisions on samples of a made-up job whose truth is known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from pipeline.certification.certify import Promise
from pipeline.certification.planner import decide, plan_route
from pipeline.certification.route_errors import UnusableSampleError
from pipeline.certification.sample import Attempt, Labelled, sample_of
from pipeline.certification.scoring import FEATURES
from tests.pipeline.sample_builders import Skill, drawn, terms

TIERS = ("small", "large")
LARGE = Skill(error=0.0, cost=1.0)


def test_a_cheap_tier_that_knows_when_it_errs_makes_a_cascade() -> None:
    made = plan_route(TIERS, drawn([Skill(error=0.2, cost=0.2), LARGE], 1500), terms())
    assert (made.kind, made.ladder) == ("cascade", ("small", "large"))
    assert made.cut is not None
    assert made.threshold == made.cut.threshold > -math.inf
    assert made.cut.bound <= 0.02
    assert 0.15 < made.cut.escalated < 0.4
    assert made.saving.low < made.saving.share < made.saving.high
    assert made.saving.share == pytest.approx(1 - 0.2 - made.cut.escalated, abs=0.03)
    assert made.score_model is not None
    assert made.certified_on == 1050
    for words in ("small->large saves", "certified <= 2.0 %", "95 % confidence on 1,050 documents"):
        assert words in made.why


def test_a_cheap_tier_that_is_nearly_always_right_answers_alone() -> None:
    made = plan_route(TIERS, drawn([Skill(error=0.001, cost=0.2), LARGE], 1500), terms())
    assert (made.kind, made.threshold) == ("single", -math.inf)
    assert made.ladder == ("small", "large")  # what has no usable answer still needs the second
    assert made.saving.share == pytest.approx(0.8, abs=0.01)
    assert made.why.startswith("small alone is enough")


def test_against_gold_a_better_cheap_tier_is_said_to_be_better() -> None:
    labelled = drawn([Skill(error=0.02, cost=0.3), LARGE], 1500, gold_error=0.1)
    made = plan_route(TIERS, labelled, terms(reference="gold"))
    assert (made.kind, made.threshold) == ("single", -math.inf)
    assert made.cut is not None
    assert made.cut.mean_loss < 0
    assert "small alone is as good as large or better" in made.why


def test_a_cascade_that_does_not_pay_is_refused_with_its_numbers() -> None:
    labelled = drawn([Skill(error=0.5, cost=0.62, told=0.5), LARGE], 1500)
    made = plan_route(TIERS, labelled, terms())
    assert (made.kind, made.ladder, made.threshold) == ("single", ("large",), None)
    assert made.saving.share == 0.0
    assert made.cut is None
    assert made.why.startswith("no cascade: small costs 0.62 of large and would have to escalate")
    assert "x large alone" in made.why


def test_a_cheap_tier_as_dear_as_the_reference_is_refused() -> None:
    made = plan_route(TIERS, drawn([Skill(error=0.0, cost=1.05), LARGE], 1500), terms())
    assert made.ladder == ("large",)
    assert "small costs 1.05 of large" in made.why


def test_too_few_labels_say_how_many_would_do_and_those_do() -> None:
    skills = [Skill(error=0.2, cost=0.2), LARGE]
    made = plan_route(TIERS, drawn(skills, 200), terms())
    assert made.ladder == ("large",)
    assert "140 documents bound its loss by" in made.why
    words = made.why.split()
    needed = int(words[words.index("labels") - 1].replace(",", ""))
    assert 200 < needed < 1000
    enough = plan_route(TIERS, drawn(skills, 2 * needed, seed=8), terms())
    assert enough.kind == "cascade"


def test_a_handful_of_labels_plans_nothing() -> None:
    made = plan_route(TIERS, drawn([Skill(error=0.2, cost=0.2), LARGE], 20), terms())
    assert made.ladder == ("large",)
    assert "20 labels are too few to plan with" in made.why
    assert plan_route(TIERS, [], terms()).ladder == ("large",)


def test_a_single_tier_needs_no_plan() -> None:
    made = plan_route(("large",), drawn([LARGE], 50), terms())
    assert (made.ladder, made.why) == (("large",), "large is the only tier")


def test_a_tier_without_usable_answers_is_no_option() -> None:
    labelled = drawn([Skill(error=0.1, cost=0.2, unusable=1.0), LARGE], 400)
    made = plan_route(TIERS, labelled, terms())
    assert made.ladder == ("large",)
    assert "small gave no usable answer" in made.why


def test_of_three_tiers_the_cheapest_certified_pair_is_taken() -> None:
    skills = [Skill(error=0.9, cost=0.1, told=0.2), Skill(error=0.1, cost=0.2), LARGE]
    made = plan_route(("tiny", "mid", "large"), drawn(skills, 2000), terms())
    assert made.ladder == ("mid", "large")
    ladders = [option.ladder for option in made.options]
    assert ladders == [
        *(("tiny",), ("mid",), ("large",)),
        *(("tiny", "mid"), ("tiny", "large"), ("mid", "large")),
    ]
    tested = [option for option in made.options if option.bound is not None]
    assert ("mid", "large") in [option.ladder for option in tested]


def test_a_pair_may_end_below_the_reference() -> None:
    skills = [Skill(error=0.3, cost=0.1), Skill(error=0.01, cost=0.3), Skill(0.0, cost=9.0)]
    labelled = drawn(skills, 3000)
    made = plan_route(("tiny", "mid", "large"), labelled, terms(may_skip=False))
    assert made.ladder == ("tiny", "mid")
    assert made.cut is not None
    assert made.score_model is not None
    wrong = 0
    for document in labelled[900:]:
        tiny, mid, large = document.attempts
        is_kept = made.score_model.score(np.array(tiny.features)) >= made.cut.threshold
        wrong += (tiny if is_kept else mid).answer != large.answer
    assert made.cut.mean_loss == pytest.approx(wrong / 2100)
    assert made.saving.share > 0.9
    assert "of large alone" in made.why


def test_two_close_pairs_share_the_allowed_error() -> None:
    skills = [Skill(error=0.1, cost=0.21), Skill(error=0.1, cost=0.2), LARGE]
    labelled = drawn(skills, 2000)
    both = plan_route(("one", "other", "large"), labelled, terms())
    only = [dataclasses.replace(row, attempts=row.attempts[1:]) for row in labelled]
    alone = plan_route(("other", "large"), only, terms())
    assert (both.candidates, alone.candidates) == (2, 1)
    shared = {option.ladder: option for option in both.options}["other", "large"]
    its = {option.ladder: option for option in alone.options}["other", "large"]
    assert its.bound is not None
    assert shared.bound is not None
    assert shared.threshold == its.threshold
    assert shared.bound > its.bound


def test_a_sample_of_the_whole_job_leaves_nothing_to_plan() -> None:
    labelled = drawn([Skill(error=0.3, cost=0.2), LARGE], 500)
    decision = plan_route(TIERS, labelled, terms(documents=500))
    assert (decision.ladder, decision.threshold) == (("large",), None)
    assert "nothing is left to save" in decision.why


def test_nothing_of_the_certification_part_reaches_the_cuts_or_the_model() -> None:
    labelled = drawn([Skill(error=0.2, cost=0.2), LARGE], 1000)
    other = drawn([Skill(error=0.25, cost=0.2), LARGE], 1000, seed=8)
    one = plan_route(TIERS, labelled, terms())
    two = plan_route(TIERS, [*labelled[:300], *other[300:]], terms())
    assert one.score_model == two.score_model
    assert one.certification is not None
    assert two.certification is not None
    shared = min(len(one.certification.cuts), len(two.certification.cuts))
    assert shared > 5
    assert [cut.threshold for cut in one.certification.cuts[:shared]] == [
        cut.threshold for cut in two.certification.cuts[:shared]
    ]


def test_a_raw_score_is_taken_as_it_is() -> None:
    labelled = drawn([Skill(error=0.2, cost=0.2), LARGE], 1500)
    made = plan_route(TIERS, labelled, terms(is_fitted=False, fit_share=0.1))
    assert made.kind == "cascade"
    assert made.score_model is None
    assert made.certified_on == 1350


def test_prompts_that_tell_what_escalates_spare_the_cheap_tier() -> None:
    labelled = drawn([Skill(error=0.4, cost=0.4), LARGE], 2000, has_topics=True)
    made = plan_route(TIERS, labelled, terms())
    without = plan_route(TIERS, labelled, terms(may_skip=False))
    assert made.skip_model is not None
    assert without.skip_model is None
    assert made.saving.cost < without.saving.cost - 0.1
    assert made.certification == without.certification


def test_prompts_that_tell_nothing_skip_nothing() -> None:
    labelled = drawn([Skill(error=0.4, cost=0.4), LARGE], 2000)
    assert plan_route(TIERS, labelled, terms()).skip_model is None


def test_against_gold_nothing_is_skipped() -> None:
    labelled = drawn([Skill(error=0.4, cost=0.4), LARGE], 2000, has_topics=True, gold_error=0.01)
    made = plan_route(TIERS, labelled, terms(reference="gold"))
    assert made.kind == "cascade"
    assert made.skip_model is None


def test_the_promise_is_kept_over_many_samples_of_one_job() -> None:
    """Of 300 plans of a job of 20,000 documents at 80 % confidence at most 78 may miss.

    60 are expected at the most; P(more than 78) is 0.5 %.
    """
    skills = [Skill(error=0.15, cost=0.2, told=1.5), LARGE]
    job = sample_of(TIERS, drawn(skills, 20_000), loss=_exact, reference="strong")
    promised = terms(
        promise=Promise(within=0.03, confidence=0.8), documents=20_000, is_fitted=False
    )
    luck = np.random.default_rng(3)
    missed = taken = 0
    for _ in range(300):
        order = luck.permutation(20_000)[:600]
        part = dataclasses.replace(
            job,
            features=tuple(matrix[order] for matrix in job.features),
            is_usable=job.is_usable[order],
            losses=job.losses[order],
            costs=job.costs[order],
            prompts=(),
        )
        made = decide(part, promised)
        if made.threshold is None:
            continue
        taken += 1
        losses = job.losses[:, 0] * (job.features[0][:, 0] >= made.threshold)
        losses[order] = 0.0
        missed += losses.mean() > 0.03
    assert taken > 200
    assert missed <= 78


def test_a_document_without_an_attempt_or_without_gold_is_refused_with_a_way_out() -> None:
    attempt = Attempt("right", (0.0,) * len(FEATURES), 1.0)
    with pytest.raises(UnusableSampleError, match="document 0 has 1 attempts, there are 2 tiers"):
        plan_route(TIERS, [Labelled((attempt,))], terms())
    with pytest.raises(UnusableSampleError, match="document 0 has no gold answer"):
        plan_route(TIERS, [Labelled((attempt, attempt))], terms(reference="gold"))


def _exact(answer: str, reference: str) -> float:
    return float(answer != reference)
