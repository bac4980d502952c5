"""Spend so far, and how much of it went into starting engines, added up while the run lasts.

Boundary: pure; the driver calls `note` about once a second. Formula: USD = sum over tiers and
intervals of replicas that have a node x interval_s x usd_per_hour / 3600: a node is paid for while
its engine loads and compiles, too. A start is a restart as far as more replicas of the tier were
ready before, in this attempt at the run, than are now and stay: it makes up for one that went.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.engines.tier_state import TierState
from pipeline.engines.tiers import Tier

LONGEST_INTERVAL_S = 60.0  # a driver that was suspended for longer bills no more than this


@dataclass(frozen=True, slots=True)
class EngineStarts:
    """Replica-seconds between getting a node and being ready, and their price.

    Of all starts, and of those that replaced an engine that went.
    """

    seconds: float = 0.0
    usd: float = 0.0
    restart_seconds: float = 0.0
    restart_usd: float = 0.0

    def __add__(self, other: EngineStarts) -> EngineStarts:
        return EngineStarts(
            self.seconds + other.seconds,
            self.usd + other.usd,
            self.restart_seconds + other.restart_seconds,
            self.restart_usd + other.restart_usd,
        )


NO_STARTS = EngineStarts()


class Meter:
    """Adds to what earlier attempts of the run had spent."""

    def __init__(
        self, tiers: Sequence[Tier], spent_before_usd: float, starts_before: EngineStarts
    ) -> None:
        self._usd_per_s = {tier.name: tier.placement.usd_per_hour / 3600 for tier in tiers}
        self._usd = spent_before_usd
        self._starts = starts_before
        self._most_ready: dict[str, int] = {}
        self._last_s: float | None = None

    def note(self, now_s: float, tiers: Mapping[str, TierState]) -> None:
        """Bill the time since the last note with the replicas that there are now."""
        interval_s = 0.0
        if self._last_s is not None:
            interval_s = min(LONGEST_INTERVAL_S, now_s - self._last_s)
        self._last_s = now_s
        for name, tier in tiers.items():
            self._bill(name, tier, interval_s)

    def _bill(self, name: str, tier: TierState, interval_s: float) -> None:
        usd_per_s = self._usd_per_s[name]
        self._usd += interval_s * (tier.ready + tier.starting) * usd_per_s
        most = self._most_ready[name] = max(self._most_ready.get(name, 0), tier.ready)
        starting_s = interval_s * tier.starting
        missing = max(0, most - (tier.ready - tier.leaving))
        restarting_s = interval_s * min(tier.starting, missing)
        self._starts += EngineStarts(
            starting_s, starting_s * usd_per_s, restarting_s, restarting_s * usd_per_s
        )

    @property
    def usd(self) -> float:
        """Spend of all attempts so far."""
        return self._usd

    @property
    def starts(self) -> EngineStarts:
        """What starting engines took, of all attempts so far."""
        return self._starts
