"""Coordinators as Ray Data runs them: with some shards each, and begun again elsewhere when gone.

Writes down what each of them sent, got back and lost, to hold the rows' rework against it.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from checkpoints.errors import CorruptObjectError
from checkpoints.journal import load_journal
from checkpoints.result import ResultRow
from checkpoints.store import Store
from pipeline.coordinator import Coordinator
from pipeline.departure import leave_in_time
from pipeline.engines.dispatch import Send
from pipeline.engines.engine import EngineDeadError, FinishReason, Parts, Request
from pipeline.engines.losses import EngineLostError, NoEngineError
from pipeline.work import Work
from tests.pipeline.coordinator_builders import rows_of
from tests.pipeline.engine_builders import documents
from tests.pipeline.mortal_store import Life, MortalStore
from tests.pipeline.processes import Process
from tests.pipeline.serve_model import Node
from tests.pipeline.token_engine import TOKENS

LOOK_S = 0.5
RESTART_S = 2.0


@dataclass(frozen=True, slots=True)
class Loss:
    """What an engine took with it of one request: at most so much if it was lost, else exactly."""

    request: str
    tokens: int
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Got:
    """So much of an answer came from an engine."""

    at_s: float
    tokens: int


@dataclass(slots=True, eq=False)
class Member:
    """One coordinator process, from its start to its end."""

    process: Process
    node: Node
    its: Coordinator
    shards: dict[int, asyncio.Task[object]] = field(default_factory=dict)  # that it was given
    found: dict[str, int] = field(default_factory=dict)  # durable tokens when it was given them
    got: dict[str, Got] = field(default_factory=dict)  # the latest of each request
    losses: list[Loss] = field(default_factory=list)
    behind: dict[str, int] = field(default_factory=dict)  # tokens of each request as last sent
    has_left: bool = False  # by its own will

    def has_finished(self, request: str) -> bool:
        return request in self.got and self.got[request].tokens == TOKENS


class Crew:
    """So many coordinators, each on a node of its own."""

    def __init__(
        self,
        output: Store,
        checkpoint: Store,
        send: Send,
        its: Work,
        sizes: Sequence[int],
        when_over: Callable[[Member], None],
    ) -> None:
        self.every: list[Member] = []  # that ever was
        self.given: dict[int, list[Member]] = {}  # who had a shard, one after the other
        self.done: set[int] = set()
        self._output, self._checkpoint = output, checkpoint
        self._send, self._work, self._sizes = send, its, sizes
        self._when_over = when_over
        self._names = itertools.count()
        self._fresh_s = [0.0] * its.coordinators  # when the next one may start in a place
        self._places: list[Member | None] = [None] * its.coordinators

    @property
    def up(self) -> list[Member]:
        return [one for one in self._places if one is not None and not one.process.is_over]

    async def work(self) -> None:
        """Until every shard is done."""
        while len(self.done) < len(self._sizes):
            now_s = asyncio.get_running_loop().time()
            for place, member in enumerate(self._places):
                if member is not None and member.process.is_over:
                    self._places[place], self._fresh_s[place] = None, now_s + RESTART_S
                elif member is None and now_s >= self._fresh_s[place]:
                    self._places[place] = self._start()
            self._give()
            await asyncio.sleep(LOOK_S)

    def durable(self, shard: int) -> dict[str, int]:
        """Tokens of each document of a shard that its result or its journal has."""
        rows, begun = self._stored(shard)
        found = {f"{shard}.{ordinal}.{tier}": n for (ordinal, tier), n in begun.items()}
        return found | {f"{shard}.{row.ordinal}.small": TOKENS for row in rows}

    def _stored(self, shard: int) -> tuple[list[ResultRow], dict[tuple[int, str], int]]:
        with contextlib.suppress(FileNotFoundError, CorruptObjectError):
            return rows_of(self._output, shard), {}
        past = load_journal(self._checkpoint, shard)
        begun = {place: len(partial.tokens) for place, partial in past.partials.items()}
        return list(past.rows.values()), begun

    def _start(self) -> Member:
        name = f"coordinator-{next(self._names)}"
        process, store, node = Process(name), Life(), Node(f"node of {name}")
        store.fails = lambda _: process.is_over
        node.processes.append(process)
        member = Member(
            process,
            node,
            Coordinator(
                self._work,
                MortalStore(self._output, store),
                MortalStore(self._checkpoint, store),
                {"small": lambda requests: self._sent(member, requests)},
            ),
        )
        process.when_over.append(lambda: self._when_over(member))
        process.start(self._leave(member))
        self.every.append(member)
        return member

    async def _leave(self, member: Member) -> None:
        await leave_in_time(member.its, member.node.read_drain)
        member.has_left = True
        member.process.end()

    def _give(self) -> None:
        """Open shards to those who have room and are not on a node that goes, as Ray Data does."""
        held = {shard for one in self.up for shard, task in one.shards.items() if not task.done()}
        waiting = [n for n in range(len(self._sizes)) if n not in self.done | held]
        for member in sorted(self.up, key=_open):
            while (
                waiting
                and member.node.drain_s is None
                and _open(member) < self._work.shards_in_flight
            ):
                shard = waiting.pop(0)
                member.found |= dict.fromkeys(self._requests(shard), 0) | self.durable(shard)
                self.given.setdefault(shard, []).append(member)
                member.shards[shard] = member.process.start(self._finish(member, shard))

    async def _finish(self, member: Member, shard: int) -> None:
        receipt = await member.its.finish_shard(shard, documents(self._sizes[shard], shard=shard))
        assert receipt is not None
        self.done.add(shard)

    def _requests(self, shard: int) -> list[str]:
        return [f"{shard}.{n}.small" for n in range(self._sizes[shard])]

    async def _sent(self, member: Member, requests: Sequence[Request]) -> Parts:
        """`send`, and what came of it."""
        waiting = {one.id: len(one.partial.tokens) for one in requests}
        member.behind |= waiting
        has_begun = False
        try:
            async with contextlib.aclosing(self._send(requests)) as parts:
                async for part in parts:
                    has_begun = has_begun or not part
                    for one in part:
                        behind = waiting.pop(one.request_id)
                        assert behind <= one.output_tokens
                        is_back = one.finish_reason is FinishReason.HANDED_BACK
                        kept = len(one.partial.tokens) if is_back else TOKENS
                        now_s = asyncio.get_running_loop().time()
                        assert not member.has_finished(one.request_id), "answered twice"
                        member.got[one.request_id] = Got(now_s, kept)
                        if kept < one.output_tokens:
                            lost = Loss(one.request_id, one.output_tokens - kept, is_exact=True)
                            member.losses.append(lost)
                    yield part
        except (EngineLostError, EngineDeadError) as error:
            if has_begun and not isinstance(error, NoEngineError):
                member.losses += [Loss(id_, TOKENS - n, False) for id_, n in waiting.items()]
            raise


def _open(member: Member) -> int:
    return sum(not task.done() for task in member.shards.values())
