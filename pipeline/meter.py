"""Spend so far: replica-seconds at their price, added up while the run lasts.

Boundary: pure; the driver calls `note` about once a second. Formula: USD = sum over tiers and
intervals of ready replicas x interval_s x usd_per_hour / 3600.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.tiers import Tier

LONGEST_INTERVAL_S = 60.0  # a driver that was suspended for longer bills no more than this


class Meter:
    """Adds to what earlier attempts of the run had spent."""

    def __init__(self, tiers: Sequence[Tier], spent_before_usd: float) -> None:
        self._usd_per_s = {tier.name: tier.placement.usd_per_hour / 3600 for tier in tiers}
        self._usd = spent_before_usd
        self._last_s: float | None = None

    def note(self, now_s: float, ready_replicas: Mapping[str, int]) -> None:
        """Bill the time since the last note with the replicas that are ready now."""
        if self._last_s is not None:
            interval_s = min(LONGEST_INTERVAL_S, now_s - self._last_s)
            self._usd += interval_s * sum(
                count * self._usd_per_s[tier] for tier, count in ready_replicas.items()
            )
        self._last_s = now_s

    @property
    def usd(self) -> float:
        """Spend of all attempts so far."""
        return self._usd
