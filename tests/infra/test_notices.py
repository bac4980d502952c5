"""What each cloud says is understood, and nothing else is taken for it."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.spot.notices import (
    Event,
    GarbledNoticeError,
    Notice,
    aws_instance_action,
    aws_lifecycle_state,
    aws_rebalance,
    azure_events,
    gcp_maintenance,
    gcp_preempted,
    own_notices,
)

NOW = 1_700_000_000.0
LATER = 1_700_000_120.0  # 2023-11-14T22:15:20Z
PARSERS: dict[str, Callable[[str], object]] = {
    "instance-action": aws_instance_action,
    "rebalance": aws_rebalance,
    "lifecycle": lambda body: aws_lifecycle_state(body, NOW),
    "preempted": lambda body: gcp_preempted(body, NOW, 30),
    "maintenance": lambda body: gcp_maintenance(body, NOW),
    "azure": lambda body: azure_events(body, "vm1", NOW),
    "own": lambda body: own_notices(body, NOW),
}


def untimed(kind: str, deadline_unix_s: float, name: str = "") -> Notice:
    return Notice(Event.INTERRUPTION, kind, deadline_unix_s, name, is_deadline_assumed=True)


@pytest.mark.parametrize("action", ["terminate", "stop", "hibernate"])
def test_an_instance_action_ends_the_machine_at_its_time(action: str) -> None:
    body = f'{{"action": "{action}", "time": "2023-11-14T22:15:20Z"}}'
    assert aws_instance_action(body) == Notice(Event.INTERRUPTION, action, LATER)


def test_a_rebalance_recommendation_has_no_deadline() -> None:
    found = aws_rebalance('{"noticeTime": "2023-11-14T22:13:20Z"}')
    assert found == Notice(Event.REBALANCE, "rebalance", None)


@pytest.mark.parametrize(
    ("state", "leaves"),
    [("InService", False), ("Standby", False), ("Terminated", True), ("Warmed:Stopped", True)],
)
def test_a_machine_that_its_group_ends_has_to_go(state: str, leaves: bool) -> None:
    found = aws_lifecycle_state(state + "\n", NOW)
    assert found == (untimed(state, NOW + 30) if leaves else None)


def test_a_preempted_machine_has_as_long_as_it_was_made_with() -> None:
    assert gcp_preempted("TRUE", NOW, 120) == untimed("preempted", LATER)
    assert gcp_preempted("FALSE", NOW, 120) is None


def test_maintenance_that_ends_the_machine_gives_a_minute_and_a_migration_is_survived() -> None:
    kind = "TERMINATE_ON_HOST_MAINTENANCE"
    assert gcp_maintenance(kind, NOW) == untimed(kind, NOW + 60)
    assert gcp_maintenance("MIGRATE_ON_HOST_MAINTENANCE", NOW) is None
    assert gcp_maintenance("NONE", NOW) is None


def azure_body(
    kind: str = "Preempt",
    status: str = "Scheduled",
    machine: str = "vm1",
    time: str = "Tue, 14 Nov 2023 22:15:20 GMT",
) -> str:
    return (
        f'{{"DocumentIncarnation": 2, "Events": [{{"EventId": "e1", "EventStatus": "{status}", '
        f'"EventType": "{kind}", "ResourceType": "VirtualMachine", "Resources": ["{machine}"], '
        f'"NotBefore": "{time}", "EventSource": "Platform", "DurationInSeconds": -1}}]}}'
    )


@pytest.mark.parametrize("kind", ["Preempt", "Terminate", "Reboot", "Redeploy"])
def test_an_azure_event_that_ends_the_machine_has_its_time_and_id(kind: str) -> None:
    expected = Notice(Event.INTERRUPTION, kind, LATER, "e1")
    assert azure_events(azure_body(kind), "VM1", NOW) == [expected]


@pytest.mark.parametrize(
    "body",
    [
        azure_body(kind="Freeze"),
        azure_body(machine="vm2"),
        azure_body(status="Completed"),
        '{"DocumentIncarnation": 1, "Events": []}',
    ],
)
def test_an_azure_event_that_is_survived_or_a_neighbours_is_none(body: str) -> None:
    assert azure_events(body, "vm1", NOW) == []


def test_an_azure_event_that_has_started_leaves_no_time() -> None:
    [found] = azure_events(azure_body(status="Started", time=""), "vm1", NOW)
    assert found.deadline_unix_s == NOW
    assert not found.is_deadline_assumed


def test_an_azure_event_without_a_time_has_an_assumed_one() -> None:
    assert azure_events(azure_body(time=""), "vm1", NOW) == [untimed("Preempt", NOW + 30, "e1")]


def test_ones_own_notices_are_a_list() -> None:
    body = (
        '[{"event": "interruption", "deadline_unix_s": 1700000120, "id": "7"},'
        ' {"event": "interruption"}, {"event": "rebalance", "deadline_unix_s": 5}]'
    )
    assert own_notices(body, NOW) == [
        Notice(Event.INTERRUPTION, "interruption", LATER, "7"),
        untimed("interruption", NOW + 30),
        Notice(Event.REBALANCE, "rebalance", None),
    ]
    assert own_notices("[]", NOW) == []


@pytest.mark.parametrize(
    ("parser", "body"),
    [
        ("instance-action", '{"action": "dance", "time": "2023-11-14T22:15:20Z"}'),
        ("instance-action", '{"action": "stop", "time": "2023-11-14T22:15:20"}'),  # which zone?
        ("instance-action", "<html>404 - Not Found</html>"),
        ("rebalance", "{}"),
        ("lifecycle", "Vanished"),
        ("preempted", "maybe"),
        ("maintenance", ""),
        ("azure", azure_body(time="soon")),
        ("azure", '{"Events": {}}'),
        ("own", '{"event": "interruption"}'),
        ("own", '[{"event": "interruption", "deadline_unix_s": 1e300}]'),
        ("own", '[{"event": "interruption", "deadline_unix_s": NaN}]'),
    ],
)
def test_a_body_that_cannot_be_read_is_not_taken_for_nothing(parser: str, body: str) -> None:
    with pytest.raises(GarbledNoticeError):
        PARSERS[parser](body)


@pytest.mark.parametrize("parser", PARSERS)
@given(body=st.text() | st.from_regex(r'\[?\{"(Events|action|event)": .*\}\]?'))
def test_no_body_breaks_a_parser(parser: str, body: str) -> None:
    with suppress(GarbledNoticeError):
        PARSERS[parser](body)


def test_a_deadline_is_translated_to_the_nodes_clock() -> None:
    notice = Notice(Event.INTERRUPTION, "stop", LATER)
    assert notice.seen_from(100.0).deadline_unix_s == LATER - 100
    rebalance = Notice(Event.REBALANCE, "rebalance", None)
    assert rebalance.seen_from(100.0) == rebalance


def test_an_assumed_deadline_counts_from_when_the_machine_may_have_been_told() -> None:
    assert untimed("stop", NOW + 30).counted_from(NOW - 5, NOW).deadline_unix_s == NOW + 25


def test_a_machine_that_still_stands_has_no_deadline_before_now() -> None:
    assert untimed("stop", NOW + 30).counted_from(NOW - 500, NOW).deadline_unix_s == NOW


def test_a_clock_that_was_set_back_makes_no_deadline_later() -> None:
    assert untimed("stop", NOW + 30).counted_from(NOW + 500, NOW).deadline_unix_s == NOW + 30


@pytest.mark.parametrize("deadline_unix_s", [LATER, None])
def test_a_deadline_that_the_cloud_gives_is_kept(deadline_unix_s: float | None) -> None:
    notice = Notice(Event.INTERRUPTION, "stop", deadline_unix_s)
    assert notice.counted_from(NOW - 5, NOW) == notice
