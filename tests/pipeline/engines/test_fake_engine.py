"""The fake keeps the protocol's promises, as the real one must."""

import pytest

from pipeline.engines.engine import Engine, EngineDeadError, Request
from pipeline.engines.fake_engine import FakeEngine
from tests.pipeline.engine_builders import POISON, all_of
from tests.pipeline.virtual_loop import run

REQUESTS = [Request(f"0.{n}.small", (n, n + 1)) for n in range(5)]


def test_it_answers_every_request() -> None:
    engine: Engine = FakeEngine(delay_s=2.0)
    completions = run(all_of(engine.generate(REQUESTS)))
    assert {one.request_id: one.text for one in completions} == {
        one.id: str(sum(one.prompt_tokens)) for one in REQUESTS
    }


def test_a_poisonous_prompt_kills_it_for_good() -> None:
    engine = FakeEngine(poison_token=POISON)

    async def main() -> None:
        with pytest.raises(EngineDeadError):
            await all_of(engine.generate([*REQUESTS, Request("0.9.small", (POISON,))]))
        with pytest.raises(EngineDeadError):
            await all_of(engine.generate(REQUESTS))
        with pytest.raises(EngineDeadError):
            await engine.check_health()

    run(main())
    assert engine.served == []
