"""When which node goes, with how much notice, and when another comes in its place.

Boundary: values and their rules, in a rehearsal's own time; who acts on them is elsewhere. Nodes
are numbered from 1. Time 0 is when the first engine is ready, or, where no node is up at first,
when the job is started.
Invariant: a Schedule that exists names only nodes of its fleet, and its outages are in order.
"""

from __future__ import annotations

from dataclasses import dataclass

DRIVER = 0  # the target of an outage that is no node: the run's driver


class ScheduleError(ValueError):
    """The schedule makes no sense; the message names the outage and what is wrong with it."""


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """`after_s` seconds after this share of all documents was finished.

    A share means the same on a slow machine and on a fast one, seconds do not.
    """

    share: float = 0.0
    after_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.share < 1.0:
            raise ScheduleError(f"at {self.share:.0%} of the documents: use 0 % to below 100 %")
        if not 0.0 <= self.after_s < float("inf"):
            raise ScheduleError(f"at {self.after_s:g} s: use 0 or more seconds")

    def __str__(self) -> str:
        if not self.share:
            return f"{self.after_s:g} s"
        return f"{self.share:.0%}" + (f" + {self.after_s:g} s" if self.after_s else "")


@dataclass(frozen=True, slots=True)
class Outage:
    """One node, or the driver, goes once.

    `notice_s` is how long before the deadline the node is told, 0 is never. It is killed at the
    deadline whether it has left by then or not, or `dies_after_s` after the notice, where a machine
    dies sooner than it was said. `back_after_s` after its death another one takes its place.
    """

    at: Moment
    node: int
    notice_s: float = 0.0
    dies_after_s: float | None = None  # None: at the deadline
    back_after_s: float | None = None  # None: never

    def __post_init__(self) -> None:
        for name, value in (("notice", self.notice_s), ("back", self.back_after_s or 0.0)):
            if not 0.0 <= value < float("inf"):
                raise ScheduleError(f"{self}: {name} is {value:g} s, use 0 or more seconds")
        if self.dies_after_s is not None and not 0.0 < self.dies_after_s <= self.notice_s:
            raise ScheduleError(
                f"{self}: dies {self.dies_after_s:g} s after a notice of {self.notice_s:g} s, use "
                "more than 0 and no more than the notice"
            )
        if self.is_driver and self.notice_s:
            raise ScheduleError(f"{self}: a driver gets no notice")
        if self.is_driver and self.back_after_s is None:
            raise ScheduleError(f"{self}: a driver that is not started again ends the rehearsal")

    def __str__(self) -> str:
        return f"{'driver' if self.is_driver else f'node {self.node}'} at {self.at}"

    @property
    def is_driver(self) -> bool:
        """Whether the driver goes, not a node."""
        return self.node == DRIVER

    @property
    def lives_s(self) -> float:
        """From its moment to the kill."""
        return self.notice_s if self.dies_after_s is None else self.dies_after_s


@dataclass(frozen=True, slots=True)
class Arrival:
    """A node that is not there at first, and comes then, or never."""

    node: int
    at_s: float | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Everything that happens to a fleet of `nodes` engine nodes.

    An open-ended one is longer than a run has to be: it happens for as long as the run lasts.
    """

    name: str
    nodes: int
    outages: tuple[Outage, ...]
    arrivals: tuple[Arrival, ...] = ()
    is_open_ended: bool = False

    def __post_init__(self) -> None:
        if self.nodes < 1:
            raise ScheduleError(f"{self.nodes} nodes: use at least one")
        for outage in self.outages:
            if not DRIVER <= outage.node <= self.nodes:
                raise ScheduleError(f"{outage}: there are nodes 1 to {self.nodes}")
        if list(self.outages) != sorted(self.outages, key=_moment):
            raise ScheduleError(f"{self.name}: the outages are not in the order of their moments")

    @property
    def up_at_first(self) -> tuple[int, ...]:
        """The nodes that are there when the job is started."""
        late = {arrival.node for arrival in self.arrivals}
        return tuple(node for node in range(1, self.nodes + 1) if node not in late)


def in_order(outages: list[Outage]) -> tuple[Outage, ...]:
    """Outages by their moments; those of the same moment stay as they are."""
    return tuple(sorted(outages, key=_moment))


def _moment(outage: Outage) -> Moment:
    return outage.at
