"""What a certification can be expected to need."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.certification.power import expected_bound, labels_needed, least_escalation


def test_without_any_loss_it_is_the_rule_of_three() -> None:
    assert expected_bound(0.0, 0.0, labels=300, confidence=0.95) == pytest.approx(0.01, rel=0.01)
    assert labels_needed(0.0, 0.0, allowed=0.01, confidence=0.95) == 300


@given(mean=st.floats(0, 0.5), variance=st.floats(0, 0.25), gap=st.floats(0.001, 0.5))
def test_the_labels_that_are_needed_are_just_enough(
    mean: float, variance: float, gap: float
) -> None:
    allowed = mean + gap
    needed = labels_needed(mean, variance, allowed=allowed, confidence=0.9)
    assert needed is not None
    assert expected_bound(mean, variance, labels=needed, confidence=0.9) <= allowed + 1e-9
    if needed > 1:
        assert expected_bound(mean, variance, labels=needed - 1, confidence=0.9) > allowed - 1e-9


def test_no_number_of_labels_mends_a_loss_that_is_too_high() -> None:
    assert labels_needed(0.02, 0.01, allowed=0.02, confidence=0.9) is None
    assert expected_bound(0.0, 0.0, labels=0, confidence=0.9) == math.inf


def test_a_perfect_score_escalates_just_the_excess() -> None:
    assert least_escalation(0.3, allowed=0.02) == pytest.approx(0.28)
    assert least_escalation(0.01, allowed=0.02) == 0.0
    assert least_escalation(0.3, allowed=math.inf) == 0.0
