"""Nodes come and go in every order, told or not: nothing is lost, done twice or ended early."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.pipeline.serve_model import Hosted, Node
from tests.pipeline.spot_market import Market

SECONDS = st.floats(0.1, 8)
NOTICES_S = st.sampled_from([0.0, 1.5, 5.0, 8.0, 13.0, 20.0, 45.0, 110.0])
ANY = st.integers(0, 10)
MOST_NODES = 8


class SpotMachine(RuleBasedStateMachine):
    market: Market

    @initialize(
        engines=st.integers(2, 3),
        coordinators=st.integers(1, 2),
        flush_s=st.sampled_from([0.5, 3.0, 1000.0]),
        start_s=st.sampled_from([0.5, 6.0]),
        max_tokens=st.sampled_from([16, 400]),  # the grace of a stopped replica follows from it
        keeps=st.booleans(),
    )
    def begin(
        self,
        engines: int,
        coordinators: int,
        flush_s: float,
        start_s: float,
        max_tokens: int,
        keeps: bool,
    ) -> None:
        self.market = Market(
            engines,
            coordinators,
            flush_s=flush_s,
            start_s=start_s,
            max_tokens=max_tokens,
            keeps=keeps,
        )

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.market.do(lambda: None, seconds)

    @rule(which=ANY, seconds=NOTICES_S, then_s=SECONDS)
    def an_engine_gets_notice(self, which: int, seconds: float, then_s: float) -> None:
        """Also one that was cordoned, or told before."""
        for engine in self.engine(which):
            self.market.do(lambda its=engine.host: self.market.notice(its, seconds), then_s)

    @rule(which=ANY, then_s=SECONDS)
    def an_engine_is_cordoned(self, which: int, then_s: float) -> None:
        for engine in self.engine(which):
            self.market.do(lambda its=engine.host: its.must_go(math.inf), then_s)

    @rule(which=ANY, is_node=st.booleans(), then_s=SECONDS)
    def an_engine_goes_without_notice(self, which: int, is_node: bool, then_s: float) -> None:
        for engine in self.engine(which):
            if is_node:
                self.market.do(engine.host.vanish, then_s)
            else:
                engine.makes.is_dead = True

    @precondition(lambda self: sum(not one.is_gone for one in self.market.nodes) < MOST_NODES)
    @rule(then_s=SECONDS)
    def there_is_room_for_an_engine(self, then_s: float) -> None:
        """Where one is on a node that goes, its replacement comes up, and Serve stops it."""
        self.market.do(self.market.add_node, then_s)

    @rule(seconds=st.sampled_from([3.0, 10.0, 30.0]), then_s=SECONDS)
    def the_controller_is_silent(self, seconds: float, then_s: float) -> None:
        self.market.do(lambda: self.market.silence(seconds), then_s)

    @rule(which=ANY, then_s=SECONDS)
    def a_coordinator_is_killed(self, which: int, then_s: float) -> None:
        for node in self.coordinator(which):
            self.market.do(node.vanish, then_s)

    @rule(
        which=ANY,
        seconds=NOTICES_S | st.just(math.inf),
        then_s=SECONDS,
        sooner_s=st.none() | NOTICES_S,
    )
    def a_coordinator_gets_notice(
        self, which: int, seconds: float, then_s: float, sooner_s: float | None
    ) -> None:
        """Or is cordoned; a second notice may name an earlier time."""
        for node in self.coordinator(which):
            self.market.do(lambda its=node: self.market.notice(its, seconds), then_s)
            if sooner_s is not None:
                self.market.do(lambda its=node: self.market.notice(its, sooner_s), then_s)

    def teardown(self) -> None:
        if not hasattr(self, "market"):
            return
        try:
            self.market.finish()
        finally:
            self.market.close()

    def engine(self, which: int) -> list[Hosted]:
        """One that is up, if any is."""
        up = self.market.serve.up
        return [up[which % len(up)]] if up else []

    def coordinator(self, which: int) -> list[Node]:
        """The node of one that is up, if any is."""
        up = self.market.crew.up
        return [up[which % len(up)].node] if up else []


SpotMachine.TestCase.settings = settings(max_examples=80, stateful_step_count=15, deadline=None)
test_a_spot_market = SpotMachine.TestCase
