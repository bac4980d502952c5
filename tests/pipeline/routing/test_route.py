"""An answer is kept when the route says so, and for no other reason."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from checkpoints.result import Confidence
from pipeline.failures import Code, Failure
from pipeline.routing.route import Reason, Route, judged
from tests.pipeline.route_builders import SURE, UNSURE, cascade

FAILED = Failure(Code.INVALID_OUTPUT, "no label")


@pytest.mark.parametrize(
    ("route", "tier", "answer", "confidence", "is_kept", "reason"),
    [
        (cascade(), "small", "yes", SURE, True, Reason.CONFIDENT),
        (cascade(), "small", "yes", UNSURE, False, Reason.UNSURE),
        (cascade(), "small", "yes", None, False, Reason.UNSURE),
        (cascade(), "small", FAILED, SURE, False, "invalid_output"),
        (cascade(), "large", "yes", UNSURE, True, Reason.LAST),
        (cascade(), "large", FAILED, SURE, False, "invalid_output"),
        (cascade(-math.inf), "small", "yes", UNSURE, True, Reason.CONFIDENT),
        (cascade(math.inf), "small", "yes", SURE, False, Reason.UNSURE),
        (cascade(is_sampling=True), "small", "yes", SURE, False, Reason.SAMPLED),
        (cascade(is_sampling=True), "large", "yes", SURE, True, Reason.LAST),
        (Route(("small", "large")), "small", "yes", UNSURE, True, Reason.USABLE),
        (Route(("small", "large")), "small", FAILED, SURE, False, "invalid_output"),
    ],
)
def test_what_becomes_of_an_answer(
    route: Route,
    tier: str,
    answer: str | Failure,
    confidence: Confidence | None,
    is_kept: bool,
    reason: str,
) -> None:
    found = judged(route, tier, answer, confidence, is_last=tier == "large")
    assert (found.is_kept, found.reason) == (is_kept, reason)


def test_a_score_at_the_threshold_is_enough() -> None:
    score = judged(cascade(), "small", "yes", SURE, is_last=False).score
    assert score is not None
    assert judged(cascade(score), "small", "yes", SURE, is_last=False).is_kept
    assert not judged(
        cascade(math.nextafter(score, 1)), "small", "yes", SURE, is_last=False
    ).is_kept


def test_a_document_begins_at_its_tier_and_climbs_from_there() -> None:
    route = Route(("a", "b", "c"))
    assert route.from_tier(None) == ("a", "b", "c")
    assert route.from_tier("b") == ("b", "c")
    assert route.from_tier("gone") == ("a", "b", "c")


def test_a_document_that_begins_at_a_tier_that_was_left_out_begins_at_the_next_stronger() -> None:
    route = Route(("a", "c"), order=("a", "b", "c"))
    assert [route.from_tier(start) for start in ("a", "b", "c")] == [("a", "c"), ("c",), ("c",)]


def test_a_sample_asks_the_tiers_that_the_run_would_ask() -> None:
    assert cascade(is_sampling=True).from_tier("large") == ("large",)
    assert cascade(is_sampling=True).from_tier(None) == ("small", "large")


def test_the_audit_draws_the_same_documents_every_time_and_about_its_share() -> None:
    route = cascade(audit_share=0.02)
    drawn = [n for n in range(20_000) if route.is_audited(f"id-{n}", "run")]
    assert drawn == [n for n in range(20_000) if route.is_audited(f"id-{n}", "run")]
    assert 300 < len(drawn) < 500
    assert drawn != [n for n in range(20_000) if route.is_audited(f"id-{n}", "another run")]
    assert not any(cascade().is_audited(f"id-{n}", "run") for n in range(2000))
    assert all(cascade(audit_share=1.0).is_audited(f"id-{n}", "run") for n in range(2000))


def test_a_route_without_trust_has_nothing_to_audit() -> None:
    assert not Route(("small", "large"), audit_share=1.0).is_audited("id", "run")


def test_a_tightened_route_is_a_later_revision() -> None:
    route = cascade(0.25).tightened(0.5)
    assert (route.trusts["small"].threshold, route.revision) == (0.5, 1)


def test_a_route_that_is_trusted_no_more_trusts_its_last_tier_alone() -> None:
    route = replace(cascade(), ladder=("small", "middle", "large")).tightened(math.inf)
    for name in ("small", "middle"):
        assert not judged(route, name, "yes", SURE, is_last=False).is_kept
