"""How a coordinator leaves a node that has to go: with nothing in its hands.

Boundary: decides when; the caller ends the process, and Ray starts the coordinator elsewhere.
Invariant: nothing is begun after a notice with a deadline. What is in flight is waited for until
`MARGIN_S` before it; what is finished is journaled before this ends, if the store can be reached.
A node without a deadline is left once no shard is open: Ray Data gives no more work to an actor
whose node drains, and has no other actor in its place before this one ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from typing import Protocol

from checkpoints.errors import StoreError
from pipeline.engines.drain import MARGIN_S, ReadDrain, ask, tell

LOOK_S = 1.0


class Leaving(Protocol):
    """What has to leave."""

    @property
    def open_shards(self) -> int:
        """Shards that are begun and not committed."""
        ...

    @property
    def in_flight(self) -> int:
        """Requests that are at engines, or on the way."""
        ...

    def begin_nothing_more(self) -> None:
        """Answer what is in flight, and let all else wait."""
        ...

    async def flush(self) -> None:
        """Journal what is finished."""
        ...


async def leave_in_time(its: Leaving, read_drain: ReadDrain) -> None:
    """Return when `its` process can end, because its node drains; never on a node that stays."""
    while (told := await ask(read_drain)) is None or (told == math.inf and its.open_shards):
        await asyncio.sleep(LOOK_S)
    deadline_unix_s = told
    its.begin_nothing_more()
    while its.in_flight and time.time() < deadline_unix_s - MARGIN_S:
        await asyncio.sleep(LOOK_S)
        deadline_unix_s = min(deadline_unix_s, await _deadline(read_drain))
    with contextlib.suppress(StoreError, OSError):  # what is not journaled is generated again
        await its.flush()


def is_left_unused(used: threading.Event, read_drain: ReadDrain) -> bool:
    """Wait until `used` is set; True as soon as the node drains before: no work will ever come."""
    while not used.wait(LOOK_S):
        if tell(read_drain) is not None:
            return True
    return False


async def _deadline(read_drain: ReadDrain) -> float:
    """In unix seconds; inf when there is none, or nobody can tell at the moment."""
    found = await ask(read_drain)
    return math.inf if found is None else found
