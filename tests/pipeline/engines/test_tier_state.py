"""What the driver makes of what Serve says."""

import pytest

from pipeline.engines.tier_state import NODE_LOST, PoolState, TierState, tier_state

LOST = [f"failed to start 3 times in a row. Error: {words}." for words in NODE_LOST]
NO_MEMORY = "failed to start 3 times in a row. Error: no memory"


def test_the_pools_of_a_tier_add_up() -> None:
    pools = [PoolState(ready=1, starting=0, unplaced=0), PoolState(2, 3, 4)]
    assert tier_state(pools, wanted=10) == TierState(True, 3, 10, None, 3, 4)


def test_a_tier_with_a_pool_that_is_not_there_is_to_be_deployed() -> None:
    state = tier_state([None, PoolState(2, 0, 0)], wanted=3)
    assert (state.is_deployed, state.ready) == (False, 2)


def test_an_engine_that_does_not_start_is_a_problem_by_its_reason() -> None:
    state = tier_state([PoolState(0, 0, 1), PoolState(0, 0, 0, NO_MEMORY)], wanted=2)
    assert (state.is_deployed, state.problem) == (True, NO_MEMORY)


def test_why_starts_fail_is_told_by_its_last_line() -> None:
    state = tier_state([PoolState(1, 1, 0, refusal="failed:\n  no memory\n")], wanted=2)
    assert (state.problem, state.refusal) == (None, "no memory")


@pytest.mark.parametrize("failure", LOST)
def test_nodes_that_die_while_engines_start_are_no_problem_but_a_pool_to_deploy_again(
    failure: str,
) -> None:
    state = tier_state([PoolState(0, 0, 0, failure)], wanted=1)
    assert (state.is_deployed, state.problem) == (False, None)


def test_a_pool_that_works_is_left_alone_whatever_failed_before() -> None:
    state = tier_state([PoolState(1, 0, 1, LOST[0])], wanted=2)
    assert (state.is_deployed, state.ready) == (True, 1)
