"""Counts of several coordinators, each shard counted once."""

from pipeline.board import SILENT_S, TAKEN_OFF_KEPT, Board
from pipeline.progress import Counts, ErrorExample


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_counts_of_all_coordinators_are_summed() -> None:
    board = Board()
    board.post("a", {0: Counts(ok=3), 1: Counts(error_codes={"a": 1})}, (), has_flushed=False)
    board.post("b", {2: Counts(ok=5)}, (), has_flushed=False)
    assert board.state().open_shards == Counts(ok=8, error_codes={"a": 1})


def test_the_latest_post_of_a_shard_counts_whoever_it_is_from() -> None:
    board = Board()
    board.post("a", {0: Counts(ok=3)}, (), has_flushed=False)
    board.post("b", {0: Counts(ok=4, restored=3)}, (), has_flushed=False)
    assert board.state().open_shards == Counts(ok=4, restored=3)


def test_a_shard_taken_off_counts_no_more_even_when_a_post_comes_late() -> None:
    board = Board()
    board.post("a", {0: Counts(ok=3)}, (), has_flushed=False)
    board.take_off(0)
    board.take_off(1)  # never posted: it was committed before the first post
    board.post("a", {0: Counts(ok=9), 1: Counts(ok=1)}, (), has_flushed=False)
    assert board.state().open_shards == Counts()


def test_the_memory_of_shards_taken_off_is_bounded() -> None:
    board = Board()
    for shard in range(TAKEN_OFF_KEPT + 5):
        board.take_off(shard)
    board.post("a", {0: Counts(ok=1), 5: Counts(ok=10)}, (), has_flushed=False)
    assert board.state().open_shards == Counts(ok=1)


def test_the_first_example_of_an_error_code_stays() -> None:
    board = Board()
    slow, empty = ErrorExample("timeout", "id-1", "slow"), ErrorExample("empty_text", "id-2", "")
    board.post("a", {}, (slow, empty), has_flushed=False)
    board.post("b", {}, (ErrorExample("timeout", "id-9", "slow too"),), has_flushed=False)
    assert board.state().examples == {"timeout": slow, "empty_text": empty}


def test_coordinators_learn_of_a_stop_with_their_next_post() -> None:
    board = Board()
    assert not board.post("a", {}, (), has_flushed=False)
    board.stop()
    assert board.post("a", {}, (), has_flushed=False)
    assert board.post("b", {}, (), has_flushed=True)
    state = board.state()
    assert (state.flushed, state.coordinators) == (1, 2)


def test_a_coordinator_that_died_is_not_waited_for() -> None:
    clock = Clock()
    board = Board(clock)
    board.post("dead", {}, (), has_flushed=False)
    clock.now_s += SILENT_S + 1
    board.post("alive", {}, (), has_flushed=True)
    state = board.state()
    assert (state.flushed, state.coordinators) == (1, 1)
