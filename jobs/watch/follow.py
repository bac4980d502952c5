"""Follows a run from its objects until it is over; needs no Ray and disturbs nothing.

Boundary: reads the status that the driver saves every few seconds. Ends only what it began itself:
Ctrl-C ends the watching, never the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from checkpoints.store import Store
from jobs.display import Display
from jobs.status import STALE, RunStatus, read_status
from jobs.wording.run import stale_line
from pipeline.progress import FINAL_STATES

EVERY_S = 2.0


def statuses(
    checkpoint: Store,
    place: str,
    *,
    sleep: Callable[[float], None] = time.sleep,
    every_s: float = EVERY_S,
) -> Iterator[RunStatus]:
    """The status again and again, the last one when the run is over.

    A store that does not answer for a moment is asked again: whoever watches for hours outlives
    that. Errors of the first look are the caller's.
    """
    status = read_status(checkpoint, place)
    while True:
        yield status
        if status.snapshot is not None and status.snapshot.state in FINAL_STATES:
            return
        sleep(every_s)
        try:
            status = read_status(checkpoint, place)
        except (ConnectionError, TimeoutError):
            continue  # shown as it was; its age tells


def follow(
    found: Iterator[RunStatus],
    display: Display,
    *,
    job: str,
    now_unix_s: Callable[[], float] = time.time,
) -> RunStatus:
    """Show each status; the last one. Says once when its driver falls silent."""
    last, was_stale = None, False
    for last in found:
        if last.snapshot is not None:
            display.show(last.snapshot)
        now_s = now_unix_s()
        is_stale = last.state(now_s) == STALE
        if is_stale and not was_stale:
            display.say(stale_line(last, now_unix_s=now_s, job=job))
        was_stale = is_stale
    assert last is not None  # a run that exists has at least one status
    return last
