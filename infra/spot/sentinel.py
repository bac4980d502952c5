"""What a node does about notices: when to drain it, and when to leave it.

Boundary: decides and asks; the sources read, `Node` is Ray. Ray's drain state is the one memory of
what was ordered, so that a sentinel that starts anew, or a drain ordered by somebody else, changes
nothing.
Invariants: the earliest deadline holds, however often a notice is read and whatever its body says
later. Nothing ends a drain: Ray 2.60 cannot, so a notice that is withdrawn is only told. A source
that fails is asked again and hides no other. A deadline that a cloud does not give counts from the
last answer without the notice: the machine may have been told right after it. Once the node is
drained and empty, and its cloud knows, or the drain's deadline has passed, the sentinel goes,
because Ray does not let a node leave while anything runs there.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from infra.spot.notices import Event, Notice, SourceError
from infra.spot.ray_nodes import DrainRefusedError
from infra.spot.settings import OnRebalance
from infra.spot.sources.source import Source

LOGGER = logging.getLogger(__name__)
RAY = "Ray"  # as one of those that may be in trouble
EARLIER_S = 4.0  # Ray counts a death after the drain's deadline as expected, one before it not
SAME_S = 1.0  # deadlines that differ by less are one: bodies have whole seconds, and clocks drift
DRAINING_POLL_S = 1.0  # an empty node is paid for until its sentinel has seen that it is empty
LOOKS_PER_S = 50.0  # that Ray's control service gets from all draining nodes together
JITTER = 0.25  # nodes that are told together do not look together


class Node(Protocol):
    """The node that is watched; its calls raise ConnectionError or DrainRefusedError."""

    def drains_until(self) -> float | None:
        """In unix seconds; inf when it drains without a deadline, None when it stays."""

    def drain(self, deadline_unix_s: float | None, reason: str) -> None:
        """Nothing new is placed there; what runs ends before the deadline, if there is one."""

    def is_empty(self) -> bool:
        """Whether no work holds a part of it."""

    def cluster_nodes(self) -> int:
        """How many nodes were in its cluster when it was last drained or seen empty or not."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """A notice as a node saw it; `notice.deadline_unix_s` is the earliest that was read."""

    node_id: str
    source: str
    noticed_unix_s: float
    notice: Notice


@dataclass(frozen=True, slots=True)
class Drain:
    """What Ray is to be told; without a deadline the node is cordoned."""

    deadline_unix_s: float | None


Key = tuple[str, str]  # kind and id of a notice, of one source


def look_wait_s(nodes: int, phase: float) -> float:
    """Between two looks of a draining node at Ray, which answers for all `nodes` of the cluster.

    `phase`, 0 to 1, is the node's own: it spreads the looks of a large cluster by `JITTER`.
    """
    if nodes <= LOOKS_PER_S * DRAINING_POLL_S:
        return DRAINING_POLL_S
    return nodes / LOOKS_PER_S * (1 + JITTER * phase)


def merge(
    known: Mapping[Key, Noticed], read: Iterable[Notice], node_id: str, source: str, now: float
) -> dict[Key, Noticed]:
    """What a source announces now: news from `now` on, the rest as known, deadlines the earliest.

    `known` holds what the same source announced before; what it no longer does is left out.
    """
    found: dict[Key, Noticed] = {}
    for notice in read:
        key = (notice.kind, notice.id)
        before = found.get(key) or known.get(key) or Noticed(node_id, source, now, notice)
        found[key] = replace(before, notice=_earlier(before.notice, notice))
    return found


def decide(
    notices: Iterable[Notice], drains_until: float | None, on_rebalance: OnRebalance
) -> Drain | None:
    """What to tell Ray about a node that drains until then; None: nothing."""
    notices = list(notices)
    deadlines = [one.deadline_unix_s for one in notices if one.deadline_unix_s is not None]
    if deadlines:
        deadline_unix_s = min(deadlines) - EARLIER_S
        is_news = drains_until is None or deadline_unix_s < drains_until - SAME_S
        return Drain(deadline_unix_s) if is_news else None
    recommends = any(one.event is Event.REBALANCE for one in notices)
    if recommends and drains_until is None and on_rebalance is OnRebalance.CORDON:
        return Drain(None)
    return None


class Sentinel:
    """One node's; `step` is called again and again, the rest may be read from other threads."""

    def __init__(
        self,
        node_id: str,
        node: Node,
        sources: Sequence[Source],
        on_rebalance: OnRebalance,
        poll_s: float,
    ) -> None:
        self._node_id = node_id
        self._node = node
        self._sources = sources
        self._on_rebalance = on_rebalance
        self._poll_s = poll_s
        self._known: dict[str, dict[Key, Noticed]] = {source.name: {} for source in sources}
        self._withdrawn: list[Noticed] = []
        self._troubles: dict[str, tuple[str, ...]] = {}  # that last, by whom, in their order
        self._read_unix_s: dict[str, float] = {}  # when a source last answered
        self._phase = zlib.crc32(node_id.encode()) / 2**32
        self._looked_unix_s = 0.0
        self._look_wait_s = 0.0
        self._leaves_by_unix_s: float | None = None  # once the node is drained and empty
        self._acknowledged: set[tuple[str, Key]] = set()

    def noticed(self) -> tuple[Noticed, ...]:
        """Everything announced so far, also what was withdrawn."""
        return (*self._withdrawn, *self._current())

    def troubles(self) -> tuple[str, ...]:
        """Why notices may be missed now, with what can be done about it."""
        remedies = {source.name: source.remedy for source in self._sources} | {RAY: ""}
        return tuple(
            f"{whom}: {told[-1]}" + (f"; {remedies[whom]}" if remedies[whom] else "")
            for whom, told in self._troubles.items()
            if whom in remedies  # not an acknowledgement: its notice was heard
        )

    def step(self, now_unix_s: float) -> float | None:
        """Ask every source and act; seconds until the next step, None when there is none."""
        has_news = [self._read(source, now_unix_s) for source in self._sources]
        if self._leaves_by_unix_s is None:
            looked_s = now_unix_s - self._looked_unix_s
            if any(has_news) or not 0 <= looked_s < self._look_wait_s:
                self._look(now_unix_s)
        if self._leaves_by_unix_s is None:
            due_s = self._looked_unix_s + self._look_wait_s - now_unix_s
            return min(self._poll_s, due_s) if due_s > 0 else self._poll_s
        if self._acknowledge() or now_unix_s >= self._leaves_by_unix_s:
            return None
        return min(self._poll_s, DRAINING_POLL_S)

    def _look(self, now_unix_s: float) -> None:
        self._looked_unix_s, self._look_wait_s = now_unix_s, DRAINING_POLL_S
        try:
            drains_until = self._node.drains_until()
            order = decide(
                (one.notice for one in self._current()), drains_until, self._on_rebalance
            )
            if order is not None:
                self._drain(order)
            elif drains_until is not None:
                self._look_wait_s = self._draining_wait_s()  # also where Ray fails now
                if self._node.is_empty():
                    self._leaves_by_unix_s = drains_until
            is_draining = order is not None or drains_until is not None
            self._look_wait_s = self._draining_wait_s() if is_draining else 0.0
        except (ConnectionError, DrainRefusedError) as error:
            self._tell(RAY, error)
        else:
            self._recovered(RAY)

    def _draining_wait_s(self) -> float:
        return look_wait_s(self._node.cluster_nodes(), self._phase)

    def _current(self) -> list[Noticed]:
        return [one for found in self._known.values() for one in found.values()]

    def _read(self, source: Source, now_unix_s: float) -> bool:
        """Whether there is anything new."""
        before = self._known[source.name]
        try:
            found = source.read(now_unix_s)
        except SourceError as error:
            self._tell(source.name, error)
            return False
        self._recovered(source.name)
        told_unix_s = self._read_unix_s.get(source.name, now_unix_s - self._poll_s)
        self._read_unix_s[source.name] = now_unix_s
        read = [notice.counted_from(told_unix_s, now_unix_s) for notice in found]
        after = merge(before, read, self._node_id, source.name, now_unix_s)
        self._known = self._known | {source.name: after}
        for key in after.keys() - before.keys():
            LOGGER.warning("%s announces %s", source.name, after[key].notice)
        for key in before.keys() - after.keys():
            self._withdrawn.append(before[key])
            LOGGER.warning(
                "%s withdrew %s; Ray cannot end a drain, so the node still goes",
                source.name,
                before[key].notice,
            )
        return after != before

    def _drain(self, order: Drain) -> None:
        announced = ", ".join(f"{one.source}: {one.notice.kind}" for one in self._current())
        self._node.drain(order.deadline_unix_s, announced)
        LOGGER.warning("told Ray to drain this node until %s", order.deadline_unix_s)

    def _acknowledge(self) -> bool:
        """Whether every cloud knows that the machine may be taken."""
        for source in self._sources:
            for key, one in self._known[source.name].items():
                if (source.name, key) not in self._acknowledged:
                    self._tell_cloud(source, key, one.notice)
        return self._acknowledged >= {
            (name, key) for name, known in self._known.items() for key in known
        }

    def _tell_cloud(self, source: Source, key: Key, notice: Notice) -> None:
        whom = f"{source.name} (acknowledgement)"
        try:
            source.acknowledge(notice)
        except SourceError as error:
            self._tell(whom, error)
            return
        self._recovered(whom)
        self._acknowledged.add((source.name, key))

    def _tell(self, whom: str, error: Exception) -> None:
        told = self._troubles.get(whom, ())
        if str(error) not in told:
            self._troubles = self._troubles | {whom: (*told, str(error))}
            LOGGER.warning("%s: %s; asking again", whom, error)

    def _recovered(self, whom: str) -> None:
        if whom in self._troubles:
            self._troubles = {name: told for name, told in self._troubles.items() if name != whom}
            LOGGER.warning("%s answers again", whom)


def _earlier(one: Notice, other: Notice) -> Notice:
    if one.deadline_unix_s is None or other.deadline_unix_s is None:
        return one
    return one if one.deadline_unix_s <= other.deadline_unix_s else other
