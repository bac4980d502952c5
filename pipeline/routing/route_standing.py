"""How a run's documents are routed, as one value of its snapshot.

Boundary: values for displays, status and manifest; nothing decides by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RouteChange:
    """During the run the audit spoke against an answer's being kept so easily."""

    unix_s: float
    threshold: float | None  # None: the tier's answers are kept no more
    sentence: str


@dataclass(frozen=True, slots=True)
class RouteStanding:
    """The route of a run that may ask several tiers.

    `threshold` is what an answer's score has to reach to be kept, None where nothing but its being
    usable counts. `audited` documents had their answer compared, `audit_loss` is their mean loss.
    """

    ladder: tuple[str, ...]
    why: str | None  # one sentence of the planner; None where the job itself names the way
    threshold: float | None
    audited: int = 0
    audit_loss: float | None = None
    changes: tuple[RouteChange, ...] = ()

    @classmethod
    def of_fields(cls, found: Mapping[str, Any]) -> RouteStanding:
        """The standing that gave these fields; KeyError, TypeError where none did."""
        changes = tuple(RouteChange(**one) for one in found["changes"])
        return cls(**{**found, "ladder": tuple(found["ladder"]), "changes": changes})
