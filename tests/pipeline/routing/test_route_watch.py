"""The audit speaks, and the route follows; what it changed holds for every later attempt."""

from __future__ import annotations

import math

import pytest

from checkpoints.errors import UnknownWriteError
from checkpoints.memory_store import MemoryStore
from checkpoints.steps import Audited
from pipeline.certification.certify import Promise
from pipeline.routing.route import Route
from pipeline.routing.route_watch import RouteWatch
from tests.pipeline.mortal_store import Life, MortalStore
from tests.pipeline.route_builders import cascade, certificate

GOOD = [Audited(0.9, 0.0)] * 300
BAD = [Audited(0.6, 1.0)] * 30


def watch(store: object, threshold: float = 0.5) -> RouteWatch:
    return RouteWatch(
        cascade(threshold, 0.01),
        certificate(cuts=(0.8, 0.5, -math.inf)),
        Promise(0.02, 0.95),
        store,  # type: ignore[arg-type]
        now_unix_s=lambda: 1000.0,
    )


def test_a_route_that_keeps_its_promise_stays_as_it_is() -> None:
    its = watch(MemoryStore())
    its.note(GOOD)
    found = its.standing()
    assert (found.audited, found.audit_loss, found.changes) == (300, 0.0, ())
    assert (its.route.revision, found.threshold) == (0, 0.5)


def test_losses_between_two_cuts_tighten_the_route_to_the_stricter_one() -> None:
    its = watch(MemoryStore())
    its.note(BAD + GOOD)
    found = its.standing()
    assert (its.route.revision, found.threshold) == (1, 0.8)
    assert [change.threshold for change in found.changes] == [0.8]
    assert found.audit_loss == pytest.approx(30 / 330)


def test_losses_everywhere_distrust_the_tier() -> None:
    its = watch(MemoryStore())
    its.note([Audited(0.9, 1.0)] * 40)
    assert its.route.trusts["small"].threshold == math.inf
    found = its.standing()
    assert (found.threshold, found.changes[0].threshold) == (None, None)


def test_a_change_is_made_once_and_holds_for_the_next_attempt() -> None:
    store = MemoryStore()
    first = watch(store)
    first.note(BAD + GOOD)
    first.note(BAD + GOOD)
    again = watch(store)
    assert again.route == first.route
    assert again.standing().changes == first.standing().changes
    again.note(BAD + GOOD)
    assert again.route.revision == 1


def test_a_change_that_cannot_be_made_durable_is_made_with_the_next_look() -> None:
    store, life = MemoryStore(), Life()
    its = watch(MortalStore(store, life))
    life.fails = lambda name: name.startswith("create route")
    with pytest.raises((UnknownWriteError, ConnectionError, TimeoutError)):
        its.note(BAD + GOOD)
    assert its.route.revision == 0
    life.fails = lambda _: False
    its.note(BAD + GOOD)
    assert its.route.revision == 1


def test_a_route_that_the_job_names_is_not_judged() -> None:
    its = RouteWatch(Route(("small", "large")), None, None, MemoryStore())
    its.note(BAD)
    assert its.standing().ladder == ("small", "large")
    assert its.route.revision == 0
