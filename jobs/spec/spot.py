"""The `spot` part: where nodes learn that their machine goes, and what a recommendation does."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from infra.spot.address import PLACEHOLDERS, is_own, unknown_placeholders
from infra.spot.settings import GCP_NOTICE_S, NAMED_SOURCES
from jobs.spec.base import Part, Seconds, Text, require


class SpotSpec(Part):
    """Notices of interruption. The defaults suit every cloud that is known, and none."""

    source: Text = "auto"
    """auto: what the node finds out about itself. Or aws, gcp, azure, none, or an address of one's
    own: file:/path or http(s)://..., with {node_id}, {node_ip} and {hostname} for the node's."""
    rebalance: Literal["cordon", "ignore"] = "cordon"
    """What AWS's recommendation to rebalance does: no new work for the node, or nothing."""
    poll_s: Seconds | None = None
    """Seconds between two looks. None: 5 at a cloud's service, 1 at an address of one's own."""
    gcp_notice_s: Seconds = GCP_NOTICE_S
    """Seconds from Google's notice to the machine's end; 120 for machines that were made with
    preemptionNoticeDuration 120 s."""

    @field_validator("source")
    @classmethod
    def _source_can_be_asked(cls, source: str) -> str:
        if source in NAMED_SOURCES:
            return source
        require(
            is_own(source),
            "names no source of notices",
            f"use {', '.join(NAMED_SOURCES)}, file:/full/path or http(s)://...",
        )
        unknown = unknown_placeholders(source)
        require(
            not unknown,
            f"nothing is known as {{{', '.join(unknown)}}}",
            "use " + ", ".join(f"{{{name}}}" for name in PLACEHOLDERS),
        )
        return source
