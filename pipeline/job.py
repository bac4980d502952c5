"""A job as the pipeline runs it: everything concrete, made from a job spec by `jobs/wiring.py`.

Boundary: values and callables only; building one touches neither the store nor the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from checkpoints.encoding import Json
from pipeline.documents import InputSource
from pipeline.engines.drain import ReadDrain, never
from pipeline.engines.engine import EngineFactory
from pipeline.engines.tiers import Tier
from pipeline.node_watch import WatchNodes, nobody_watches
from pipeline.outputs import OutputFormat
from pipeline.routing.route_terms import ONE_TIER, RouteTerms
from pipeline.work import OpenStore


@dataclass(frozen=True, slots=True)
class RunLimits:
    """When a run stops, and how it spreads its work."""

    max_error_rate: float  # of finished documents; above it the run fails
    min_documents_for_error_rate: int
    max_engine_deaths: int
    flush_s: float
    coordinators: int
    shards_in_flight: int | None  # None: enough to fill the engines
    chunk_size: int
    target_shard_tokens: int | None


@dataclass(frozen=True, slots=True)
class Job:
    """One job, ready to be executed."""

    name: str
    spec: Mapping[str, Json]  # as the user wrote it, resolved; kept in run.json
    identity: Mapping[str, Json]  # what changes results; becomes the fingerprint with the input's
    source: InputSource
    output_format: OutputFormat
    tiers: tuple[Tier, ...]  # those that the route can use, cheap to strong
    limits: RunLimits
    output_uri: str
    open_output: OpenStore
    open_checkpoint: OpenStore
    make_engine: EngineFactory
    route: RouteTerms = ONE_TIER
    read_drain: ReadDrain = never
    watch_nodes: WatchNodes = nobody_watches
