"""A shard that a coordinator has open: its rows so far, and which of them are journaled.

Boundary: one asyncio loop; the journal's I/O runs in a thread.
Invariant: a row counts as journaled only after the journal object that holds it was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from checkpoints.journal import Entry, Finished, Journal
from checkpoints.result import Receipt, ResultRow
from pipeline.progress import Counts


class OpenShard:
    """Rows by ordinal, starting from those an earlier attempt journaled."""

    def __init__(self, number: int, journal: Journal, restored: Mapping[int, ResultRow]) -> None:
        self.number = number
        self.rows: dict[int, ResultRow] = dict(restored)
        self._journal = journal
        self._restored = len(restored)
        self._unjournaled: list[ResultRow] = []
        self._writing = asyncio.Lock()
        self._counts = Counts(restored=self._restored)
        for row in restored.values():
            self._count(row)

    def add(self, row: ResultRow) -> None:
        """Take a finished document's row."""
        self.rows[row.ordinal] = row
        self._unjournaled.append(row)
        self._count(row)

    async def flush_every(self, seconds: float) -> None:
        """Journal what is new, for ever; ends only by cancellation or by the journal's error."""
        while True:
            await asyncio.sleep(seconds)
            await self.flush()

    async def flush(self) -> None:
        """Journal every row that is not yet journaled."""
        async with self._writing:
            rows, self._unjournaled = self._unjournaled, []
            if rows:
                await asyncio.to_thread(self._journal.append, [Finished(row) for row in rows])

    async def append_now(self, entries: Sequence[Entry]) -> None:
        """Journal something that must not wait."""
        async with self._writing:
            await asyncio.to_thread(self._journal.append, entries)

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
            prompt_tokens=counts.prompt_tokens,
            output_tokens=counts.output_tokens,
            generated=counts.documents - self._restored,
            restored=self._restored,
            cost_usd=sum(row.cost_usd for row in self.rows.values()),
            committed_unix_s=now_unix_s,
        )

    def _count(self, row: ResultRow) -> None:
        self._counts += Counts(
            ok=row.status == "ok",
            error=row.status == "error",
            prompt_tokens=row.prompt_tokens,
            output_tokens=row.output_tokens,
        )
