"""An engine's seconds are all given away, and none twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.shares import Shares


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_request_alone_has_all_and_two_have_half_each() -> None:
    clock = Clock()
    shares = Shares(clock)
    first = shares.enter()
    clock.now_s = 4.0
    second = shares.enter()
    clock.now_s = 10.0
    assert shares.leave(first) == pytest.approx(4.0 + 3.0)
    clock.now_s = 11.0
    assert shares.leave(second) == pytest.approx(3.0 + 1.0)


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 100.0)), max_size=40))
def test_shares_add_up_to_the_time_in_which_any_request_was_held(
    events: list[tuple[bool, float]],
) -> None:
    clock, held, busy_s, given_s = Clock(), list[float](), 0.0, 0.0
    shares = Shares(clock)
    for comes, passes_s in events:
        if comes:
            held.append(shares.enter())
        elif held:
            given_s += shares.leave(held.pop(0))
        busy_s += passes_s if held else 0.0
        clock.now_s += passes_s
    given_s += sum(shares.leave(one) for one in held)
    assert given_s == pytest.approx(busy_s)
