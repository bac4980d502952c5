"""Rates over the last minute, of work that this attempt did."""

import pytest

from pipeline.progress import FINAL_STATES, Counts, Pace, State


def test_counts_add_up() -> None:
    total = Counts(1, {"a": 2}, 1, 10, 20) + Counts(3, {"a": 3, "b": 1}, 0, 30, 40)
    assert total == Counts(4, {"a": 5, "b": 1}, 1, 40, 60)
    assert (total.documents, total.finished_now) == (10, 9)


def test_there_is_no_pace_before_a_span_of_time() -> None:
    pace = Pace()
    assert pace.per_second() == (0.0, 0.0, 0.0)
    pace.note(5.0, Counts(ok=100))
    assert pace.per_second() == (0.0, 0.0, 0.0)
    pace.note(5.0, Counts(ok=200))
    assert pace.per_second() == (0.0, 0.0, 0.0)


def test_pace_is_the_difference_over_the_time() -> None:
    pace = Pace()
    pace.note(10.0, Counts(ok=5, prompt_tokens=50, output_tokens=5))
    pace.note(14.0, Counts(ok=20, error_codes={"a": 5}, prompt_tokens=450, output_tokens=105))
    assert pace.per_second() == (5.0, 100.0, 25.0)


def test_pace_forgets_what_is_older_than_the_window() -> None:
    pace = Pace(window_s=60.0)
    for second in range(200):
        pace.note(float(second), Counts(ok=1000 if second >= 100 else 0))
    assert pace.per_second()[0] == 0.0
    pace.note(200.0, Counts(ok=1060))
    assert pace.per_second()[0] == pytest.approx(1.0, rel=0.05)
    assert len(pace._points) <= 62


def test_documents_of_earlier_attempts_are_no_pace() -> None:
    pace = Pace()
    pace.note(0.0, Counts())
    pace.note(10.0, Counts(ok=1010, restored=1000))
    assert pace.per_second()[0] == 1.0


def test_pace_is_never_negative() -> None:
    pace = Pace()
    pace.note(0.0, Counts(ok=10, prompt_tokens=10))
    pace.note(1.0, Counts(ok=4))  # a coordinator died with what it had not journaled
    assert pace.per_second() == (0.0, 0.0, 0.0)


def test_final_states_are_those_that_a_run_stays_in() -> None:
    assert set(State) - FINAL_STATES == {
        "validating",
        "waiting_for_engines",
        "waiting_for_capacity",
        "sampling",
        "in_progress",
        "finalizing",
        "cancelling",
    }
