"""Savings, document by document."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.certification.savings import lower_bound, saving_of


def test_a_saving_is_a_share_of_the_reference_with_its_interval() -> None:
    luck = np.random.default_rng(1)
    reference = luck.uniform(0.5, 1.5, 400)
    costs = 0.2 * reference + np.where(luck.random(400) < 0.3, reference, 0.0)
    made = saving_of(costs, reference)
    assert made.share == pytest.approx(0.5, abs=0.06)
    assert made.low < made.share < made.high
    assert made.high - made.low == pytest.approx(4 * np.sqrt(0.3 * 0.7 / 400), rel=0.2)
    assert made.pays


def test_the_interval_holds_the_truth_nineteen_times_in_twenty() -> None:
    luck = np.random.default_rng(2)
    held = 0
    for _ in range(400):
        reference = luck.uniform(0.5, 1.5, 200)
        made = saving_of(np.where(luck.random(200) < 0.3, 1.2, 0.2) * reference, reference)
        held += made.low <= 0.5 <= made.high
    assert 0.92 <= held / 400 <= 0.98


def test_what_costs_the_same_or_more_does_not_pay() -> None:
    reference = np.array([1.0, 2.0, 3.0])
    assert not saving_of(reference, reference).pays
    assert not saving_of(1.5 * reference, reference).pays
    assert not saving_of(np.array([0.5]), np.array([1.0])).pays  # one document tells nothing


def test_nothing_is_saved_of_a_reference_that_costs_nothing() -> None:
    made = saving_of(np.zeros(3), np.zeros(3))
    assert (made.share, made.pays) == (0.0, False)


def test_a_lower_bound_is_below_the_mean_by_the_error() -> None:
    values = np.array([0.0, 2.0] * 50)
    error = np.sqrt(100 / 99 / 100)
    assert lower_bound(values) == pytest.approx(1 - 1.645 * error, abs=1e-3)
