"""Engines as Ray Serve deployments; the only file that imports ray.serve.

Boundary: deploys one application per run and tier, sends chunks to it, reports how many replicas
are ready. Serve places, heals and scales; nothing here schedules.
Invariants: deploying the same tier of the same run again attaches to the replicas that are warm. A
replica whose engine died ends its process, so that Serve replaces it within seconds. Engines whose
run has had no driver for `ORPHANED_S` delete their application: they cost money, and a driver that
resumes later starts new ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ray import serve
from ray.exceptions import ObjectLostError, RayActorError, RayError
from ray.serve.config import ProxyLocation
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import ApplicationStatus, ReplicaState

from checkpoints.errors import FencedError
from pipeline.board import is_driver_alive
from pipeline.engine import Completion, EngineDeadError, EngineFactory, Parts, Request
from pipeline.losses import EngineLostError, NoEngineError
from pipeline.tiers import Tier

ORPHANED_S = 600.0
HEALTH_CHECK_S = 2.0
HUNG_S = 180.0  # an engine that ends no step for so long is replaced
ALIVE = (ApplicationStatus.DEPLOYING, ApplicationStatus.RUNNING, ApplicationStatus.UNHEALTHY)
LOST = (RayActorError, ObjectLostError)  # the replica, its node, or the answer on the way
LAST_WORDS_S = 0.5  # between the answers of a dead engine's replica and its exit


@dataclass(frozen=True, slots=True)
class TierState:
    """Replicas of one tier at this moment."""

    is_deployed: bool
    ready: int
    wanted: int
    problem: str | None  # why replicas do not start, once Serve has given up on them
    lacks_room: bool = False  # the cluster has had no place for a replica for half a minute


class Replica:
    """One engine in one Serve replica."""

    async def __init__(  # type: ignore[misc] # Serve awaits it, on the loop that will serve
        self, make_engine: EngineFactory, tier: Tier, run_id: str
    ) -> None:
        self._run_id = run_id
        self._application = application_name(run_id, tier)
        self._is_dying = False
        self._engine = make_engine(tier)
        await self._engine.start()
        self._driven_s = time.monotonic()

    async def generate(
        self, requests: Sequence[Request]
    ) -> AsyncGenerator[list[Completion] | None, None]:
        """Completions as they are done; None last when the engine died while it held this chunk.

        Raises:
            EngineLostError: the engine had died before; this chunk had no part in it.
        """
        if self._is_dying:
            raise EngineLostError("the engine died a moment ago; its replica is about to go")
        try:
            async for part in self._engine.generate(requests):
                yield part
        except EngineDeadError:
            self._die()
            yield None

    async def check_health(self) -> None:
        """Called by Serve every few seconds; also where a missing driver is noticed."""
        try:
            await self._engine.check_health()
        except EngineDeadError:
            self._die()
            raise
        now_s = time.monotonic()
        if await asyncio.to_thread(is_driver_alive, self._run_id):
            self._driven_s = now_s
        elif now_s - self._driven_s > ORPHANED_S:
            await asyncio.to_thread(serve.delete, self._application, False)

    def _die(self) -> None:
        """End this process, so that Serve starts another replica, after its last answers."""
        self._is_dying = True
        asyncio.get_running_loop().call_later(LAST_WORDS_S, os._exit, 1)


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
            health_check_timeout_s=HUNG_S / 3,  # Serve replaces a replica after three of them
            graceful_shutdown_timeout_s=5.0,
            graceful_shutdown_wait_loop_s=0.5,
            logging_config={"enable_access_log": False},
        )
        serve._run(  # serve.run waits for every replica; spot capacity may not be there for all
            deployment.bind(make_engine, tier, run_id),
            _blocking=False,
            name=name,
            route_prefix=None,
        )


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
    problem = "; ".join(messages) or "the engine does not start" if has_given_up else None
    lacks_room = any("to be scheduled" in message for message in messages)  # Serve's own words
    return TierState(True, ready, wanted, problem, lacks_room)
