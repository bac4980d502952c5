"""A coordinator that has to go leaves nothing behind; one that died leaves what was journaled."""

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from checkpoints.journal import load_journal
from checkpoints.partial import NOTHING, Partial
from pipeline.board import Orders
from pipeline.dataset import CoordinatorStage
from pipeline.departure import LOOK_S, is_left_unused, leave_in_time
from pipeline.engines.drain import MARGIN_S, never
from pipeline.engines.engine import Parts, Request, handed_back
from pipeline.progress import Post
from tests.pipeline.coordinator_builders import assert_proven, coordinator, rows_of
from tests.pipeline.engine_builders import Fleet, documents, planned_stores, work
from tests.pipeline.mortal_store import Life
from tests.pipeline.virtual_loop import run, run_until_killed


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unix time runs with the virtual loop."""
    monkeypatch.setattr(time, "time", lambda: asyncio.get_running_loop().time())


class Busy:
    """Has requests in flight until `free_s`, and shards open as long as told, or as these."""

    def __init__(self, free_s: float, closed_s: float | None = None) -> None:
        self._free_s = free_s
        self._closed_s = free_s if closed_s is None else closed_s
        self.told: list[str] = []

    @property
    def open_shards(self) -> int:
        return int(time.time() < self._closed_s)

    @property
    def in_flight(self) -> int:
        return int(time.time() < self._free_s)

    def begin_nothing_more(self) -> None:
        self.told.append("begin nothing more")

    async def flush(self) -> None:
        self.told.append("flush")
        raise ConnectionError("the store is away")


@pytest.mark.parametrize(
    ("free_s", "deadline_s", "leaves_s"),
    [(9.0, 100.0, 9.0), (500.0, 30.0, 30 - MARGIN_S), (0.0, 100.0, 4.0)],
)
def test_it_leaves_when_nothing_is_in_flight_or_the_time_is_over(
    free_s: float, deadline_s: float, leaves_s: float
) -> None:
    its = Busy(free_s)

    def read_drain() -> float | None:
        if time.time() < 2:
            raise RuntimeError("Ray does not answer")
        return deadline_s if time.time() >= 4 else None

    async def main() -> float:
        await leave_in_time(its, read_drain)
        return time.time()

    assert run(main()) == pytest.approx(leaves_s, abs=LOOK_S)
    assert its.told == ["begin nothing more", "flush"]


def test_it_stays_on_a_node_that_stays() -> None:
    its = Busy(0)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(leave_in_time(its, never), 1000)

    run(main())
    assert not its.told


def test_it_leaves_a_cordoned_node_once_no_shard_is_open() -> None:
    its = Busy(free_s=20, closed_s=200)

    async def main() -> float:
        await asyncio.wait_for(leave_in_time(its, lambda: math.inf), 1000)
        return time.time()

    assert run(main()) == pytest.approx(200, abs=LOOK_S)


def test_it_leaves_in_time_when_a_deadline_follows_a_cordon() -> None:
    its = Busy(free_s=500)

    async def main() -> float:
        await leave_in_time(its, lambda: 100.0 if time.time() > 50 else math.inf)
        return time.time()

    assert run(main()) == pytest.approx(100 - MARGIN_S, abs=LOOK_S)


@pytest.mark.parametrize("deadline_s", [math.inf, 100.0])
def test_one_that_has_had_no_work_leaves_as_soon_as_its_node_drains(
    monkeypatch: pytest.MonkeyPatch, deadline_s: float
) -> None:
    monkeypatch.undo()  # no loop runs here
    monkeypatch.setattr("pipeline.departure.LOOK_S", 0.0)
    found = iter([None, None, deadline_s])

    def read_drain() -> float | None:
        told = next(found)
        if told is None:
            raise RuntimeError("Ray does not answer")
        return told

    assert is_left_unused(threading.Event(), read_drain)


def test_one_that_gets_work_is_not_unused() -> None:
    used = threading.Event()
    used.set()
    assert not is_left_unused(used, lambda: math.inf)


def test_a_coordinator_that_leaves_in_time_loses_no_document() -> None:
    output, checkpoint = planned_stores(100)
    life, first = Life(), Fleet()
    made = coordinator(output, checkpoint, first, life, work(flush_s=1000.0))

    async def main() -> None:
        asyncio.get_running_loop().create_task(made.finish_shard(0, documents(100)))
        await leave_in_time(made, lambda: 60.0 if time.time() > 2.5 else None)
        raise SystemExit

    run_until_killed(main())
    life.is_over = True
    kept = load_journal(checkpoint, 0).rows
    assert 0 < len(kept) < 100
    assert {f"0.{n}.small" for n in kept} == set(first.served)
    assert made.post().unsaved == 0
    second = Fleet()
    assert run(coordinator(output, checkpoint, second).finish_shard(0, documents(100))) is not None
    assert not set(first.served) & set(second.served)
    assert_proven(output, checkpoint)


def test_an_answer_that_was_begun_goes_on_after_the_death_of_its_coordinator() -> None:
    output, checkpoint = planned_stores(3)
    life, sent = Life(), list[Request]()
    made = coordinator(output, checkpoint, Fleet(), life)
    begun = Partial(tokens=(7, 8), engine_s=1.0)

    async def hand_back(requests: Sequence[Request]) -> Parts:
        sent.extend(requests)
        yield [handed_back(one, begun if one.id == "0.1.small" else NOTHING) for one in requests]
        await asyncio.sleep(1000)

    async def killed() -> None:
        made._dispatchers["small"]._send = hand_back
        asyncio.get_running_loop().create_task(made.finish_shard(0, documents(3)))
        await asyncio.sleep(4.5)
        raise SystemExit

    run_until_killed(killed())
    life.is_over = True
    assert load_journal(checkpoint, 0).partials == {(1, "small"): begun}
    fleet = Fleet()
    heir = coordinator(output, checkpoint, fleet)
    receipt = run(heir.finish_shard(0, documents(3)))
    assert receipt is not None
    assert receipt.rework.salvaged_tokens == 2
    assert [row.rework.salvaged_tokens for row in rows_of(output)] == [0, 2, 0]


def test_a_coordinator_that_is_told_to_hurry_journals_at_once_and_goes_on() -> None:
    output, checkpoint = planned_stores(12)
    slower_and_slower = Fleet(delay_s=itertools.count(1).__next__)
    its = work(flush_s=1000.0, chunk_size=1)
    made = coordinator(output, checkpoint, slower_and_slower, its=its)
    orders = [Orders(), Orders(must_hurry=True), Orders(must_hurry=True)]

    async def post(_: Post) -> Orders:
        return orders.pop(0) if len(orders) > 1 else orders[0]

    stage = CoordinatorStage.__new__(CoordinatorStage)
    stage._coordinator, stage._hurrying = made, None
    stage._board = SimpleNamespace(post=SimpleNamespace(remote=post))

    async def main() -> list[int]:
        finishing = asyncio.create_task(made.finish_shard(0, documents(12)))
        journaled = []
        for _ in range(3):
            await asyncio.sleep(1.5)
            await stage._post()
            await asyncio.sleep(0.1)
            journaled.append(len(load_journal(checkpoint, 0).rows))
        assert stage._hurrying is not None
        assert not finishing.done()
        await made.stop()
        await finishing
        stage._hurrying.cancel()
        return journaled

    first, second, third = run(main())
    assert first == 0
    assert 0 < second <= third
