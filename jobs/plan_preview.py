"""What a run would do, without starting it.

Boundary: lists and counts the input as a run does, but keeps the plan in memory; writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from checkpoints.memory_store import MemoryStore
from jobs.spec.job import JobSpec
from jobs.wiring import input_source
from pipeline.intake.listing import list_inputs
from pipeline.intake.planning import plan_input


@dataclass(frozen=True, slots=True)
class PlanSummary:
    """The sums of a plan."""

    files: int
    documents: int
    duplicates: int  # of documents: ids that come again
    shards: int
    estimated_tokens: int  # prompts, from file sizes
    size_bytes: int


def preview_plan(spec: JobSpec) -> PlanSummary:
    """The plan that `gleaner run` would make now; errors as `check_job`."""
    source = input_source(spec)
    files = list_inputs(source)
    header = plan_input(
        files,
        source,
        MemoryStore(),
        target_shard_tokens=spec.limits.target_shard_tokens,
    )
    return PlanSummary(
        files=len(files),
        documents=header.documents,
        duplicates=header.duplicates,
        shards=header.shards,
        estimated_tokens=header.estimated_tokens,
        size_bytes=header.size_bytes,
    )
