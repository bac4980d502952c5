"""What the figures of cascades hold against their aims: each of them can be missed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.benchmarks.cascading import mean_loss, refused_figures, saving_figures
from tests.benchmarks.engine_cpu import EngineCpu
from tests.benchmarks.figures import Figure
from tests.benchmarks.tap import Tap

BURNT_S = 0.3


def missed(figures: list[Figure]) -> list[str]:
    """The figures that miss their aim."""
    return [one.name for one in figures if one.met is False]


@pytest.mark.parametrize(
    ("is_refused", "generated", "results", "misses"),
    [(True, 200, 0, 0), (True, 201, 0, 1), (True, 200, 1, 1), (False, 900, 500, 3)],
)
def test_after_a_refusal_nothing_may_be_generated_or_kept(
    is_refused: bool, generated: int, results: int, misses: int
) -> None:
    figures = refused_figures(
        is_refused=is_refused, generated=generated, results=results, sample=100
    )
    assert len(missed(figures)) == misses


@pytest.mark.parametrize(("cascade_s", "misses"), [(80.0, 0), (101.0, 1)])
def test_a_cascade_that_costs_more_than_the_strong_tier_misses_its_aim(
    cascade_s: float, misses: int
) -> None:
    figures = saving_figures({"rows": (cascade_s, 100.0), "wall": (200.0, 100.0)})
    assert len(missed(figures)) == misses
    assert [one.value for one in figures] == [pytest.approx(100 - cascade_s), -100.0]


def test_a_missing_answer_is_lost_and_a_missing_reference_loses_nothing() -> None:
    references = {("a", 0): '{"x": 1}', ("a", 1): '{"x": 1}', ("a", 2): None, ("b", 0): '{"x": 2}'}
    answers = {("a", 0): '{"x":1}', ("a", 1): None, ("a", 2): "{}", ("b", 0): '{"x": 3}'}
    assert mean_loss(answers, references) == 0.5


def test_cpu_seconds_count_from_when_an_engine_is_ready(tmp_path: Path) -> None:
    burn()
    tap, cpu = Tap(tmp_path), EngineCpu(tmp_path)
    cpu.look()
    assert cpu.by_tier() == {}
    tap.ready()
    cpu.look()
    burn()
    tap.answered(["0.0.large"])
    cpu.look()
    assert BURNT_S - 0.05 <= cpu.by_tier()["large"] < 2 * BURNT_S


def burn() -> None:
    until_s = time.process_time() + BURNT_S
    while time.process_time() < until_s:
        pass
