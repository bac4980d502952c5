"""How a coordinator leaves a node that has to go: with nothing in its hands.

Boundary: decides when; the caller ends the process, and Ray starts the coordinator elsewhere.
Invariant: nothing is begun after the notice. What is in flight is waited for until `MARGIN_S`
before the deadline; what is finished is journaled before this ends, if the store can be reached.
A node without a deadline is not left: where all nodes are cordoned there would be no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from typing import Protocol

from checkpoints.errors import StoreError
from pipeline.drain import MARGIN_S, ReadDrain, ask

LOOK_S = 1.0


class Leaving(Protocol):
    """What has to leave."""

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
    while (deadline_unix_s := await _deadline(read_drain)) == math.inf:
        await asyncio.sleep(LOOK_S)
    its.begin_nothing_more()
    while its.in_flight and time.time() < deadline_unix_s - MARGIN_S:
        await asyncio.sleep(LOOK_S)
        deadline_unix_s = min(deadline_unix_s, await _deadline(read_drain))
    with contextlib.suppress(StoreError, OSError):  # what is not journaled is generated again
        await its.flush()


async def _deadline(read_drain: ReadDrain) -> float:
    """In unix seconds; inf when there is none, or nobody can tell at the moment."""
    found = await ask(read_drain)
    return math.inf if found is None else found
