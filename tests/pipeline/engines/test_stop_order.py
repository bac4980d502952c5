"""What a replica does when Serve stops it, and when Serve only is silent."""

import asyncio
import math
import time
from dataclasses import replace

import pytest

from pipeline.engines.drain import MARGIN_S
from pipeline.engines.engine import FinishReason
from pipeline.engines.fake_engine import FakeEngine
from pipeline.engines.stop_order import LONGEST_S, STOP_S, StopOrder, grace_s
from tests.pipeline.replica_builders import (
    GRACE_S,
    TIER,
    Controller,
    Node,
    asked,
    checked,
    finish,
    made,
    virtual_clock,
)
from tests.pipeline.virtual_loop import run


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    return virtual_clock(monkeypatch)


@pytest.mark.parametrize(
    ("max_tokens", "timeout_s", "expected_s"),
    [(20, None, STOP_S + 1), (512, 10.0, STOP_S + 10), (100_000, 600.0, STOP_S + LONGEST_S)],
)
def test_serve_waits_as_long_as_a_slow_answer_takes(
    max_tokens: int, timeout_s: float | None, expected_s: float
) -> None:
    its = replace(TIER.generation, max_tokens=max_tokens, timeout_s=timeout_s)
    assert grace_s(its) == expected_s


@pytest.mark.parametrize("deadline_s", [118.0, math.inf])
def test_a_replica_that_was_replaced_finishes_what_it_has(
    clock: list[float], deadline_s: float
) -> None:
    async def main() -> None:
        node, controller = Node(told_s=2, deadline_s=deadline_s), Controller(stops_s=40)
        its = await made(node, delay_s=20, controller=controller)
        await checked(its, 30)
        running = asyncio.create_task(asked(its))
        await checked(its, 10)
        ends = [one.finish_reason for one in await running]
        assert ends == [FinishReason.STOP] * 2
        assert asyncio.get_running_loop().time() == 70
        await asyncio.sleep(50)

    run(main())
    [end_s] = clock
    assert 70 <= end_s <= 40 + GRACE_S


@pytest.mark.parametrize("deadline_s", [70.0, math.inf])
def test_what_takes_longer_than_serve_waits_is_handed_back_before(
    clock: list[float], deadline_s: float
) -> None:
    async def main() -> None:
        node, controller = Node(told_s=2, deadline_s=deadline_s), Controller(stops_s=20)
        its = await made(node, delay_s=1000, controller=controller)
        running = asyncio.create_task(asked(its))
        await checked(its, 20)
        ends = [one.finish_reason for one in await running]
        assert ends == [FinishReason.HANDED_BACK] * 2
        await asyncio.sleep(5)

    run(main())
    [end_s] = clock
    last_s = min(20 + GRACE_S, deadline_s)
    assert last_s - MARGIN_S - 2 <= end_s <= last_s


def test_a_replica_that_is_stopped_because_its_node_goes_still_begins_what_fits(
    clock: list[float],
) -> None:
    async def main() -> None:
        node, controller = Node(told_s=2, deadline_s=118), Controller(stops_s=118 - GRACE_S)
        its = await made(node, delay_s=5, controller=controller)
        await asked(its)
        await checked(its, math.ceil(118 - GRACE_S) - 10)
        for _ in range(3):
            assert [one.finish_reason for one in await asked(its)] == [FinishReason.STOP] * 2
        await asyncio.sleep(60)

    run(main())
    assert len(clock) == 1


def test_what_serve_stops_on_a_node_that_stays_ends_soon(clock: list[float]) -> None:
    """Its application was deleted; what it still does is for nobody."""

    async def main() -> None:
        its = await made(delay_s=1000, controller=Controller(stops_s=10))
        running = asyncio.create_task(asked(its))
        await checked(its, 10)
        await running
        await asyncio.sleep(5)

    run(main())
    [end_s] = clock
    assert end_s <= 10 + STOP_S


class Hanging(FakeEngine):
    """Ends nothing, whatever it is told."""

    def drain(self, deadline_s: float) -> None:
        pass


def test_an_engine_that_hangs_does_not_keep_its_place_for_as_long_as_serve_waits(
    clock: list[float],
) -> None:
    async def main() -> None:
        engine = Hanging(delay_s=10_000)
        its = await made(engine=engine, controller=Controller(stops_s=10))
        running = asyncio.create_task(asked(its))
        await checked(its, 10)
        await asyncio.sleep(30)
        running.cancel()
        await asyncio.wait([running])

    run(main())
    [end_s] = clock
    assert end_s <= 10 + STOP_S + 2


def test_a_cordoned_replica_goes_on_while_the_controller_is_away(clock: list[float]) -> None:
    async def main() -> None:
        node, controller = Node(told_s=1, deadline_s=math.inf), Controller(away_until_s=300)
        its = await made(node, delay_s=200, controller=controller)
        await checked(its, 10)
        running = asyncio.create_task(asked(its))
        ends = [one.finish_reason for one in await running]
        assert ends == [FinishReason.STOP] * 2
        assert not its._engine.is_closed
        finish(its)

    run(main())
    assert not clock


def test_an_order_after_a_long_silence_leaves_the_time_that_serve_leaves(
    clock: list[float],
) -> None:
    async def main() -> None:
        node, controller = Node(told_s=1, deadline_s=math.inf), Controller(stops_s=100)
        its = await made(node, delay_s=20, controller=controller)
        await asyncio.sleep(95)  # a controller that is busy
        assert [one.finish_reason for one in await asked(its)] == [FinishReason.STOP] * 2
        await asyncio.sleep(10)

    run(main())
    [end_s] = clock
    assert 135 <= end_s <= 100 + GRACE_S


def test_an_interruption_is_obeyed_while_the_controller_does_not_answer(
    clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StopOrder, "watch", lambda _: asyncio.sleep(1000))

    async def main() -> None:
        its = await made(Node(told_s=1, deadline_s=60), delay_s=1000)
        running = asyncio.create_task(asked(its))
        await asyncio.sleep(60)
        await running

    run(main())
    assert len(clock) == 1


class LeftAtOnce(Node):
    """Cordoned, and at `deadline_s` told that it is to be left by then."""

    def read(self) -> float | None:
        return math.inf if time.monotonic() < self._deadline_s else self._deadline_s


def test_what_runs_is_handed_back_though_there_is_no_time_left(clock: list[float]) -> None:
    async def main() -> None:
        node, controller = LeftAtOnce(told_s=0, deadline_s=30.5), Controller(stops_s=20)
        its = await made(node, delay_s=1000, controller=controller)
        running = asyncio.create_task(asked(its))
        await checked(its, 20)
        ends = [one.finish_reason for one in await running]
        assert ends == [FinishReason.HANDED_BACK] * 2
        assert asyncio.get_running_loop().time() == pytest.approx(31)
        await asyncio.sleep(5)

    run(main())
    assert len(clock) == 1
