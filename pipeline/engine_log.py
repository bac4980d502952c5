"""Which engines a run has had, and how each of them went.

Boundary: pure; the driver feeds it with what the board and Ray say, once a second. It lives as long
as one driver.
Invariant: an engine is counted once, whoever tells of it and however often.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pipeline.interruptions import EVENTS_KEPT, Interruption, Interruptions

SIGN_OF_LIFE_S = 60.0  # an engine that loads or compiles is silent for long


@dataclass(frozen=True, slots=True)
class EngineSign:
    """An engine's last sign of life."""

    node: str
    tier: str
    silent_s: float


class EngineLog:
    """Interruptions of this attempt, by engine."""

    def __init__(self) -> None:
        self._events: dict[str, Interruption] = {}
        self._buried: set[str] = set()

    def note(
        self,
        engines: Mapping[str, EngineSign],
        events: Mapping[str, Interruption],
        dead_nodes: Collection[str],
        now_unix_s: float,
    ) -> None:
        """Take what is known now; `dead_nodes` are all that Ray remembers."""
        for engine, event in events.items():
            if engine not in self._buried:
                self._events[engine] = event
        for engine, sign in engines.items():
            if sign.node in dead_nodes and engine not in self._buried:
                self._bury(engine, sign, now_unix_s)

    def interruptions(self) -> Interruptions:
        """The sums, without what documents know."""
        events = self._events.values()
        return Interruptions(
            notices=sum(event.noticed_unix_s is not None for event in events),
            losses=sum(event.is_lost for event in events),
            finished_under_notice=sum(event.documents for event in events),
            tokens_under_notice=sum(event.output_tokens for event in events),
            handed_back=sum(event.handed_back for event in events),
            dropped_tokens=sum(event.dropped_tokens for event in events),
            longest_drain_s=max((event.drained_s or 0.0 for event in events), default=0.0),
            used_s=sum(event.used_s for event in events),
            events=tuple(events)[-EVENTS_KEPT:],
        )

    def _bury(self, engine: str, sign: EngineSign, now_unix_s: float) -> None:
        """Its node is dead: it was lost, unless it was empty, or gone long before."""
        self._buried.add(engine)
        known = self._events.get(engine)
        if known is None and sign.silent_s > SIGN_OF_LIFE_S:
            return
        event = known or Interruption(sign.node, sign.tier)
        if event.ended_unix_s is None:
            self._events[engine] = replace(event, is_lost=True, ended_unix_s=now_unix_s)
