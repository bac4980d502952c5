"""Where coordinators post their counts and read whether to stop; one per driver.

Boundary: a plain class, run as a Ray actor beside the driver; holds nothing that a resume needs.
Invariants: counts are per shard and the latest post of a shard replaces its earlier ones, so a
shard that is taken up again after a crash is never counted twice; nor is one that a late post names
after the driver took it off. A coordinator that posts no more is waited for no more.
"""

from __future__ import annotations

import contextlib
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.engine_log import EngineSign
from pipeline.engines.engine_work import EngineWork
from pipeline.fleet import NodeFacts
from pipeline.interruptions import Interruption
from pipeline.progress import NO_COUNTS, Counts, ErrorExample, Post
from pipeline.routing.route import Route

NAMESPACE = "gleaner"
PACE_S = 60.0  # over so long the pace of an engine is taken
SILENT_S = 15.0  # a coordinator posts about once a second; after this it counts as gone
REPORT_S = 2.0
FORGET_S = 600.0  # an engine that says nothing for so long is no more
TAKEN_OFF_KEPT = 10_000  # shards; a post is late by seconds, not by so many shards


@dataclass(frozen=True, slots=True)
class BoardState:
    """What the driver reads."""

    open_shards: Counts = NO_COUNTS  # of shards not yet taken off the board
    examples: Mapping[str, ErrorExample] = field(default_factory=dict)  # one per error code
    flushed: int = 0  # coordinators that have stopped and journaled all they had
    coordinators: int = 0  # those that still post
    unsaved: int = 0  # documents that are at engines, or finished and not durable yet
    begun_again: int = 0  # documents that were in the hands of coordinators that died
    engines: Mapping[str, EngineSign] = field(default_factory=dict)
    events: Mapping[str, Interruption] = field(default_factory=dict)  # by engine


@dataclass(frozen=True, slots=True)
class Orders:
    """What a coordinator is told when it posts."""

    must_stop: bool = False
    must_hurry: bool = False  # journal what is finished at once, from now on
    route: Route | None = None  # a newer one than it follows


@dataclass(slots=True)
class _Seen:
    """The signs of one engine, as far back as its pace is taken from."""

    node: str
    tier: str
    signs: deque[tuple[float, EngineWork]] = field(default_factory=deque)

    @property
    def last_s(self) -> float:
        return self.signs[-1][0]

    def note(self, now_s: float, work: EngineWork) -> None:
        self.signs.append((now_s, work))
        while len(self.signs) > 2 and self.signs[1][0] <= now_s - PACE_S:
            self.signs.popleft()

    def sign(self, now_s: float) -> EngineSign:
        (first_s, first), (last_s, last) = self.signs[0], self.signs[-1]
        tokens, span_s = last.output_tokens - first.output_tokens, last_s - first_s
        pace = tokens / span_s if span_s > 0 else 0.0
        return EngineSign(self.node, self.tier, now_s - last_s, last, pace)


class Board:
    """Shared counts of one driver's coordinators."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._shards: dict[int, Counts] = {}
        self._examples: dict[str, ErrorExample] = {}
        self._posts: dict[str, tuple[float, Post]] = {}  # the latest of each coordinator, and when
        self._owners: dict[int, str] = {}  # which coordinator posted a shard
        self._begun_again = 0
        self._engines: dict[str, _Seen] = {}
        self._events: dict[str, Interruption] = {}
        self._taken_off: OrderedDict[int, None] = OrderedDict()
        self._orders = Orders()
        self._route: Route | None = None

    def post(self, post: Post) -> Orders:
        """Take a coordinator's counts; answers what it should do."""
        for shard, counts in post.shards.items():
            if shard in self._taken_off:
                continue
            owner = self._owners.get(shard, post.coordinator)
            if owner != post.coordinator:
                self._take_over(owner)
            self._owners[shard] = post.coordinator
            self._shards[shard] = counts
        for example in post.examples:
            self._examples.setdefault(example.code, example)
        self._posts[post.coordinator] = (self._now(), post)
        is_behind = self._route is not None and post.route_revision < self._route.revision
        return replace(self._orders, route=self._route) if is_behind else self._orders

    def change_route(self, route: Route) -> None:
        """Tell every coordinator, with its next post, to follow this route."""
        self._route = route

    def hold(self, shard: int, counts: Counts) -> None:
        """Keep these counts of a shard that nobody has open, until somebody opens it."""
        self._owners.pop(shard, None)
        self._shards[shard] = counts

    def see_engine(self, engine: str, node: str, tier: str, work: EngineWork) -> None:
        """A sign of life of an engine, with what it has done."""
        seen = self._engines.setdefault(engine, _Seen(node, tier))
        seen.note(self._now(), work)

    def note_interruption(self, event: Interruption) -> None:
        """What an engine under notice has to say; replaces what it said before."""
        self._events[event.engine] = event

    def take_off(self, shard: int) -> None:
        """The driver has the shard's receipt; from now on that counts."""
        self._shards.pop(shard, None)
        self._owners.pop(shard, None)
        self._taken_off[shard] = None
        if len(self._taken_off) > TAKEN_OFF_KEPT:
            self._taken_off.popitem(last=False)

    def stop(self) -> None:
        """Tell every coordinator, with its next post, to journal what it has and stop."""
        self._orders = replace(self._orders, must_stop=True)

    def hurry(self) -> None:
        """Tell every coordinator, with its next post, that all may end with little notice."""
        self._orders = replace(self._orders, must_hurry=True)

    def state(self) -> BoardState:
        """Sums over all coordinators."""
        oldest_s = self._now() - SILENT_S
        posting = [post for posted_s, post in self._posts.values() if posted_s >= oldest_s]
        self._forget_engines()
        return BoardState(
            open_shards=sum(self._shards.values(), Counts()),
            examples=dict(self._examples),
            flushed=sum(post.has_flushed for post in posting),
            coordinators=len(posting),
            unsaved=sum(post.unsaved for post in posting),
            begun_again=self._begun_again,
            engines={engine: seen.sign(self._now()) for engine, seen in self._engines.items()},
            events=dict(self._events),
        )

    def _forget_engines(self) -> None:
        """Those that have been gone for long; the driver has heard of them."""
        oldest_s = self._now() - FORGET_S
        for engine in [one for one, seen in self._engines.items() if seen.last_s < oldest_s]:
            del self._engines[engine]
            self._events.pop(engine, None)

    def _take_over(self, dead: str) -> None:
        """A shard of it has another coordinator: what was in its hands is begun again."""
        if dead in self._posts:
            _, last = self._posts.pop(dead)
            self._begun_again += last.unsaved


def board_name(run_id: str) -> str:
    """Under this name a run's board is found while its driver lives."""
    return f"gleaner-board-{run_id}"


def start_board(run_id: str) -> Any:
    """A `Board` as a Ray actor on the driver's own node, which ends with the driver."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return (
        ray.remote(Board)
        .options(
            name=board_name(run_id),
            namespace=NAMESPACE,
            num_cpus=0,
            max_restarts=-1,
            scheduling_strategy=here,
        )
        .remote()
    )


@dataclass(frozen=True, slots=True)
class Nodes:
    """Ray's nodes by its ids: those that are gone, and what is known of the others."""

    dead: frozenset[str] = frozenset()
    alive: Mapping[str, NodeFacts] = field(default_factory=dict)


def look_at_nodes() -> Nodes:
    """Every node that is or has been in this Ray."""
    found = ray.nodes()
    return Nodes(
        dead=frozenset(node["NodeID"] for node in found if not node["Alive"]),
        alive={node["NodeID"]: _facts(node) for node in found if node["Alive"]},
    )


def _facts(node: Mapping[str, Any]) -> NodeFacts:
    labels = node.get("Labels", {})
    return NodeFacts(
        address=str(node["NodeManagerAddress"]),
        market=labels.get("ray.io/market-type"),
        machine=labels.get("ray.io/accelerator-type") or labels.get("gleaner.io/machine"),
        zone=labels.get("ray.io/availability-zone"),
    )


class BoardLink:
    """An engine's line to the board of its run, made in the process that holds the engine."""

    def __init__(self, run_id: str, tier: str) -> None:
        self._run_id, self._tier = run_id, tier
        context = ray.get_runtime_context()
        self.engine, self.node = str(context.get_actor_id()), str(context.get_node_id())

    def is_driver_alive(self, work: EngineWork) -> bool:
        """Whether the run has a driver on this Ray: its board ends with it. A sign of life too."""
        try:
            self._board().see_engine.remote(self.engine, self.node, self._tier, work)
        except ValueError:
            return False
        return True

    def report(self, event: Interruption) -> None:
        """Tell the board; nobody hears it where there is no driver."""
        with contextlib.suppress(ValueError, RayError, TimeoutError):
            told = self._board().note_interruption.remote(event)
            ray.get(told, timeout=REPORT_S)

    def _board(self) -> Any:
        return ray.get_actor(board_name(self._run_id), namespace=NAMESPACE)
