"""Evidence by hand, alarms that are rare while the promise holds, and what follows an alarm."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.certification.audit import SHARES, Verdict, check, evidence
from pipeline.certification.betting import FloatArray
from pipeline.certification.certify import Promise

PROMISE = Promise(within=0.02, confidence=0.95)
CUTS = (0.9, 0.7, 0.5, 0.3)


def _check(scores: FloatArray, losses: FloatArray, **others: object) -> Verdict:
    given = {"threshold": 0.3, "promise": PROMISE, "cuts": CUTS, "lowest": 0.0} | others
    return check(scores, losses, **given)  # type: ignore[arg-type]


def test_one_loss_by_hand() -> None:
    won = np.mean([1 + share / 0.02 * (1 - 0.02) for share in SHARES])
    expected = 0.5 * won + 0.5 * 0.5 + 0.5 * 0.5  # begun before it, behind it, and not yet
    assert evidence(np.ones(1), within=0.02, lowest=0.0) == pytest.approx(expected)


def test_no_audit_is_no_evidence() -> None:
    nothing = np.zeros(0)
    made = _check(nothing, nothing)
    assert (made.kind, made.threshold, made.evidence, made.audited) == ("holds", 0.3, 1.0, 0)


@given(st.lists(st.sampled_from([0.0, 1.0, 0.5, -1.0, 0.25]), max_size=12))
def test_what_is_bet_is_what_there_is(losses: list[float]) -> None:
    """At the promise's boundary for all of them, nothing is won and nothing lost."""
    same = np.full(len(losses), 0.02)
    assert evidence(same, within=0.02) == pytest.approx(1.0)
    assert evidence(np.array(losses), within=0.02) > 0


def test_a_change_after_many_good_audits_is_noticed_nearly_as_soon_as_at_the_beginning() -> None:
    chooser = np.random.default_rng(8)
    bad = (chooser.random(80) < 0.4).astype(float)

    def needed(good: int) -> int:
        losses = np.concatenate([np.zeros(good), bad])
        return next(
            seen
            for seen in range(1, len(bad))
            if _check(np.ones(good + seen), losses[: good + seen]).kind != "holds"
        )

    assert needed(0) < 15
    assert needed(5000) < 30


def test_after_a_late_change_only_the_audits_since_then_speak_for_a_cut() -> None:
    """Before it all was well; since then scores up to 0.9 go wrong."""
    scores = np.tile(np.linspace(0.05, 1.0, 20), 250)
    losses = ((scores > 0.3) & (scores < 0.9)).astype(float)
    losses[:4500] = 0.0
    made = _check(scores, losses)
    assert (made.kind, made.threshold) == ("tighten", 0.9)
    assert re.search(r" (49\d|500) of them since", made.sentence)


@pytest.mark.parametrize("lowest", [0.0, -1.0])
def test_a_kept_promise_is_seldom_doubted_however_often_one_looks(lowest: float) -> None:
    """At the very boundary, looked at after every audit; alpha is 0.1 here so that it shows."""
    chooser, runs, audits = np.random.default_rng(4), 600, 400
    alarms = 0
    for _ in range(runs):
        drawn = chooser.random(audits)
        losses = (drawn < 0.02).astype(float)
        if lowest < 0.0:
            losses = (drawn < 0.12).astype(float) - (drawn > 0.9)
        looks = np.stack([_evidence_at_every_look(losses, lowest)])
        alarms += bool(looks.max() >= 10.0)
    assert alarms / runs <= 0.1 + 3 * (0.1 * 0.9 / runs) ** 0.5


def _evidence_at_every_look(losses: FloatArray, lowest: float) -> FloatArray:
    return np.array(
        [evidence(losses[:seen], within=0.02, lowest=lowest) for seen in range(0, len(losses), 10)]
    )


def test_counting_what_was_promised_as_half_is_caught() -> None:
    """The fault planted: evidence against half of what is promised doubts a kept promise."""
    chooser = np.random.default_rng(4)
    found = [
        evidence((chooser.random(2000) < 0.02).astype(float), within=0.01, lowest=0.0)
        for _ in range(100)
    ]
    assert np.mean(np.array(found) >= 10.0) > 0.2


@pytest.mark.parametrize(("share", "audits"), [(0.3, 60), (0.1, 250), (0.05, 1200)])
def test_a_broken_promise_is_noticed(share: float, audits: int) -> None:
    chooser = np.random.default_rng(6)
    alarms = sum(
        _check(np.ones(audits), (chooser.random(audits) < share).astype(float)).kind != "holds"
        for _ in range(100)
    )
    assert alarms >= 95


def test_where_only_low_scores_went_bad_the_route_is_tightened() -> None:
    scores = np.tile(np.linspace(0.05, 1.0, 20), 50)
    losses = ((scores > 0.3) & (scores < 0.5)).astype(float)
    made = _check(scores, losses)
    assert (made.kind, made.threshold) == ("tighten", 0.5)
    assert "0.5" in made.sentence


def test_a_stricter_cut_leaves_half_of_the_promise_for_what_came_before_the_change() -> None:
    scores = np.tile(np.linspace(0.05, 1.0, 20), 50)
    losses = ((scores > 0.3) & (scores < 0.5)).astype(float)
    losses[(scores > 0.5) & (scores < 0.7)] = np.arange(150) < 15  # 0.015 on average
    made = _check(scores, losses)
    assert (made.kind, made.threshold) == ("tighten", 0.7)


def test_where_all_scores_went_bad_the_tier_is_not_trusted() -> None:
    scores = np.tile(np.linspace(0.05, 1.0, 20), 50)
    made = _check(scores, (np.arange(1000) % 3 == 0).astype(float))
    assert (made.kind, made.threshold) == ("distrust", None)


def test_a_cut_that_hardly_accepted_anything_is_not_chosen() -> None:
    scores = np.concatenate([np.full(100, 0.4), np.full(29, 0.95)])
    losses = np.concatenate([np.ones(100), np.zeros(29)])
    assert _check(scores, losses).kind == "distrust"
    again = np.append(scores, 0.95), np.append(losses, 0.0)
    assert _check(*again).threshold == 0.5


def test_a_loss_below_the_lowest_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="lowest"):
        _check(np.ones(1), -np.ones(1))
