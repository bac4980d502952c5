"""A shard that a coordinator has open: its rows so far, and which of them are journaled.

Boundary: one asyncio loop; the journal's I/O runs in a thread.
Invariants: a row counts as journaled only after the journal object that holds it was written; a
write that failed is made again with the next one. At most one thread is in the journal, and none is
left there when a method returns or is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence, Set

from checkpoints.errors import UnknownWriteError
from checkpoints.journal import Begun, EngineDeath, Entry, Finished, Journal, Stepped
from checkpoints.partial import Partial
from checkpoints.result import Receipt, ResultRow
from checkpoints.steps import Step, audits_of, tallied
from pipeline.progress import Counts

STORE_IS_AWAY = (UnknownWriteError, ConnectionError, TimeoutError)


class OpenShard:
    """Rows by ordinal, starting from those that were journaled before.

    Those of `sampled` are this attempt's own work, all others an earlier one's.
    """

    def __init__(
        self,
        number: int,
        journal: Journal,
        restored: Mapping[int, ResultRow],
        sampled: Set[int] = frozenset(),
    ) -> None:
        self.number = number
        self.rows: dict[int, ResultRow] = dict(restored)
        self._journal = journal
        self._restored = len(restored.keys() - sampled)
        self._generated = len(restored) - self._restored
        self._unjournaled: list[ResultRow] = []
        self._begun: dict[tuple[int, str], Partial] = {}
        self._steps: list[Stepped] = []
        self._writing = asyncio.Lock()
        self._counts = Counts(restored=self._restored)
        for row in restored.values():
            self._counts += counted([row])

    def add(self, row: ResultRow) -> None:
        """Take a finished document's row."""
        self.rows[row.ordinal] = row
        self._unjournaled.append(row)
        self._generated += row.tier is not None  # the others needed no engine
        self._counts += counted([row])

    def begin(self, ordinal: int, tier: str, partial: Partial) -> None:
        """Take what there is of a document's answer; its row replaces it."""
        self._begun[ordinal, tier] = partial

    def step(self, ordinal: int, step: Step) -> None:
        """Take a tier's part in a document's way that goes on; its row replaces it."""
        self._steps.append(Stepped(ordinal, step))

    @property
    def unjournaled(self) -> int:
        """Documents that have their row and are not durable yet."""
        return len(self._unjournaled)

    async def flush_every(self, seconds: float) -> None:
        """Journal what is new, for ever; ends only by cancellation or by an error that stays.

        While the store is away rows wait for the next flush; what they risk is work, not results.
        """
        while True:
            await asyncio.sleep(seconds)
            with contextlib.suppress(*STORE_IS_AWAY):
                await self.flush()

    async def flush(self) -> None:
        """Journal what is not yet journaled; errors as `Journal.append`."""
        async with self._writing:
            rows, begun = self._unjournaled.copy(), self._begun.copy()
            unfinished = [
                Begun(ordinal, tier, partial)
                for (ordinal, tier), partial in begun.items()
                if ordinal not in self.rows
            ]
            steps = self._steps.copy()
            on_their_way = [one for one in steps if one.ordinal not in self.rows]
            await self._append([*(Finished(row) for row in rows), *unfinished, *on_their_way])
            del self._unjournaled[: len(rows)]
            del self._steps[: len(steps)]
            for place, partial in begun.items():
                if self._begun[place] is partial:
                    del self._begun[place]

    async def note_engine_death(self, ordinal: int) -> None:
        """Journal at once that an engine died on a document.

        A store that is away keeps it from being counted: the death may be durable, and counting it
        twice would be unjust, so it is not written again.
        """
        async with self._writing:
            with contextlib.suppress(*STORE_IS_AWAY):
                await self._append([EngineDeath(ordinal)])

    def counts(self) -> Counts:
        """Documents and tokens of the rows so far."""
        return self._counts

    def receipt(self, now_unix_s: float) -> Receipt:
        """What the finished shard reports."""
        counts = self._counts
        return Receipt(
            shard=self.number,
            documents=counts.documents,
            ok=counts.ok,
            error=counts.error,
            error_codes=counts.error_codes,
            prompt_tokens=counts.prompt_tokens,
            output_tokens=counts.output_tokens,
            generated=self._generated,
            restored=self._restored,
            cost_usd=sum(row.cost_usd for row in self.rows.values()),
            committed_unix_s=now_unix_s,
            rework=counts.rework,
            tiers=counts.tiers,
            audits=tuple(audits_of(row.steps for row in self.rows.values())),
        )

    async def _append(self, entries: Sequence[Entry]) -> None:
        writing = asyncio.create_task(asyncio.to_thread(self._journal.append, entries))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:  # the thread cannot be cancelled, so it is waited for
            await asyncio.gather(writing, return_exceptions=True)
            raise


def counted(rows: Iterable[ResultRow]) -> Counts:
    """What some rows come to."""
    found = Counts()
    for row in rows:
        found += Counts(
            ok=row.status == "ok",
            error_codes={} if row.error_code is None else {row.error_code: 1},
            prompt_tokens=row.prompt_tokens,
            output_tokens=row.output_tokens,
            rework=row.rework,
            tiers=tallied(row.steps),
        )
    return found
