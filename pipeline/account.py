"""What a run's shards have come to, over all attempts: counts, receipts and audits.

Boundary: the driver hands in reports and what the board shows; storage is the receipt log's.
Invariant: a shard counts by its receipt once that is here, by the board before.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

from checkpoints.errors import UnknownWriteError
from checkpoints.receipts import ReceiptLog, Totals
from checkpoints.result import Receipt
from checkpoints.steps import Audited
from checkpoints.store import Store
from pipeline.interruptions import Interruptions
from pipeline.progress import Counts
from pipeline.status import Past


class Account:
    """Committed work of earlier attempts (`before`) and of this one."""

    def __init__(self, checkpoint: Store, token: int, before: Totals, past: Past) -> None:
        self._receipts = ReceiptLog(checkpoint, token)
        self._unlogged: list[Receipt] = []
        self._past = past
        self._before = Counts(
            ok=before.ok,
            error_codes=before.error_codes,
            restored=before.documents,
            prompt_tokens=before.prompt_tokens,
            output_tokens=before.output_tokens,
            rework=before.rework,
            tiers=before.tiers,
        )
        self.committed = Counts()  # by this attempt
        self.shards_done = before.shards
        self.audits: list[Audited] = list(before.audits)

    def take(self, receipt: Receipt) -> None:
        """A shard is committed."""
        self.committed += Counts(
            ok=receipt.ok,
            error_codes=receipt.error_codes,
            restored=receipt.restored,
            prompt_tokens=receipt.prompt_tokens,
            output_tokens=receipt.output_tokens,
            rework=receipt.rework,
            tiers=receipt.tiers,
        )
        self.shards_done += 1
        self.audits += receipt.audits
        self._unlogged.append(receipt)

    def log(self) -> None:
        """Make the receipts durable that are not yet; a resume finds lost ones in the footers."""
        receipts, self._unlogged = self._unlogged, []
        if receipts:
            with contextlib.suppress(UnknownWriteError):
                self._receipts.append(receipts)

    def done(self, open_shards: Counts) -> Counts:
        """All attempts together."""
        return self._before + self.committed + open_shards

    def interruptions(
        self, of_engines: Interruptions, done: Counts, begun_again: int
    ) -> Interruptions:
        """Of all attempts; what an attempt that died had in its hands is begun again."""
        past = self._past.interruptions.restarted_documents + self._past.unsaved
        return replace(of_engines, rework=done.rework, restarted_documents=past + begun_again)
