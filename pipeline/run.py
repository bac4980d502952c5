"""The door of the pipeline: plan, resume, Ray Data, receipts, manifest.

Boundary: expects a connected Ray and a built `Job`; composes the other files and decides nothing
itself. The order is the protocol's: prove the store, open the run, hold the lease, plan, list what
is done, finish what is not, close.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

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
from pipeline.dataset import finish_shards
from pipeline.driver import Driver, Stop
from pipeline.job import Job
from pipeline.lease_keeper import LeaseKeeper
from pipeline.listing import FileTable, input_digest
from pipeline.manifest import write_manifest
from pipeline.planning import plan_input
from pipeline.progress import Snapshot, State, starting
from pipeline.read_shards import ShardPreparer
from pipeline.serving import engines
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
    if len(pending) == 0:
        return None
    work = Work(
        run_id=run.run_id,
        fingerprint=run.fingerprint.value,
        tiers=job.tiers,
        output_format=job.output_format,
        passthrough=job.source.passthrough,
        open_output=job.open_output,
        open_checkpoint=job.open_checkpoint,
        fence_token=token,
        coordinators=job.limits.coordinators,
        shards_in_flight=shards_in_flight(job, header),
        chunk_size=job.limits.chunk_size,
        max_engine_deaths=job.limits.max_engine_deaths,
        flush_s=job.limits.flush_s,
        read_drain=job.read_drain,
    )
    board = start_board(run.run_id)
    prepare = ShardPreparer(job.source, job.prompt, job.tiers, job.open_checkpoint)
    with job.watch_nodes(), engines(run.run_id, job.tiers, job.make_engine, job.read_drain):
        return driver.drive(board, finish_shards(work, pending, prepare, board))


def shards_in_flight(job: Job, header: PlanHeader) -> int:
    """Shards that a coordinator has open: enough documents to fill every replica, and one more."""
    if job.limits.shards_in_flight is not None:
        return job.limits.shards_in_flight
    wanted = sum(tier.in_flight_per_replica * tier.placement.max_replicas for tier in job.tiers)
    per_shard = max(1, header.documents // max(1, header.shards))
    needed = -(-wanted // (per_shard * job.limits.coordinators)) + 1
    return min(max(needed, FEWEST_OPEN_SHARDS), MOST_OPEN_SHARDS)
