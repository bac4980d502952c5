"""Which engines a run has had, and how each of them went.

Boundary: pure; the driver feeds it with what the board and Ray say, once a second. It lives as long
as one driver.
Invariant: an engine is counted once, whoever tells of it and however often.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pipeline.engines.engine_work import NO_WORK, EngineWork
from pipeline.interruptions import (
    EVENTS_KEPT,
    NO_INTERRUPTIONS,
    Interruption,
    Interruptions,
)

CLOSED_KEPT = 10_000  # engines; a board forgets one within minutes
SIGN_OF_LIFE_S = 60.0  # an engine that loads or compiles is silent for long


@dataclass(frozen=True, slots=True)
class EngineSign:
    """An engine's last sign of life, and what it had done by then."""

    node: str
    tier: str
    silent_s: float
    work: EngineWork = NO_WORK
    output_tokens_per_s: float = 0.0  # between its last signs


class EngineLog:
    """Interruptions of a run, by engine; begins with what earlier attempts knew.

    Engines outlive their driver, so one that had notice then may have more to say now.
    """

    def __init__(self, past: Interruptions = NO_INTERRUPTIONS) -> None:
        self._events = {event.engine: event for event in past.events}
        self._older = past.plus(Interruptions.of(past.events), -1)
        self._closed: OrderedDict[str, None] = OrderedDict()  # nothing more is heard of these

    def note(
        self,
        engines: Mapping[str, EngineSign],
        events: Mapping[str, Interruption],
        dead_nodes: Collection[str],
        now_unix_s: float,
    ) -> None:
        """Take what is known now; `dead_nodes` are all that Ray remembers."""
        for engine, event in events.items():
            if engine not in self._closed:
                self._events[engine] = event
        for engine, sign in engines.items():
            if sign.node in dead_nodes and engine not in self._closed:
                self._bury(engine, sign, now_unix_s)
        self._fold()

    def interruptions(self) -> Interruptions:
        """The sums, without what documents know."""
        return self._older.plus(Interruptions.of(tuple(self._events.values())))

    def _bury(self, engine: str, sign: EngineSign, now_unix_s: float) -> None:
        """Its node is dead: it was lost, unless it was empty, or gone long before."""
        self._close(engine)
        known = self._events.get(engine)
        if known is None and sign.silent_s > SIGN_OF_LIFE_S:
            return
        event = known or Interruption(engine, sign.node, sign.tier)
        if event.ended_unix_s is None:
            self._events[engine] = replace(event, is_lost=True, ended_unix_s=now_unix_s)

    def _fold(self) -> None:
        """Keep the latest events one by one, of older ones that are over the sums."""
        too_many = max(0, len(self._events) - EVENTS_KEPT)
        over = [one for one, event in self._events.items() if event.ended_unix_s is not None]
        for engine in over[:too_many]:
            self._older = self._older.plus(Interruptions.of([self._events.pop(engine)]))
            self._close(engine)

    def _close(self, engine: str) -> None:
        self._closed[engine] = None
        if len(self._closed) > CLOSED_KEPT:
            self._closed.popitem(last=False)
