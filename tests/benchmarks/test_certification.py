"""Promises on recorded answers of real models, over 1,000 splits.

The records are no part of this repository. GLEANER_ROUTING names a folder with
mmlu_two_chains.parquet, see certification.py.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.benchmarks.cascades import PAIRS, Cascade, betting, made_up, naive, recorded
from tests.benchmarks.certification import FILE, PROMISE, replay
from tests.pipeline.certify_builders import tolerated

FOLDER = os.environ.get("GLEANER_ROUTING")
RUNS, LABELS = 1000, 400


@pytest.mark.skipif(FOLDER is None, reason="GLEANER_ROUTING names no folder with recorded answers")
@pytest.mark.parametrize("pair", PAIRS)
def test_the_promise_is_kept_on_recorded_answers(pair: str) -> None:
    cascade = next(one for one in recorded(Path(str(FOLDER)) / FILE) if one.name == pair)
    _is_kept_by_bets_and_not_by_the_naive_threshold(cascade)


def test_the_promise_is_kept_on_made_up_answers() -> None:
    _is_kept_by_bets_and_not_by_the_naive_threshold(made_up("hard", gap=0.12))


def _is_kept_by_bets_and_not_by_the_naive_threshold(cascade: Cascade) -> None:
    ours = replay(cascade, betting(LABELS, is_large=False), RUNS)
    assert ours.violated <= tolerated(PROMISE, RUNS)
    assert ours.escalated < 1.0
    assert replay(cascade, naive(LABELS), RUNS).violated > tolerated(PROMISE, RUNS)
