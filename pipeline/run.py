"""The door of the pipeline: plan, resume, Ray Data, receipts, manifest.

Boundary: expects a connected Ray and a built `Job`; composes the other files and decides nothing
itself. The order is the protocol's: prove the store, open the run, hold the lease, plan, list what
is done, finish what is not, close.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from checkpoints import keys
from checkpoints.cancel import forget_cancel, read_cancel
from checkpoints.errors import FencedError
from checkpoints.journal import sweep_committed
from checkpoints.lease import Lease
from checkpoints.owner import this_process
from checkpoints.plan import PlanHeader
from checkpoints.preflight import check_store
from checkpoints.receipts import load_totals
from checkpoints.resume import list_results
from checkpoints.run import RunRecord, bind_output, fingerprint, open_run
from checkpoints.store import Store
from pipeline.board import start_board
from pipeline.dataset import run_shards
from pipeline.driver import Driver
from pipeline.engines.serving import engines
from pipeline.engines.tiers import Tier
from pipeline.intake.listing import FileTable, input_digest
from pipeline.intake.planning import plan_input
from pipeline.job import Job
from pipeline.lease_keeper import LeaseKeeper
from pipeline.manifest import write_manifest
from pipeline.preparing.read_shards import ShardPreparer
from pipeline.progress import Snapshot, State, starting
from pipeline.routing.route import Route
from pipeline.routing.route_watch import RouteWatch
from pipeline.routing.sampling import Sampled, SampledShard
from pipeline.routing.settle import Settled, settle, settled_before
from pipeline.stopping import Stop
from pipeline.work import Work

FEWEST_OPEN_SHARDS, MOST_OPEN_SHARDS = 4, 64  # per coordinator


def execute(
    job: Job,
    files: FileTable,
    *,
    on_progress: Callable[[Snapshot], None],
    should_stop: Callable[[], bool],
) -> Snapshot:
    """Run a job to its end, or as far as it gets; running it again resumes it.

    `files` is what `list_inputs(job.source)` gives. `on_progress` is called about once a second
    from the calling thread; when `should_stop` gives True, finished work is journaled and the run
    ends as cancelled.

    Raises:
        InputError: the input cannot be read, or changed since the plan was made.
        StoreError: the store is unsafe, the run is another one, or another driver holds it.
        EngineStartError: no engine starts.
    """
    output, checkpoint = job.open_output(), job.open_checkpoint()
    on_progress(starting(f"checking the stores and counting the input ({len(files):,} files)"))
    check_store(output)
    check_store(checkpoint)
    run = open_run(checkpoint, run_record(job, files))
    bind_output(output, run, job.output_uri)
    stale_cancel = read_cancel(checkpoint)
    with LeaseKeeper(Lease(checkpoint, this_process(job.name))) as lease:
        forget_cancel(checkpoint, stale_cancel)
        header = plan_input(
            files, job.source, checkpoint, target_shard_tokens=job.limits.target_shard_tokens
        )
        listing = list_results(output, header)
        before = load_totals(checkpoint, output, header, listing.done)
        driver = Driver(
            job, run.run_id, header, checkpoint, lease, before, on_progress, should_stop
        )
        driver.show(State.VALIDATING)
        try:
            stop = _finish(job, run, header, lease.token, driver, listing.pending())
        except FencedError:
            raise  # the run is another driver's now: nothing is written any more
        except Exception as error:
            driver.show(State.FAILED, f"{type(error).__name__}: {error}")
            raise
        if stop is None:
            driver.show(State.FINALIZING)
            stop = _close(output, checkpoint, header)
        final = driver.show(stop.state, stop.message)
        write_manifest(output, run, header, final)
        return final


def _close(output: Store, checkpoint: Store, header: PlanHeader) -> Stop:
    """Believe the objects: completed only when every shard's result is there."""
    listing = list_results(output, header)
    sweep_committed(checkpoint, listing.done)
    missing = len(listing.pending())
    if missing:
        return Stop(State.FAILED, f"{missing} shards have no result: run it again")
    return Stop(State.COMPLETED, None)


def run_record(job: Job, files: FileTable) -> RunRecord:
    """A new run of this job over these files; its id is its own, its fingerprint the work's."""
    identity = fingerprint({**job.identity, "input": input_digest(files)})
    return RunRecord(
        run_id=f"{identity.value[:8]}-{secrets.token_hex(3)}",
        name=job.name,
        fingerprint=identity,
        spec=job.spec,
        output_uri=job.output_uri,
        created_unix_s=time.time(),
    )


def _finish(
    job: Job,
    run: RunRecord,
    header: PlanHeader,
    token: int,
    driver: Driver,
    pending: npt.NDArray[np.int64],
) -> Stop | None:
    """Bring every pending shard to its result; None when all are done."""
    output, checkpoint = job.open_output(), job.open_checkpoint()
    if len(pending) == 0:
        before = settled_before(job, header, checkpoint)
        if before is not None:
            driver.watch_route(watch_over(before, checkpoint))
        return None
    board = start_board(run.run_id)
    prepare = ShardPreparer(
        job.source, job.tiers, job.route.rules, job.route.gold_field, job.open_checkpoint
    )

    def answer_sample(sampled: Sampled) -> list[SampledShard] | Stop:
        numbers = sampled.numbers()
        per_shard = len(sampled.ordinals) / len(numbers)
        work = _work(job, run, token, Route(names, is_sampling=True), job.tiers, per_shard)
        reports = run_shards(work, numbers, replace(prepare, sampled=sampled), board)
        answered = driver.drive_sample(board, reports, len(sampled.ordinals))
        done.append(sampled)
        return answered

    names = tuple(tier.name for tier in job.tiers)
    done: list[Sampled] = []
    with (
        job.watch_nodes() as look_at_nodes,
        engines(run.run_id, job.tiers, job.make_engine, job.read_drain),
    ):
        driver.look_through(look_at_nodes)
        settled = settle(job, header, checkpoint, answer_sample)
        if isinstance(settled, Stop):
            return settled
        if settled.certificate is not None:
            output.replace(keys.CERTIFICATE, settled.certificate.to_bytes())
        watch = watch_over(settled, checkpoint)
        tiers = tuple(tier for tier in job.tiers if tier.name in watch.route.ladder)
        driver.follow(watch, tiers)
        per_shard = header.documents / header.shards
        work = _work(job, run, token, watch.route, tiers, per_shard)
        work = replace(work, sampled=done[0] if done else None)
        return driver.drive(board, run_shards(work, pending, replace(prepare, tiers=tiers), board))


def watch_over(settled: Settled, checkpoint: Store) -> RouteWatch:
    """Who follows what the audit says of a route."""
    return RouteWatch(settled.route, settled.certificate, settled.audited, checkpoint)


def _work(
    job: Job,
    run: RunRecord,
    token: int,
    route: Route,
    tiers: tuple[Tier, ...],
    per_shard: float,
) -> Work:
    cascade = job.route.cascade
    return Work(
        run_id=run.run_id,
        fingerprint=run.fingerprint.value,
        tiers=tiers,
        route=route,
        output_format=job.output_format,
        passthrough=job.source.passthrough,
        open_output=job.open_output,
        open_checkpoint=job.open_checkpoint,
        fence_token=token,
        coordinators=job.limits.coordinators,
        shards_in_flight=shards_in_flight(job, per_shard),
        chunk_size=job.limits.chunk_size,
        max_engine_deaths=job.limits.max_engine_deaths,
        flush_s=job.limits.flush_s,
        has_several_tiers=len(job.tiers) > 1,
        loss=None if cascade is None else cascade.loss,
        wants_gold=job.route.gold_field is not None,
        read_drain=job.read_drain,
    )


def shards_in_flight(job: Job, per_shard: float) -> int:
    """Shards that a coordinator has open: enough documents to fill every replica, and one more.

    `per_shard` is how many documents of a shard are walked.
    """
    if job.limits.shards_in_flight is not None:
        return job.limits.shards_in_flight
    wanted = sum(tier.in_flight_per_replica * tier.placement.max_replicas for tier in job.tiers)
    needed = math.ceil(wanted / max(1.0, per_shard) / job.limits.coordinators) + 1
    return min(max(needed, FEWEST_OPEN_SHARDS), MOST_OPEN_SHARDS)
