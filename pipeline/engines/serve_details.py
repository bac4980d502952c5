"""How Serve's account of an application is read.

Boundary: pure; the values have the fields of `ray.serve.schema` (2.60) that are read here, and
`serving.py` fetches them. An engine that was ready and is lost makes Serve call its application
failed, too, when it never had all its replicas: Serve replaces it, and nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.engines.tier_state import PoolState

ALIVE = ("DEPLOYING", "RUNNING", "UNHEALTHY")
DEPLOY_FAILED = "DEPLOY_FAILED"
GIVEN_UP = "REPLICA_STARTUP_FAILED"
FAILED_START, ERROR = "failed to start", "Error:\n"  # in a deployment's message, before the error
STARTING, STOPPING = "STARTING", "STOPPING"
PENDING_MIGRATION = "PENDING_MIGRATION"  # on a node that drains
READY = ("RUNNING", PENDING_MIGRATION)


class ReplicaInfo(Protocol):
    """One replica."""

    @property
    def replica_id(self) -> str:
        """Unique in its deployment."""

    @property
    def state(self) -> str:
        """A `ReplicaState`."""

    @property
    def node_id(self) -> str | None:
        """None before it is placed."""


class DeploymentInfo(Protocol):
    """One deployment."""

    @property
    def status_trigger(self) -> str:
        """A `DeploymentStatusTrigger`: how it came to its status."""

    @property
    def message(self) -> str:
        """For people; empty when all is well."""

    @property
    def replicas(self) -> Sequence[ReplicaInfo]:
        """Also those that start or stop."""


class ApplicationInfo(Protocol):
    """One application."""

    @property
    def status(self) -> str:
        """An `ApplicationStatus`."""

    @property
    def message(self) -> str:
        """For people; empty when all is well."""

    @property
    def deployments(self) -> Mapping[str, DeploymentInfo]:
        """By name; none when Serve could not make them."""


def pool_state(application: ApplicationInfo) -> PoolState:
    """A pool's replicas, as Serve has them."""
    found = replicas_of(application)
    new = [one for one in found if one.state == STARTING]
    messages = [one.message for one in application.deployments.values()]
    return PoolState(
        ready=sum(one.state in READY for one in found),
        starting=sum(one.node_id is not None for one in new),
        unplaced=sum(one.node_id is None for one in new),
        failure=_failure(application),
        start_error=next((_error(text) for text in messages if FAILED_START in text), None),
        leaving=sum(one.state == PENDING_MIGRATION for one in found),
    )


def stands(application: ApplicationInfo) -> bool:
    """Whether there is nothing to deploy: another deployment would begin all its starts anew."""
    if application.status == DEPLOY_FAILED:
        return not pool_state(application).is_given_up
    return application.status in ALIVE or pool_state(application).ready > 0


def is_stopped(application: ApplicationInfo | None, replica_id: str) -> bool:
    """Whether Serve has told this replica to stop, or knows it no more."""
    found = [] if application is None else replicas_of(application)
    return all(one.state == STOPPING for one in found if one.replica_id == replica_id)


def replicas_of(application: ApplicationInfo) -> list[ReplicaInfo]:
    """Of all its deployments."""
    return [one for found in application.deployments.values() for one in found.replicas]


def _error(message: str) -> str:
    """The same in every message about one start."""
    return message.partition(ERROR)[2] or message


def _failure(application: ApplicationInfo) -> str | None:
    """Why Serve has given up starting replicas, if it has."""
    if application.status != DEPLOY_FAILED:
        return None
    found = application.deployments.values()
    if not found:
        return application.message or "Serve cannot deploy the engine"
    failed = [one.message for one in found if one.status_trigger == GIVEN_UP]
    return "; ".join(failed) or None
