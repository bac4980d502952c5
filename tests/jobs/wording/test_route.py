"""A route is spoken of where there is something to say of it."""

from __future__ import annotations

from checkpoints.steps import Tally
from jobs.wording.route import has_choice, news_lines, standing_lines, tier_line
from pipeline.routing.route_standing import RouteChange, RouteStanding

CASCADE = RouteStanding(
    ladder=("small", "large"),
    why="small->large saves 38 %",
    threshold=0.5,
    audited=120,
    audit_loss=0.0125,
    changes=(RouteChange(1.0, 0.75, "it lost more"), RouteChange(2.0, None, "it lost all")),
)


def test_one_tier_that_the_job_names_is_nothing_to_speak_of() -> None:
    assert not has_choice(RouteStanding(("large",), None, None))
    assert has_choice(RouteStanding(("large",), "no cascade pays", None))
    assert has_choice(RouteStanding(("small", "large"), None, None))


def test_a_cascade_says_why_what_the_audit_found_and_what_changed() -> None:
    assert standing_lines(CASCADE) == [
        "route: small -> large: small->large saves 38 %",
        "audit: 120 documents drawn at random, mean loss 1.25% against large",
        "drift: small is kept from a score of 0.750 on: it lost more",
        "drift: small is trusted no more: it lost all",
    ]
    assert len(news_lines(CASCADE)) == 3


def test_a_tier_says_what_it_kept_and_why_it_sent_documents_on() -> None:
    line = tier_line("small", Tally(10, {"unsure": 3, "invalid_output": 5}, 100, 20, 1.0, 0.25))
    assert line.startswith("tier small: 18 documents, 10 kept, 8 sent on (invalid output 5, unsure")
