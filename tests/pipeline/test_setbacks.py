"""What the documents say of work done twice holds against what engines really generated."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.partial import Partial
from pipeline.engines.dispatch import Dispatcher, Send
from pipeline.engines.engine import NO_SETBACKS, Completion, Parts, Request
from pipeline.engines.losses import EngineLostError
from tests.pipeline.dispatch_builders import LIMITS, Deaths, request
from tests.pipeline.market import TOKENS, Lifetime, Market, ended
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
        assert end.setbacks.prefilled_again_tokens >= sum(market.prefilled[end.request_id][1:])


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
        assert end.setbacks.prefilled_again_tokens == sum(market.prefilled[end.request_id][1:])


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


async def killed_after_a_wait(requests: Sequence[Request]) -> Parts:
    """An hour until there is an engine, which has begun for two seconds when it is killed."""
    await asyncio.sleep(3600)
    yield []
    await asyncio.sleep(2)
    raise EngineLostError("its node is gone")


async def lost_on_the_way(requests: Sequence[Request]) -> Parts:
    """It was chosen, and its node was dead already."""
    await asyncio.sleep(5)
    raise EngineLostError("its node is gone")
    yield []


async def answering(requests: Sequence[Request]) -> Parts:
    yield []
    await asyncio.sleep(1)
    yield [ended(one) for one in requests]


def answer_after(*sends: Send, asked: Request | None = None) -> Completion:
    """One answer, sent to each of these in turn."""
    turns = iter(sends)

    async def main() -> Completion:
        dispatcher = Dispatcher(lambda its: next(turns)(its), LIMITS, Deaths().note)
        return await dispatcher.generate(asked or request(1))

    return run(main())


def test_waiting_for_an_engine_is_no_time_done_twice() -> None:
    end = answer_after(killed_after_a_wait, answering)
    assert (end.setbacks.restarts, end.setbacks.seconds) == (1, 2)


def test_what_no_engine_began_is_not_done_twice() -> None:
    end = answer_after(lost_on_the_way, lost_on_the_way, answering)
    assert end.setbacks == NO_SETBACKS


def test_a_prompt_that_another_engine_computes_again_is_counted_with_what_it_continues() -> None:
    market = Market([Lifetime(3.5, "drained"), Lifetime(2.5, "drained")])
    [end] = answered(market, 1)
    assert end.setbacks.restarts == 0
    assert end.setbacks.prefilled_again_tokens == (1 + 3) + (1 + 5)


def test_what_an_earlier_attempt_at_the_run_had_begun_is_computed_again_too() -> None:
    assert answer_after(answering).setbacks.prefilled_again_tokens == 0
    kept = replace(request(1), partial=Partial((100, 101)))
    assert answer_after(answering, asked=kept).setbacks.prefilled_again_tokens == 1 + 2
