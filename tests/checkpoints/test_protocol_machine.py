"""Drivers and coordinators on one store, every operation crashed, lost, delayed or reordered.

The real protocol code runs; Hypothesis chooses who moves and what becomes of each store operation.
Checked after every step: a committed result never changes or goes; two drivers never hold valid
leases at once; a journaled document is not generated again; the sealed plan stands. At the end a
fault-free recovery must leave exactly one sound row per document, and still do so after every
delayed write landed.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import tests.checkpoints.checkpoint_builders as build
from checkpoints import journal as journal_module
from checkpoints import keys
from checkpoints.commit import Outcome, commit_result
from checkpoints.errors import FencedError, LeaseHeldError, UnknownWriteError
from checkpoints.journal import EngineDeath, Finished, Journal, load_journal, sweep
from checkpoints.lease import Fence, Lease
from checkpoints.owner import Owner
from checkpoints.plan import Shard, read_header, write_plan
from checkpoints.receipts import ReceiptLog, load_totals
from checkpoints.result import Receipt
from checkpoints.resume import list_results
from checkpoints.run import open_run
from checkpoints.store import Store
from checkpoints.verify import verify
from tests.checkpoints.stepped_world import Actor, Fate, World, land

SHARDS = [[build.one_slice("a.jsonl", 4)], [build.one_slice("b.jsonl", 2), build.one_slice("c", 1)]]
DUPLICATES = [(0, 3)]
DOCUMENTS = 7
TTL_S = 10.0
PLAN = [
    Shard(number, tuple(slices), frozenset(o for s, o in DUPLICATES if s == number))
    for number, slices in enumerate(SHARDS)
]


class Protocol(RuleBasedStateMachine):
    """The world, its processes and what must hold."""

    @initialize()
    def begin(self) -> None:
        self.world = World()
        self.actors: list[Actor] = []
        self.leases: list[tuple[Actor, Lease]] = []
        self.tokens: list[int] = []
        self.journaled: dict[int, set[int]] = {shard.number: set() for shard in PLAN}
        self.receipts: list[Receipt] = []
        self.committed: dict[str, bytes] = {}
        self.header: bytes | None = None
        self.writers = 0

    @precondition(lambda self: len(self.alive()) < 5)
    @rule(ttl_s=st.sampled_from([TTL_S, 2 * TTL_S]), same_host=st.booleans())
    def start_driver(self, ttl_s: float, same_host: bool) -> None:
        number = len(self.actors)
        self.actors.append(
            Actor(self.world, "driver", lambda actor: self.drive(actor, number, ttl_s, same_host))
        )

    @precondition(lambda self: len(self.alive()) < 5)
    @rule(shard=st.sampled_from(PLAN))
    def start_coordinator(self, shard: Shard) -> None:
        self.actors.append(
            Actor(self.world, "coordinator", lambda actor: self.coordinate(actor, shard))
        )

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), steps=st.sampled_from([1, 2, 3, 20]))
    def run(self, data: st.DataObject, steps: int) -> None:
        actor = data.draw(st.sampled_from(self.alive()))
        for _ in range(steps):
            actor.step()
            self.check_committed()
            self.check_leases()

    @precondition(lambda self: self.alive())
    @rule(data=st.data(), fate=st.sampled_from(Fate))
    def fail(self, data: st.DataObject, fate: Fate) -> None:
        data.draw(st.sampled_from(self.alive())).step(fate)

    @precondition(lambda self: self.alive())
    @rule(data=st.data())
    def results_cannot_be_written(self, data: st.DataObject) -> None:
        """An outage that lets a commit end as unknown."""
        actor = data.draw(st.sampled_from(self.alive()))
        for _ in range(40):
            actor.step(Fate.LOST_REQUEST if actor.is_committing else Fate.DONE)

    @precondition(lambda self: self.alive())
    @rule(data=st.data())
    def every_response_is_lost_inside_the_store(self, data: st.DataObject) -> None:
        actor = data.draw(st.sampled_from(self.alive()))
        for _ in range(12):
            actor.step(Fate.HIDDEN_RETRY)

    @rule(seconds=st.sampled_from([0.5, 4.0, TTL_S, 3 * TTL_S]))
    def wait(self, seconds: float) -> None:
        self.world.now_s += seconds

    @precondition(lambda self: self.world.late)
    @rule(data=st.data())
    def a_delayed_write_lands(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.world.late) - 1))
        land(self.world.late.pop(number))

    @invariant()
    def check_committed(self) -> None:
        stored = self.world.output._objects
        for key, data in self.committed.items():
            assert stored.get(key) == data, f"{key} was committed and then changed or removed"
        self.committed.update(stored)
        header = self.world.checkpoint._objects.get(keys.PLAN_HEADER)
        assert self.header is None or header == self.header, "the sealed plan changed"
        self.header = header

    @invariant()
    def check_leases(self) -> None:
        valid = [lease.token for actor, lease in self.leases
                 if not actor.ended and lease.is_valid]  # fmt: skip
        assert len(valid) <= 1, f"drivers with tokens {valid} hold the run at once"
        assert len(set(self.tokens)) == len(self.tokens), "a fencing token was given twice"

    def teardown(self) -> None:
        for actor in self.actors:
            actor.kill()
        self.recover()
        self.check_proven()
        while self.world.late:
            land(self.world.late.pop())
            self.check_committed()
        self.check_proven()

    def alive(self) -> list[Actor]:
        return [actor for actor in self.actors if not actor.ended]

    def drive(self, actor: Actor, number: int, ttl_s: float, same_host: bool) -> None:
        owner = Owner(actor.name, actor.name, "host", number, None, None, None)
        lease = Lease(
            actor.checkpoint,
            owner,
            ttl_s=ttl_s,
            now=self.world.now,
            sleep=actor.sleep,
            owner_gone=lambda other: same_host and self.is_dead(other.pid),
        )
        try:
            token = lease.acquire()
            self.tokens.append(token)
            self.leases.append((actor, lease))
            open_run(actor.checkpoint, build.run_record())
            write_plan(actor.checkpoint, SHARDS, DUPLICATES)
            log = ReceiptLog(actor.checkpoint, token)
            for _ in range(4):
                with_store_trouble_ignored(lease.renew)
                taken, self.receipts = self.receipts, []
                with_store_trouble_ignored(lambda batch=taken: log.append(batch))
            lease.release()
        except (ConnectionError, FencedError, LeaseHeldError, UnknownWriteError):
            return

    def is_dead(self, number: int) -> bool:
        return self.actors[number].ended

    def coordinate(self, actor: Actor, shard: Shard) -> None:
        self.writers += 1
        writer_id = f"w{self.writers}"
        try:
            Fence(actor.checkpoint, 10**6, now=self.world.now).check()
            outcome, receipt = self.finish(actor.output, actor.checkpoint, shard, writer_id)
        except (ConnectionError, UnknownWriteError):
            return
        if outcome is Outcome.OURS:
            self.receipts.append(receipt)

    def finish(
        self, output: Store, checkpoint: Store, shard: Shard, writer_id: str
    ) -> tuple[Outcome, Receipt]:
        """One shard's walk, as a coordinator does it."""
        durable = set(self.journaled[shard.number])
        state = load_journal(checkpoint, shard.number)
        if keys.result_key(shard.number) not in self.world.output._objects:
            assert durable <= set(state.rows), "journaled documents would be generated again"
        assert not state.corrupt
        journal = Journal(checkpoint, shard.number, writer_id)
        rows = dict(state.rows)
        planned = build.rows_of(shard, result=f"by {writer_id}")
        left = [row for row in planned if row.ordinal not in rows]
        for start in range(0, len(left), 2):
            batch = left[start : start + 2]
            journal.append([*map(Finished, batch), EngineDeath(0)])
            self.journaled[shard.number].update(row.ordinal for row in batch)
            rows.update((row.ordinal, row) for row in batch)
        data = self.encode(shard, list(rows.values()), len(state.rows))
        outcome = commit_result(output, shard.number, data)
        stored = self.world.output._objects[keys.result_key(shard.number)]
        assert (stored == data) == (outcome is Outcome.OURS), "the outcome is not the truth"
        sweep(checkpoint, shard.number)
        return outcome, build.receipt_of(shard.number, list(rows.values()), len(state.rows))

    def encode(self, shard: Shard, rows: list, restored: int) -> bytes:  # type: ignore[type-arg]
        receipt = build.receipt_of(shard.number, rows, restored)
        return build.result_object(shard.number, rows, receipt=receipt)

    def recover(self) -> None:
        """What a resume without faults does."""
        output, checkpoint = self.world.output, self.world.checkpoint
        open_run(checkpoint, build.run_record())
        header = write_plan(checkpoint, SHARDS, DUPLICATES)
        for number in list_results(output, header).pending():
            shard = PLAN[number]
            assert self.finish(output, checkpoint, shard, f"r{number}")[0] is Outcome.OURS

    def check_proven(self) -> None:
        verdict = verify(self.world.output, self.world.checkpoint)
        assert verdict.proven, verdict
        assert verdict.line() == "7 documents: 6 ok, 1 error, 0 missing, 0 duplicate"
        header = read_header(self.world.checkpoint)
        assert header is not None
        done = list_results(self.world.output, header).done
        totals = load_totals(self.world.checkpoint, self.world.output, header, done)
        assert (totals.documents, totals.ok, totals.error) == (DOCUMENTS, 6, 1)
        assert totals.generated + totals.restored == DOCUMENTS


def with_store_trouble_ignored(act) -> None:  # type: ignore[no-untyped-def]
    with suppress(ConnectionError, UnknownWriteError):
        act()


@contextmanager
def one_reader() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "READERS", 1)
        yield


class TestProtocol(Protocol.TestCase):  # type: ignore[name-defined,misc]
    settings = settings(
        max_examples=80,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    def runTest(self) -> None:  # noqa: N802
        with one_reader():
            super().runTest()
