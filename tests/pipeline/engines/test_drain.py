"""What an engine that has to go still admits, and when it ends."""

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.drain import MARGIN_S, Gate, Pace, last_admission_s, never
from tests.pipeline.virtual_loop import run

SECONDS = st.floats(0, 10_000)


def gate(places: int = 2) -> tuple[Gate, list[float]]:
    """A gate, and the times at which it told the engine to end what runs."""
    ends: list[float] = []
    return Gate(places, on_end=lambda: ends.append(asyncio.get_running_loop().time())), ends


async def hold(its: Gate, seconds: float) -> tuple[bool, float]:
    """Take a place for so long; whether there was one, and the time at which that was known."""
    async with its.place() as is_admitted:
        known_s = asyncio.get_running_loop().time()
        if is_admitted:
            await asyncio.sleep(seconds)
        return is_admitted, known_s


def test_nine_of_ten_recent_requests_took_no_longer_than_predicted() -> None:
    pace = Pace()
    assert pace.predicted_s() is None
    for seconds in (*range(1, 10), 1000):
        pace.note(seconds)
    assert pace.predicted_s() == 9


def test_the_pace_forgets() -> None:
    pace = Pace()
    for seconds in [1000.0] * 50 + [2.0] * 200:
        pace.note(seconds)
    assert pace.predicted_s() == 2.0


@given(now_s=SECONDS, left_s=SECONDS, predicted_s=st.none() | SECONDS)
def test_what_is_admitted_ends_in_time_as_far_as_is_known(
    now_s: float, left_s: float, predicted_s: float | None
) -> None:
    end_s = now_s + left_s
    last_s = last_admission_s(now_s, end_s, predicted_s)
    assert last_s <= end_s
    if predicted_s is not None:
        assert last_s + predicted_s == pytest.approx(end_s)


def test_a_gate_that_has_no_deadline_only_bounds_how_many_are_inside() -> None:
    async def main() -> None:
        its, ends = gate(places=2)
        its.drain(math.inf)  # cordoned
        found = await asyncio.gather(*(hold(its, 10) for _ in range(6)))
        assert [known_s for _, known_s in found] == [0, 0, 10, 10, 20, 20]
        assert (its.is_closed, ends) == (False, [])

    run(main())


def test_requests_are_admitted_while_they_fit_and_then_handed_back_at_once() -> None:
    async def main() -> None:
        its, ends = gate(places=1)
        await hold(its, 10)
        its.drain(10 + 35 + MARGIN_S)
        found = await asyncio.gather(*(hold(its, 10) for _ in range(6)))
        # Admitted at 10, 20 and 30: they end by 45. All others learn it at 35, not one by one.
        assert found == [(True, 10), (True, 20), (True, 30), (False, 35), (False, 35), (False, 35)]
        assert its.is_closed
        assert not its.has_ended
        await asyncio.sleep(10)
        assert ends == [45]
        assert await hold(its, 10) == (False, 50)

    run(main())


def test_the_earliest_deadline_holds() -> None:
    async def main() -> None:
        its, ends = gate()
        await hold(its, 1)
        for left_s in (100, 50, 200, math.inf):
            its.drain(1 + left_s)
        await asyncio.sleep(300)
        assert ends == [1 + 50 - MARGIN_S]

    run(main())


def test_a_deadline_in_the_past_ends_everything_now() -> None:
    async def main() -> None:
        its, ends = gate(places=1)
        holder = asyncio.create_task(hold(its, 100))
        await asyncio.sleep(5)
        its.drain(2)
        assert await its.ends_within(1)
        assert ends == [5]
        assert await hold(its, 1) == (False, 5)
        holder.cancel()

    run(main())


def test_of_an_engine_without_a_pace_half_the_time_is_for_beginning() -> None:
    async def main() -> None:
        its, _ = gate()
        its.drain(40 + MARGIN_S)
        await asyncio.sleep(19)
        assert not its.is_closed
        await asyncio.sleep(2)
        assert its.is_closed

    run(main())


def test_who_leaves_while_waiting_takes_no_place() -> None:
    async def main() -> None:
        its, _ = gate(places=1)
        first = asyncio.create_task(hold(its, 10))
        await asyncio.sleep(1)
        leaving = [asyncio.create_task(hold(its, 10)) for _ in range(5)]
        await asyncio.sleep(1)
        for one in leaving:
            one.cancel()
        await asyncio.gather(first, *leaving, return_exceptions=True)
        assert await hold(its, 1) == (True, 10)

    run(main())


def test_who_leaves_in_the_moment_of_getting_a_place_gives_it_back() -> None:
    async def main() -> None:
        its, _ = gate(places=1)
        first = asyncio.create_task(hold(its, 10))
        await asyncio.sleep(1)
        leaving = asyncio.create_task(hold(its, 10))
        await first
        for _ in range(3):
            leaving.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(leaving, return_exceptions=True)
        assert (await asyncio.wait_for(hold(its, 1), 5))[0]

    run(main())


def test_what_was_cut_off_says_nothing_about_the_pace() -> None:
    async def main() -> None:
        its, _ = gate(places=1)
        holder = asyncio.create_task(hold(its, 50))
        its.drain(20 + MARGIN_S)
        await holder
        assert its._pace.predicted_s() is None

    run(main())


def test_until_when_requests_are_admitted_follows_the_pace() -> None:
    async def main() -> None:
        its, _ = gate(places=1)
        its.drain(100 + MARGIN_S)
        await hold(its, 30)  # the first to say how long a request takes
        its.drain(100 + MARGIN_S)
        await asyncio.sleep(39)
        assert not its.is_closed
        await asyncio.sleep(2)
        assert its.is_closed  # 71 + 30 is too late

    run(main())


def test_where_nothing_can_be_continued_the_slowest_request_counts() -> None:
    async def main() -> None:
        its = Gate(1, on_end=lambda: None, keeps_partials=False)
        for seconds in [20, *[1] * 20]:
            await hold(its, seconds)
        assert its._pace.predicted_s() == 20

    run(main())


def test_who_leaves_early_says_nothing_about_the_pace() -> None:
    async def main() -> None:
        its = Gate(1, on_end=lambda: None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2), its.place():
                await asyncio.sleep(10)
        assert its._pace.predicted_s() is None
        async with its.place():
            await asyncio.sleep(3)
        assert its._pace.predicted_s() == 3

    run(main())


def test_a_node_that_stays_has_no_deadline() -> None:
    assert never() is None
