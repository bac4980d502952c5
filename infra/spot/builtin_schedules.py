"""The schedules that have a name: short stories of what spot markets do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from infra.spot.schedule import DRIVER, Moment, Outage, Schedule, ScheduleError, in_order

Tell = Callable[[int, float, float], list[Outage]]
"""(nodes, notice in seconds, seconds until a replacement is there) -> what happens."""


def _notice(nodes: int, notice_s: float, back_s: float) -> list[Outage]:
    """One node gets notice."""
    return [_goes(0.3, 1, notice_s, back_s)]


def _kill(nodes: int, notice_s: float, back_s: float) -> list[Outage]:
    """One node vanishes without notice."""
    return [_goes(0.3, 1, 0.0, back_s)]


def _early(nodes: int, notice_s: float, back_s: float) -> list[Outage]:
    """One node gets notice and dies long before the deadline it was given."""
    return [Outage(Moment(0.3), 1, notice_s, notice_s / 8, back_s)]


def _all(nodes: int, notice_s: float, back_s: float) -> list[Outage]:
    """All nodes vanish at once, without notice."""
    return [_goes(0.4, node, 0.0, back_s) for node in range(1, nodes + 1)]


def _storm(nodes: int, notice_s: float, back_s: float) -> list[Outage]:
    """Half of the nodes get notice together, twice."""
    half = range(1, (nodes + 1) // 2 + 1)
    return [_goes(share, node, notice_s, back_s) for share in (0.2, 0.6) for node in half]


def _flap(nodes: int, notice_s: float, back_s: float) -> list[Outage]:
    """One node comes and goes, with notice, without, and with notice again."""
    return [
        _goes(share, 1, s, back_s) for share, s in ((0.2, notice_s), (0.45, 0), (0.7, notice_s))
    ]


def _driver(nodes: int, notice_s: float, back_s: float) -> list[Outage]:
    """The driver is killed and the same command is started again."""
    return [Outage(Moment(0.4), DRIVER, back_after_s=0.0)]


def _none(nodes: int, notice_s: float, back_s: float) -> list[Outage]:
    """Nothing happens: what the others are compared with."""
    return []


BUILT_IN: Final[dict[str, Tell]] = {
    "notice": _notice,
    "kill": _kill,
    "early": _early,
    "all": _all,
    "storm": _storm,
    "flap": _flap,
    "driver": _driver,
    "none": _none,
}


def built_in(name: str, *, nodes: int, notice_s: float, back_s: float) -> Schedule:
    """The schedule of that name for a fleet; ScheduleError when there is none."""
    tell = BUILT_IN.get(name)
    if tell is None:
        raise ScheduleError(f"no schedule {name}: known are {', '.join(BUILT_IN)}")
    return Schedule(name, nodes, in_order(tell(nodes, notice_s, back_s)))


def story_of(name: str) -> str:
    """What happens in it, in a sentence."""
    return (BUILT_IN[name].__doc__ or "").strip()


def _goes(share: float, node: int, notice_s: float, back_s: float) -> Outage:
    return Outage(Moment(share), node, notice_s, back_after_s=back_s)
