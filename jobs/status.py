"""What is known about a run from its objects alone; no Ray and no driver needed.

Boundary: reads what the driver wrote (run.json, status.json, cancel.json) and writes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pipeline.status
from checkpoints.cancel import read_cancel
from checkpoints.errors import NoRunError
from checkpoints.run import read_run
from checkpoints.store import Store
from pipeline.progress import FINAL_STATES, Snapshot

STALE = "stale"
STALE_AFTER_S = 60.0  # the driver writes every few seconds
UNCHANGED_S = 15.0  # so long a waiting caller sees nothing new before he believes two clocks


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands, as far as its objects say."""

    run_id: str
    name: str
    created_unix_s: float
    output_uri: str
    snapshot: Snapshot | None  # None: the driver has not written any yet
    written_unix_s: float | None  # of the snapshot
    has_cancel_request: bool

    def age_s(self, now_unix_s: float) -> float | None:
        """Seconds since the driver last wrote; None if it never did."""
        return None if self.written_unix_s is None else max(0.0, now_unix_s - self.written_unix_s)

    def is_stale(self, now_unix_s: float) -> bool:
        """Whether the driver is probably gone: the run is not over, but nobody writes."""
        return self.state(now_unix_s) == STALE

    def state(self, now_unix_s: float) -> str:
        """One word: the run's own state, `submitted` before it has any, or `stale`."""
        if self.snapshot is not None and self.snapshot.state in FINAL_STATES:
            return str(self.snapshot.state)
        if now_unix_s - (self.written_unix_s or self.created_unix_s) > STALE_AFTER_S:
            return STALE
        return "submitted" if self.snapshot is None else str(self.snapshot.state)


def read_status(checkpoint: Store, place: str) -> RunStatus:
    """The status of the run under `checkpoint`; NoRunError when there is none at `place`."""
    record = read_run(checkpoint)
    if record is None:
        raise NoRunError(f"there is no run at {place}")
    saved = pipeline.status.read_status(checkpoint)
    has_cancel_request = read_cancel(checkpoint) is not None
    return RunStatus(
        run_id=record.run_id,
        name=record.name,
        created_unix_s=record.created_unix_s,
        output_uri=record.output_uri,
        snapshot=saved.snapshot if saved else None,
        written_unix_s=saved.saved_unix_s if saved else None,
        has_cancel_request=has_cancel_request,
    )


def wait_for_end(
    checkpoint: Store,
    place: str,
    *,
    timeout_s: float,
    poll_s: float = 1.0,
    sleep: Callable[[float], None] = time.sleep,
    now_unix_s: Callable[[], float] = time.time,
) -> RunStatus:
    """The status once the run is over or its driver is gone; TimeoutError after `timeout_s`.

    The driver's clock may be minutes behind this one: it is gone when it also writes nothing new.
    """
    deadline_s = now_unix_s() + timeout_s
    last_written_s, changed_s = None, now_unix_s()
    while True:
        status = read_status(checkpoint, place)
        if status.written_unix_s != last_written_s:
            last_written_s, changed_s = status.written_unix_s, now_unix_s()
        state, unchanged_s = status.state(now_unix_s()), now_unix_s() - changed_s
        if state in FINAL_STATES or (state == STALE and unchanged_s >= UNCHANGED_S):
            return status
        if now_unix_s() > deadline_s:
            raise TimeoutError(f"the run is still {status.state(now_unix_s())}")
        sleep(poll_s)
