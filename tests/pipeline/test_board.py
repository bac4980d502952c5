"""Counts of several coordinators, each shard counted once."""

from pipeline.board import FORGET_S, SILENT_S, TAKEN_OFF_KEPT, Board, Orders
from pipeline.engine_log import EngineSign
from pipeline.engines.engine_work import NO_WORK, EngineWork
from pipeline.interruptions import Interruption
from pipeline.progress import Counts, ErrorExample
from tests.pipeline.engine_builders import post


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_counts_of_all_coordinators_are_summed() -> None:
    board = Board()
    board.post(post("a", {0: Counts(ok=3), 1: Counts(error_codes={"a": 1})}))
    board.post(post("b", {2: Counts(ok=5)}))
    assert board.state().open_shards == Counts(ok=8, error_codes={"a": 1})


def test_the_latest_post_of_a_shard_counts_whoever_it_is_from() -> None:
    board = Board()
    board.post(post("a", {0: Counts(ok=3)}))
    board.post(post("b", {0: Counts(ok=4, restored=3)}))
    assert board.state().open_shards == Counts(ok=4, restored=3)


def test_a_shard_taken_off_counts_no_more_even_when_a_post_comes_late() -> None:
    board = Board()
    board.post(post("a", {0: Counts(ok=3)}))
    board.take_off(0)
    board.take_off(1)  # never posted: it was committed before the first post
    board.post(post("a", {0: Counts(ok=9), 1: Counts(ok=1)}))
    assert board.state().open_shards == Counts()


def test_the_memory_of_shards_taken_off_is_bounded() -> None:
    board = Board()
    for shard in range(TAKEN_OFF_KEPT + 5):
        board.take_off(shard)
    board.post(post("a", {0: Counts(ok=1), 5: Counts(ok=10)}))
    assert board.state().open_shards == Counts(ok=1)


def test_the_first_example_of_an_error_code_stays() -> None:
    board = Board()
    slow, empty = ErrorExample("timeout", "id-1", "slow"), ErrorExample("empty_text", "id-2", "")
    board.post(post("a", {}, (slow, empty)))
    board.post(post("b", {}, (ErrorExample("timeout", "id-9", "slow too"),)))
    assert board.state().examples == {"timeout": slow, "empty_text": empty}


def test_coordinators_learn_of_a_stop_with_their_next_post() -> None:
    board = Board()
    assert board.post(post("a", {})) == Orders()
    board.hurry()
    assert board.post(post("a", {})) == Orders(must_hurry=True)
    board.stop()
    assert board.post(post("a", {})) == Orders(must_stop=True, must_hurry=True)
    assert board.post(post("b", {}, has_flushed=True)).must_stop
    state = board.state()
    assert (state.flushed, state.coordinators) == (1, 2)


def test_a_coordinator_that_died_is_not_waited_for() -> None:
    clock = Clock()
    board = Board(clock)
    board.post(post("dead", {}))
    clock.now_s += SILENT_S + 1
    board.post(post("alive", {}, has_flushed=True))
    state = board.state()
    assert (state.flushed, state.coordinators) == (1, 1)


def test_what_a_dead_coordinator_had_in_its_hands_is_begun_again_once() -> None:
    board = Board()
    board.post(post("dead", {0: Counts(ok=30), 1: Counts(ok=8)}, unsaved=12))
    board.post(post("heir", {0: Counts(ok=27, restored=26)}, unsaved=3))
    assert board.state().begun_again == 12
    board.post(post("heir", {0: Counts(ok=40), 1: Counts(ok=9, restored=8)}, unsaved=3))
    assert board.state().begun_again == 12
    assert board.state().unsaved == 3


def test_an_engine_that_says_nothing_for_long_is_forgotten() -> None:
    clock = Clock()
    board = Board(clock)
    for engine in ("old", "new"):
        board.see_engine(engine, "node-1", "small", NO_WORK)
        board.note_interruption(Interruption(engine, "node-1", "small", 1.0))
    clock.now_s += FORGET_S - 1
    board.see_engine("new", "node-1", "small", NO_WORK)
    clock.now_s += 2
    state = board.state()
    assert (state.engines.keys(), state.events.keys()) == ({"new"}, {"new"})


def test_the_latest_word_of_an_engine_counts() -> None:
    clock = Clock()
    board = Board(clock)
    board.see_engine("e1", "node-1", "small", NO_WORK)
    clock.now_s += 5
    board.see_engine("e1", "node-1", "small", EngineWork(3, 100, 20))
    clock.now_s += 3
    board.note_interruption(Interruption("e1", "node-1", "small", noticed_unix_s=1.0))
    board.note_interruption(Interruption("e1", "node-1", "small", 1.0, documents=4))
    state = board.state()
    assert state.engines == {
        "e1": EngineSign("node-1", "small", 3.0, EngineWork(3, 100, 20), output_tokens_per_s=4.0)
    }
    assert state.events == {"e1": Interruption("e1", "node-1", "small", 1.0, documents=4)}
