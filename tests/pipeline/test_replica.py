"""When a replica ends its process, and what it tells its engine before."""

import asyncio
import math
import os
import time

import pytest

from pipeline.drain import MARGIN_S, never
from pipeline.engine import Completion, FinishReason, Request
from pipeline.fake_engine import FakeEngine
from pipeline.interruptions import Interruption
from pipeline.losses import NoEngineError
from pipeline.replica import DRAIN_CHECK_S, IS_CLOSED, STOP_GRACE_S, UNCHECKED_S, Replica
from tests.pipeline.engine_builders import POISON, tier
from tests.pipeline.virtual_loop import run


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Clocks run with the virtual loop; the list has the times at which a process would end."""
    ends: list[float] = []

    def now_s() -> float:
        return asyncio.get_running_loop().time()

    monkeypatch.setattr(time, "monotonic", now_s)
    monkeypatch.setattr(time, "time", now_s)
    monkeypatch.setattr(os, "_exit", lambda _: ends.append(now_s()))
    return ends


class Link:
    """A driver that lives, and what it is told."""

    engine, node = "e1", "node-1"

    def __init__(self) -> None:
        self.reports: list[Interruption] = []

    def is_driver_alive(self) -> bool:
        return True

    def report(self, event: Interruption) -> None:
        self.reports.append(event)


class Node:
    """Says from `told_s` on until when it is to be left."""

    def __init__(self, told_s: float, deadline_s: float) -> None:
        self._told_s, self._deadline_s = told_s, deadline_s

    def read(self) -> float | None:
        if time.monotonic() < 1.5:
            raise RuntimeError("Ray does not answer")  # once; it must go on looking
        return self._deadline_s if time.monotonic() >= self._told_s else None


async def made(  # type: ignore[no-untyped-def]
    node: Node | None = None,
    delay_s: float = 1.0,
    engine: FakeEngine | None = None,
    link: Link | None = None,
):
    """A replica, initialised as Serve does it."""
    its = Replica.__new__(Replica)
    engine = engine or FakeEngine(delay_s=delay_s, poison_token=POISON)
    await its.__init__(  # type: ignore[misc]
        lambda _: engine,
        tier(),
        lambda: link or Link(),
        never if node is None else node.read,
        lambda: None,
    )
    return its


async def call(its: Replica, *tokens: int) -> list[Completion | None]:
    """The completions of one call; None where the engine died."""
    found: list[Completion | None] = []
    async for part in its.generate([Request("0.0.small", tokens or (1,))]):
        found += [None] if part is None else part
    return found


async def checked(its: Replica, seconds: int) -> None:
    """Serve checks its health for so long."""
    for _ in range(seconds):
        await its.check_health()
        await asyncio.sleep(1)


def finish(its: Replica) -> None:
    its._watching.cancel()


def test_a_replica_of_a_node_that_stays_goes_on(clock: list[float]) -> None:
    async def main() -> None:
        its = await made()
        await checked(its, 100)
        [end] = await call(its)
        assert end is not None
        assert end.finish_reason is FinishReason.STOP
        assert its.record_routing_stats() == {IS_CLOSED: False}
        finish(its)

    run(main())
    assert not clock


def test_a_drained_replica_ends_its_process_when_it_is_empty(clock: list[float]) -> None:
    async def main() -> None:
        its = await made(Node(told_s=10, deadline_s=70), delay_s=2)
        await asyncio.gather(checked(its, 20), call(its))
        assert its.record_routing_stats() == {IS_CLOSED: False}
        [end] = await call(its)  # ten seconds after the notice, as there is time enough
        assert end is not None
        assert end.finish_reason is FinishReason.STOP
        await checked(its, 45)
        assert its.record_routing_stats() == {IS_CLOSED: True}
        with pytest.raises(NoEngineError):
            await call(its)

    run(main())
    [end_s] = clock
    assert end_s < 70


def test_what_runs_at_the_end_is_handed_back_before_the_deadline(clock: list[float]) -> None:
    async def main() -> None:
        its = await made(Node(told_s=1, deadline_s=20), delay_s=1000)
        running = asyncio.create_task(call(its))
        await checked(its, 18)
        [back] = await running
        assert back is not None
        assert back.finish_reason is FinishReason.HANDED_BACK
        assert back.partial.tokens == (1,)
        await checked(its, 5)

    run(main())
    [end_s] = clock
    assert 20 - MARGIN_S <= end_s <= 20


def test_a_cordoned_replica_works_on_until_serve_stops_it(clock: list[float]) -> None:
    """Serve says so only by checking its health no more."""

    async def main() -> None:
        its = await made(Node(told_s=1, deadline_s=math.inf), delay_s=1000)
        running = asyncio.create_task(call(its))
        await checked(its, 50)
        assert not running.done()
        stopped_s = asyncio.get_running_loop().time()
        [back] = await running
        assert back is not None
        assert back.finish_reason is FinishReason.HANDED_BACK
        waited_s = asyncio.get_running_loop().time() - stopped_s
        assert UNCHECKED_S - 2 <= waited_s <= STOP_GRACE_S - 1
        await asyncio.sleep(5)

    run(main())
    assert len(clock) == 1


def test_a_replica_that_stays_is_not_ended_by_a_controller_that_is_away(
    clock: list[float],
) -> None:
    async def main() -> None:
        its = await made()
        await checked(its, 5)
        await asyncio.sleep(300)
        assert not its._engine.is_closed
        finish(its)

    run(main())
    assert not clock


def test_a_dead_engine_ends_its_replica(clock: list[float]) -> None:
    async def main() -> None:
        its = await made()
        assert await call(its, POISON) == [None]
        with pytest.raises(NoEngineError):
            await call(its)
        await asyncio.sleep(DRAIN_CHECK_S)
        finish(its)

    run(main())
    assert len(clock) == 1


def test_what_became_of_a_notice_is_told_to_the_driver(clock: list[float]) -> None:
    link = Link()

    async def main() -> None:
        its = await made(Node(told_s=10, deadline_s=40), delay_s=5, link=link)
        await checked(its, 8)
        running = asyncio.create_task(call(its))  # answered at 13, three seconds after the notice
        await checked(its, 30)
        await running

    run(main())
    final = link.reports[-1]
    assert (final.node, final.tier, final.deadline_unix_s) == ("node-1", "small", 40)
    assert final.noticed_unix_s == pytest.approx(10, abs=DRAIN_CHECK_S)
    assert (final.documents, final.output_tokens, final.handed_back) == (1, 1, 0)
    assert final.ended_unix_s == pytest.approx(18)  # the call has an empty part to end
    assert final.used_s == pytest.approx(3, abs=DRAIN_CHECK_S)
    assert link.reports[0].ended_unix_s is None


def test_what_is_handed_back_is_told_before_the_end(clock: list[float]) -> None:
    link = Link()

    async def main() -> None:
        its = await made(Node(told_s=1, deadline_s=20), delay_s=1000, link=link)
        running = asyncio.create_task(call(its))
        await checked(its, 18)
        await running
        await checked(its, 5)

    run(main())
    final = link.reports[-1]
    assert (final.documents, final.handed_back, final.salvaged_tokens) == (0, 1, 1)
    assert final.drained_s == pytest.approx(17 - final.noticed_unix_s)  # type: ignore[operator]
    assert len(clock) == 1


def test_a_replica_that_only_ends_has_nothing_to_tell(clock: list[float]) -> None:
    link = Link()

    async def main() -> None:
        its = await made(link=link)
        await checked(its, 20)
        await call(its)
        finish(its)

    run(main())
    assert not link.reports
