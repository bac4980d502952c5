"""What the documents say of work done twice holds against what engines really generated."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.dispatch import Dispatcher
from pipeline.engine import Completion
from tests.pipeline.dispatch_builders import LIMITS, Deaths, request
from tests.pipeline.market import TOKENS, Lifetime, Market
from tests.pipeline.virtual_loop import run


def answered(market: Market, count: int) -> list[Completion]:
    async def main() -> list[Completion]:
        dispatcher = Dispatcher(market.send, LIMITS, Deaths().note)
        calls = (dispatcher.generate(request(n)) for n in range(count))
        ends = await asyncio.gather(*calls)
        assert dispatcher.in_flight == 0
        return ends

    return run(main())


lives = st.lists(
    st.builds(
        Lifetime,
        st.floats(0.5, 20),
        st.sampled_from(["drained", "drained, nothing kept", "killed"]),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(lives=lives, count=st.integers(1, 24))
def test_no_more_was_done_twice_than_the_answers_say(lives: list[Lifetime], count: int) -> None:
    market = Market(lives)
    for end in answered(market, count):
        twice = market.twice(end.request_id)
        assert twice <= end.setbacks.tokens
        assert twice == 0 or end.setbacks.restarts > 0
        assert end.setbacks.restarts == 0 or end.setbacks.seconds > 0
        assert end.setbacks.tokens <= end.setbacks.restarts * TOKENS


@settings(deadline=None)
@given(
    lives=st.lists(
        st.builds(
            Lifetime, st.floats(0.5, 20), st.sampled_from(["drained", "drained, nothing kept"])
        ),
        max_size=6,
    )
)
def test_without_a_kill_what_was_done_twice_is_known_to_the_token(lives: list[Lifetime]) -> None:
    market = Market(lives)
    for end in answered(market, 12):
        assert end.setbacks.tokens == market.twice(end.request_id)


@settings(deadline=None)
@given(lives=st.lists(st.builds(Lifetime, st.floats(0.5, 20), st.just("drained")), max_size=6))
def test_engines_that_hand_back_cost_nothing(lives: list[Lifetime]) -> None:
    market = Market(lives)
    for end in answered(market, 12):
        assert market.twice(end.request_id) == 0
        assert (end.setbacks.restarts, end.setbacks.tokens) == (0, 0)


def test_tokens_of_an_engine_that_had_to_go_are_salvaged() -> None:
    [end] = answered(Market([Lifetime(3.5, "drained")]), 1)
    assert end.setbacks.salvaged_tokens == 3
    assert end.setbacks.tokens == 0


def test_what_cannot_be_continued_is_counted_to_the_token() -> None:
    [end] = answered(Market([Lifetime(3.5, "drained, nothing kept")]), 1)
    assert (end.setbacks.restarts, end.setbacks.tokens) == (1, 3)
    assert end.setbacks.salvaged_tokens == 0


def test_a_killed_engine_counts_with_all_that_was_missing_from_its_answers() -> None:
    market = Market([Lifetime(2.5, "drained"), Lifetime(3.5, "killed")])
    [end] = answered(market, 1)
    assert market.twice(end.request_id) == 3
    assert end.setbacks.tokens == TOKENS - 2  # the two salvaged ones are not generated again
    assert end.setbacks.salvaged_tokens == 2
    assert end.setbacks.seconds == 4
