"""A recorded trace of spot capacity, and what it makes of a fleet.

A trace is JSON as the SkyPilot project records it: `{"metadata": {"gap_seconds": 600}, "data":
[8, 8, 3, ...]}`, one number of AVAILABLE nodes per tick. Some collections derived from such traces
store the inverse (1 for preempted); those are not meant here.

Boundary: pure; which node goes when fewer are there is drawn by seed.
Invariant: at every tick as many nodes of the fleet are up as the trace has, and never more than
the fleet has.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from infra.spot.schedule import Arrival, Moment, Outage, Schedule, ScheduleError, in_order


@dataclass(frozen=True, slots=True)
class Trace:
    """How many nodes were available at each tick, `gap_s` apart."""

    gap_s: float
    available: tuple[int, ...]

    def since(self, start_s: float) -> Trace:
        """The trace from the tick at or before `start_s` on.

        Raises:
            ScheduleError: the trace ends before.
        """
        first = int(start_s // self.gap_s)
        if not 0 <= first < len(self.available):
            lasts_s = self.gap_s * len(self.available)
            raise ScheduleError(f"the trace lasts {lasts_s:g} s: it cannot start at {start_s:g} s")
        return Trace(self.gap_s, self.available[first:])

    def faster(self, speed: float) -> Trace:
        """The same, `speed` times as fast."""
        if not 0 < speed < float("inf"):
            raise ScheduleError(f"speed {speed:g}: use a number above 0")
        return Trace(self.gap_s / speed, self.available)


def parse_trace(text: str) -> Trace:
    """The trace in a JSON text; ScheduleError says what is wrong with it."""
    try:
        value = json.loads(text)
        gap_s, data = float(value["metadata"]["gap_seconds"]), value["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise ScheduleError(
            'not a trace: it should read {"metadata": {"gap_seconds": N}, "data": [N, ...]}'
        ) from error
    if not 0 < gap_s < float("inf"):
        raise ScheduleError(f"metadata.gap_seconds is {gap_s:g}: use a number above 0")
    if not isinstance(data, list) or not data:
        raise ScheduleError("data holds no tick: give a list of whole numbers")
    for tick, nodes in enumerate(data):
        if isinstance(nodes, bool) or not isinstance(nodes, int) or nodes < 0:
            raise ScheduleError(f"data[{tick}] is {nodes!r}: give a whole number of nodes")
    return Trace(gap_s, tuple(data))


@dataclass(frozen=True, slots=True)
class Life:
    """A node is up from one tick to another; None is until the end of the trace."""

    node: int
    from_tick: int
    to_tick: int | None


def lives(available: Sequence[int], nodes: int, seed: int) -> list[Life]:
    """Who is up when: `min(available, nodes)` at every tick, changed by as few as possible."""
    chooser = random.Random(seed)
    up_since: dict[int, int] = {}
    ended: list[Life] = []
    for tick, count in enumerate(available):
        wanted = min(count, nodes)
        going = chooser.sample(sorted(up_since), max(0, len(up_since) - wanted))
        ended += [Life(node, up_since.pop(node), tick) for node in going]
        down = [node for node in range(1, nodes + 1) if node not in up_since]
        for node in chooser.sample(down, max(0, wanted - len(up_since))):
            up_since[node] = tick
    return ended + [Life(node, tick, None) for node, tick in up_since.items()]


def replay(trace: Trace, *, name: str, nodes: int, seed: int, notice_s: float) -> Schedule:
    """What the trace does to a fleet of `nodes`.

    A node dies at the tick at which the trace has fewer, and gets its notice `notice_s` before, or
    as soon as it is up. A trace is open-ended: it goes on for days or weeks.
    """
    by_node: dict[int, list[Life]] = {node: [] for node in range(1, nodes + 1)}
    for life in lives(trace.available, nodes, seed):
        by_node[life.node].append(life)
    outages: list[Outage] = []
    arrivals: list[Arrival] = []
    for node, its in by_node.items():
        its.sort(key=lambda life: life.from_tick)
        if not its or its[0].from_tick > 0:
            arrivals.append(Arrival(node, its[0].from_tick * trace.gap_s if its else None))
        for life, following in zip(its, [*its[1:], None], strict=False):
            if life.to_tick is None:
                continue
            dies_s = life.to_tick * trace.gap_s
            told_s = max(dies_s - notice_s, life.from_tick * trace.gap_s)
            back_s = None if following is None else following.from_tick * trace.gap_s - dies_s
            outages.append(
                Outage(Moment(after_s=told_s), node, dies_s - told_s, back_after_s=back_s)
            )
    return Schedule(name, nodes, in_order(outages), tuple(arrivals), is_open_ended=True)
