"""Every request gets one answer, whatever happens to engines and callers."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence

import pytest

from pipeline.engines.calls import WrongAnswersError
from pipeline.engines.dispatch import Dispatcher, DispatchLimits
from pipeline.engines.engine import Completion, Parts, Request
from pipeline.engines.losses import EngineLostError, NoEngineError
from tests.pipeline.dispatch_builders import LIMITS, Deaths, answers, assert_answered, request
from tests.pipeline.engine_builders import Fleet, answer_of, completion
from tests.pipeline.virtual_loop import run


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


def test_chunks_stay_full_when_requests_end_one_by_one() -> None:
    chance = random.Random(7)
    sizes: list[int] = []

    async def answer(one: Request) -> list[Completion]:
        await asyncio.sleep(chance.uniform(2, 12))
        return [completion(answer_of(one), request_id=one.id)]

    async def send(requests: Sequence[Request]) -> Parts:
        sizes.append(len(requests))
        for ended in asyncio.as_completed([answer(one) for one in requests]):
            yield await ended

    asked = [request(n) for n in range(640)]
    assert_answered(asked, answers(send, asked, DispatchLimits(max_in_flight=128)))
    later = sizes[8:-8]
    assert sum(later) / len(later) > 4  # 18 end in a second, and a chunk waits a quarter of one


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


def test_requests_wait_out_a_day_without_any_engine_and_nobody_is_blamed() -> None:
    fleet, deaths = Fleet(), Deaths()

    async def send(requests: Sequence[Request]) -> Parts:
        if asyncio.get_running_loop().time() < 24 * 3600.0:
            raise NoEngineError("the tier is not deployed")
        async for part in fleet.send(requests):
            yield part

    asked = [request(n) for n in range(40)]
    assert_answered(asked, answers(send, asked, deaths=deaths))
    assert deaths.noted == []
    assert len(fleet.served) == 40


def test_requests_that_wait_inside_a_call_for_a_day_are_answered() -> None:
    fleet = Fleet(delay_s=lambda: 24 * 3600.0)
    asked = [request(n) for n in range(40)]
    assert_answered(asked, answers(fleet.send, asked))
    assert len(fleet.served) == 40
