"""Engines as Ray Serve deployments; the only file that imports ray.serve.

Boundary: deploys one application per run, tier and pool, sends chunks to them, reports how many
replicas are ready. Serve places, heals and scales; nothing here schedules.
Invariants: deploying the same tier of the same run again attaches to the replicas that are warm. A
chunk goes to the less busy of two open replicas, whichever pools of the tier they belong to, so no
pool without replicas holds any.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar
from weakref import WeakSet

from ray import serve
from ray.exceptions import ObjectLostError, RayActorError, RayError
from ray.serve.config import ProxyLocation, RequestRouterConfig
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.request_router import FIFOMixin, PendingRequest, RequestRouter, RunningReplica
from ray.serve.schema import ApplicationDetails, ServeInstanceDetails

from checkpoints.errors import FencedError
from pipeline.board import BoardLink
from pipeline.engines.drain import ReadDrain
from pipeline.engines.engine import EngineDeadError, EngineFactory, Parts, Request
from pipeline.engines.losses import EngineLostError, NoEngineError
from pipeline.engines.pools import Pool, actor_options, pools
from pipeline.engines.replica import HEALTH_CHECK_S, IS_CLOSED, Replica
from pipeline.engines.serve_details import is_stopped, pool_state, stands
from pipeline.engines.starts import Starts
from pipeline.engines.stop_order import grace_s
from pipeline.engines.tier_state import PoolState, TierState, tier_state
from pipeline.engines.tiers import Tier

HUNG_S = 180.0  # an engine that ends no step for so long is replaced
ASK_AGAIN_S = 0.25  # while no pool of several has had a replica
LOST = (RayActorError, ObjectLostError)  # the replica, its node, or the answer on the way


@dataclass(slots=True)
class _Routed:
    """The replicas of each of a tier's pools, and who routes to them in this process."""

    replicas: dict[str, list[RunningReplica]] = field(default_factory=dict)  # by application
    routers: WeakSet[OpenReplicas] = field(default_factory=WeakSet)


class OpenReplicas(FIFOMixin, RequestRouter):  # type: ignore[misc] # ray.serve has no types here
    """Routes to the less busy of two replicas, of those of all pools that are not closed.

    As Serve's own power-of-two router does, but a replica that hands everything back is left out;
    while every replica is, requests wait. The routers of a tier's pools tell each other of their
    replicas; all of a process run in one loop.
    """

    _tiers: ClassVar[defaultdict[str, _Routed]] = defaultdict(_Routed)

    def initialize_state(self, *, tier: str) -> None:
        """Called by Serve; `tier` is what the applications of its pools have in common."""
        self._routed = self._tiers[tier]
        self._routed.routers.add(self)

    def update_replicas(self, replicas: list[RunningReplica]) -> None:
        """Called by Serve with the replicas of this router's own pool."""
        self._routed.replicas[self.app_name] = replicas
        found = [one for pool in self._routed.replicas.values() for one in pool]
        for router in tuple(self._routed.routers):
            RequestRouter.update_replicas(router, found)

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """At most one rank, of two replicas or fewer."""
        if pending_request is not None:
            pending_request.routing_context.should_backoff = True
        found = [one for one in candidate_replicas if not one.routing_stats.get(IS_CLOSED)]
        return [random.sample(found, min(2, len(found)))] if found else []


class EngineClient:
    """Sends chunks to one tier's replicas; made anew in every coordinator."""

    def __init__(self, applications: Sequence[str]) -> None:
        self._applications = deque(applications)
        self._handles: dict[str, DeploymentHandle] = {}

    async def send(self, requests: Sequence[Request]) -> Parts:
        """Completions as they are done, from whichever replica Serve chose.

        Raises:
            EngineDeadError: the engine died while it held this chunk.
            EngineLostError: the replica or its node is gone.
            NoEngineError: the tier is not deployed at the moment.
        """
        try:
            answer = (await self._handle()).generate.remote(requests)
            try:
                async for part in answer:
                    if part is None:
                        raise EngineDeadError("the engine died while it held this chunk")
                    yield part
            finally:
                answer.cancel()  # does nothing after the end
        except RayServeException as error:
            self._handles.clear()
            self._applications.rotate()  # Serve may have given up on this pool only
            raise NoEngineError(str(error)) from error
        except LOST as error:
            raise EngineLostError(str(error)) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # the caller's own wish
            raise EngineLostError("the call was cancelled at the replica") from error

    async def _handle(self) -> DeploymentHandle:
        """Of an application that has had a replica: before its first, its calls reach no other."""
        while True:
            held = self._held()
            if len(self._applications) == 1:
                return held[0]
            for handle in held:
                if handle.running_replicas_populated():
                    return handle
            await asyncio.sleep(ASK_AGAIN_S)

    def _held(self) -> list[DeploymentHandle]:
        """Of every application that is deployed; each hears of its replicas for as long."""
        missing: RayServeException | None = None
        for name in self._applications:
            if name not in self._handles:
                try:
                    self._handles[name] = serve.get_app_handle(name).options(stream=True)
                except RayServeException as error:
                    missing = error
        if missing is not None and not self._handles:
            raise missing
        return [self._handles[name] for name in self._applications if name in self._handles]


def application_names(run_id: str, tier: Tier) -> tuple[str, ...]:
    """Serve's names for one tier of one run, a pool each."""
    return tuple(_name(run_id, tier, pool) for pool in pools(tier.placement))


def _tier_name(run_id: str, tier: Tier) -> str:
    """Other engine settings, another name."""
    settings = hashlib.sha256(repr(tier).encode()).hexdigest()[:8]
    return f"gleaner-{run_id}-{tier.name}-{settings}"


def _name(run_id: str, tier: Tier, pool: Pool) -> str:
    return _tier_name(run_id, tier) + ("-floor" if pool.is_floor else "")


@contextmanager
def engines(
    run_id: str, tiers: Sequence[Tier], make_engine: EngineFactory, read_drain: ReadDrain
) -> Iterator[None]:
    """The tiers' engines, from their deployment to the end of the block.

    A fenced driver leaves them alone: they are its successor's.
    """
    deploy(run_id, tiers, make_engine, read_drain)
    try:
        yield
    except FencedError:
        raise
    except BaseException:
        undeploy(run_id, tiers)
        raise
    undeploy(run_id, tiers)


def deploy(
    run_id: str, tiers: Sequence[Tier], make_engine: EngineFactory, read_drain: ReadDrain
) -> None:
    """Start or attach to one application per tier and pool; returns before engines are ready."""
    serve.start(proxy_location=ProxyLocation.Disabled)
    wanted = {
        _name(run_id, tier, pool): (tier, pool) for tier in tiers for pool in pools(tier.placement)
    }
    running = _applications()
    for name in running:
        if name.startswith(f"gleaner-{run_id}-") and name not in wanted:
            serve.delete(name, _blocking=True)
    for name, (tier, pool) in wanted.items():
        if name in running and stands(running[name]):
            continue
        deployment = serve.deployment(
            Replica,
            name="engine",
            num_replicas=pool.replicas,
            max_ongoing_requests=10 * tier.in_flight_per_replica,
            ray_actor_options=actor_options(tier.placement, pool),
            health_check_period_s=HEALTH_CHECK_S,
            health_check_timeout_s=HUNG_S / 3,  # Serve replaces a replica after three of them
            graceful_shutdown_timeout_s=grace_s(tier.generation),
            graceful_shutdown_wait_loop_s=0.5,
            logging_config={"enable_access_log": False},
            request_router_config=RequestRouterConfig(
                request_router_class=OpenReplicas,
                request_router_kwargs={"tier": _tier_name(run_id, tier)},
                request_routing_stats_period_s=1.0,
            ),
        )
        serve._run(  # serve.run waits for every replica; spot capacity may not be there for all
            deployment.bind(
                make_engine,
                tier,
                partial(BoardLink, run_id, tier.name),
                read_drain,
                partial(_delete, name),
                partial(_is_stopped, name),
            ),
            _blocking=False,
            name=name,
            route_prefix=None,
        )


def _delete(application: str) -> None:
    """Called by a replica that has no driver any more."""
    serve.delete(application, _blocking=False)


def _is_stopped(application: str) -> bool:
    """Called by a replica of it that hears nothing of Serve."""
    if _get_global_client(raise_if_no_controller_running=False) is None:
        raise ConnectionError("Serve has no controller")
    replica_id = serve.get_replica_context().replica_id.unique_id
    return is_stopped(_applications().get(application), replica_id)


def tier_states(run_id: str, tiers: Sequence[Tier], starts: Starts) -> Mapping[str, TierState]:
    """Replicas by tier name; `starts` is what earlier looks at them left."""
    applications = _applications()

    def state(tier: Tier, pool: Pool) -> PoolState | None:
        name = _name(run_id, tier, pool)
        found = applications.get(name)
        return None if found is None else starts.noted(name, pool_state(found), pool.replicas)

    return {
        tier.name: tier_state(
            [state(tier, pool) for pool in pools(tier.placement)],
            wanted=tier.placement.max_replicas,
        )
        for tier in tiers
    }


def undeploy(run_id: str, tiers: Sequence[Tier]) -> None:
    """Stop the engines of this run; that they go is Serve's matter, and no error of the run's."""
    for tier in tiers:
        for name in application_names(run_id, tier):
            with contextlib.suppress(RayError, TimeoutError):
                serve.delete(name, _blocking=False)


def _applications() -> Mapping[str, ApplicationDetails]:
    client = _get_global_client(raise_if_no_controller_running=False)
    details = {} if client is None else client.get_serve_details()
    found: Mapping[str, ApplicationDetails] = ServeInstanceDetails(**details).applications
    return found
