"""The stored decision, as the report shows it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from checkpoints.memory_store import MemoryStore
from checkpoints.route_log import keep_decision
from jobs.report.decision import (
    chosen_place,
    costs_of_cuts,
    pair_of_cuts,
    stored_certificate,
    taken_way,
)
from pipeline.certification.decision import Decision
from pipeline.certification.planner import plan_route
from pipeline.certification.route_errors import CertificateError
from pipeline.certification.strict_json import plain_value
from tests.jobs.report.report_builders import CUTS, certificate
from tests.pipeline.sample_builders import Skill, drawn, terms


def planned(small: Skill) -> Decision:
    """What the planner says of small and a large of cost 1."""
    labelled = drawn([small, Skill(error=0.0, cost=1.0)], 1500)
    return plan_route(("small", "large"), labelled, terms())


def test_the_chosen_cut_costs_what_the_planner_measured() -> None:
    made = planned(Skill(error=0.2, cost=0.2))
    pair, place = pair_of_cuts(made), chosen_place(made)
    assert pair is not None
    assert place is not None
    assert pair.ladder == taken_way(made) == ("small", "large")
    costs = costs_of_cuts(made)
    assert costs[place] == pytest.approx(pair.cost)
    assert costs[0] > costs[place]  # strict ones cost more


def test_a_cheap_tier_that_answers_alone_has_an_infinite_cut() -> None:
    made = planned(Skill(error=0.001, cost=0.2))
    assert made.threshold == -math.inf
    assert chosen_place(made) is not None
    assert costs_of_cuts(made)[-1] == pytest.approx(0.2, rel=0.05)


def test_where_the_reference_answers_everything_no_cut_is_chosen() -> None:
    made = certificate(is_cascade=False).decision
    assert chosen_place(made) is None  # although one was certified, it does not pay
    assert taken_way(made) == ("large",)
    assert len(costs_of_cuts(made)) == len(CUTS)


def test_without_the_tiers_own_costs_cuts_have_none() -> None:
    made = certificate().decision
    assert costs_of_cuts(replace(made, options=made.options[2:])) == ()
    assert costs_of_cuts(replace(made, certification=None)) == ()


def test_a_decision_that_is_none_is_named() -> None:
    store = MemoryStore()
    assert stored_certificate(store) is None
    keep_decision(store, {"ladder": ["small"]})
    with pytest.raises(CertificateError, match=r"route/decision\.json"):
        stored_certificate(store)


def test_what_is_stored_is_read_back() -> None:
    store, made = MemoryStore(), certificate()
    keep_decision(store, plain_value(made))
    assert stored_certificate(store) == made
