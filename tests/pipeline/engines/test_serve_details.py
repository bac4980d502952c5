"""What Serve's account of an application means; its names are Serve's own."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from ray.serve.schema import (
    ApplicationDetails,
    ApplicationStatus,
    DeploymentDetails,
    DeploymentStatusTrigger,
    ReplicaDetails,
    ReplicaState,
)

from pipeline.engines.serve_details import is_stopped, pool_state, stands

LOST = "A replica's health check failed."
REFUSED = "The deployment failed to start 3 times in a row. Error:\nno memory"


@dataclass
class Replica:
    state: ReplicaState
    node_id: str | None = "node"
    replica_id: str = "r1"


@dataclass
class Deployment:
    status_trigger: DeploymentStatusTrigger = DeploymentStatusTrigger.CONFIG_UPDATE_STARTED
    message: str = ""
    replicas: list[Replica] = field(default_factory=list)


@dataclass
class Application:
    status: ApplicationStatus
    deployments: dict[str, Deployment]
    message: str = ""


def application(
    status: ApplicationStatus, trigger: DeploymentStatusTrigger, message: str, *replicas: Replica
) -> Application:
    return Application(status, {"engine": Deployment(trigger, message, list(replicas))})


FAILED = ApplicationStatus.DEPLOY_FAILED
HEALTH = DeploymentStatusTrigger.HEALTH_CHECK_FAILED
START = DeploymentStatusTrigger.REPLICA_STARTUP_FAILED


def test_serve_has_the_fields_that_are_read() -> None:
    assert {"status", "message", "deployments"} <= ApplicationDetails.model_fields.keys()
    assert {"status_trigger", "message", "replicas"} <= DeploymentDetails.model_fields.keys()
    assert {"replica_id", "state", "node_id"} <= ReplicaDetails.model_fields.keys()


def test_an_engine_that_was_lost_is_no_failure_to_start_and_nothing_to_deploy() -> None:
    lost = application(FAILED, HEALTH, LOST, Replica(ReplicaState.STARTING, None))
    assert pool_state(lost).failure is None
    assert pool_state(lost).start_error is None
    assert stands(lost)


def test_an_engine_that_does_not_start_is_a_failure_with_its_error() -> None:
    refused = application(FAILED, START, REFUSED)
    assert pool_state(refused).failure == REFUSED
    assert pool_state(refused).start_error == "no memory"
    assert not stands(refused)


def test_an_application_that_serve_cannot_make_is_a_failure_with_its_words() -> None:
    broken = Application(FAILED, {}, "cannot import")
    assert pool_state(broken).failure == "cannot import"
    assert not stands(broken)


def test_starts_that_fail_after_a_first_success_are_told_although_serve_goes_on() -> None:
    state = pool_state(application(ApplicationStatus.UNHEALTHY, START, REFUSED))
    assert (state.failure, state.start_error) == (None, "no memory")


def test_what_serve_says_of_one_start_in_several_ways_is_one_error() -> None:
    messages = (REFUSED, "A replica failed to start with exception. Retrying. Error:\nno memory")
    states = [pool_state(application(FAILED, START, message)) for message in messages]
    assert {state.start_error for state in states} == {"no memory"}


def test_replicas_are_ready_also_where_the_node_drains_and_new_ones_may_lack_a_node() -> None:
    state = pool_state(
        application(
            ApplicationStatus.DEPLOYING,
            DeploymentStatusTrigger.CONFIG_UPDATE_STARTED,
            "",
            Replica(ReplicaState.RUNNING),
            Replica(ReplicaState.PENDING_MIGRATION),
            Replica(ReplicaState.STARTING),
            Replica(ReplicaState.STARTING, None),
            Replica(ReplicaState.STOPPING),
        )
    )
    assert (state.ready, state.starting, state.unplaced) == (2, 1, 1)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ReplicaState.STOPPING, True),
        (ReplicaState.PENDING_MIGRATION, False),
        (ReplicaState.RECOVERING, False),
    ],
)
def test_a_replica_is_told_to_stop_when_serve_says_so(state: ReplicaState, expected: bool) -> None:
    running = Replica(ReplicaState.RUNNING, replica_id="other")
    found = application(ApplicationStatus.RUNNING, START, "", running, Replica(state))
    assert is_stopped(found, "r1") is expected


def test_a_replica_that_serve_does_not_know_is_to_stop() -> None:
    found = application(
        ApplicationStatus.RUNNING, START, "", Replica(ReplicaState.RUNNING, replica_id="other")
    )
    assert is_stopped(found, "r1")
    assert is_stopped(None, "r1")
