"""Bets against "the mean loss is at least m", on losses drawn without replacement: pure.

Boundary: arithmetic on arrays of losses in [-1, 1] in the order they were drawn; what is promised,
and about what, is `certify.py`'s.
Invariant: a stake depends on earlier draws only, and never lets the wealth fall below zero. So, if
the mean of the population is m or more, the wealth of bets against m is a nonnegative
supermartingale, and reaches 1 / delta at any time with probability delta at most (Ville).

Sources: wealth and draws without replacement, Waudby-Smith and Ramdas, "Estimating means of bounded
random variables by betting" (2023), sections 4 and 5; stakes, Voracek and Orabona, "STaR-Bets"
(arXiv 2505.22422, 2025): the size of sample is known beforehand, so each stake aims at what is
still missing to 1 / delta, with the draws that are left.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

STEPS = 50  # a stake is kept for one in so many of the draws that are left
PRIOR_DRAWS = 20  # what the variance under the null hypothesis counts among the observed squares
FLOOR = 0.1  # log wealth that is always thought missing: what was won may not be quite enough
KEPT = 1e-9  # of the wealth, at the least, by every bet


def stakes(losses: FloatArray, *, budget: float, population: int, confidence: float) -> FloatArray:
    """What to bet per unit of gain, (k, steps), for k series of n losses (k, n) in drawing order.

    The bets are against a sum of more than `budget` among the population - n that stay undrawn. A
    stake is sqrt(2 * missing log wealth / (variance * draws left)), where the wealth is that
    against the mean which the population will have by then, as far as the draws so far tell. As the
    draws use the population up each tells more: at i of n it is worth (population - i) /
    (population - n) draws.
    """
    series, drawn = losses.shape
    lengths = _lengths(drawn)
    made = np.zeros((series, len(lengths)))
    if drawn == population:
        return made
    mean = min(max(budget, 1.0) / (population - drawn), 0.5)
    aim = -math.log1p(-confidence)
    wealth, slope, lost = np.zeros(series), np.zeros(series), np.zeros(series)
    squares = np.full(series, PRIOR_DRAWS * mean * (1.0 - mean))
    first = 0
    for step, length in enumerate(lengths):
        block = losses[:, first : first + length]
        known, left = PRIOR_DRAWS + first, drawn - first
        likely = (budget + lost + left * (PRIOR_DRAWS * mean + lost) / known) / population
        missing = np.maximum(aim - wealth - slope * (likely - mean), FLOOR)
        worth = left * (population - first - 1) / (population - drawn)
        made[:, step] = np.sqrt(2.0 * missing * known / (squares * worth))
        before = lost[:, None] + np.cumsum(block, axis=1) - block
        there = population - first - np.arange(length)
        expected = (population * mean - before) / there
        allowed = _allowed(made[:, step, None], expected)
        growth = 1.0 + allowed * (expected - block)
        wealth += np.log(growth).sum(axis=1)
        slope += (allowed / growth * (population / there)).sum(axis=1)
        lost += block.sum(axis=1)
        squares += ((block - mean) ** 2).sum(axis=1)
        first += length
    return made


def log_wealth(losses: FloatArray, made: FloatArray, *, mean: float, population: int) -> FloatArray:
    """Natural log of the wealth after each of the draws (n,), from 1 before the first.

    `losses` (n,) and `made` (steps,) are one series and its `stakes`. At every draw it grows with
    `mean`, and continuously: who bets against more is refuted by more.
    """
    drawn = len(losses)
    before = np.cumsum(losses) - losses
    expected = (population * mean - before) / (population - np.arange(drawn))
    allowed = _allowed(np.repeat(made, _lengths(drawn)), expected)
    return np.cumsum(np.log1p(allowed * (expected - losses)))


def _allowed(made: FloatArray, expected: FloatArray) -> FloatArray:
    """The stakes, but so that a part of the wealth is kept even at a loss of 1."""
    return np.minimum(made, (1.0 - KEPT) / np.maximum(1.0 - expected, KEPT))


def _lengths(drawn: int) -> list[int]:
    """How many draws share a stake: many at first, single ones towards the end."""
    lengths = []
    while drawn > 0:
        lengths.append(max(1, drawn // STEPS))
        drawn -= lengths[-1]
    return lengths
