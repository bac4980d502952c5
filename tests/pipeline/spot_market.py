"""A spot market on a virtual clock: nodes, the engines on them, and the coordinators they work for.

Replicas, gates, dispatchers and coordinators are the real ones; Serve, Ray Data and the engine are
models. Every promise that a run makes while machines go is held against what really happened.
"""

import asyncio
import math
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.engines.drain import MARGIN_S
from pipeline.engines.engine import Completion, FinishReason
from pipeline.engines.replica import DRAIN_CHECK_S
from pipeline.interruptions import Interruption
from tests.pipeline.coordinator_builders import assert_proven, rows_of
from tests.pipeline.crew import Crew, Member
from tests.pipeline.engine_builders import planned_stores, tier, work
from tests.pipeline.processes import here, mortal_task
from tests.pipeline.serve_model import (
    ROUTING_STATS_S,
    TICK_S,
    Answered,
    Hosted,
    Node,
    ServeModel,
)
from tests.pipeline.token_engine import TEXT, TOKEN_S, TOKENS, TokenEngine
from tests.pipeline.virtual_loop import VirtualLoop

SIZES = (14, 5, 9, 11)
THREAD_S = 0.02
LEAD_S = 4.0  # a drain's deadline is so long before the machine is taken
SLACK_S = 0.2
HEARD_S = ROUTING_STATS_S + TICK_S  # before its order a replica heard of Serve so long ago
LONGEST_S = TOKENS * TOKEN_S
END_S = 400.0


class Market:
    """A run of several shards; `close` it in the end."""

    def __init__(
        self,
        engines: int,
        coordinators: int,
        *,
        flush_s: float,
        start_s: float,
        max_tokens: int,
        keeps: bool,
    ) -> None:
        its = tier()
        its = replace(
            its,
            placement=replace(its.placement, max_replicas=engines),
            generation=replace(its.generation, max_tokens=max_tokens),
        )
        self._loop = VirtualLoop(lambda: THREAD_S)
        self._loop.set_task_factory(mortal_task)
        self.output, self.checkpoint = planned_stores(*SIZES)
        self.nodes: list[Node] = []
        self._made: Counter[tuple[str, str]] = Counter()  # tokens, by coordinator and request
        self._broken: list[str] = []  # promises, as soon as it was seen
        self.serve = ServeModel(
            its,
            self.nodes,
            lambda: TokenEngine(start_s, self._note_token, keeps_partials=keeps),
            self._check_stopped,
        )
        works = work(
            tiers=(its,),
            coordinators=coordinators,
            shards_in_flight=3 - coordinators,
            max_engine_deaths=100,
            flush_s=flush_s,
        )
        self.crew = Crew(
            self.output, self.checkpoint, self.serve.send, works, SIZES, self._check_over
        )
        self._flush_s = flush_s
        self._tasks: list[asyncio.Task[None]] = []
        self.do(self._begin)

    def _begin(self) -> None:
        for _ in range(3):
            self.add_node()
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self.serve.control()), loop.create_task(self.crew.work())]

    def do(self, act: Callable[[], object], then_s: float = 0.0) -> None:
        """Act inside the loop; then so much time passes."""

        async def main() -> None:
            act()
            await asyncio.sleep(then_s)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", self._loop.time)
            patch.setattr(time, "monotonic", self._loop.time)
            patch.setattr(os, "_exit", lambda _: here().end())
            self._loop.run_until_complete(main())
        assert not self._broken, self._broken
        for task in self._tasks:
            if task.done():
                task.result()

    def close(self) -> None:
        for process in [one.process for one in (*self.serve.every, *self.crew.every)]:
            process.bury()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.close()

    def add_node(self) -> None:
        self.nodes.append(Node(f"node-{len(self.nodes)}"))

    def notice(self, node: Node, seconds: float) -> None:
        """With inf a cordon."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + seconds
        node.must_go(deadline_s)
        if deadline_s < math.inf:
            heard_s = max(deadline_s, loop.time() + DRAIN_CHECK_S) + SLACK_S
            loop.call_at(heard_s, self._check_empty, node)
            loop.call_at(deadline_s + LEAD_S, node.vanish)

    def silence(self, seconds: float) -> None:
        """Of Serve's controller."""
        self.serve.is_silent = True
        asyncio.get_running_loop().call_later(seconds, self.serve.come_back)

    def _note_token(self, caller: str, request: str) -> None:
        self._made[caller, request] += 1

    # What is checked while it happens.

    def _check_empty(self, node: Node) -> None:
        """After the deadline of its notice no engine holds anything, no coordinator is there."""
        for member in self.crew.up:
            if member.node is node:
                self._broken.append(f"{member.process.name} is still there after its deadline")
        for one in self.serve.up:
            if one.host is node and (one.makes.running or one.calls):
                self._broken.append(f"{one.engine} has {one.makes.running} after its deadline")

    def _check_stopped(self, one: Hosted) -> None:
        """What Serve stops has nothing left when its grace is over."""
        if one.calls:
            self._broken.append(f"{one.engine} was stopped with {len(one.calls)} calls")

    def _check_over(self, member: Member) -> None:
        """A coordinator that ends has journaled what it got, but for the latest if it is killed."""
        now_s = self._loop.time()
        recent_s = SLACK_S + (0.0 if member.has_left else self._flush_s)
        durable: dict[str, int] = {}
        for shard in member.shards:
            durable |= self.crew.durable(shard)
        for name, got in member.got.items():
            if durable.get(name, 0) < got.tokens and got.at_s < now_s - recent_s:
                self._broken.append(f"{got.tokens} tokens of {name} were not journaled")
        drain_s = member.node.drain_s or 0.0
        if member.has_left and member.its.in_flight and now_s < drain_s - MARGIN_S:
            self._broken.append(f"{member.process.name} left {member.its.in_flight} at engines")

    # What is checked in the end.

    def finish(self) -> None:
        """The market calms down: the run comes to its end, and its account is right."""

        def calm() -> None:
            self.serve.come_back()
            for _ in range(2):
                self.add_node()

        self.do(calm)
        while len(self.crew.done) < len(SIZES):
            self.do(lambda: None, 10.0)
            assert self._loop.time() < END_S, "the run stands still"
        self.do(lambda: None, 5.0)
        assert not self._loop.complaints, self._loop.complaints
        assert_proven(self.output, self.checkpoint)
        self.check_rework()
        for one in self.serve.every:
            self.check_reasons(one)
            check_event(one)

    def check_rework(self) -> None:
        """Every row says what was generated twice for it; to the token, if no engine was lost."""
        for shard, size in enumerate(SIZES):
            rows = rows_of(self.output, shard)
            assert [row.result for row in rows] == [TEXT] * size
            members = self.crew.given[shard]
            for row in rows:
                name = f"{shard}.{row.ordinal}.small"
                after = [one for one in members if one.found[name] == TOKENS]
                [*_, its] = [one for one in members if one not in after]
                for one in after:
                    assert self._made[one.process.name, name] == 0, "durable, and generated again"
                losses = [one for one in its.losses if one.request == name]
                assert row.rework.tokens == sum(one.tokens for one in losses)
                assert row.rework.documents == int(bool(losses))
                assert row.rework.salvaged_tokens == its.behind[name]
                twice = self._made[its.process.name, name] - (TOKENS - its.found[name])
                assert 0 <= twice <= row.rework.tokens
                if all(one.is_exact for one in losses):
                    assert twice == row.rework.tokens

    def check_reasons(self, one: Hosted) -> None:
        """No engine ends early: neither what it has begun, nor what it could begin, nor itself."""
        drain_s = math.inf if one.host.drain_s is None else one.host.drain_s
        ends_s = min(drain_s, one.ordered_s + self.serve.grace_s - HEARD_S) - MARGIN_S
        told_s = min(one.host.noticed_s, one.ordered_s)
        closes_s = min(ends_s - LONGEST_S, told_s + max(0.0, ends_s - told_s) / 2)
        for sent in one.answered:
            if is_back(sent.completion):
                was_begun = sent.completion.output_tokens > sent.behind
                may_s = ends_s if was_begun else closes_s
                assert sent.at_s >= may_s - SLACK_S, (one.engine, sent, may_s)
        if one.ended_itself:
            assert one.over_s >= closes_s - SLACK_S, (one.engine, one.over_s, closes_s)
            assert not one.calls_left, one.engine


def check_event(one: Hosted) -> None:
    """What an engine tells of its notice is what left it under notice."""
    noted = [sent for sent in one.answered if sent.is_under_notice]
    if one.process.was_killed or one.makes.is_dead or one.calls:
        return  # nobody heard its last words, or it has not said them
    if not one.told:
        assert not noted
        return
    assert one.told[-1].ended_unix_s is not None, one.engine
    assert _sums(one.told[-1]) == _expected(noted), one.engine


def _sums(event: Interruption) -> tuple[int, int, int, int, int]:
    return (
        event.documents,
        event.output_tokens,
        event.handed_back,
        event.salvaged_tokens,
        event.dropped_tokens,
    )


def _expected(noted: list[Answered]) -> tuple[int, int, int, int, int]:
    """Without what came back before: of a request that two coordinators sent, the first counts."""
    news: list[Completion] = []
    returned: set[str] = set()
    for one in [sent.completion for sent in noted]:
        if one.request_id not in returned:
            news.append(one)
        if is_back(one):
            returned.add(one.request_id)
    back = [one for one in news if is_back(one)]
    finished = len(news) - len(back)
    kept = sum(len(one.partial.tokens) for one in back)
    dropped = sum(one.output_tokens for one in back) - kept
    return finished, TOKENS * finished, len(back), kept, dropped


def is_back(one: Completion) -> bool:
    return one.finish_reason is FinishReason.HANDED_BACK
