"""Replica-seconds at their price."""

from dataclasses import replace

import pytest

from pipeline.engines.tier_state import TierState
from pipeline.engines.tiers import Tier
from pipeline.meter import LONGEST_INTERVAL_S, NO_STARTS, EngineStarts, Meter
from tests.pipeline.engine_builders import tier


def priced(name: str, usd_per_hour: float) -> Tier:
    return tier(name, placement=replace(tier().placement, usd_per_hour=usd_per_hour))


def up(ready: int, starting: int = 0, leaving: int = 0) -> TierState:
    return TierState(
        is_deployed=True, ready=ready, wanted=4, problem=None, starting=starting, leaving=leaving
    )


def starts_of(*states: TierState) -> tuple[float, float]:
    """(all, of replacements) in replica-seconds, when each state lasted for ten seconds."""
    meter = Meter([priced("small", 3600.0)], 0.0, NO_STARTS)
    for place, state in enumerate((up(0), *states)):
        meter.note(10.0 * place, {"small": state})
    assert meter.starts.usd == meter.starts.seconds
    assert meter.starts.restart_usd == meter.starts.restart_seconds
    return meter.starts.seconds, meter.starts.restart_seconds


def test_the_first_note_bills_nothing() -> None:
    meter = Meter([priced("small", 3600.0)], 7.0, NO_STARTS)
    meter.note(1000.0, {"small": up(5)})
    assert meter.usd == 7.0


def test_each_tier_is_billed_at_its_price_for_its_replicas() -> None:
    meter = Meter([priced("small", 3600.0), priced("large", 7200.0)], 1.0, NO_STARTS)
    meter.note(0.0, {"small": up(0), "large": up(0)})
    meter.note(2.0, {"small": up(3), "large": up(1)})
    meter.note(3.0, {"small": up(0), "large": up(2)})
    assert meter.usd == pytest.approx(1.0 + 2 * (3 * 1 + 1 * 2) + 1 * 2 * 2)


def test_a_driver_that_slept_bills_no_more_than_the_longest_interval() -> None:
    meter = Meter([priced("small", 3600.0)], 0.0, NO_STARTS)
    meter.note(0.0, {"small": up(1)})
    meter.note(10_000.0, {"small": up(1)})
    assert meter.usd == pytest.approx(LONGEST_INTERVAL_S)


def test_an_hour_without_engines_costs_nothing() -> None:
    meter = Meter([priced("small", 3600.0)], 1.0, NO_STARTS)
    meter.note(0.0, {"small": up(1)})
    for now_s in range(1, 3600):
        meter.note(float(now_s), {"small": up(0)})
    assert meter.usd == 1.0


def test_a_node_is_paid_for_while_its_engine_starts() -> None:
    meter = Meter([priced("small", 3600.0)], 1.0, EngineStarts(7.0, 7.0, 2.0, 2.0))
    meter.note(0.0, {"small": up(0, starting=2)})
    meter.note(30.0, {"small": up(0, starting=2)})
    assert meter.usd == pytest.approx(1.0 + 2 * 30)
    assert meter.starts == EngineStarts(67.0, 67.0, 2.0, 2.0)


def test_the_first_start_of_each_replica_is_no_restart() -> None:
    assert starts_of(up(0, 4), up(1, 3), up(4)) == (70.0, 0.0)
    assert starts_of(up(1), up(1, 3), up(4)) == (30.0, 0.0)  # the others had no room before


def test_a_start_that_makes_up_for_an_engine_that_went_is_a_restart() -> None:
    assert starts_of(up(4), up(3, 1), up(4)) == (10.0, 10.0)
    assert starts_of(up(2), up(0, 2), up(2)) == (20.0, 20.0)
    assert starts_of(up(2), up(1, 3), up(4)) == (30.0, 10.0)


def test_a_replacement_that_starts_while_the_other_still_works_is_a_restart() -> None:
    assert starts_of(up(2), up(2, 1, leaving=1), up(2)) == (10.0, 10.0)
