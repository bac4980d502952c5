"""Every document comes to one row, by way of the tiers that its route allows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pytest

from checkpoints.journal import JournalState
from checkpoints.result import Confidence, ResultRow
from checkpoints.steps import Audited, Step, audits_of
from pipeline.documents import Prepared
from pipeline.engines.engine import Completion, FinishReason, Request
from pipeline.outputs import Label
from pipeline.routing.route import Reason, Route
from pipeline.walk import Walks
from tests.pipeline.engine_builders import completion, document, tier, work
from tests.pipeline.route_builders import SURE, UNSURE, cascade

BOTH = ("small", "large")
NO_PAST = JournalState({}, {}, {}, {}, ())


@dataclass
class Tiers:
    """What each tier says: (text, confidence); who was asked, and what became durable."""

    says: Mapping[str, tuple[str, Confidence | None]]
    reasons: Mapping[str, FinishReason] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    noted: list[Step] = field(default_factory=list)

    async def generate(self, request: Request) -> Completion:
        name = request.id.rpartition(".")[2]
        self.asked.append(name)
        text, confidence = self.says[name]
        reason = self.reasons.get(name, FinishReason.STOP)
        return completion(text, request_id=request.id, confidence=confidence, finish_reason=reason)

    def note(self, shard: int, ordinal: int, step: Step) -> None:
        assert (shard, ordinal) == (3, 4)
        self.noted.append(step)

    def walk(
        self,
        route: Route,
        its: Prepared | None = None,
        past: JournalState = NO_PAST,
        names: Sequence[str] = BOTH,
        *,
        wants_gold: bool = False,
    ) -> ResultRow:
        tiers = tuple(tier(name, placement=priced(n)) for n, name in enumerate(names, 1))
        their = work(
            tiers=tiers,
            route=route,
            output_format=Label(("yes", "no")),
            loss="label",
            wants_gold=wants_gold,
        )
        walks = Walks(their, dict.fromkeys(names, self.generate), self.note)
        return asyncio.run(walks.to_row(3, its or document(4, shard=3, tiers=names), past))


def priced(usd_per_hour: float) -> object:
    return replace(tier().placement, usd_per_hour=usd_per_hour)


def ways(row: ResultRow) -> list[tuple[str, bool, str]]:
    return [(step.tier, step.is_kept, step.reason) for step in row.steps]


def test_a_confident_answer_is_kept_and_nobody_else_is_asked() -> None:
    tiers = Tiers({"small": ("yes", SURE)})
    row = tiers.walk(cascade())
    assert (row.tier, row.result) == ("small", "yes")
    assert ways(row) == [("small", True, Reason.CONFIDENT)]
    assert tiers.noted == []


def test_an_unsure_answer_goes_on_and_both_are_paid_for() -> None:
    tiers = Tiers({"small": ("yes", UNSURE), "large": ("no", UNSURE)})
    row = tiers.walk(cascade())
    assert (row.tier, row.result, row.confidence) == ("large", "no", UNSURE)
    assert ways(row) == [("small", False, Reason.UNSURE), ("large", True, Reason.LAST)]
    assert [step.score is None for step in row.steps] == [False, True]
    assert (row.prompt_tokens, row.output_tokens, row.engine_s) == (20, 4, 16.0)
    assert row.cost_usd == pytest.approx(sum(step.cost_usd for step in row.steps))
    assert row.steps[1].cost_usd == pytest.approx(2 * row.steps[0].cost_usd)
    assert tiers.noted == [row.steps[0]]


def test_what_was_done_before_a_crash_is_not_done_again() -> None:
    first = Tiers({"small": ("yes", UNSURE), "large": ("no", SURE)})
    whole = first.walk(cascade())
    again = Tiers({"large": ("no", SURE)})
    past = replace(NO_PAST, steps={(4, "small"): first.noted[0]})
    assert again.walk(cascade(), past=past) == whole
    assert again.asked == ["large"]


def test_a_document_that_does_not_fit_the_small_tier_goes_to_the_large_one() -> None:
    tiers = Tiers({"large": ("no", SURE)})
    row = tiers.walk(cascade(), document(4, shard=3, tiers=("large",)))
    assert ways(row) == [("small", False, Reason.TOO_LONG), ("large", True, Reason.LAST)]


@pytest.mark.parametrize("is_sampling", [False, True])
def test_a_document_that_does_not_fit_the_large_tier_keeps_the_small_ones_answer(
    is_sampling: bool,
) -> None:
    tiers = Tiers({"small": ("yes", UNSURE)})
    its = document(4, shard=3, tiers=("small",))
    row = tiers.walk(cascade(audit_share=1.0, is_sampling=is_sampling), its)
    assert (row.status, row.tier, row.result) == ("ok", "small", "yes")
    assert ways(row) == [("small", True, Reason.LAST)]


def test_a_document_that_fits_no_tier_is_an_error() -> None:
    row = Tiers({}).walk(cascade(), document(4, shard=3, tiers=()))
    assert (row.error_code, row.tier) == ("too_long", None)


def test_where_the_last_tier_has_no_usable_answer_the_row_is_its_error() -> None:
    row = Tiers({"small": ("yes", UNSURE), "large": ("perhaps", SURE)}).walk(cascade())
    assert (row.tier, row.error_code) == ("large", "invalid_output")
    assert ways(row)[1] == ("large", False, "invalid_output")


def test_a_document_that_kills_engines_is_not_shown_to_the_next_tier() -> None:
    tiers = Tiers({"small": ("died", None)}, {"small": FinishReason.CRASH})
    row = tiers.walk(cascade())
    assert (row.error_code, tiers.asked) == ("engine_crash", ["small"])


def test_a_rule_makes_a_document_begin_later() -> None:
    tiers = Tiers({"large": ("no", SURE)})
    row = tiers.walk(cascade(), replace(document(4, shard=3, tiers=BOTH), start="large"))
    assert ways(row) == [("large", True, Reason.LAST)]


def test_a_sample_asks_all_and_keeps_the_last_ones_answer_beside_the_others() -> None:
    tiers = Tiers({"small": ("yes", SURE), "large": ("no", SURE)})
    row = tiers.walk(cascade(is_sampling=True))
    assert (row.tier, row.result) == ("large", "no")
    assert ways(row) == [("small", False, Reason.SAMPLED), ("large", True, Reason.LAST)]
    assert row.steps[0].answer == "yes"
    assert all(step.features is not None for step in row.steps)
    assert [step.loss for step in row.steps] == [None, None]


@pytest.mark.parametrize(("small", "lost"), [("no", 0.0), ("yes", 1.0)])
def test_an_audited_answer_is_compared_with_the_last_tiers_which_stays(
    small: str, lost: float
) -> None:
    tiers = Tiers({"small": (small, SURE), "large": ("no", UNSURE)})
    row = tiers.walk(cascade(audit_share=1.0))
    assert (row.tier, row.result) == ("large", "no")
    assert ways(row) == [("small", False, Reason.AUDITED), ("large", True, Reason.LAST)]
    assert (row.steps[0].answer, row.steps[0].loss) == (small, lost)


def test_an_audit_between_two_attempts_compares_the_same() -> None:
    first = Tiers({"small": ("yes", SURE), "large": ("no", UNSURE)})
    whole = first.walk(cascade(audit_share=1.0))
    past = replace(NO_PAST, steps={(4, "small"): first.noted[0]})
    again = Tiers({"large": ("no", UNSURE)}).walk(cascade(audit_share=1.0), past=past)
    assert again == whole
    assert again.steps[0].loss == 1.0


def test_an_audited_document_that_escalates_anyway_loses_nothing() -> None:
    row = Tiers({"small": ("yes", UNSURE), "large": ("no", SURE)}).walk(cascade(audit_share=1.0))
    assert [step.loss for step in row.steps] == [0.0, None]


def test_an_audited_answer_stays_where_the_last_tier_has_none() -> None:
    tiers = Tiers({"small": ("yes", SURE), "large": ("perhaps", SURE)})
    row = tiers.walk(cascade(audit_share=1.0))
    assert (row.status, row.tier, row.result) == ("ok", "small", "yes")
    assert row.steps[0].loss == 0.0


def test_against_gold_a_better_answer_than_the_last_tiers_is_a_gain() -> None:
    tiers = Tiers({"small": ("yes", SURE), "large": ("no", SURE)})
    its = replace(document(4, shard=3, tiers=BOTH), gold="yes")
    assert tiers.walk(cascade(audit_share=1.0), its).steps[0].loss == -1.0


def test_an_audit_passes_over_the_tiers_between() -> None:
    names = ("small", "middle", "large")
    route = replace(cascade(audit_share=1.0), ladder=names)
    tiers = Tiers({"small": ("yes", SURE), "large": ("no", SURE)})
    tiers.walk(route, names=names)
    assert tiers.asked == ["small", "large"]


def test_a_run_with_one_tier_keeps_no_steps() -> None:
    row = Tiers({"small": ("yes", UNSURE)}).walk(Route(("small",)), names=("small",))
    assert (row.tier, row.steps, row.output_tokens) == ("small", (), 2)


def test_an_audit_of_a_middle_tiers_answer_compares_it_with_the_last_ones() -> None:
    names = ("small", "middle", "large")
    route = replace(cascade(audit_share=1.0), ladder=names)
    says = {"small": ("yes", UNSURE), "middle": ("yes", UNSURE), "large": ("no", SURE)}
    row = Tiers(says).walk(route, names=names)
    assert ways(row) == [
        ("small", False, Reason.UNSURE),
        ("middle", False, Reason.AUDITED),
        ("large", True, Reason.LAST),
    ]
    assert [step.loss for step in row.steps] == [None, 1.0, None]
    assert list(audits_of([row.steps])) == [Audited(1.0, 1.0)]


def test_a_document_without_gold_is_not_audited_against_it() -> None:
    tiers = Tiers({"small": ("yes", SURE), "large": ("no", SURE)})
    row = tiers.walk(cascade(audit_share=1.0), wants_gold=True)
    assert ways(row) == [("small", True, Reason.CONFIDENT)]
