"""The `limits` part: when to give up, how often to try, how much to have in flight."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from jobs.spec.base import Count, Number, Part, Seconds


class LimitsSpec(Part):
    """Bounds of a run. The defaults suit most jobs."""

    max_error_rate: Annotated[Number, Field(ge=0, le=1)] = 0.5
    """The run fails early once more than this share of documents ended as errors. 1 never stops."""
    min_documents_for_error_rate: Count = 100
    """The error rate counts only after so many documents."""
    attempts: Count = 3
    """Engines that may die on one document, alone, before it is an error row (engine_crash)."""
    request_timeout_s: Seconds = 600.0
    """Seconds that an engine has for one document; after that it is an error row (timeout)."""
    flush_s: Seconds = 5.0
    """Seconds between journal writes: what the death of a driver can cost."""
    coordinators: Count = 1
    """Processes that walk documents through the tiers."""
    shards_in_flight: Count | None = None
    """Shards that one coordinator works on at a time. None: enough to fill the engines."""
    target_shard_tokens: Count | None = None
    """Tokens per shard, which is one result file. None: chosen from the size of the input."""
