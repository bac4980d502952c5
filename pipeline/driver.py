"""The driver's loop: consumes receipts, keeps the lease, shows progress, stops when it must.

Boundary: one thread consumes the dataset; everything else happens in `drive`'s loop, once a second.
Invariants: a driver that lost its lease ends its coordinators and writes nothing more. A stop
waits until every coordinator has journaled what it holds (at most `STOP_S`).
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray.exceptions import RayError

from checkpoints.cancel import forget_cancel, read_cancel
from checkpoints.errors import FencedError, UnknownWriteError
from checkpoints.plan import PlanHeader
from checkpoints.receipts import ReceiptLog, Totals
from checkpoints.result import Receipt
from checkpoints.store import Store
from pipeline.board import BoardState, dead_nodes
from pipeline.engine_log import EngineLog
from pipeline.inbox import Inbox
from pipeline.interruptions import Interruptions
from pipeline.job import Job
from pipeline.lease_keeper import LeaseKeeper
from pipeline.meter import Meter
from pipeline.metrics import Metrics
from pipeline.progress import NO_COUNTS, Counts, Pace, Snapshot, State, error_kinds
from pipeline.serving import deploy, tier_states
from pipeline.status import past_attempts, save_status
from pipeline.tier_state import TierState
from pipeline.waiting import Waiting

TICK_S = 1.0
SAVE_S = 2.0
RECEIPTS_S = 10.0
NODES_S = 5.0  # between two looks at which nodes are dead
STOP_S = 30.0
BLIND_S = 120.0  # how long Ray may not answer before the run ends


class EngineStartError(RuntimeError):
    """No engine of a tier can start; the message carries the reason."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the loop ends before the work does."""

    state: State
    message: str | None


class Driver:
    """One attempt at a run, from its pending shards to its last receipt."""

    def __init__(
        self,
        job: Job,
        run_id: str,
        header: PlanHeader,
        checkpoint: Store,
        lease: LeaseKeeper,
        before: Totals,
        on_progress: Callable[[Snapshot], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._job = job
        self._run_id = run_id
        self._header = header
        self._checkpoint = checkpoint
        self._lease = lease
        self._receipts = ReceiptLog(checkpoint, lease.token)
        self._before = Counts(
            ok=before.ok,
            error_codes=before.error_codes,
            restored=before.documents,
            prompt_tokens=before.prompt_tokens,
            output_tokens=before.output_tokens,
            rework=before.rework,
        )
        self._committed = Counts()
        self._shards_done = before.shards
        self._past = past_attempts(checkpoint)
        self._meter = Meter(job.tiers, self._past.cost_usd)
        self._pace = Pace()
        self._started_s = time.monotonic()
        self._on_progress = on_progress
        self._should_stop = should_stop
        self._board_state = BoardState()
        self._log = EngineLog(self._past.interruptions)
        self._metrics = Metrics(run_id)
        self._dead_nodes: frozenset[str] = frozenset()
        self._tiers: dict[str, TierState] = {}
        self._unlogged: list[Receipt] = []
        self._saved_s = self._logged_s = self._counted_s = 0.0
        self._seen_s = time.monotonic()
        self._waiting = Waiting(job.tiers)

    def drive(
        self,
        board: Any,
        receipts: Iterator[Receipt | None],
    ) -> Stop | None:
        """Consume `receipts` to the end, or to a stop; None when every shard is done.

        Raises:
            EngineStartError, FencedError, and whatever ended the dataset.
        """
        inbox = Inbox()
        inbox.fill_from(receipts)
        try:
            stop = self._watch(inbox, board)
        except FencedError:
            raise  # nothing is written any more
        except BaseException:
            self._log_receipts()
            raise
        finally:
            inbox.abandon()
        self._log_receipts()
        return stop

    def show(self, state: State, message: str | None = None) -> Snapshot:
        """Show and save a state that the loop does not come by."""
        return self._show(state, message, must_save=True)

    def _watch(self, inbox: Inbox, board: Any) -> Stop | None:
        while True:
            self._lease.check()
            if self._take(inbox, board):
                return self._too_many_errors(self._header.documents)
            self._observe(board)
            self._show(*self._waiting.state(self._tiers, self._board_state.coordinators))
            stop = self._reason_to_stop()
            if stop is not None:
                self._wind_down(board, inbox, stop)
                return stop

    def _take(self, inbox: Inbox, board: Any) -> bool:
        """Take receipts for a tick; True when the dataset has ended."""
        deadline_s = time.monotonic() + TICK_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                receipt = inbox.take(left_s)
            except queue.Empty:
                return False
            if receipt is None:  # every open shard has ended; those done are in `_committed`
                self._board_state = replace(self._board_state, open_shards=NO_COUNTS)
                return True
            self._committed += Counts(
                ok=receipt.ok,
                error_codes=receipt.error_codes,
                restored=receipt.restored,
                prompt_tokens=receipt.prompt_tokens,
                output_tokens=receipt.output_tokens,
                rework=receipt.rework,
            )
            self._shards_done += 1
            self._unlogged.append(receipt)
            board.take_off.remote(receipt.shard)
        return False

    def _observe(self, board: Any) -> None:
        now_s = time.monotonic()
        try:
            self._board_state = ray.get(board.state.remote())
            if now_s - self._counted_s > NODES_S:
                self._dead_nodes, self._counted_s = dead_nodes(), now_s
            state = self._board_state
            self._log.note(state.engines, state.events, self._dead_nodes, time.time())
            self._tiers = dict(tier_states(self._run_id, self._job.tiers))
            if any(not tier.is_deployed for tier in self._tiers.values()):
                job = self._job
                deploy(self._run_id, job.tiers, job.make_engine, job.read_drain)
            self._seen_s = now_s
        except RayError:  # the board or Serve's controller restarts
            if now_s - self._seen_s > BLIND_S:
                raise
        self._meter.note(now_s, {name: state.ready for name, state in self._tiers.items()})
        self._pace.note(now_s, self._committed + self._board_state.open_shards)
        if now_s - self._logged_s > RECEIPTS_S:
            self._log_receipts()
            self._logged_s = now_s

    def _reason_to_stop(self) -> Stop | None:
        for name, tier in self._tiers.items():
            if tier.problem is not None and tier.ready == 0:
                raise EngineStartError(f"tier {name}: {tier.problem}")
        if self._should_stop():
            return Stop(State.CANCELLED, "stopped by the user; finished work is kept")
        if self._is_cancelled():
            return Stop(State.CANCELLED, "cancelled; finished work is kept")
        return self._too_many_errors(self._job.limits.min_documents_for_error_rate)

    def _too_many_errors(self, after_documents: int) -> Stop | None:
        """Whether too large a share failed, once so many documents are finished."""
        done = self._done()
        limits = self._job.limits
        if done.documents >= max(1, after_documents):
            rate = done.error / done.documents
            if rate > limits.max_error_rate:
                return Stop(
                    State.FAILED,
                    f"{done.error} of {done.documents} documents failed ({rate:.0%}), more than "
                    f"limits.max_error_rate = {limits.max_error_rate:.0%}",
                )
        return None

    def _is_cancelled(self) -> bool:
        try:
            wish = read_cancel(self._checkpoint)
        except (ConnectionError, TimeoutError):  # asked again in a moment
            return False
        if wish is not None:
            forget_cancel(self._checkpoint, wish)
        return wish is not None

    def _wind_down(self, board: Any, inbox: Inbox, stop: Stop) -> None:
        """Let coordinators journal what they hold, then leave."""
        deadline_s = time.monotonic() + STOP_S
        while time.monotonic() < deadline_s:
            board.stop.remote()  # again each time: a board that restarted has forgotten it
            has_ended = self._take(inbox, board)
            self._observe(board)
            self._show(State.CANCELLING, stop.message)
            if has_ended or self._board_state.flushed == self._board_state.coordinators:
                return

    def _done(self) -> Counts:
        return self._before + self._committed + self._board_state.open_shards

    def _show(self, state: State, message: str | None = None, must_save: bool = False) -> Snapshot:
        snapshot = self._snapshot(state, message)
        self._on_progress(snapshot)
        self._metrics.publish(snapshot)
        now_s = time.monotonic()
        if must_save or now_s - self._saved_s > SAVE_S:
            with contextlib.suppress(ConnectionError, TimeoutError):  # shown again in a moment
                save_status(self._checkpoint, snapshot)
            self._saved_s = now_s
        return snapshot

    def _snapshot(self, state: State, message: str | None) -> Snapshot:
        done = self._done()
        documents_per_s, prompt_per_s, output_per_s = self._pace.per_second()
        left = self._header.documents - done.documents
        return Snapshot(
            state=state,
            run_id=self._run_id,
            documents_total=self._header.documents,
            documents_ok=done.ok,
            documents_error=done.error,
            documents_restored=done.restored,
            shards_total=self._header.shards,
            shards_done=self._shards_done,
            prompt_tokens=done.prompt_tokens,
            output_tokens=done.output_tokens,
            prompt_tokens_per_s=prompt_per_s,
            output_tokens_per_s=output_per_s,
            documents_per_s=documents_per_s,
            elapsed_s=self._past.elapsed_s + time.monotonic() - self._started_s,
            eta_s=left / documents_per_s if documents_per_s > 0 else None,
            cost_usd=self._meter.usd,
            engines_ready=sum(tier.ready for tier in self._tiers.values()),
            engines_wanted=sum(tier.wanted for tier in self._tiers.values()),
            first_errors=error_kinds(
                done.error_codes, {**self._past.examples, **self._board_state.examples}
            ),
            message=message,
            unsaved=0 if state is State.COMPLETED else self._board_state.unsaved,
            interruptions=self._interruptions(done),
        )

    def _interruptions(self, done: Counts) -> Interruptions:
        """Of all attempts; what an attempt that died had in its hands is begun again."""
        past = self._past.interruptions.restarted_documents + self._past.unsaved
        return replace(
            self._log.interruptions(),
            rework=done.rework,
            restarted_documents=past + self._board_state.begun_again,
        )

    def _log_receipts(self) -> None:
        receipts, self._unlogged = self._unlogged, []
        if receipts:
            with contextlib.suppress(UnknownWriteError):  # a resume finds them in the footers
                self._receipts.append(receipts)
