"""Wealth by hand, its monotony, and how often true nulls are refuted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.certification.betting import FloatArray, log_wealth, stakes
from pipeline.certification.certify import Promise
from tests.pipeline.certify_builders import KINDS, Kind, at_the_boundary, tolerated

RUNS = 1000


def test_two_bets_by_hand() -> None:
    # Of 10 documents with mean 0.2: 2 / 10 is expected first, (2 - 0.5) / 9 after a loss of 0.5.
    losses, made = np.array([0.5, 0.0]), np.array([0.4, 0.8])
    first = 1 + 0.4 * (0.2 - 0.5)
    second = first * (1 + 0.8 * (1.5 / 9 - 0.0))
    found = np.exp(log_wealth(losses, made, mean=0.2, population=10))
    assert found == pytest.approx([first, second])


def test_no_bet_ruins() -> None:
    losses = np.ones(5)
    found = log_wealth(losses, np.full(5, 50.0), mean=0.3, population=8)
    assert np.isfinite(found).all()


def test_a_stake_knows_earlier_draws_only() -> None:
    chooser = np.random.default_rng(3)
    early = chooser.random(400) * 0.1
    one, other = early.copy(), early.copy()
    other[200:] = 1.0
    made = stakes(np.stack([one, other]), budget=50.0, population=1000, confidence=0.9)
    lengths = _steps_of(400)
    before = int(np.searchsorted(np.cumsum(lengths), 200))
    assert (made[0, : before + 1] == made[1, : before + 1]).all()
    assert (made[0] != made[1]).any()


def _steps_of(drawn: int) -> list[int]:
    lengths = []
    while drawn:
        lengths.append(max(1, drawn // 50))
        drawn -= lengths[-1]
    return lengths


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=40),
    st.floats(-0.9, 0.9),
    st.floats(0, 0.2),
    st.integers(0, 100),
    st.floats(0, 3),
)
def test_wealth_grows_with_the_mean_that_is_bet_against(
    losses: list[float], mean: float, more: float, others: int, stake: float
) -> None:
    drawn = np.array(losses)
    made = np.full(len(losses), stake)
    lower, higher = (
        log_wealth(drawn, made, mean=each, population=len(losses) + others)
        for each in (mean, mean + more)
    )
    assert (higher >= lower - 1e-6).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("documents", "spared", "drawn", "within", "share"),
    [
        (20_000, 0, 200, 0.05, 1.0),
        (600, 100, 200, 0.05, 1.0),
        (330, 100, 200, 0.02, 1.0),
        (330, 100, 200, 0.02, 0.85),
    ],
)
def test_a_loss_above_the_budget_is_refuted_no_more_often_than_allowed(
    kind: Kind, documents: int, spared: int, drawn: int, within: float, share: float
) -> None:
    """`share`: of the sum of losses at which the undrawn keep the budget half of the time."""
    promise = Promise(within, 0.9)
    refuted, exceeded = _refuted(kind, documents, spared, drawn, promise, share)
    assert (refuted & exceeded).mean() <= tolerated(promise, RUNS)
    assert refuted.any(), "a test that never refutes proves nothing"


def test_a_bet_as_if_from_the_undrawn_with_replacement_is_caught() -> None:
    """What is drawn tells of the undrawn only as far as those are alike by chance."""
    promise = Promise(0.02, 0.9)
    refuted, exceeded = _refuted("binary", 330, 100, 200, promise, 0.8, is_planted=True)
    assert (refuted & exceeded).mean() > tolerated(promise, RUNS)


def _refuted(
    kind: Kind,
    documents: int,
    spared: int,
    drawn: int,
    promise: Promise,
    share: float,
    *,
    is_planted: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """Per run, whether the bets won, and whether the undrawn lost more than the budget."""
    chooser = np.random.default_rng(11)
    population = documents - spared
    budget = documents * promise.within
    total = share * budget * population / (population - drawn)
    everything = at_the_boundary(kind, population, total, chooser).losses
    series = np.stack([chooser.permutation(everything)[:drawn] for _ in range(RUNS)])
    exceeded = everything.sum() - series.sum(axis=1) > budget + 1e-9
    assumed = 10**9 if is_planted else population
    mean = budget / (population - drawn)
    allowed = mean * (assumed - drawn) if is_planted else budget
    made = stakes(series, budget=allowed, population=assumed, confidence=promise.confidence)
    target = -math.log1p(-promise.confidence)
    won = [
        log_wealth(one, its, mean=(allowed + one.sum()) / assumed, population=assumed).max()
        >= target
        for one, its in zip(series, made, strict=True)
    ]
    return np.array(won), exceeded


def test_draws_without_any_loss_win_as_soon_as_they_can() -> None:
    """(1 - m)^n <= 0.1 is what no test can beat: n = 114 at m = 0.02; bets need little more."""
    drawn = 130
    made = stakes(np.zeros((1, drawn)), budget=0.02 * 10**8, population=10**8, confidence=0.9)
    found = log_wealth(np.zeros(drawn), made[0], mean=0.02, population=10**8)
    assert found.max() >= math.log(10)
