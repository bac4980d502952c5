"""Replica-seconds at their price."""

from dataclasses import replace

import pytest

from pipeline.meter import LONGEST_INTERVAL_S, Meter
from pipeline.tiers import Tier
from tests.pipeline.engine_builders import tier


def priced(name: str, usd_per_hour: float) -> Tier:
    return tier(name, placement=replace(tier().placement, usd_per_hour=usd_per_hour))


def test_the_first_note_bills_nothing() -> None:
    meter = Meter([priced("small", 3600.0)], spent_before_usd=7.0)
    meter.note(1000.0, {"small": 5})
    assert meter.usd == 7.0


def test_each_tier_is_billed_at_its_price_for_its_replicas() -> None:
    meter = Meter([priced("small", 3600.0), priced("large", 7200.0)], spent_before_usd=1.0)
    meter.note(0.0, {"small": 0, "large": 0})
    meter.note(2.0, {"small": 3, "large": 1})
    meter.note(3.0, {"small": 0, "large": 2})
    assert meter.usd == pytest.approx(1.0 + 2 * (3 * 1 + 1 * 2) + 1 * 2 * 2)


def test_a_driver_that_slept_bills_no_more_than_the_longest_interval() -> None:
    meter = Meter([priced("small", 3600.0)], spent_before_usd=0.0)
    meter.note(0.0, {"small": 1})
    meter.note(10_000.0, {"small": 1})
    assert meter.usd == pytest.approx(LONGEST_INTERVAL_S)


def test_an_hour_without_engines_costs_nothing() -> None:
    meter = Meter([priced("small", 3600.0)], spent_before_usd=1.0)
    meter.note(0.0, {"small": 1})
    for now_s in range(1, 3600):
        meter.note(float(now_s), {"small": 0})
    assert meter.usd == 1.0
