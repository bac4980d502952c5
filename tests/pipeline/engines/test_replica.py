"""When a replica ends its process, and what it tells its engine before."""

import asyncio
import time

import pytest

from pipeline.engines.drain import MARGIN_S
from pipeline.engines.engine import FinishReason
from pipeline.engines.losses import NoEngineError
from pipeline.engines.replica import DRAIN_CHECK_S, IS_CLOSED
from tests.pipeline.engine_builders import POISON
from tests.pipeline.replica_builders import (
    Controller,
    Link,
    Node,
    call,
    checked,
    finish,
    made,
    virtual_clock,
)
from tests.pipeline.virtual_loop import run


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    return virtual_clock(monkeypatch)


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


@pytest.mark.parametrize("skew_s", [-300.0, 300.0])
def test_a_node_whose_clock_is_minutes_off_is_left_in_time(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, skew_s: float
) -> None:
    """The deadline was translated to the clock of this very node, which the replica asks."""
    monkeypatch.setattr(time, "time", lambda: asyncio.get_running_loop().time() + skew_s)

    async def main() -> None:
        its = await made(Node(told_s=1, deadline_s=20 + skew_s), delay_s=1000)
        running = asyncio.create_task(call(its))
        await checked(its, 23)
        [back] = await running
        assert back is not None
        assert back.finish_reason is FinishReason.HANDED_BACK

    run(main())
    [end_s] = clock
    assert 20 - MARGIN_S <= end_s <= 20


def test_a_replica_that_stays_is_not_ended_by_a_controller_that_is_away(
    clock: list[float],
) -> None:
    async def main() -> None:
        its = await made(controller=Controller(away_until_s=1000))
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
