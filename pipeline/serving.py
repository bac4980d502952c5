"""Engines as Ray Serve deployments; the only file that imports ray.serve.

Boundary: deploys one application per run and tier, sends chunks to it, reports how many replicas
are ready. Serve places, heals and scales; nothing here schedules.
Invariant: deploying the same tier of the same run again attaches to the replicas that are warm.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from ray import serve
from ray.exceptions import ObjectLostError, RayActorError, RayError
from ray.serve.config import ProxyLocation, RequestRouterConfig
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.request_router import FIFOMixin, PendingRequest, RequestRouter, RunningReplica
from ray.serve.schema import ApplicationStatus, ReplicaState

from checkpoints.errors import FencedError
from pipeline.board import BoardLink
from pipeline.drain import ReadDrain
from pipeline.engine import EngineDeadError, EngineFactory, Parts, Request
from pipeline.losses import EngineLostError, NoEngineError
from pipeline.replica import HEALTH_CHECK_S, IS_CLOSED, STOP_GRACE_S, Replica
from pipeline.tiers import Tier

HUNG_S = 180.0  # an engine that ends no step for so long is replaced
ALIVE = (ApplicationStatus.DEPLOYING, ApplicationStatus.RUNNING, ApplicationStatus.UNHEALTHY)
LOST = (RayActorError, ObjectLostError)  # the replica, its node, or the answer on the way


@dataclass(frozen=True, slots=True)
class TierState:
    """Replicas of one tier at this moment."""

    is_deployed: bool
    ready: int
    wanted: int
    problem: str | None  # why replicas do not start, once Serve has given up on them
    lacks_room: bool = False  # the cluster has had no place for a replica for half a minute


class OpenReplicas(FIFOMixin, RequestRouter):  # type: ignore[misc] # ray.serve has no types here
    """Routes to the less busy of two replicas, of those that are not closed.

    As Serve's own power-of-two router does, but a replica that hands everything back is left out;
    while every replica is, requests wait.
    """

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

    def __init__(self, application: str) -> None:
        self._application = application
        self._handle: DeploymentHandle | None = None

    async def send(self, requests: Sequence[Request]) -> Parts:
        """Completions as they are done, from whichever replica Serve chose.

        Raises:
            EngineDeadError: the engine died while it held this chunk.
            EngineLostError: the replica or its node is gone.
            NoEngineError: the tier is not deployed at the moment.
        """
        try:
            if self._handle is None:
                self._handle = serve.get_app_handle(self._application).options(stream=True)
            answer = self._handle.generate.remote(requests)
            try:
                async for part in answer:
                    if part is None:
                        raise EngineDeadError("the engine died while it held this chunk")
                    yield part
            finally:
                answer.cancel()  # does nothing after the end
        except RayServeException as error:
            self._handle = None
            raise NoEngineError(str(error)) from error
        except LOST as error:
            raise EngineLostError(str(error)) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # the caller's own wish
            raise EngineLostError("the call was cancelled at the replica") from error


def application_name(run_id: str, tier: Tier) -> str:
    """Serve's name for one tier of one run; other engine settings, another application."""
    settings = hashlib.sha256(repr(tier).encode()).hexdigest()[:8]
    return f"gleaner-{run_id}-{tier.name}-{settings}"


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
    """Start or attach to one application per tier; returns before the engines are ready."""
    serve.start(proxy_location=ProxyLocation.Disabled)
    wanted = {application_name(run_id, tier): tier for tier in tiers}
    running = serve.status().applications
    for name in running:
        if name.startswith(f"gleaner-{run_id}-") and name not in wanted:
            serve.delete(name, _blocking=True)
    for name, tier in wanted.items():
        if name in running and running[name].status in ALIVE:
            continue
        placement = tier.placement
        deployment = serve.deployment(
            Replica,
            name="engine",
            num_replicas=placement.max_replicas,
            max_ongoing_requests=10 * tier.in_flight_per_replica,
            ray_actor_options=actor_options(tier),
            health_check_period_s=HEALTH_CHECK_S,
            health_check_timeout_s=HUNG_S / 3,  # Serve replaces a replica after three of them
            graceful_shutdown_timeout_s=STOP_GRACE_S,
            graceful_shutdown_wait_loop_s=0.5,
            logging_config={"enable_access_log": False},
            request_router_config=RequestRouterConfig(
                request_router_class=OpenReplicas, request_routing_stats_period_s=1.0
            ),
        )
        serve._run(  # serve.run waits for every replica; spot capacity may not be there for all
            deployment.bind(
                make_engine,
                tier,
                partial(BoardLink, run_id, tier.name),
                read_drain,
                partial(_delete, name),
            ),
            _blocking=False,
            name=name,
            route_prefix=None,
        )


def _delete(application: str) -> None:
    """Called by a replica that has no driver any more."""
    serve.delete(application, _blocking=False)


def actor_options(tier: Tier) -> dict[str, object]:
    """Ray's options for a replica of this tier: on a node kept for engines if there is room."""
    placement = tier.placement
    options: dict[str, object] = {
        "num_cpus": placement.num_cpus,
        "num_gpus": placement.num_gpus,
        "label_selector": {"gleaner.io/role": "engine"},
        "fallback_strategy": [{"label_selector": {"gleaner.io/role": "!engine"}}],
    }
    if placement.accelerator is not None:
        options["accelerator_type"] = placement.accelerator
    return options


def tier_states(run_id: str, tiers: Sequence[Tier]) -> Mapping[str, TierState]:
    """Ready and wanted replicas by tier name."""
    applications = serve.status().applications
    return {
        tier.name: _state(applications.get(application_name(run_id, tier)), tier) for tier in tiers
    }


def undeploy(run_id: str, tiers: Sequence[Tier]) -> None:
    """Stop the engines of this run; that they go is Serve's matter, and no error of the run's."""
    for tier in tiers:
        with contextlib.suppress(RayError, TimeoutError):
            serve.delete(application_name(run_id, tier), _blocking=False)


def _state(application: object, tier: Tier) -> TierState:
    wanted = tier.placement.max_replicas
    if application is None:
        return TierState(is_deployed=False, ready=0, wanted=wanted, problem=None)
    deployments = application.deployments.values()  # type: ignore[attr-defined]
    ready = sum(
        deployment.replica_states.get(ReplicaState.RUNNING, 0) for deployment in deployments
    )
    has_given_up = application.status == ApplicationStatus.DEPLOY_FAILED  # type: ignore[attr-defined]
    messages = [deployment.message for deployment in deployments if deployment.message]
    problem = _essence(messages) if has_given_up else None
    lacks_room = any("to be scheduled" in message for message in messages)  # Serve's own words
    return TierState(True, ready, wanted, problem, lacks_room)


def _essence(messages: Sequence[str]) -> str:
    """What the engine said last; Ray's log of the replica has the whole of it."""
    last = [message.strip().splitlines()[-1].strip() for message in messages if message.strip()]
    return "; ".join(last) or "the engine does not start"
