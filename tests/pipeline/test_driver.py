"""What a driver counts, and when it stops; its loop is shown by the flow tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from checkpoints import keys
from checkpoints.lease import Lease
from checkpoints.memory_store import MemoryStore
from checkpoints.owner import this_process
from checkpoints.receipts import Totals, load_totals
from checkpoints.result import NO_REWORK, Receipt, Rework
from checkpoints.resume import list_results
from pipeline.board import Board, BoardState, Nodes
from pipeline.documents import InputSource
from pipeline.driver import Driver, EngineStartError
from pipeline.engines.engine import Engine
from pipeline.engines.fake_engine import FakeEngine
from pipeline.engines.tier_state import TierState
from pipeline.engines.tiers import Tier
from pipeline.inbox import Inbox
from pipeline.interruptions import Interruption
from pipeline.job import Job, RunLimits
from pipeline.lease_keeper import LeaseKeeper
from pipeline.node_watch import NodeWatch
from pipeline.outputs import FreeText
from pipeline.progress import Counts, ErrorKind, Snapshot, State
from pipeline.status import save_status
from pipeline.stopping import Stop
from tests.pipeline.engine_builders import no_store, plan, post, tier
from tests.pipeline.mortal_store import Life, MortalStore

NOTHING = Totals(0, 0, 0, 0, {}, 0, 0, 0, 0, 0.0, NO_REWORK, {}, (), (), ())


def engine_for(_: Tier) -> Engine:
    return FakeEngine()


JOB = Job(
    name="test",
    spec={},
    identity={},
    source=InputSource(("memory://in",)),
    output_format=FreeText(),
    tiers=(tier(),),
    limits=RunLimits(
        max_error_rate=0.5,
        min_documents_for_error_rate=10,
        max_engine_deaths=3,
        flush_s=1.0,
        coordinators=1,
        shards_in_flight=2,
        chunk_size=4,
        target_shard_tokens=None,
    ),
    output_uri="memory://out",
    open_output=no_store,
    open_checkpoint=no_store,
    make_engine=engine_for,
)


@contextmanager
def driver(
    store: MemoryStore,
    *,
    life: Life | None = None,
    before: Totals = NOTHING,
    should_stop: Callable[[], bool] = lambda: False,
    shown: list[Snapshot] | None = None,
) -> Iterator[Driver]:
    header = plan(store, [60, 40])
    mortal = MortalStore(store, life or Life())
    seen = [] if shown is None else shown
    with LeaseKeeper(Lease(mortal, this_process("test"))) as lease:
        yield Driver(JOB, "run", header, mortal, lease, before, seen.append, should_stop)


def receipt(shard: int, ok: int, error: int = 0, restored: int = 0) -> Receipt:
    return Receipt(
        shard=shard,
        documents=ok + error,
        ok=ok,
        error=error,
        error_codes={"timeout": error} if error else {},
        prompt_tokens=10,
        output_tokens=5,
        generated=ok + error - restored,
        restored=restored,
        cost_usd=0.1,
        committed_unix_s=1.0,
    )


def handle(board: Board) -> SimpleNamespace:
    """A board as its Ray actor handle is called, in this process."""
    return SimpleNamespace(take_off=SimpleNamespace(remote=board.take_off))


def inbox(*items: Receipt | BaseException | None) -> Inbox:
    made = Inbox()
    for item in items:
        made.put(item)
    return made


def test_a_document_counts_once_when_its_shard_ends_between_two_looks_at_the_board() -> None:
    board = Board()
    board.post(post("a", {0: Counts(ok=59), 1: Counts(ok=1)}))
    with driver(MemoryStore()) as its:
        its._board_state = board.state()
        assert its._take(inbox(receipt(0, 60), receipt(1, 39, 1), None), handle(board))
        final = its.show(State.COMPLETED)
    assert (final.documents_ok, final.documents_error, final.shards_done) == (99, 1, 2)
    assert board.state().open_shards == Counts()


def test_shards_committed_by_earlier_attempts_count_as_restored() -> None:
    before = Totals(1, 60, 59, 1, {"empty_text": 1}, 100, 50, 60, 0, 0.5, NO_REWORK, {}, (), (), ())
    with driver(MemoryStore(), before=before) as its:
        its._take(inbox(receipt(1, 40, restored=5), None), handle(Board()))
        final = its.show(State.COMPLETED)
    assert (final.documents_ok, final.documents_error) == (99, 1)
    assert (final.documents_restored, final.shards_done) == (65, 2)
    assert final.prompt_tokens == 110


def test_errors_of_all_attempts_are_shown_with_what_is_known_of_them() -> None:
    before = Totals(
        1, 60, 58, 2, {"empty_text": 1, "timeout": 1}, 0, 0, 60, 0, 0.5, NO_REWORK, {}, (), (), ()
    )
    store = MemoryStore()
    empty = ErrorKind("empty_text", 1, "id-2", "empty")
    with driver(store) as its:
        save_status(store, replace(its.show(State.FAILED), first_errors=(empty,), elapsed_s=100.0))
    with driver(store, before=before) as its:
        its._take(inbox(receipt(1, 38, 2), None), handle(Board()))
        final = its.show(State.COMPLETED)
    assert final.first_errors == (empty, ErrorKind("timeout", 3, None, None))
    assert final.elapsed_s > 100.0


def test_the_error_that_ended_the_dataset_is_raised() -> None:
    with driver(MemoryStore()) as its, pytest.raises(ZeroDivisionError):
        its._take(inbox(ZeroDivisionError()), handle(Board()))


def reason(its: Driver, ok: int, error: int) -> Stop | None:
    its._account.committed = Counts(ok=ok, error_codes={"timeout": error})
    return its._reason_to_stop()


def test_a_run_in_which_most_fails_stops_once_there_are_enough_documents() -> None:
    with driver(MemoryStore()) as its:
        assert reason(its, ok=1, error=8) is None
        assert reason(its, ok=5, error=5) is None
        stop = reason(its, ok=4, error=6)
    assert stop is not None
    assert stop.state is State.FAILED
    assert "6 of 10" in str(stop.message)
    assert "limits.max_error_rate = 50%" in str(stop.message)


def test_a_user_or_a_cancel_object_stops_the_run() -> None:
    store = MemoryStore()
    with driver(store, should_stop=lambda: True) as its:
        stop = its._reason_to_stop()
    assert stop is not None
    assert stop.state is State.CANCELLED
    store = MemoryStore()
    with driver(store) as its:
        assert its._reason_to_stop() is None
        store.create(keys.CANCEL, b"{}")
        stop = its._reason_to_stop()
    assert stop is not None
    assert stop.state is State.CANCELLED


def test_a_store_that_is_away_for_a_moment_does_not_end_the_driver() -> None:
    store, life = MemoryStore(), Life()
    with driver(store, life=life) as its:
        its._take(inbox(receipt(0, 60)), handle(Board()))
        life.fails = lambda _: True
        assert its._reason_to_stop() is None
        its._account.log()
        its.show(State.IN_PROGRESS)


def test_receipts_are_logged_once() -> None:
    store, output = MemoryStore(), MemoryStore()
    with driver(store) as its:
        header = its._header
        its._take(inbox(receipt(0, 59, 1), None), handle(Board()))
        its._account.log()
        its._account.log()
    done = list_results(output, header).done
    done[0] = True
    totals = load_totals(store, output, header, done)
    assert (totals.shards, totals.ok, totals.error) == (1, 59, 1)
    assert len([*store.list(keys.RECEIPTS)]) == 1


def test_a_tier_that_cannot_start_ends_the_run_unless_some_replica_runs() -> None:
    with driver(MemoryStore()) as its:
        its._tiers = {"small": TierState(is_deployed=True, ready=1, wanted=2, problem="no memory")}
        assert its._reason_to_stop() is None
        its._tiers = {"small": TierState(is_deployed=True, ready=0, wanted=2, problem="no memory")}
        with pytest.raises(EngineStartError, match="tier small: no memory"):
            its._reason_to_stop()


def test_what_is_shown_is_saved() -> None:
    store, shown = MemoryStore(), list[Snapshot]()
    with driver(store, shown=shown) as its:
        final = its.show(State.FINALIZING, "nearly there")
    assert shown == [final]
    assert b"nearly there" in store.read(keys.STATUS)


def test_interruptions_are_of_all_attempts_and_rework_is_what_the_documents_say() -> None:
    store = MemoryStore()
    rework = Rework(documents=1, tokens=20, engine_s=2.0, usd=0.5, salvaged_tokens=7)
    with driver(store) as its:
        its._board_state = BoardState(
            open_shards=Counts(ok=30, rework=rework), unsaved=16, begun_again=5
        )
        told = Interruption("e", "node-1", "small", noticed_unix_s=1.0, ended_unix_s=4.0)
        its._log.note({}, {"e": told}, (), 5.0)
        its.show(State.IN_PROGRESS)  # and killed
    before = replace(NOTHING, shards=1, documents=60, ok=60, rework=rework)
    with driver(store, before=before) as its:
        its._log.note({}, {"f": replace(told, engine="f")}, (), 5.0)
        running = its.show(State.IN_PROGRESS).interruptions
        assert (running.notices, running.restarted_documents) == (2, 5 + 16)
        its._take(inbox(replace(receipt(1, 40), rework=rework), None), handle(Board()))
        final = its.show(State.COMPLETED).interruptions
    assert final.rework == rework + rework
    assert final.events == (told, replace(told, engine="f"))
    assert final.restarted_documents == 5 + 16


def test_a_head_that_goes_is_shown_and_everybody_hurries(monkeypatch: pytest.MonkeyPatch) -> None:
    board, shown = Board(), list[Snapshot]()
    calls = ("state", "hurry", "take_off")
    remote = SimpleNamespace(**{one: SimpleNamespace(remote=getattr(board, one)) for one in calls})
    ready = TierState(is_deployed=True, ready=1, wanted=2, problem=None, starting=1)
    monkeypatch.setattr("pipeline.driver.ray.get", lambda value: value)
    monkeypatch.setattr("pipeline.driver.look_at_nodes", Nodes)
    monkeypatch.setattr("pipeline.driver.tier_states", lambda *_: {"small": ready})
    goes = NodeWatch(source="aws", nodes=2, head_goes_by_unix_s=60.0)
    looks = iter([NodeWatch(source="aws", nodes=2)])
    hurried = list[bool]()

    def look() -> NodeWatch:
        hurried.append(board.post(post("a", {})).must_hurry)
        return next(looks, goes)

    def receipts() -> Iterator[Receipt | None]:
        while len(hurried) < 3:
            yield None
        yield receipt(0, 60)

    monkeypatch.setattr("pipeline.driver.TICK_S", 0.001)
    with driver(MemoryStore(), shown=shown) as its:
        its.look_through(look)
        assert its.drive(remote, receipts()) is None
    assert hurried[:3] == [False, False, True]
    assert goes in [snapshot.node_watch for snapshot in shown]
    assert its.show(State.COMPLETED).node_watch == goes
    assert its.show(State.COMPLETED).interruptions.starts.seconds > 0
