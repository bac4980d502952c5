"""Serve's controller and routers, as replicas on nodes that go know them.

What Serve 2.60 does: a replica on a draining node gets a replacement and takes requests until that
one is up, or until its grace would end with the node; then it is stopped: routed to and checked no
more, killed once it has no calls, or at the end of its grace. A controller that is silent does none
of this.
"""

import asyncio
import contextlib
import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pipeline.engines.engine import Completion, EngineDeadError, Parts, Request
from pipeline.engines.engine_work import EngineWork
from pipeline.engines.losses import EngineLostError, NoEngineError
from pipeline.engines.replica import HEALTH_CHECK_S, IS_CLOSED, Replica
from pipeline.engines.stop_order import grace_s
from pipeline.engines.tiers import Tier
from pipeline.interruptions import Interruption
from tests.pipeline.processes import Process, here
from tests.pipeline.token_engine import CALLER, TokenEngine

TICK_S = 0.25
ROUTING_STATS_S = 1.0
BACK_OFF_S = 0.2
BAD_CHECKS = 3


@dataclass(slots=True, eq=False)
class Node:
    """A machine; `drain_s` is by when it is to be left, on the loop's clock."""

    name: str
    drain_s: float | None = None
    noticed_s: float = math.inf  # when it was first told of a deadline
    is_gone: bool = False
    processes: list[Process] = field(default_factory=list)

    def read_drain(self) -> float | None:
        return self.drain_s

    def must_go(self, deadline_s: float) -> None:
        """A notice, or a cordon with inf."""
        self.drain_s = deadline_s if self.drain_s is None else min(self.drain_s, deadline_s)
        if deadline_s < math.inf:
            self.noticed_s = min(self.noticed_s, asyncio.get_running_loop().time())

    def vanish(self) -> None:
        self.is_gone = True
        for process in self.processes:
            process.kill()

    @property
    def has_room(self) -> bool:
        return not (
            self.is_gone or self.drain_s is not None or any(not p.is_over for p in self.processes)
        )


@dataclass(frozen=True, slots=True)
class Answered:
    """One completion on its way from a replica to who asked."""

    at_s: float
    caller: str
    completion: Completion
    behind: int  # tokens that the answer had when it came here
    is_under_notice: bool


@dataclass(slots=True, eq=False)
class Hosted:
    """A replica as Serve knows it; also its line to the driver."""

    engine: str
    process: Process
    host: Node
    makes: TokenEngine
    state: Literal["starting", "running", "migrating", "stopping", "stopped"] = "starting"
    its: Replica | None = None
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    is_closed: bool = False  # as routers know it
    asked_s: float = 0.0
    checked_s: float = 0.0
    check: asyncio.Task[None] | None = None
    bad_checks: int = 0
    ordered_s: float = math.inf  # when it was first stopped
    stopped_s: float = math.inf  # when it was last
    was_idle: bool = False
    over_s: float = math.inf  # when its process ended
    calls_left: int = 0  # when it did
    answered: list[Answered] = field(default_factory=list)
    told: list[Interruption] = field(default_factory=list)

    @property
    def node(self) -> str:
        return self.host.name

    def is_driver_alive(self, work: EngineWork) -> bool:
        return True

    def report(self, event: Interruption) -> None:
        if not self.process.is_over:
            self.told.append(event)

    def end(self) -> None:
        """Serve kills it."""
        self.state = "stopped"
        self.process.end()

    def note_end(self) -> None:
        self.over_s, self.calls_left = asyncio.get_running_loop().time(), len(self.calls)

    @property
    def ended_itself(self) -> bool:
        is_told = self.process.was_killed or self.makes.is_dead or self.state == "stopped"
        return self.process.is_over and not is_told

    async def run(self, tier: Tier, is_stopped: Callable[[], bool]) -> None:
        """What the replica's process does first."""
        its = Replica.__new__(Replica)
        await its.__init__(  # type: ignore[misc]
            lambda _: self.makes,
            tier,
            lambda: self,
            self.host.read_drain,
            lambda: None,
            is_stopped,
        )
        self.its = its

    async def serve(
        self, requests: Sequence[Request], caller: str, parts: "asyncio.Queue[object]"
    ) -> None:
        """One call, inside the replica's process."""
        assert self.its is not None
        CALLER.set(caller)
        behind = {one.id: len(one.partial.tokens) for one in requests}
        try:
            async with contextlib.aclosing(self.its.generate(requests)) as found:
                async for part in found:
                    under_notice = self.its._event is not None
                    now_s = asyncio.get_running_loop().time()
                    self.answered += [
                        Answered(now_s, caller, one, behind[one.request_id], under_notice)
                        for one in part or ()
                    ]
                    parts.put_nowait(EngineDeadError("it died") if part is None else part)
        except NoEngineError as error:
            parts.put_nowait(error)
        parts.put_nowait(None)


class ServeModel:
    """Keeps `replicas` of them up, where there is room."""

    def __init__(
        self,
        tier: Tier,
        nodes: list[Node],
        make_engine: Callable[[], TokenEngine],
        when_stopped: Callable[[Hosted], None],
    ) -> None:
        self.is_silent = False
        self.every: list[Hosted] = []  # that ever was
        self.grace_s = grace_s(tier.generation)
        self._tier = tier
        self._replicas = tier.placement.max_replicas
        self._nodes = nodes
        self._make_engine = make_engine
        self._when_stopped = when_stopped  # asked just before one that was stopped is killed
        self._names = itertools.count()

    @property
    def up(self) -> list[Hosted]:
        return [one for one in self.every if not one.process.is_over]

    async def control(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(TICK_S)
            if not self.is_silent:
                self._step(asyncio.get_running_loop().time())

    def come_back(self) -> None:
        """A controller that starts again stops again what it was stopping."""
        self.is_silent = False
        now_s = asyncio.get_running_loop().time()
        for one in self.up:
            if one.state == "stopping":
                one.stopped_s = now_s

    async def send(self, requests: Sequence[Request]) -> Parts:
        """A client in a coordinator's process, as `EngineClient.send`."""
        while not (open_ := [one for one in self._ready() if not one.is_closed]):
            await asyncio.sleep(BACK_OFF_S)
        chosen = min(open_, key=lambda one: len(one.calls))
        parts: asyncio.Queue[object] = asyncio.Queue()
        call = chosen.process.start(chosen.serve(list(requests), here().name, parts))
        chosen.calls.add(call)
        call.add_done_callback(chosen.calls.discard)
        chosen.process.when_over.append(lambda: parts.put_nowait(EngineLostError("it is gone")))
        try:
            while (part := await parts.get()) is not None:
                if isinstance(part, Exception):
                    raise part
                assert isinstance(part, list)
                yield part
        finally:
            call.cancel()

    def _ready(self) -> list[Hosted]:
        return [one for one in self.up if one.state in ("running", "migrating")]

    def _step(self, now_s: float) -> None:
        for one in self.up:
            self._step_one(one, now_s)
        self._stop_migrated(now_s)
        missing = self._replicas - sum(one.state in ("starting", "running") for one in self.up)
        for node in [node for node in self._nodes if node.has_room][: max(0, missing)]:
            self._start_on(node)

    def _step_one(self, one: Hosted, now_s: float) -> None:
        must_go = one.host.drain_s is not None
        if one.state == "starting" and must_go:
            one.end()
        elif one.state == "starting" and one.its is not None:
            one.state, one.checked_s = "running", now_s
        elif one.state == "running" and must_go:
            one.state = "migrating"
        elif one.state == "stopping":
            if one.was_idle or now_s >= one.stopped_s + self.grace_s:
                self._when_stopped(one)
                one.end()
            one.was_idle = not one.calls  # it says so, and is killed a moment later
        if one.state in ("running", "migrating"):
            self._ask(one, now_s)

    def _ask(self, one: Hosted, now_s: float) -> None:
        assert one.its is not None
        if now_s >= one.asked_s + ROUTING_STATS_S:
            one.is_closed, one.asked_s = one.its.record_routing_stats()[IS_CLOSED], now_s
        if one.check is not None and one.check.done():
            one.bad_checks = one.bad_checks + 1 if one.check.exception() else 0
            one.check = None
            if one.bad_checks == BAD_CHECKS:
                one.end()
        elif one.check is None and now_s >= one.checked_s + HEALTH_CHECK_S:
            one.checked_s = now_s
            one.check = one.process.start(one.its.check_health())
            one.check.add_done_callback(lambda check: check.cancelled() or check.exception())

    def _stop_migrated(self, now_s: float) -> None:
        migrating = [one for one in self.up if one.state == "migrating"]
        in_time = [one for one in migrating if now_s < _deadline(one) - self.grace_s]
        running = sum(one.state == "running" for one in self.up)
        too_many = max(0, running + len(in_time) - self._replicas)
        late = [one for one in migrating if one not in in_time]
        for one in [*late, *sorted(in_time, key=_deadline)[:too_many]]:
            one.state, one.ordered_s, one.stopped_s = "stopping", now_s, now_s

    def _start_on(self, node: Node) -> None:
        name = f"engine-{next(self._names)}"
        process = Process(name)
        hosted = Hosted(name, process, node, self._make_engine())
        process.when_over.append(hosted.note_end)
        node.processes.append(process)
        self.every.append(hosted)
        process.start(hosted.run(self._tier, lambda: self._is_stopped(hosted)))

    def _is_stopped(self, one: Hosted) -> bool:
        """Asked by the replica itself."""
        if self.is_silent:
            raise ConnectionError("Serve has no controller")
        return one.state == "stopping"


def _deadline(one: Hosted) -> float:
    return math.inf if one.host.drain_s is None else one.host.drain_s
