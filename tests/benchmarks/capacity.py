"""How long a run would have taken that loses nothing but the nodes it does not have. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """From this moment on, so many nodes or engines more or fewer are up."""

    at_s: float
    nodes: int


@dataclass(frozen=True, slots=True)
class Span:
    """An engine is ready from one moment until another; until the end where that is None."""

    from_s: float
    to_s: float | None = None

    def until_s(self, end_s: float) -> float:
        """Its seconds before `end_s`."""
        return max(0.0, min(end_s, end_s if self.to_s is None else self.to_s) - self.from_s)


def changes_of(spans: Sequence[Span]) -> list[Change]:
    """What engines that are ready for such spans add to a fleet of none."""
    begun = [Change(span.from_s, +1) for span in spans]
    return begun + [Change(span.to_s, -1) for span in spans if span.to_s is not None]


def ideal_wall_s(needed_s: float, up: int, changes: Sequence[Change]) -> float:
    """Seconds until a fleet of `up` that changes so has given so many seconds; inf where never."""
    now_s = 0.0
    for change in sorted(changes, key=lambda change: change.at_s):
        given_s = up * (change.at_s - now_s)
        if given_s >= needed_s:
            break
        needed_s -= given_s
        up, now_s = up + change.nodes, change.at_s
    return now_s + needed_s / up if up > 0 else float("inf")
