"""What every coordinator of a run needs to know; picklable, made once by the driver.

Boundary: values and callables that open things; no connection is held here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from checkpoints.store import Store
from pipeline.engines.drain import ReadDrain, never
from pipeline.engines.tiers import Tier
from pipeline.outputs import OutputFormat
from pipeline.routing.route import Route
from pipeline.routing.sampling import Sampled

OpenStore = Callable[[], Store]


@dataclass(frozen=True, slots=True)
class Work:
    """One run as a coordinator sees it."""

    run_id: str
    fingerprint: str
    tiers: tuple[Tier, ...]  # those of the route
    route: Route
    output_format: OutputFormat
    passthrough: tuple[str, ...]
    open_output: OpenStore
    open_checkpoint: OpenStore
    fence_token: int
    coordinators: int  # that share the engines
    shards_in_flight: int  # per coordinator
    chunk_size: int  # requests per call to an engine
    max_engine_deaths: int  # of one document, before it is set aside
    flush_s: float  # between journal writes of an open shard
    has_several_tiers: bool = False  # the job; rows tell which were asked
    loss: str | None = None  # by which answers are compared, where any are
    wants_gold: bool = False  # compared with the right answer, not with each other
    sampled: Sampled | None = None  # documents that this attempt has answered already
    read_drain: ReadDrain = never  # of the node that a coordinator is on

    def in_flight(self, tier: Tier) -> int:
        """Requests that one coordinator keeps in flight at a tier, so that all fill its replicas.

        Sized for every replica the tier may have: when fewer are up, the rest waits in the engines'
        queues, where it costs nothing.
        """
        wanted = tier.in_flight_per_replica * tier.placement.max_replicas
        return max(self.chunk_size, -(-wanted // self.coordinators))
