"""Every request gets one answer, whatever happens to engines; nobody innocent is blamed."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from engine_builders import POISON, Fleet, answer_of, completion
from virtual_loop import run

from pipeline.dispatch import (
    Dispatcher,
    DispatchLimits,
    EngineLostError,
    Send,
    WrongAnswersError,
)
from pipeline.engine import Completion, EngineDeadError, FinishReason, Parts, Request

LIMITS = DispatchLimits(chunk_size=4, max_in_flight=16, max_deaths=3)


def request(number: int, *, is_poison: bool = False, engine_deaths: int = 0) -> Request:
    prompt = (number, POISON) if is_poison else (number,)
    return Request(f"0.{number}.small", prompt, engine_deaths)


class Deaths:
    """What a journal would keep."""

    def __init__(self) -> None:
        self.noted: list[Request] = []

    async def note(self, request: Request) -> None:
        self.noted.append(request)

    def counts(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for one in self.noted:
            found.setdefault(one.id, []).append(one.engine_deaths)
        return found


def answers(
    send: Send,
    requests: Sequence[Request],
    limits: DispatchLimits = LIMITS,
    deaths: Deaths | None = None,
) -> list[Completion]:
    async def main() -> list[Completion]:
        dispatcher = Dispatcher(send, limits, (deaths or Deaths()).note)
        return await asyncio.gather(*(dispatcher.generate(one) for one in requests))

    return run(main())


def assert_answered(requests: Sequence[Request], completions: Sequence[Completion]) -> None:
    for asked, got in zip(requests, completions, strict=True):
        assert got.request_id == asked.id
        if POISON in asked.prompt_tokens:
            assert got.finish_reason is FinishReason.CRASH
        else:
            assert (got.finish_reason, got.text) == (FinishReason.STOP, answer_of(asked))


def test_every_request_is_sent_once_and_answered_with_its_own_answer() -> None:
    fleet = Fleet()
    asked = [request(n) for n in range(103)]
    assert_answered(asked, answers(fleet.send, asked))
    assert Counter(fleet.served) == Counter(one.id for one in asked)


def test_a_full_chunk_leaves_at_once_and_the_rest_after_a_moment() -> None:
    fleet = Fleet()
    answers(fleet.send, [request(n) for n in range(6)])
    assert [len(chunk) for chunk in fleet.sent] == [4, 2]


def test_requests_in_flight_stay_at_the_bound_while_one_of_them_is_slow() -> None:
    fleet = Fleet()
    seen: list[int] = []

    async def send(requests: Sequence[Request]) -> Parts:
        if requests[0].id == "0.0.small":
            await asyncio.sleep(100)
        async for part in fleet.send(requests):
            yield part

    async def main() -> None:
        dispatcher = Dispatcher(send, LIMITS, Deaths().note)
        slow = [asyncio.create_task(dispatcher.generate(request(n))) for n in range(4)]
        await asyncio.sleep(0)
        quick = [asyncio.create_task(dispatcher.generate(request(n))) for n in range(4, 244)]
        for _ in range(19):
            await asyncio.sleep(1)
            seen.append(fleet.in_flight)
        await asyncio.gather(*quick)
        assert asyncio.get_running_loop().time() < 25  # 240 requests, 12 at a time, 1 s each
        await asyncio.gather(*slow)

    run(main())
    assert set(seen) == {12}  # beside the 4 of the slow chunk
    assert fleet.most_in_flight == 12


def test_a_slow_request_keeps_neither_its_companions_nor_their_places_waiting() -> None:
    """Each chunk holds a request that takes 100 s; all others take 1 s."""

    async def send(requests: Sequence[Request]) -> Parts:
        for one in requests[1:]:
            await asyncio.sleep(0.1)
            yield [completion(answer_of(one), request_id=one.id)]
        await asyncio.sleep(100)
        yield [completion(answer_of(requests[0]), request_id=requests[0].id)]

    async def main() -> list[float]:
        dispatcher = Dispatcher(send, LIMITS, Deaths().note)
        ends: list[float] = []

        async def ask(one: Request) -> None:
            await dispatcher.generate(one)
            ends.append(asyncio.get_running_loop().time())

        await asyncio.gather(*(ask(request(n)) for n in range(24)))
        return ends

    ends = run(main())
    assert sum(end < 2 for end in ends) == 18


def test_requests_in_flight_never_exceed_the_bound() -> None:
    fleet = Fleet(delay_s=iter(n % 7 for n in range(10_000)).__next__)
    answers(fleet.send, [request(n) for n in range(300)])
    assert fleet.most_in_flight == LIMITS.max_in_flight


def test_a_lost_engine_is_nobodys_fault_however_often_it_happens() -> None:
    fleet = Fleet(is_lost=iter([True] * 50 + [False] * 1000).__next__)
    deaths = Deaths()
    asked = [request(n) for n in range(8)]
    assert_answered(asked, answers(fleet.send, asked, deaths=deaths))
    assert deaths.noted == []


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


def test_an_unexpected_error_reaches_every_caller_of_the_chunk_and_no_other() -> None:
    fleet = Fleet()

    async def send(requests: Sequence[Request]) -> Parts:
        if "0.1.small" in [one.id for one in requests]:
            raise ValueError("a bug")
        async for part in fleet.send(requests):
            yield part

    async def main() -> list[Completion | BaseException]:
        dispatcher = Dispatcher(send, LIMITS, Deaths().note)
        return await asyncio.gather(
            *(dispatcher.generate(request(n)) for n in range(8)), return_exceptions=True
        )

    ends = run(main())
    assert [type(end) for end in ends] == [ValueError] * 4 + [Completion] * 4


def test_an_error_of_the_journal_reaches_the_callers() -> None:
    fleet = Fleet()

    async def fail(_: Request) -> None:
        raise PermissionError("append journal/...")

    async def main() -> list[Completion | BaseException]:
        dispatcher = Dispatcher(fleet.send, LIMITS, fail)
        first = await asyncio.gather(
            dispatcher.generate(request(0, is_poison=True)), return_exceptions=True
        )
        return [*first, await dispatcher.generate(request(1))]

    end, later = run(main())
    assert isinstance(end, PermissionError)
    assert isinstance(later, Completion)  # the quarantine is over


@pytest.mark.parametrize("wrong", ["missing", "another's"])
def test_answers_to_other_requests_are_an_error_and_not_a_wait_for_ever(wrong: str) -> None:
    fleet = Fleet()

    async def send(requests: Sequence[Request]) -> Parts:
        completions = [one async for part in fleet.send(requests) for one in part]
        yield completions[1:] if wrong == "missing" else [completion(), *completions]

    with pytest.raises(WrongAnswersError):
        answers(send, [request(n) for n in range(4)])


def test_two_requests_with_one_id_are_both_answered() -> None:
    asked = [request(1), request(1)]
    assert_answered(asked, answers(Fleet().send, asked))


def test_a_caller_that_leaves_while_waiting_for_company_is_not_sent() -> None:
    fleet = Fleet()

    async def main() -> None:
        dispatcher = Dispatcher(fleet.send, LIMITS, Deaths().note)
        leaving = asyncio.create_task(dispatcher.generate(request(0)))
        staying = asyncio.create_task(dispatcher.generate(request(1)))
        await asyncio.sleep(0)
        leaving.cancel()
        await staying
        assert leaving.cancelled()

    run(main())
    assert fleet.sent == [("0.1.small",)]


def test_a_chunk_that_nobody_waits_for_is_cancelled_and_frees_its_slots() -> None:
    fleet = Fleet(delay_s=lambda: 1000.0)

    async def main() -> float:
        dispatcher = Dispatcher(fleet.send, LIMITS, Deaths().note)
        asking = [asyncio.create_task(dispatcher.generate(request(n))) for n in range(20)]
        await asyncio.sleep(1)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await asyncio.sleep(0)
        assert fleet.in_flight == 0
        await asyncio.gather(*(dispatcher.generate(request(n)) for n in range(20, 36)))
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(1001)


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


def test_callers_that_leave_end_the_search_for_a_lost_engine() -> None:
    attempts = 0

    async def send(requests: Sequence[Request]) -> Parts:
        nonlocal attempts
        attempts += 1
        raise EngineLostError("nobody there")
        yield []

    async def main() -> None:
        dispatcher = Dispatcher(send, LIMITS, Deaths().note)
        asking = asyncio.create_task(dispatcher.generate(request(0)))
        await asyncio.sleep(60)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        before = attempts
        await asyncio.sleep(60)
        assert attempts == before > 5

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
        limits = DispatchLimits(chunk_size, max_in_flight, max_deaths, max_losses=10_000)
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
