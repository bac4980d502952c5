"""An engine that dies on a document: the guilty one is found, nobody innocent is blamed."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.engines.dispatch import (
    Dispatcher,
    DispatchLimits,
)
from pipeline.engines.engine import Completion, EngineDeadError, FinishReason, Parts, Request
from tests.pipeline.dispatch_builders import LIMITS, Deaths, answers, assert_answered, request
from tests.pipeline.engine_builders import POISON, Fleet
from tests.pipeline.virtual_loop import run


def test_only_the_poisonous_request_of_a_chunk_is_blamed() -> None:
    fleet, deaths = Fleet(), Deaths()
    asked = [request(n, is_poison=n == 5) for n in range(16)]
    assert_answered(asked, answers(fleet.send, asked, deaths=deaths))
    assert deaths.counts() == {"0.5.small": [1, 2, 3]}
    assert Counter(fleet.served) == Counter(one.id for one in asked if one.id != "0.5.small")


def test_several_poisonous_requests_are_each_found() -> None:
    fleet, deaths = Fleet(engines=3), Deaths()
    bad = {0, 1, 17, 30}
    asked = [request(n, is_poison=n in bad) for n in range(32)]
    assert_answered(asked, answers(fleet.send, asked, deaths=deaths))
    assert deaths.counts() == {f"0.{n}.small": [1, 2, 3] for n in bad}


def test_an_engine_that_dies_once_costs_no_document_its_answer() -> None:
    fleet, deaths = Fleet(), Deaths()
    has_died = False

    async def send(requests: Sequence[Request]) -> Parts:
        nonlocal has_died
        if not has_died:
            has_died = True
            raise EngineDeadError("a cosmic ray")
        async for part in fleet.send(requests):
            yield part

    asked = [request(n) for n in range(8)]
    assert_answered(asked, answers(send, asked, deaths=deaths))
    assert deaths.noted == []


def test_a_death_with_much_in_flight_costs_about_the_time_of_one_more_round() -> None:
    """All that the dead engine held runs again together, not one after another."""
    fleet = Fleet(delay_s=lambda: 10.0)
    has_died = False

    async def send(requests: Sequence[Request]) -> Parts:
        nonlocal has_died
        async for part in fleet.send(requests):
            if asyncio.get_running_loop().time() > 25 and not has_died:
                has_died = True
                fleet.kill()
            yield part

    async def main() -> float:
        dispatcher = Dispatcher(send, DispatchLimits(max_in_flight=128), Deaths().note)
        await asyncio.gather(*(dispatcher.generate(request(n)) for n in range(640)))
        return asyncio.get_running_loop().time()

    assert run(main()) < 5 * 10 + 2 * 10 + 5  # five rounds, the broken one again, and a rest
    assert fleet.deaths == 1


def test_a_suspect_is_sent_when_nothing_else_is_in_flight() -> None:
    slow_and_quick = iter([1.0, 5.0] * 100)
    fleet = Fleet(engines=2, delay_s=slow_and_quick.__next__)
    company: list[tuple[int, int]] = []

    async def send(requests: Sequence[Request]) -> Parts:
        if fleet.deaths:
            company.append((fleet.in_flight, len(requests)))
        async for part in fleet.send(requests):
            yield part

    async def main() -> list[Completion]:
        dispatcher = Dispatcher(send, LIMITS, Deaths().note)
        return await asyncio.gather(
            *(dispatcher.generate(request(n, is_poison=n == 2)) for n in range(40))
        )

    done = run(main())
    trials = 2 + 2 + 3  # both halves, both quarters of the first, three deaths of the guilty
    assert [others for others, _ in company[:trials]] == [0] * trials
    assert sum(one.finish_reason is FinishReason.CRASH for one in done) == 1


def test_a_lone_innocent_is_not_blamed_for_another_poison_in_flight() -> None:
    """Its engine's death would count against it, if ordinary work went on beside it."""
    fleet, deaths = Fleet(), Deaths()
    limits = DispatchLimits(chunk_size=1, max_in_flight=16, max_deaths=1)
    asked = [request(n, is_poison=n % 2 == 0) for n in range(16)]
    assert_answered(asked, answers(fleet.send, asked, limits, deaths))


def test_a_suspect_does_not_meet_the_dying_replica_that_still_answers() -> None:
    """A replica whose engine died says so to everyone until its process is gone."""
    fleet, deaths = Fleet(), Deaths()
    dead_until_s = 0.0

    async def send(requests: Sequence[Request]) -> Parts:
        nonlocal dead_until_s
        now_s = asyncio.get_running_loop().time()
        if now_s < dead_until_s:
            raise EngineDeadError("dead already")
        try:
            async for part in fleet.send(requests):
                yield part
        except EngineDeadError:
            dead_until_s = asyncio.get_running_loop().time() + 0.5
            raise

    asked = [request(n, is_poison=n == 1) for n in range(8)]
    assert_answered(asked, answers(send, asked, deaths=deaths))
    assert deaths.counts() == {"0.1.small": [1, 2, 3]}


@pytest.mark.parametrize("guilty", [0, 3])
def test_innocents_of_a_bad_chunk_have_their_answers_before_the_guilty_one(guilty: int) -> None:
    fleet = Fleet()

    async def main() -> list[str]:
        dispatcher = Dispatcher(fleet.send, LIMITS, Deaths().note)
        order: list[str] = []

        async def ask(one: Request) -> None:
            order.append((await dispatcher.generate(one)).request_id)

        await asyncio.gather(*(ask(request(n, is_poison=n == guilty)) for n in range(4)))
        return order

    assert run(main())[-1] == f"0.{guilty}.small"


def test_deaths_of_earlier_attempts_count() -> None:
    fleet, deaths = Fleet(), Deaths()
    asked = [request(n, is_poison=n == 3, engine_deaths=2 * (n == 3)) for n in range(8)]
    assert_answered(asked, answers(fleet.send, asked, deaths=deaths))
    assert deaths.counts() == {"0.3.small": [3]}
    assert fleet.deaths == 1


def test_a_request_that_has_had_its_deaths_is_not_sent_again() -> None:
    fleet, deaths = Fleet(), Deaths()
    asked = [request(0, is_poison=True, engine_deaths=3)]
    assert_answered(asked, answers(fleet.send, asked, deaths=deaths))
    assert (fleet.sent, deaths.noted) == ([], [])


def test_a_request_with_a_death_behind_it_is_answered_when_it_was_innocent() -> None:
    fleet = Fleet()
    asked = [request(n, engine_deaths=n == 1) for n in range(4)]
    assert_answered(asked, answers(fleet.send, asked))
    assert ("0.1.small",) in fleet.sent


def test_callers_that_leave_during_a_quarantine_end_it() -> None:
    fleet = Fleet()

    async def main() -> None:
        dispatcher = Dispatcher(fleet.send, LIMITS, Deaths().note)
        bad = [asyncio.create_task(dispatcher.generate(request(n, is_poison=True))) for n in (0, 1)]
        await asyncio.sleep(2.5)
        for task in bad:
            task.cancel()
        await asyncio.gather(*bad, return_exceptions=True)
        assert (await dispatcher.generate(request(2))).finish_reason is FinishReason.STOP

    run(main())


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 40),
    poison=st.sets(st.integers(0, 39), max_size=4),
    engines=st.integers(1, 3),
    loss=st.sampled_from([0.0, 0.1, 0.5]),
    chunk_size=st.integers(1, 6),
    max_in_flight=st.integers(1, 20),
    max_deaths=st.integers(1, 3),
    leaving=st.sets(st.integers(0, 39), max_size=4),
)
def test_any_schedule_of_answers_losses_and_deaths_answers_everyone_once(
    seed: int,
    count: int,
    poison: set[int],
    engines: int,
    loss: float,
    chunk_size: int,
    max_in_flight: int,
    max_deaths: int,
    leaving: set[int],
) -> None:
    chance = random.Random(seed)
    deaths = Deaths()
    fleet = Fleet(
        engines=engines,
        delay_s=lambda: chance.choice([0, 0.1, 1, 30]),
        is_lost=lambda: chance.random() < loss,
    )
    asked = [request(n, is_poison=n in poison) for n in range(count)]

    async def main() -> list[Completion | BaseException]:
        limits = DispatchLimits(
            chunk_size=chunk_size,
            max_in_flight=max_in_flight,
            max_deaths=max_deaths,
            max_losses=10_000,
        )
        dispatcher = Dispatcher(fleet.send, limits, deaths.note)
        tasks = [asyncio.create_task(dispatcher.generate(one)) for one in asked]
        for number in leaving.intersection(range(count)):
            asyncio.get_running_loop().call_later(chance.random() * 40, tasks[number].cancel)
        return await asyncio.gather(*tasks, return_exceptions=True)

    ends = run(main())
    stayed: list[tuple[Request, Completion]] = []
    for number, (one, end) in enumerate(zip(asked, ends, strict=True)):
        if number in leaving and isinstance(end, asyncio.CancelledError):
            continue
        assert isinstance(end, Completion), end
        stayed.append((one, end))
    assert_answered([one for one, _ in stayed], [end for _, end in stayed])
    guilty = {one.id for one in asked if POISON in one.prompt_tokens}
    assert set(deaths.counts()) <= guilty
    assert all(counts == [*range(1, len(counts) + 1)] for counts in deaths.counts().values())
    assert not leaving.isdisjoint(range(count)) or fleet.most_in_flight <= max_in_flight
    assert fleet.in_flight == 0
