"""Reports of shards on their way from the dataset's thread to the driver's loop.

Boundary: one thread consumes the dataset and fills the inbox; the loop empties it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from checkpoints.result import Receipt
from pipeline.routing.sampling import SampledShard

Report = Receipt | SampledShard
"""Of a finished shard its receipt, of one that is only sampled the rows of its sample."""


class Inbox:
    """What a dataset yields, as it comes; `None` ends it."""

    def __init__(self) -> None:
        self._items: queue.Queue[Report | BaseException | None] = queue.Queue()
        self._is_abandoned = threading.Event()

    def fill_from(self, reports: Iterator[Report | None]) -> None:
        """Consume `reports` in a thread of its own."""
        threading.Thread(target=self._consume, args=(reports,), name="reports", daemon=True).start()

    def abandon(self) -> None:
        """Consume no further than to the next report."""
        self._is_abandoned.set()

    def take(self, timeout_s: float) -> Report | None:
        """The next report; None after the last.

        Raises:
            queue.Empty: none came in time.
            BaseException: whatever ended the dataset.
        """
        item = self._items.get(timeout=timeout_s)
        if isinstance(item, BaseException):
            raise item
        return item

    def put(self, item: Report | BaseException | None) -> None:
        """Add a report, the end, or the error that ended them."""
        self._items.put(item)

    def _consume(self, reports: Iterator[Report | None]) -> None:
        try:
            for report in reports:
                if report is not None:  # a stopped shard has none
                    self.put(report)
                if self._is_abandoned.is_set():
                    return
            self.put(None)
        except BaseException as error:  # handed to the loop, which raises it
            self.put(error)
            if not isinstance(error, Exception):
                raise
