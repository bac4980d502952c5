"""What tiers did for documents adds up, and survives being written down."""

from __future__ import annotations

import json

from checkpoints.steps import (
    Audited,
    Step,
    Tally,
    added,
    audits_of,
    tallied,
    tallies_as_fields,
    tallies_of_fields,
)

UNSURE = Step("small", False, "unsure", 10, 5, 9.0, 1.0, 0.25, score=0.4, features=(1.0, 2.0))
KEPT = Step("large", True, "last", 10, 7, 9.0, 2.0, 0.5)


def test_steps_add_up_by_tier_and_reason() -> None:
    found = added(tallied([UNSURE, KEPT]), tallied([UNSURE, Step("small", True, "confident", 1)]))
    assert found == {
        "small": Tally(1, {"unsure": 2}, 21, 10, 2.0, 0.5),
        "large": Tally(1, {}, 10, 7, 2.0, 0.5),
    }
    assert [tally.documents for tally in found.values()] == [3, 1]


def test_tallies_survive_json() -> None:
    found = tallied([UNSURE, KEPT])
    assert tallies_of_fields(json.loads(json.dumps(tallies_as_fields(found)))) == found


def test_only_what_was_compared_is_an_audit() -> None:
    compared = Step("small", False, "audited", score=0.9, answer="a", loss=1.0)
    unusable = Step("small", False, "invalid_output", loss=0.0)
    ways = [(UNSURE, KEPT), (compared, KEPT), (unusable, KEPT)]
    assert list(audits_of(ways)) == [Audited(0.9, 1.0), Audited(0.0, 0.0)]
