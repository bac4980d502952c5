"""What clouds say about a machine that has to go, as values; pure parsers of their bodies.

Boundary: text in, notices out; no clock and no network. A body that says nothing gives None or no
notices; one that nobody understands is a `GarbledNoticeError`, never taken for "nothing".
Invariant: deadlines are unix seconds by the clock that wrote the body; `Notice.seen_from`
translates them to the node's own.

SourceError            ask again at the next poll
|-- SilentSourceError  no answer, or one that is neither yes nor no
`-- GarbledNoticeError an answer that cannot be read
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

UNTIMED_S = 30.0  # the shortest notice that a cloud documents, where a body has no time
MAINTENANCE_S = 60.0  # Google's notice of a host's maintenance; machines with GPUs get an hour
LEAVES_GROUP = frozenset({"Terminated", "Warmed:Terminated", "Warmed:Stopped", "Warmed:Hibernated"})
STAYS_IN_GROUP = frozenset({"InService", "Detached", "Standby", "Warmed:Running"})
ENDS_MACHINE = frozenset({"Preempt", "Terminate", "Reboot", "Redeploy"})  # not Freeze: seconds
LAST_UNIX_S = 253_402_300_799.0  # the end of year 9999


class SourceError(Exception):
    """A source could not be read; its message is the same for the same trouble."""


class SilentSourceError(SourceError):
    """No answer, or one that is neither yes nor no."""


class GarbledNoticeError(SourceError):
    """An answer that cannot be read."""


class Event(StrEnum):
    """What a notice means for the node."""

    INTERRUPTION = "interruption"  # the machine is taken at a known time
    REBALANCE = "rebalance"  # it may be taken before long


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing a cloud announced, as one reading showed it."""

    event: Event
    kind: str  # in the cloud's own word
    deadline_unix_s: float | None  # None for a rebalance
    id: str = ""  # where the cloud tells several of a kind apart; names the notice to it
    is_deadline_assumed: bool = False  # the cloud gives none: it counts from the reading

    def counted_from(self, told_unix_s: float, read_unix_s: float) -> Notice:
        """With an assumed deadline that counts from the first moment it may have been told at.

        Not earlier than the reading itself: until then the machine did stand.
        """
        if self.deadline_unix_s is None or not self.is_deadline_assumed:
            return self
        earlier_s = max(0.0, read_unix_s - told_unix_s)
        return replace(self, deadline_unix_s=max(read_unix_s, self.deadline_unix_s - earlier_s))

    def seen_from(self, clock_ahead_s: float) -> Notice:
        """By a clock from whose view the writer's is so far ahead."""
        if self.deadline_unix_s is None:
            return self
        return replace(self, deadline_unix_s=self.deadline_unix_s - clock_ahead_s)


class _InstanceAction(BaseModel):
    action: Literal["terminate", "stop", "hibernate"]
    time: AwareDatetime


class _Rebalance(BaseModel):
    noticeTime: AwareDatetime  # noqa: N815 - AWS's name


class _AzureEvent(BaseModel):
    EventId: str
    EventType: str
    EventStatus: Literal["Scheduled", "Started", "Completed"] = "Scheduled"
    Resources: tuple[str, ...]
    NotBefore: str = ""


class _AzureEvents(BaseModel):
    Events: tuple[_AzureEvent, ...]


class _OwnNotice(BaseModel):
    event: Event
    deadline_unix_s: Annotated[float, Field(ge=0, le=LAST_UNIX_S)] | None = None
    id: str = ""


_OWN = TypeAdapter(tuple[_OwnNotice, ...])
Body = TypeVar("Body")


def aws_instance_action(body: str) -> Notice:
    """`{"action": "terminate", "time": "2026-01-31T12:00:00Z"}`."""
    found = _read(_InstanceAction.model_validate_json, body, "spot/instance-action")
    return Notice(Event.INTERRUPTION, found.action, found.time.timestamp())


def aws_rebalance(body: str) -> Notice:
    """`{"noticeTime": "2026-01-31T12:00:00Z"}`; when it was written is no deadline."""
    _read(_Rebalance.model_validate_json, body, "a rebalance recommendation")
    return Notice(Event.REBALANCE, "rebalance", None)


def aws_lifecycle_state(body: str, now_unix_s: float) -> Notice | None:
    """One word. AWS says no time: a group waits for its lifecycle hooks, if it has any."""
    state = body.strip()
    if state in LEAVES_GROUP:
        return _untimed(state, now_unix_s + UNTIMED_S)
    if state in STAYS_IN_GROUP:
        return None
    raise GarbledNoticeError("a lifecycle state that is not known")


def gcp_preempted(body: str, now_unix_s: float, notice_s: float) -> Notice | None:
    """TRUE or FALSE; `notice_s` is how long before the machine's end it becomes TRUE."""
    match body.strip():
        case "TRUE":
            return _untimed("preempted", now_unix_s + notice_s)
        case "FALSE":
            return None
    raise GarbledNoticeError("instance/preempted is neither TRUE nor FALSE")


def gcp_maintenance(body: str, now_unix_s: float) -> Notice | None:
    """NONE, or what happens to the machine; a migration is survived."""
    match body.strip():
        case "TERMINATE_ON_HOST_MAINTENANCE" as kind:
            return _untimed(kind, now_unix_s + MAINTENANCE_S)
        case "NONE" | "MIGRATE_ON_HOST_MAINTENANCE":
            return None
    raise GarbledNoticeError("a maintenance event that is not known")


def azure_events(body: str, machine: str, now_unix_s: float) -> list[Notice]:
    """Scheduled events that end `machine`; those of its neighbours come in the same body."""
    events = _read(_AzureEvents.model_validate_json, body, "scheduled events").Events
    return [
        _azure_notice(one, now_unix_s)
        for one in events
        if one.EventType in ENDS_MACHINE
        and one.EventStatus != "Completed"
        and machine.lower() in {name.lower() for name in one.Resources}
    ]


def own_notices(body: str, now_unix_s: float) -> list[Notice]:
    """Gleaner's own format: a JSON list, empty for nothing.

    `[{"event": "interruption", "deadline_unix_s": 1767225600}]`; `event` may be `rebalance`, an
    interruption without a deadline is assumed to have `UNTIMED_S`, and `id` tells several apart.
    """
    found = _read(_OWN.validate_json, body, "a list of notices")
    return [_own_notice(one, now_unix_s) for one in found]


def _own_notice(found: _OwnNotice, now_unix_s: float) -> Notice:
    kind = found.event.value
    if found.event is Event.REBALANCE:
        return Notice(found.event, kind, None, found.id)
    if found.deadline_unix_s is None:
        return _untimed(kind, now_unix_s + UNTIMED_S, found.id)
    return Notice(found.event, kind, found.deadline_unix_s, found.id)


def _azure_notice(event: _AzureEvent, now_unix_s: float) -> Notice:
    kind, name = event.EventType, event.EventId
    if event.EventStatus == "Started":
        return Notice(Event.INTERRUPTION, kind, now_unix_s, name)
    if not event.NotBefore:
        return _untimed(kind, now_unix_s + UNTIMED_S, name)
    return Notice(Event.INTERRUPTION, kind, http_date(event.NotBefore).timestamp(), name)


def _untimed(kind: str, deadline_unix_s: float, name: str = "") -> Notice:
    return Notice(Event.INTERRUPTION, kind, deadline_unix_s, name, is_deadline_assumed=True)


def http_date(text: str) -> datetime:
    """`Thu, 22 Jul 2021 04:50:17 GMT`; raises GarbledNoticeError."""
    try:
        return parsedate_to_datetime(text)
    except ValueError as error:
        raise GarbledNoticeError("a date that cannot be read") from error


def _read(parse: Callable[[str], Body], body: str, what: str) -> Body:
    try:
        return parse(body)
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise GarbledNoticeError(
            f"is not {what}" + (f": {where} is wrong" if where else "")
        ) from error
