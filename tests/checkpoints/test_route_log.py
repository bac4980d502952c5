"""What is decided about a route holds from then on."""

from __future__ import annotations

import pytest

from checkpoints import keys
from checkpoints.errors import CorruptObjectError
from checkpoints.memory_store import MemoryStore
from checkpoints.route_log import (
    keep_decision,
    keep_draw,
    keep_revision,
    read_decision,
    read_draw,
    read_revisions,
)


def test_the_first_draw_and_decision_hold() -> None:
    store = MemoryStore()
    assert read_draw(store) is None
    assert read_decision(store) is None
    assert keep_draw(store, {"seed": 1}) == {"seed": 1}
    assert keep_draw(store, {"seed": 2}) == {"seed": 1}
    assert read_draw(store) == {"seed": 1}
    keep_decision(store, {"why": "first"})
    assert keep_decision(store, {"why": "second"}) == {"why": "first"}
    assert read_decision(store) == {"why": "first"}


def test_revisions_come_back_in_their_order() -> None:
    store = MemoryStore()
    for number in range(1, 12):
        keep_revision(store, number, {"number": number})
    assert keep_revision(store, 3, {"number": 99}) == {"number": 3}
    assert [one["number"] for one in read_revisions(store)] == list(range(1, 12))


def test_a_damaged_decision_is_no_reason_to_decide_again() -> None:
    store = MemoryStore()
    store.create(keys.ROUTE_DECISION, b"{")
    with pytest.raises(CorruptObjectError):
        read_decision(store)
    with pytest.raises(CorruptObjectError):
        keep_decision(store, {"why": "second"})
