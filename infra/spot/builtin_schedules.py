"""The schedules that have a name: short stories of what spot markets do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from infra.spot.schedule import DRIVER, Moment, Outage, Schedule, ScheduleError, in_order


@dataclass(frozen=True, slots=True)
class Setting:
    """What every story is told with."""

    nodes: int
    notice_s: float
    back_s: float  # from a node's death until another is there

    @property
    def all_nodes(self) -> range:
        """The numbers of all nodes."""
        return range(1, self.nodes + 1)

    @property
    def half(self) -> range:
        """The numbers of half of the nodes, rounded up."""
        return range(1, (self.nodes + 1) // 2 + 1)

    def noticed(self, share: float, node: int) -> Outage:
        """A node gets notice, and dies at its deadline."""
        return Outage(Moment(share), node, self.notice_s, back_after_s=self.back_s)

    def killed(self, share: float, node: int) -> Outage:
        """A node vanishes."""
        return Outage(Moment(share), node, back_after_s=self.back_s)

    def dies_early(self, share: float, node: int) -> Outage:
        """A node gets notice, and dies after a tenth of it."""
        return Outage(Moment(share), node, self.notice_s, self.notice_s / 10, self.back_s)


@dataclass(frozen=True, slots=True)
class Story:
    """A schedule that fits any fleet."""

    words: str
    tell: Callable[[Setting], list[Outage]]


BUILT_IN: Final[dict[str, Story]] = {
    "notice": Story("one node gets notice", lambda its: [its.noticed(0.3, 1)]),
    "kill": Story("one node vanishes without notice", lambda its: [its.killed(0.3, 1)]),
    "early": Story(
        "one node gets notice and dies long before its deadline",
        lambda its: [its.dies_early(0.3, 1)],
    ),
    "all": Story(
        "all nodes vanish at once, without notice",
        lambda its: [its.killed(0.4, node) for node in its.all_nodes],
    ),
    "all-notice": Story(
        "all nodes get notice together",
        lambda its: [its.noticed(0.4, node) for node in its.all_nodes],
    ),
    "storm": Story(
        "half of the nodes get notice together, twice",
        lambda its: [its.noticed(share, node) for share in (0.2, 0.6) for node in its.half],
    ),
    "flap": Story(
        "one node goes three times: with notice, without, and with notice",
        lambda its: [its.noticed(0.2, 1), its.killed(0.4, 1), its.noticed(0.6, 1)],
    ),
    "driver": Story(
        "the driver is killed, and the same command started again",
        lambda _: [Outage(Moment(0.4), DRIVER, back_after_s=0.0)],
    ),
    "none": Story("nothing happens: to compare with", lambda _: []),
}


def built_in(name: str, setting: Setting) -> Schedule:
    """The schedule of that name for a fleet; ScheduleError when there is none."""
    story = BUILT_IN.get(name)
    if story is None:
        raise ScheduleError(f"no schedule {name}: known are {', '.join(BUILT_IN)}")
    return Schedule(name, setting.nodes, in_order(story.tell(setting)))
