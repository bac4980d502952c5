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
from dataclasses import replace
from typing import Any

import ray
from ray.exceptions import RayError

from checkpoints.errors import FencedError, UnknownWriteError
from checkpoints.plan import PlanHeader
from checkpoints.receipts import Totals
from checkpoints.store import Store
from pipeline.account import Account
from pipeline.board import BoardState, Nodes, look_at_nodes
from pipeline.engine_log import EngineLog
from pipeline.engines.serving import deploy, tier_states
from pipeline.engines.starts import Starts
from pipeline.engines.tier_state import TierState
from pipeline.engines.tiers import Tier
from pipeline.fleet import fleet_of
from pipeline.horizon import Horizon
from pipeline.inbox import Inbox, Report
from pipeline.job import Job
from pipeline.lease_keeper import LeaseKeeper
from pipeline.meter import Meter
from pipeline.metrics import Metrics
from pipeline.node_watch import UNWATCHED, LookAtNodes, nobody_looks
from pipeline.open_shard import counted
from pipeline.progress import NO_COUNTS, Counts, Pace, Snapshot, State, error_kinds
from pipeline.routing.route_watch import RouteWatch
from pipeline.routing.sampling import SampledShard
from pipeline.status import past_attempts, save_status
from pipeline.stopping import Stop, Stops
from pipeline.waiting import Waiting

TICK_S = 1.0
SAVE_S = 2.0
RECEIPTS_S = 10.0
NODES_S = 5.0  # between two looks at which nodes are dead
STOP_S = 30.0
BLIND_S = 120.0  # how long Ray may not answer before the run ends


class EngineStartError(RuntimeError):
    """No engine of a tier can start; the message carries the reason."""


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
        self._past = past = past_attempts(checkpoint)
        self._account = Account(checkpoint, lease.token, before, past)
        self._engine_tiers = job.tiers
        self._route_watch: RouteWatch | None = None
        self._sampled: list[SampledShard] | None = None  # while the sample is answered
        self._sample_size = 0
        self._meter = Meter(job.tiers, past.cost_usd, past.interruptions.starts)
        self._pace, self._horizon = Pace(), Horizon()
        self._started_s = self._seen_s = time.monotonic()
        self._on_progress = on_progress
        self._stops = Stops(checkpoint, job.limits, should_stop)
        self._board_state, self._nodes = BoardState(), Nodes()
        self._log = EngineLog(self._past.interruptions)
        self._metrics = Metrics(run_id)
        self._look_at_nodes, self._node_watch = nobody_looks, UNWATCHED
        self._tiers: dict[str, TierState] = {}
        self._saved_s = self._logged_s = self._counted_s = 0.0
        self._waiting = Waiting(job.tiers)
        self._starts = Starts()

    def look_through(self, look_at_nodes: LookAtNodes) -> None:
        """From now on this tells how nodes are watched."""
        self._look_at_nodes = look_at_nodes

    def drive(self, board: Any, reports: Iterator[Report | None]) -> Stop | None:
        """Consume `reports` to the end, or to a stop; None when every shard is done.

        Raises:
            EngineStartError, FencedError, and whatever ended the dataset.
        """
        inbox = Inbox()
        inbox.fill_from(reports)
        try:
            stop = self._watch(inbox, board)
        except FencedError:
            raise  # nothing is written any more
        except BaseException:
            self._account.log()
            raise
        finally:
            inbox.abandon()
        self._account.log()
        return stop

    def drive_sample(
        self, board: Any, reports: Iterator[Report | None], size: int
    ) -> list[SampledShard] | Stop:
        """Consume the reports of a sample to the end, or to a stop; errors as `drive`."""
        self._sampled, self._sample_size = [], size
        try:
            stop = self.drive(board, reports)
            return self._sampled if stop is None else stop
        finally:
            self._sampled = None

    def follow(self, watch: RouteWatch, tiers: tuple[Tier, ...]) -> None:
        """The route is settled: from now on the engines of these tiers are wanted, no others."""
        self.watch_route(watch)
        self._engine_tiers = tiers
        self._waiting = Waiting(tiers)
        job = self._job
        deploy(self._run_id, tiers, job.make_engine, job.read_drain)

    def show(self, state: State, message: str | None = None) -> Snapshot:
        """Show and save a state that the loop does not come by."""
        return self._show(state, message, must_save=True)

    def _watch(self, inbox: Inbox, board: Any) -> Stop | None:
        while True:
            self._lease.check()
            if self._take(inbox, board):
                self._judge_audits()
                return self._stops.too_many_errors(self._done(), self._header.documents)
            self._observe(board)
            self._watch_route(board)
            self._show(*self._state())
            stop = self._reason_to_stop()
            if stop is not None:
                self._wind_down(board, inbox, stop)
                return stop

    def watch_route(self, watch: RouteWatch) -> None:
        """From now on the audits of all attempts are held against this route."""
        self._route_watch = watch
        self._judge_audits()

    def _judge_audits(self) -> None:
        if self._route_watch is not None:  # what cannot be written now is found again
            with contextlib.suppress(UnknownWriteError, ConnectionError, TimeoutError):
                self._route_watch.note(self._account.audits)

    def _state(self) -> tuple[State, str | None]:
        state, message = self._waiting.state(self._tiers, self._board_state.unsaved)
        if self._sampled is None or state is not State.IN_PROGRESS:
            return state, message
        words = f"{len(self._job.tiers)} tiers answer a random sample of {self._sample_size:,}"
        return State.SAMPLING, message or words

    def _watch_route(self, board: Any) -> None:
        """Let the audit speak, and tell coordinators again each time: a board may restart."""
        self._judge_audits()
        watch = self._route_watch
        if watch is not None and watch.route.revision:
            board.change_route.remote(watch.route)

    def _take(self, inbox: Inbox, board: Any) -> bool:
        """Take reports for a tick; True when the dataset has ended."""
        deadline_s = time.monotonic() + TICK_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                report = inbox.take(left_s)
            except queue.Empty:
                return False
            if report is None:  # every open shard has ended
                if self._sampled is None:  # those done are committed; a sample stays on the board
                    self._board_state = replace(self._board_state, open_shards=NO_COUNTS)
                return True
            if isinstance(report, SampledShard):
                assert self._sampled is not None
                self._sampled.append(report)
                board.hold.remote(report.shard, counted(one.row for one in report.documents))
            else:
                self._account.take(report)
                board.take_off.remote(report.shard)
        return False

    def _observe(self, board: Any) -> None:
        now_s = time.monotonic()
        self._node_watch = self._look_at_nodes()
        try:
            if self._node_watch.head_goes_by_unix_s is not None:
                board.hurry.remote()  # again each time, as `stop`
            self._board_state = state = ray.get(board.state.remote())
            if now_s - self._counted_s > NODES_S:
                self._nodes, self._counted_s = look_at_nodes(), now_s
            self._log.note(state.engines, state.events, self._nodes.dead, time.time())
            self._tiers = dict(tier_states(self._run_id, self._engine_tiers, self._starts))
            if any(not tier.is_deployed for tier in self._tiers.values()):
                job = self._job
                deploy(self._run_id, self._engine_tiers, job.make_engine, job.read_drain)
            self._seen_s = now_s
        except RayError:  # the board or Serve's controller restarts
            if now_s - self._seen_s > BLIND_S:
                raise
        self._meter.note(now_s, self._tiers)
        done = self._account.committed + self._board_state.open_shards
        self._pace.note(now_s, done)
        self._horizon.note(now_s, done.finished_now)
        if now_s - self._logged_s > RECEIPTS_S:
            self._account.log()
            self._logged_s = now_s

    def _reason_to_stop(self) -> Stop | None:
        for name, tier in self._tiers.items():
            if tier.problem is not None and tier.ready == 0:
                raise EngineStartError(f"tier {name}: {tier.problem}")
        return self._stops.reason(self._done())

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
        return self._account.done(self._board_state.open_shards)

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
        board, nodes = self._board_state, self._nodes
        return Snapshot(
            state=state,
            run_id=self._run_id,
            documents_total=self._header.documents,
            documents_ok=done.ok,
            documents_error=done.error,
            documents_restored=done.restored,
            shards_total=self._header.shards,
            shards_done=self._account.shards_done,
            prompt_tokens=done.prompt_tokens,
            output_tokens=done.output_tokens,
            prompt_tokens_per_s=prompt_per_s,
            output_tokens_per_s=output_per_s,
            documents_per_s=documents_per_s,
            elapsed_s=self._past.elapsed_s + time.monotonic() - self._started_s,
            eta_s=left / documents_per_s if documents_per_s > 0 else None,
            left=self._horizon.left(left),
            cost_usd=self._meter.usd,
            engines_ready=sum(tier.ready for tier in self._tiers.values()),
            engines_wanted=sum(tier.wanted for tier in self._tiers.values()),
            first_errors=error_kinds(
                done.error_codes, {**self._past.examples, **self._board_state.examples}
            ),
            message=message,
            unsaved=0 if state is State.COMPLETED else self._board_state.unsaved,
            interruptions=self._account.interruptions(
                replace(self._log.interruptions(), starts=self._meter.starts),
                done,
                self._board_state.begun_again,
            ),
            tiers=done.tiers,
            route=None if self._route_watch is None else self._route_watch.standing(),
            node_watch=self._node_watch,
            fleet=fleet_of(board.engines, board.events, nodes.alive, nodes.dead),
        )
