"""The flow of shards through Ray Data; the only file that imports ray.data.

Boundary: pending shard numbers in, reports out as they come. Read tasks load and prepare shards on
any node that is not kept for engines; a pool of coordinator actors finishes them. Both prefer nodes
that are not spot: what they hold is dearer to lose than an engine.
Invariants: one row is one whole shard and one block is one row, so Ray never splits or merges
shards. A read task covers a range of shards and yields them one by one: a million shards are some
thousand tasks. Nothing here is state: whatever Ray loses, it reads again, and the store decides
what was already committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import ray.data
from ray.data import ActorPoolStrategy, DataContext, Datasource
from ray.data.block import BlockMetadata
from ray.data.datasource import ReadTask
from ray.exceptions import RayError

from checkpoints.errors import StoreError
from pipeline.board import Orders
from pipeline.coordinator import Coordinator
from pipeline.departure import is_left_unused, leave_in_time
from pipeline.documents import Prepared
from pipeline.engines.node_groups import MARKET, NOT_FOR_ENGINES, SPOT
from pipeline.engines.serving import EngineClient, application_names
from pipeline.inbox import Report
from pipeline.work import Work

MAX_READ_TASKS = 5_000
POST_S = 1.0
NOT_AN_ENGINE_NODE = NOT_FOR_ENGINES.selector
STABLE = NOT_AN_ENGINE_NODE | {MARKET: f"!{SPOT}"}
READ_CPUS = 0.5
COORDINATOR_CPUS = 0.1

PrepareShards = Callable[[Sequence[int]], Iterator[tuple[int, list[Prepared]]]]


@dataclass(frozen=True, slots=True)
class _ReadShards:
    """The body of one read task."""

    numbers: npt.NDArray[np.int64]
    prepare: PrepareShards

    def __call__(self) -> Iterator[pa.Table]:
        for shard, documents in self.prepare([int(number) for number in self.numbers]):
            yield pa.table({"shard": [shard], "documents": [pickle.dumps(documents, protocol=5)]})


class ShardSource(Datasource):  # type: ignore[misc] # ray.data has no types
    """Prepared shards, in the order of the numbers given."""

    def __init__(self, pending: npt.NDArray[np.int64], prepare: PrepareShards) -> None:
        super().__init__()
        self._pending = pending
        self._prepare = prepare

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown before it is read."""
        return None

    def get_read_tasks(
        self,
        parallelism: int,  # noqa: ARG002 - Ray's signature; the plan decides
        per_task_row_limit: int | None = None,  # noqa: ARG002
        data_context: DataContext | None = None,  # noqa: ARG002
    ) -> list[ReadTask]:
        """At most `MAX_READ_TASKS` tasks, each a consecutive range of the pending shards."""
        ranges = np.array_split(self._pending, min(len(self._pending), MAX_READ_TASKS))
        return [
            ReadTask(
                _ReadShards(numbers, self._prepare),
                BlockMetadata(
                    num_rows=len(numbers), size_bytes=None, input_files=None, exec_stats=None
                ),
            )
            for numbers in ranges
        ]


class CoordinatorStage:
    """A `Coordinator` inside a Ray Data actor, with its connections and its posts to the board.

    It finishes shards, or, while the route is settled, samples them.
    """

    def __init__(self, work: Work, board: Any) -> None:
        sends = {
            tier.name: EngineClient(application_names(work.run_id, tier)).send
            for tier in work.tiers
        }
        self._coordinator = made = Coordinator(
            work, work.open_output(), work.open_checkpoint(), sends
        )
        self._handle = made.sample_shard if work.route.is_sampling else made.finish_shard
        self._board = board
        self._read_drain = work.read_drain
        self._posting: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._used = threading.Event()
        threading.Thread(target=self._leave_unused, name="unused", daemon=True).start()
        self._hurrying: asyncio.Task[None] | None = None

    async def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """A batch is one shard; its receipt or rows, pickled, leave it (None when stopped)."""
        self._used.set()
        if self._posting is None:
            loop = asyncio.get_running_loop()
            self._posting = loop.create_task(self._post_for_ever())
            self._leaving = loop.create_task(self._leave_in_time())
        [shard], [documents] = batch["shard"], batch["documents"]
        report = await self._handle(int(shard), pickle.loads(documents))
        await self._post()  # what this shard met is on the board before its report is out
        return {"report": [pickle.dumps(report)]}

    async def _post_for_ever(self) -> None:
        while True:
            await self._post()
            await asyncio.sleep(POST_S)

    async def _leave_in_time(self) -> None:
        await leave_in_time(self._coordinator, self._read_drain)
        await self._post()
        os._exit(1)  # Ray starts this actor elsewhere and gives it its shards again

    def _leave_unused(self) -> None:
        if is_left_unused(self._used, self._read_drain):
            os._exit(1)

    async def _post(self) -> None:
        with contextlib.suppress(RayError):  # a board that restarts is told again in a moment
            orders: Orders = await self._board.post.remote(self._coordinator.post())
            if orders.route is not None:
                self._coordinator.follow(orders.route)
            if orders.must_hurry and self._hurrying is None:
                self._hurrying = asyncio.create_task(self._flush_for_ever())
            if orders.must_stop:
                await self._coordinator.stop()

    async def _flush_for_ever(self) -> None:
        while True:
            with contextlib.suppress(StoreError, OSError):  # tried again in a moment
                await self._coordinator.flush()
            await asyncio.sleep(POST_S)


def run_shards(
    work: Work, pending: npt.NDArray[np.int64], prepare: PrepareShards, board: Any
) -> Iterator[Report | None]:
    """Run every pending shard to its report; they come in any order, None for a stopped shard.

    Closing the iterator ends the coordinators. Raises what a coordinator or a read task raised.
    """
    context = DataContext.get_current().copy()
    context.target_max_block_size = 1  # one row, that is one shard, per block
    context.execution_options.preserve_order = False
    context.execution_options.verbose_progress = False
    context.enable_progress_bars = False
    context.max_errored_blocks = 0
    context.execution_no_progress_timeout_s = -1  # waiting for capacity is not a failure
    read_tasks = min(len(pending), MAX_READ_TASKS)
    with DataContext.current(context), warnings.catch_warnings():
        # There is no other way yet to say that a read may be retried for ever (ray 2.60).
        warnings.filterwarnings("ignore", message=".*ray_remote_args.*")
        dataset = ray.data.read_datasource(
            ShardSource(pending, prepare),
            override_num_blocks=read_tasks,
            num_cpus=READ_CPUS,
            # More would read for nobody.
            concurrency=min(read_tasks, work.coordinators * work.shards_in_flight),
            label_selector=STABLE,
            fallback_strategy=[{"label_selector": NOT_AN_ENGINE_NODE}],
            ray_remote_args={"max_retries": -1},
        ).map_batches(
            CoordinatorStage,
            batch_size=1,
            zero_copy_batch=True,
            compute=ActorPoolStrategy(
                size=work.coordinators,
                max_tasks_in_flight_per_actor=work.shards_in_flight + 1,
            ),
            fn_constructor_args=(work, board),
            max_concurrency=work.shards_in_flight,
            num_cpus=COORDINATOR_CPUS,
            label_selector=STABLE,
            fallback_strategy=[{"label_selector": NOT_AN_ENGINE_NODE}],
        )
    try:
        for row in dataset.iter_rows():
            yield pickle.loads(row["report"])
    except RayError as error:
        raise _root_of(error) from error


def _root_of(error: BaseException) -> BaseException:
    """What a task or an actor of ours raised, out of Ray's wrappings."""
    inner = getattr(error, "cause", None) or error.__cause__
    return error if not isinstance(inner, BaseException) else _root_of(inner)
