"""How nodes are watched for notices; made by whoever composes the run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

AUTO, AWS, GCP, AZURE, NONE = "auto", "aws", "gcp", "azure", "none"
NAMED_SOURCES = (AUTO, AWS, GCP, AZURE, NONE)
GCP_NOTICE_S = 30.0  # what Google gives unless a machine is made with preemptionNoticeDuration


class OnRebalance(StrEnum):
    """What a recommendation to rebalance does to a node."""

    CORDON = "cordon"  # nothing new is placed there; what runs may end
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class SpotSettings:
    """Where to ask, how often, and what to make of an answer."""

    source: str = AUTO  # one of NAMED_SOURCES, or an address (`address.is_own`)
    on_rebalance: OnRebalance = OnRebalance.CORDON
    poll_s: float | None = None  # None: 5 s at a cloud's service, 1 s at an address of one's own
    gcp_notice_s: float = GCP_NOTICE_S
