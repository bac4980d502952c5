"""One coordinator: walks every document of its shards to a row, and commits whole shards.

Boundary: async, free of Ray; engines are `Dispatcher`s, storage is `Store`s, time comes from the
event loop. Several shards are open at once in one coordinator, so that a slow document of one shard
leaves no engine idle.
Invariants: a row is journaled at most `flush_s` after it exists. A shard's result is written once,
when every document of it has a row; its journal is swept only after that. However a shard ends
early (stop, error), its finished rows are journaled first and its walks are over.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from weakref import WeakValueDictionary

from checkpoints.commit import Outcome, commit_result
from checkpoints.errors import FencedError, StoreError
from checkpoints.journal import Journal, JournalState, load_journal, new_writer_id, sweep
from checkpoints.lease import Fence
from checkpoints.result import Receipt, ResultRow
from checkpoints.result_file import encode_shard, new_write_id, read_receipt
from checkpoints.steps import Step
from checkpoints.store import Store
from pipeline.documents import Prepared
from pipeline.engines.dispatch import Dispatcher, DispatchLimits, Send
from pipeline.engines.engine import Request
from pipeline.open_shard import OpenShard
from pipeline.progress import ErrorExample, Post
from pipeline.routing.route import Route
from pipeline.routing.sampling import SampledDocument, SampledShard
from pipeline.walk import Walks
from pipeline.work import Work


class Coordinator:
    """Turns prepared shards into committed ones."""

    def __init__(
        self, work: Work, output: Store, checkpoint: Store, sends: Mapping[str, Send]
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self._work = work
        self._output = output
        self._checkpoint = checkpoint
        self._fence = Fence(checkpoint, work.fence_token)
        self._open: dict[int, OpenShard] = {}
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._examples: dict[str, ErrorExample] = {}
        self._is_stopping = asyncio.Event()
        self._left_in_flight = 0  # when it was told to stop
        self._dispatchers = {
            tier.name: Dispatcher(
                sends[tier.name],
                DispatchLimits(
                    chunk_size=work.chunk_size,
                    max_in_flight=work.in_flight(tier),
                    max_deaths=work.max_engine_deaths,
                    max_tokens=tier.generation.max_tokens,
                ),
                self._note_engine_death,
                self._note_partial,
            )
            for tier in work.tiers
        }
        generate = {name: one.generate for name, one in self._dispatchers.items()}
        self._walks = Walks(work, generate, self._note_step)

    async def finish_shard(self, shard: int, documents: Sequence[Prepared]) -> Receipt | None:
        """Walk every document of a shard and commit it; None when the run was stopped before.

        A second call for a shard that is open (Ray may repeat one) waits for the first.

        Raises:
            FencedError: another driver has taken over the run.
            StoreError, OSError: the store failed for longer than its own retries last.
        """
        async with self._turns.setdefault(shard, asyncio.Lock()):
            if self._is_stopping.is_set():
                return None
            # The journal first: what was swept before this was read has its result by now.
            past = await asyncio.to_thread(load_journal, self._checkpoint, shard)
            with contextlib.suppress(FileNotFoundError):  # else an earlier call got it done
                return await asyncio.to_thread(read_receipt, self._output, shard)
            async with self._opened(shard, past) as opened:
                if await self._walk_all(opened, documents, past):
                    if opened.rows.keys() != {document.ordinal for document in documents}:
                        raise RuntimeError(
                            f"shard {shard}: its rows are not those of its documents"
                        )
                    return await self._commit(opened)
                await opened.flush()
                return None

    async def sample_shard(self, shard: int, documents: Sequence[Prepared]) -> SampledShard | None:
        """Walk some documents of a shard and journal their rows; nothing is committed.

        Gives them in the order of `documents`, rows of earlier attempts among them; None when the
        run was stopped before. Errors as `finish_shard`.
        """
        async with self._turns.setdefault(shard, asyncio.Lock()):
            if self._is_stopping.is_set():
                return None
            past = await asyncio.to_thread(load_journal, self._checkpoint, shard)
            async with self._opened(shard, past) as opened:
                if not await self._walk_all(opened, documents, past):
                    return None
                await opened.flush()
                return SampledShard(
                    shard,
                    tuple(
                        SampledDocument(
                            opened.rows[one.ordinal],
                            one.prompts.get(self._work.route.ladder[0], ()),
                            one.gold,
                        )
                        for one in documents
                    ),
                )

    @contextlib.asynccontextmanager
    async def _opened(self, shard: int, past: JournalState) -> AsyncIterator[OpenShard]:
        """A shard while it is open; an error ends it after what is finished is journaled."""
        sampled = frozenset() if self._work.sampled is None else self._work.sampled.of_shard(shard)
        journal = Journal(self._checkpoint, shard, new_writer_id())
        opened = OpenShard(shard, journal, past.rows, sampled)
        self._open[shard] = opened
        for row in past.rows.values():
            self._note_error(row)
        try:
            yield opened
        except FencedError:
            raise
        except Exception:
            with contextlib.suppress(StoreError, OSError):  # the first error is what counts
                await opened.flush()
            raise
        finally:
            del self._open[shard]

    async def stop(self) -> None:
        """Stop open shards as soon as their finished rows are journaled; nothing is committed."""
        if not self._is_stopping.is_set():
            self._left_in_flight = self.in_flight
            self._is_stopping.set()

    def post(self) -> Post:
        """Where it stands; flushed once it was told to stop and holds nothing unjournaled."""
        return Post(
            coordinator=self.id,
            shards={number: opened.counts() for number, opened in self._open.items()},
            unsaved=(self._left_in_flight or self.in_flight)
            + sum(opened.unjournaled for opened in self._open.values()),
            examples=tuple(self._examples.values()),
            has_flushed=self._is_stopping.is_set() and not self._open,
            route_revision=self._walks.route.revision,
        )

    @property
    def open_shards(self) -> int:
        """Shards that are begun and not committed."""
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """Requests that are at engines, or on the way."""
        return sum(one.in_flight for one in self._dispatchers.values())

    def follow(self, route: Route) -> None:
        """From now on documents go by this route; those on their way end by it, too."""
        self._walks.route = route

    def begin_nothing_more(self) -> None:
        """Answer what is in flight, and let all else wait: this process has to end."""
        for dispatcher in self._dispatchers.values():
            dispatcher.close()

    async def flush(self) -> None:
        """Journal what is finished, of every open shard; errors as `Journal.append`."""
        for opened in list(self._open.values()):
            await opened.flush()

    async def _walk_all(
        self, opened: OpenShard, documents: Sequence[Prepared], past: JournalState
    ) -> bool:
        """Give every document a row; False when told to stop before all had one."""
        tasks = (
            asyncio.create_task(self._walk_every(opened, documents, past)),
            asyncio.create_task(opened.flush_every(self._work.flush_s)),
            asyncio.create_task(self._is_stopping.wait()),
        )
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        walked, flushed, _ = ends
        if walked is None:
            return True
        for error in (walked, flushed):
            if isinstance(error, Exception):
                raise error
        return False

    async def _walk_every(
        self, opened: OpenShard, documents: Sequence[Prepared], past: JournalState
    ) -> None:
        try:
            async with asyncio.TaskGroup() as walks:
                for document in documents:
                    if document.ordinal not in opened.rows:
                        walks.create_task(self._walk_into(opened, document, past))
        except BaseExceptionGroup as errors:  # one error ends all; callers know no groups
            raise errors.exceptions[0] from None

    async def _walk_into(self, opened: OpenShard, document: Prepared, past: JournalState) -> None:
        row = await self._walks.to_row(opened.number, document, past)
        opened.add(row)
        self._note_error(row)

    async def _commit(self, opened: OpenShard) -> Receipt:
        receipt = opened.receipt(time.time())
        data = await asyncio.to_thread(
            encode_shard,
            opened.number,
            list(opened.rows.values()),
            fingerprint=self._work.fingerprint,
            write_id=new_write_id(),
            receipt=receipt,
            passthrough_names=self._work.passthrough,
        )
        await asyncio.to_thread(self._fence.check)
        outcome = await asyncio.to_thread(commit_result, self._output, opened.number, data)
        if outcome is Outcome.THEIRS:
            receipt = await asyncio.to_thread(read_receipt, self._output, opened.number)
        await asyncio.to_thread(sweep, self._checkpoint, opened.number)
        return receipt

    async def _note_engine_death(self, request: Request) -> None:
        shard, ordinal, _ = request.id.split(".", 2)
        opened = self._open.get(int(shard))
        if opened is not None:
            await opened.note_engine_death(int(ordinal))

    def _note_partial(self, request: Request) -> None:
        shard, ordinal, tier = request.id.split(".", 2)
        opened = self._open.get(int(shard))
        if opened is not None:
            opened.begin(int(ordinal), tier, request.partial)

    def _note_step(self, shard: int, ordinal: int, step: Step) -> None:
        opened = self._open.get(shard)
        if opened is not None:
            opened.step(ordinal, step)

    def _note_error(self, row: ResultRow) -> None:
        if row.error_code is not None and row.error_code not in self._examples:
            example = ErrorExample(row.error_code, row.id, row.error or "")
            self._examples[row.error_code] = example
