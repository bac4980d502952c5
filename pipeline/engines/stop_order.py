"""Serve's order to stop a replica, which Serve gives without a word to what runs in it.

Boundary: watches and asks; what is done about an order is `replica.py`'s matter.
Invariants: silence is no order. Serve says nothing more to a replica that it stops, but a
controller that is dead, restarts or is busy says nothing either: only Serve's own account of the
replica counts. An order is taken for as old as it can be.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from pipeline.engines.tiers import Generation

LOGGER = logging.getLogger(__name__)
LOOK_S = 1.0
SILENT_S = 6.0  # Serve asks for routing statistics every second, and for health every other
STOP_S = 12.0  # to learn of an order, and to end calls that nobody waits for
SLOW_TOKENS_PER_S = 20.0  # of one answer among many
LONGEST_S = 105.0  # Serve stops a replica so long, and `STOP_S`, before its node's deadline

IsStopped = Callable[[], bool]
"""Whether Serve has ordered this replica to stop; may take until a controller is there again."""


def grace_s(generation: Generation) -> float:
    """How long after its order Serve lets a replica live: as long as a slow answer takes.

    It stops a replica as soon as another one has taken its place, and in any case so long before
    the node's deadline; from then on it sends nothing new there. So more would waste a notice.
    """
    answer_s = min(generation.max_tokens / SLOW_TOKENS_PER_S, LONGEST_S)
    if generation.timeout_s is not None:
        answer_s = min(answer_s, generation.timeout_s)
    return STOP_S + answer_s


class StopOrder:
    """Of one replica."""

    def __init__(self, is_stopped: IsStopped) -> None:
        self._is_stopped = is_stopped
        self._heard_s = time.monotonic()
        self.given_s: float | None = None  # no earlier than this; None while there is none

    def hear(self) -> None:
        """Serve asked for something that it does not ask of a replica that it stops."""
        self._heard_s = time.monotonic()

    async def watch(self) -> None:
        """Return once there is an order."""
        while self.given_s is None:
            await asyncio.sleep(LOOK_S)
            asked_s = time.monotonic()
            if asked_s - self._heard_s < SILENT_S:
                continue
            is_stopped = await asyncio.to_thread(self._ask)
            if is_stopped:
                self.given_s = self._heard_s
            elif is_stopped is not None:
                self._heard_s = max(self._heard_s, asked_s)

    def _ask(self) -> bool | None:
        """None while nobody can tell."""
        try:
            return self._is_stopped()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no order
            LOGGER.warning("Serve does not say whether this replica is to stop: %s", error)
            return None
