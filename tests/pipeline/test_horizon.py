"""The time left is told with an interval that holds what it promises."""

from __future__ import annotations

import random

import pytest

from pipeline.horizon import BIN_S, FEWEST_BINS, Horizon


def test_nothing_is_told_before_three_bins() -> None:
    horizon = Horizon()
    for second in range(int(BIN_S * FEWEST_BINS)):
        horizon.note(second, 10 * second)
        assert horizon.left(1000) is None
    horizon.note(BIN_S * FEWEST_BINS, 10 * int(BIN_S * FEWEST_BINS))
    left = horizon.left(1000)
    assert left is not None
    assert left.low_s == pytest.approx(100) == left.high_s


def test_the_time_until_the_first_document_is_no_pace() -> None:
    horizon = Horizon()
    for second in range(1000):
        horizon.note(second, 0)  # engines start
    for second in range(1000, 1200):
        horizon.note(second, 5 * (second - 1000))
    left = horizon.left(500)
    assert left is not None
    assert left.low_s == pytest.approx(100, rel=0.05)


def test_a_run_that_stands_still_has_no_end_in_sight() -> None:
    horizon = Horizon()
    for second in range(600):
        horizon.note(second, min(second, 100))
    assert horizon.left(500) is None
    horizon = Horizon()
    for second in range(0, 200, 20):  # by fits and starts
        horizon.note(second, 1000 * (second // 100))
    left = horizon.left(40)
    assert left is not None
    assert left.high_s is None


def test_nine_times_in_ten_the_end_lies_in_the_interval() -> None:
    """A rate that varies from bin to bin by a third, over 400 runs; 90 % are 360, +- 3 x 6."""
    rng = random.Random(7)
    hits = 0
    for _ in range(400):
        horizon, now_s, done = Horizon(), 0.0, 0
        while now_s < 15 * BIN_S:
            horizon.note(now_s, done)
            now_s, done = now_s + BIN_S, done + max(0, round(rng.gauss(200, 66)))
        documents, needed_s = 4000, 0.0
        left = horizon.left(documents)
        while documents > 0:
            step = max(0, round(rng.gauss(200, 66)))
            needed_s += BIN_S * min(1.0, documents / step) if step else BIN_S
            documents -= step
        assert left is not None
        assert left.high_s is not None
        hits += left.low_s <= needed_s <= left.high_s
    assert 342 <= hits <= 378
