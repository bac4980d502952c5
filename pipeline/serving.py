"""Engines as Ray Serve deployments; the only file that imports ray.serve.

Boundary: deploys one application per run and tier, sends chunks to it, reports how many replicas
are ready. Serve places, heals and scales; nothing here schedules.
Invariants: deploying the same tier of the same run again attaches to the replicas that are warm. A
replica whose engine died ends its process, so that Serve replaces it within seconds. A replica that
nobody has called for `IDLE_S` deletes its application: engines must not outlive their run for long.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ray import serve
from ray.exceptions import ObjectLostError, RayActorError
from ray.serve.config import ProxyLocation
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus, ReplicaState

from checkpoints.errors import FencedError
from pipeline.dispatch import EngineLostError
from pipeline.engine import Completion, EngineDeadError, EngineFactory, Request
from pipeline.tiers import Tier

IDLE_S = 600.0
HEALTH_CHECK_S = 2.0
ALIVE = (ApplicationStatus.DEPLOYING, ApplicationStatus.RUNNING, ApplicationStatus.UNHEALTHY)
# The replica or its node is gone, or the answer went with it; or there is no replica to be had.
LOST = (RayActorError, ObjectLostError, DeploymentUnavailableError)
LAST_WORDS_S = 0.5  # between the answers of a dead engine's replica and its exit


@dataclass(frozen=True, slots=True)
class TierState:
    """Replicas of one tier at this moment."""

    ready: int
    wanted: int
    problem: str | None  # why replicas do not start, once Serve has given up on them


class Replica:
    """One engine in one Serve replica."""

    async def __init__(  # type: ignore[misc] # Serve awaits it, on the loop that will serve
        self, make_engine: EngineFactory, tier: Tier, application: str
    ) -> None:
        self._application = application
        self._calls = 0
        self._is_dying = False
        self._engine = make_engine(tier)
        await self._engine.start()
        self._last_call_s = time.monotonic()

    async def generate(self, requests: Sequence[Request]) -> list[Completion] | None:
        """Completions in order, or None when the engine died while it held this chunk.

        Raises:
            EngineLostError: the engine had died before; this chunk had no part in it.
        """
        if self._is_dying:
            raise EngineLostError("the engine died a moment ago; its replica is about to go")
        self._calls += 1
        try:
            return await self._engine.generate(requests)
        except EngineDeadError:
            self._is_dying = True
            asyncio.get_running_loop().call_later(LAST_WORDS_S, os._exit, 1)
            return None
        finally:
            self._calls -= 1
            self._last_call_s = time.monotonic()

    async def check_health(self) -> None:
        """Called by Serve every few seconds; also where idleness is noticed."""
        await self._engine.check_health()
        if self._calls == 0 and time.monotonic() - self._last_call_s > IDLE_S:
            serve.delete(self._application, _blocking=False)


class EngineClient:
    """Sends chunks to one tier's replicas; picklable, made anew in every coordinator."""

    def __init__(self, application: str) -> None:
        self._handle: DeploymentHandle = serve.get_app_handle(application)

    async def send(self, requests: Sequence[Request]) -> list[Completion]:
        """Completions in order, from whichever replica Serve chose.

        Raises:
            EngineDeadError: the engine died while it held this chunk.
            EngineLostError: the replica or its node is gone.
        """
        try:
            completions: list[Completion] | None = await self._handle.generate.remote(requests)
        except LOST as error:
            raise EngineLostError(str(error)) from error
        if completions is None:
            raise EngineDeadError("the engine died while it held this chunk")
        return completions


def application_name(run_id: str, tier: Tier) -> str:
    """Serve's name for one tier of one run; other engine settings, another application."""
    settings = hashlib.sha256(repr(tier).encode()).hexdigest()[:8]
    return f"gleaner-{run_id}-{tier.name}-{settings}"


@contextmanager
def engines(run_id: str, tiers: Sequence[Tier], make_engine: EngineFactory) -> Iterator[None]:
    """The tiers' engines, from their deployment to the end of the block.

    A fenced driver leaves them alone: they are its successor's.
    """
    deploy(run_id, tiers, make_engine)
    try:
        yield
    except FencedError:
        raise
    except BaseException:
        undeploy(run_id, tiers)
        raise
    undeploy(run_id, tiers)


def deploy(run_id: str, tiers: Sequence[Tier], make_engine: EngineFactory) -> None:
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
            health_check_timeout_s=30.0,
            graceful_shutdown_timeout_s=5.0,
            graceful_shutdown_wait_loop_s=0.5,
            logging_config={"enable_access_log": False},
        )
        serve._run(  # serve.run waits for every replica; spot capacity may not be there for all
            deployment.bind(make_engine, tier, name), _blocking=False, name=name, route_prefix=None
        )


def actor_options(tier: Tier) -> dict[str, object]:
    """Ray's options for a replica of this tier."""
    placement = tier.placement
    options: dict[str, object] = {"num_cpus": placement.num_cpus, "num_gpus": placement.num_gpus}
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
    """Stop the engines of this run."""
    for tier in tiers:
        serve.delete(application_name(run_id, tier), _blocking=True)


def _state(application: object, tier: Tier) -> TierState:
    wanted = tier.placement.max_replicas
    if application is None:
        return TierState(ready=0, wanted=wanted, problem=None)
    deployments = application.deployments.values()  # type: ignore[attr-defined]
    ready = sum(
        deployment.replica_states.get(ReplicaState.RUNNING, 0) for deployment in deployments
    )
    has_given_up = application.status == ApplicationStatus.DEPLOY_FAILED  # type: ignore[attr-defined]
    messages = [deployment.message for deployment in deployments if deployment.message]
    problem = "; ".join(messages) or "the engine does not start" if has_given_up else None
    return TierState(ready=ready, wanted=wanted, problem=problem)
