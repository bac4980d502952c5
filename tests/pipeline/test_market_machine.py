"""Engines come and go, coordinators are killed and taken up again: nothing is lost, and no more is
done twice than the rows say and the kills explain."""

import asyncio
from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from checkpoints.errors import CorruptObjectError
from checkpoints.journal import load_journal
from pipeline.coordinator import Coordinator
from tests.pipeline.coordinator_builders import assert_proven, rows_of
from tests.pipeline.engine_builders import documents, planned_stores, work
from tests.pipeline.market import TEXT, TOKENS, Lifetime, Market
from tests.pipeline.mortal_store import Life, MortalStore
from tests.pipeline.virtual_loop import run_until_killed

SIZES = (9, 4)
lifetimes = st.lists(
    st.builds(
        Lifetime,
        st.floats(0.5, 12),
        st.sampled_from(["drained", "drained, nothing kept", "killed"]),
    ),
    max_size=5,
)


class MarketMachine(RuleBasedStateMachine):
    """A run of two shards; every rule is the whole life of one coordinator."""

    def __init__(self) -> None:
        super().__init__()
        self.output, self.checkpoint = planned_stores(*SIZES)
        self.generated: Counter[tuple[str, int]] = Counter()
        self.explained: Counter[str] = Counter()  # tokens that died with a coordinator
        self.kept: dict[str, int] = {}  # tokens of each document that were durable

    @rule(lives=lifetimes, seconds=st.floats(0.5, 25), flush_s=st.sampled_from([0.5, 3.0]))
    def live_and_be_killed(self, lives: list[Lifetime], seconds: float, flush_s: float) -> None:
        before, had = self.durable(), self.made()
        self.live(lives, flush_s, seconds)
        durable, has = self.durable(), self.made()
        for name in self.names():
            if durable.get(name, 0) < TOKENS:  # else its row tells
                gained = durable.get(name, 0) - before.get(name, 0)
                self.explained[name] += has[name] - had[name] - gained

    @rule(lives=lifetimes)
    def live_to_the_end(self, lives: list[Lifetime]) -> None:
        self.live(lives, 2.0, None)
        assert_proven(self.output, self.checkpoint)
        for shard, size in enumerate(SIZES):
            rows = rows_of(self.output, shard)
            assert [row.result for row in rows] == [TEXT] * size
            for row in rows:
                name = f"{shard}.{row.ordinal}.small"
                twice = sum(n - 1 for (id_, _), n in self.generated.items() if id_ == name)
                assert twice <= row.rework.tokens + self.explained[name]

    @invariant()
    def what_was_durable_stays_so(self) -> None:
        durable = self.durable()
        for name, tokens in self.kept.items():
            assert durable.get(name, 0) >= tokens
        self.kept = durable

    def made(self) -> Counter[str]:
        """Tokens that engines have generated of each document."""
        found: Counter[str] = Counter()
        for (name, _), times in self.generated.items():
            found[name] += times
        return found

    def names(self) -> list[str]:
        return [f"{shard}.{n}.small" for shard, size in enumerate(SIZES) for n in range(size)]

    def durable(self) -> dict[str, int]:
        """Tokens of each document that a committed row or the journal has."""
        found: dict[str, int] = {}
        for shard, size in enumerate(SIZES):
            try:
                finished = {row.ordinal for row in rows_of(self.output, shard)}
            except (FileNotFoundError, CorruptObjectError):
                past = load_journal(self.checkpoint, shard)
                finished = set(past.rows)
                for (ordinal, tier), partial in past.partials.items():
                    found[f"{shard}.{ordinal}.{tier}"] = len(partial.tokens)
            found |= {f"{shard}.{n}.small": TOKENS for n in finished if n < size}
        return found

    def live(self, lives: list[Lifetime], flush_s: float, seconds: float | None) -> None:
        life, market = Life(), Market(lives, self.generated)
        made = Coordinator(
            work(flush_s=flush_s),
            MortalStore(self.output, life),
            MortalStore(self.checkpoint, life),
            {"small": market.send},
        )

        async def main() -> None:
            shards = asyncio.gather(
                *(made.finish_shard(n, documents(size, shard=n)) for n, size in enumerate(SIZES))
            )
            if seconds is None:
                await shards
                return
            await asyncio.wait([shards], timeout=seconds)
            raise SystemExit

        run_until_killed(main())
        life.is_over = True


MarketMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=6, deadline=None)
test_a_market_of_engines = MarketMachine.TestCase
