"""A coordinator that has to go leaves nothing behind; one that died leaves what was journaled."""

import asyncio
import math
import time
from collections.abc import Sequence

import pytest

from checkpoints.journal import load_journal
from checkpoints.partial import NOTHING, Partial
from pipeline.departure import LOOK_S, leave_in_time
from pipeline.drain import MARGIN_S, ReadDrain, never
from pipeline.engine import Parts, Request, handed_back
from tests.pipeline.coordinator_builders import assert_proven, coordinator, rows_of
from tests.pipeline.engine_builders import Fleet, documents, planned_stores, work
from tests.pipeline.mortal_store import Life
from tests.pipeline.virtual_loop import run, run_until_killed


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unix time runs with the virtual loop."""
    monkeypatch.setattr(time, "time", lambda: asyncio.get_running_loop().time())


class Busy:
    """Has requests in flight until `free_s`."""

    def __init__(self, free_s: float) -> None:
        self._free_s = free_s
        self.told: list[str] = []

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


@pytest.mark.parametrize("read_drain", [never, lambda: math.inf])
def test_it_stays_on_a_node_that_has_no_deadline(read_drain: ReadDrain) -> None:
    its = Busy(0)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(leave_in_time(its, read_drain), 1000)

    run(main())
    assert not its.told


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
