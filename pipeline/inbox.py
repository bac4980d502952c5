"""Receipts on their way from the dataset's thread to the driver's loop.

Boundary: one thread consumes the dataset and fills the inbox; the loop empties it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from checkpoints.result import Receipt


class Inbox:
    """What a dataset yields, as it comes; `None` ends it."""

    def __init__(self) -> None:
        self._items: queue.Queue[Receipt | BaseException | None] = queue.Queue()
        self._is_abandoned = threading.Event()

    def fill_from(self, receipts: Iterator[Receipt | None]) -> None:
        """Consume `receipts` in a thread of its own."""
        threading.Thread(
            target=self._consume, args=(receipts,), name="receipts", daemon=True
        ).start()

    def abandon(self) -> None:
        """Consume no further than to the next receipt."""
        self._is_abandoned.set()

    def take(self, timeout_s: float) -> Receipt | None:
        """The next receipt; None after the last.

        Raises:
            queue.Empty: none came in time.
            BaseException: whatever ended the dataset.
        """
        item = self._items.get(timeout=timeout_s)
        if isinstance(item, BaseException):
            raise item
        return item

    def put(self, item: Receipt | BaseException | None) -> None:
        """Add a receipt, the end, or the error that ended them."""
        self._items.put(item)

    def _consume(self, receipts: Iterator[Receipt | None]) -> None:
        try:
            for receipt in receipts:
                if receipt is not None:  # a stopped shard has none
                    self.put(receipt)
                if self._is_abandoned.is_set():
                    return
            self.put(None)
        except BaseException as error:  # handed to the loop, which raises it
            self.put(error)
            if not isinstance(error, Exception):
                raise
