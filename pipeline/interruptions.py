"""What notices and losses did to a run, as values: one per engine and notice, and their sums.

Boundary: pure. A replica fills in its own `Interruption`, the board keeps the latest of each, the
driver sums up. What was done twice comes from the documents themselves (`Rework`), since only they
know where they were begun.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from checkpoints.result import NO_REWORK, Rework
from pipeline.engines.engine import Completion, FinishReason
from pipeline.meter import NO_STARTS, EngineStarts

HANDED_BACK = FinishReason.HANDED_BACK
EVENTS_KEPT = 200  # the latest; sums go on


@dataclass(frozen=True, slots=True)
class Interruption:
    """One engine that had to go, or went.

    Times are unix seconds of the engine's node; `noticed_unix_s` is None when it went without
    notice, `deadline_unix_s` when no time was named, `ended_unix_s` until it is empty or known to
    be lost. `used_s` are the seconds of the notice in which documents were finished: until the last
    of them. `documents` and `output_tokens` were finished in that time; of what was `handed_back`,
    `salvaged_tokens` could be kept and `dropped_tokens` not.
    """

    engine: str  # Ray's id of its actor
    node: str
    tier: str
    noticed_unix_s: float | None = None
    deadline_unix_s: float | None = None
    ended_unix_s: float | None = None
    is_lost: bool = False
    used_s: float = 0.0
    documents: int = 0
    output_tokens: int = 0
    handed_back: int = 0
    salvaged_tokens: int = 0
    dropped_tokens: int = 0

    @property
    def drained_s(self) -> float | None:
        """From the notice to the empty engine; None when it never came to that."""
        if self.noticed_unix_s is None or self.ended_unix_s is None or self.is_lost:
            return None
        return self.ended_unix_s - self.noticed_unix_s

    def told(self, deadline_unix_s: float) -> Interruption:
        """With a deadline; the earliest holds, inf names none."""
        known = math.inf if self.deadline_unix_s is None else self.deadline_unix_s
        earliest = min(known, deadline_unix_s)
        return replace(self, deadline_unix_s=earliest if earliest < math.inf else None)

    def noted(self, part: Sequence[Completion], now_unix_s: float) -> Interruption:
        """With these completions, which left the engine under notice."""
        back = [one for one in part if one.finish_reason is HANDED_BACK]
        kept = sum(len(one.partial.tokens) for one in back)
        finished = len(part) - len(back)
        noticed_unix_s = now_unix_s if self.noticed_unix_s is None else self.noticed_unix_s
        return replace(
            self,
            used_s=now_unix_s - noticed_unix_s if finished else self.used_s,
            documents=self.documents + finished,
            output_tokens=self.output_tokens
            + sum(one.output_tokens for one in part if one.finish_reason is not HANDED_BACK),
            handed_back=self.handed_back + len(back),
            salvaged_tokens=self.salvaged_tokens + kept,
            dropped_tokens=self.dropped_tokens + sum(one.output_tokens for one in back) - kept,
        )


@dataclass(frozen=True, slots=True)
class Interruptions:
    """All of a run, over all attempts.

    `losses` are engines that went without notice or before they were empty, `losses_under_notice`
    those of them that had notice. `rework` is of the documents finished so far; `starts` is what
    starting engines took; `restarted_documents` are those, about, that were begun again because
    the driver or a coordinator had died while it had them in its hands.
    """

    notices: int = 0
    losses: int = 0
    losses_under_notice: int = 0
    restarted_documents: int = 0
    finished_under_notice: int = 0
    tokens_under_notice: int = 0
    handed_back: int = 0
    dropped_tokens: int = 0
    longest_drain_s: float = 0.0
    used_s: float = 0.0
    rework: Rework = NO_REWORK
    starts: EngineStarts = NO_STARTS
    events: tuple[Interruption, ...] = ()

    @classmethod
    def of(cls, events: Sequence[Interruption]) -> Interruptions:
        """The sums of these, and the latest of them."""
        return cls(
            notices=sum(event.noticed_unix_s is not None for event in events),
            losses=sum(event.is_lost for event in events),
            losses_under_notice=sum(
                event.is_lost and event.noticed_unix_s is not None for event in events
            ),
            finished_under_notice=sum(event.documents for event in events),
            tokens_under_notice=sum(event.output_tokens for event in events),
            handed_back=sum(event.handed_back for event in events),
            dropped_tokens=sum(event.dropped_tokens for event in events),
            longest_drain_s=max((event.drained_s or 0.0 for event in events), default=0.0),
            used_s=sum(event.used_s for event in events),
            events=tuple(events)[-EVENTS_KEPT:],
        )

    def plus(self, other: Interruptions, sign: int = 1) -> Interruptions:
        """The sums of both, or without the other's with -1, and the other's events.

        Without what only documents and the driver know: `rework`, `starts` and
        `restarted_documents`.
        """
        return Interruptions(
            notices=self.notices + sign * other.notices,
            losses=self.losses + sign * other.losses,
            losses_under_notice=self.losses_under_notice + sign * other.losses_under_notice,
            finished_under_notice=self.finished_under_notice + sign * other.finished_under_notice,
            tokens_under_notice=self.tokens_under_notice + sign * other.tokens_under_notice,
            handed_back=self.handed_back + sign * other.handed_back,
            dropped_tokens=self.dropped_tokens + sign * other.dropped_tokens,
            longest_drain_s=max(self.longest_drain_s, other.longest_drain_s),
            used_s=self.used_s + sign * other.used_s,
            events=other.events,
        )

    @classmethod
    def of_fields(cls, found: Mapping[str, Any]) -> Interruptions:
        """Those whose `asdict` this is; TypeError or KeyError where there were none."""
        return cls(
            **{
                **found,
                "events": tuple(Interruption(**event) for event in found["events"]),
                "rework": Rework(**found["rework"]),
                "starts": EngineStarts(**found.get("starts", {})),
            }
        )


NO_INTERRUPTIONS = Interruptions()
