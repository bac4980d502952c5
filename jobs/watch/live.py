"""What a live page is asked for while the run is followed in another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from jobs.status import RunStatus
from jobs.watch.picture import picture
from jobs.watch.trail import Trail

LAST_LOOK_S = 10.0  # a page asks every two seconds


class Live:
    """The latest status with the trail behind it."""

    def __init__(self, *, job: str, now_unix_s: Callable[[], float] = time.time) -> None:
        self._job, self._now_unix_s = job, now_unix_s
        self._trail = Trail()
        self._latest: RunStatus | None = None
        self._was_end_seen = threading.Event()
        self._lock = threading.Lock()

    def noted(self, statuses: Iterator[RunStatus]) -> Iterator[RunStatus]:
        """The same statuses; each is kept as it passes."""
        for status in statuses:
            with self._lock:
                self._latest = status
                if status.snapshot is not None and status.written_unix_s is not None:
                    self._trail.note(status.written_unix_s, status.snapshot)
            yield status

    def picture(self) -> dict[str, Any]:
        """The run as it is now; to be asked once there is a status."""
        with self._lock:
            assert self._latest is not None
            found = picture(self._latest, self._trail, now_unix_s=self._now_unix_s(), job=self._job)
        if found["is_over"]:
            self._was_end_seen.set()
        return found

    def wait_for_last_look(self) -> None:
        """Until a page has seen how the run ended; not for long, as there may be none."""
        self._was_end_seen.wait(LAST_LOOK_S)
