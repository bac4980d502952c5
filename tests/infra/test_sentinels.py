"""Which nodes the driver watches; the actors themselves are shown in flows."""

from infra.spot.sentinels import IDLE_S, last_worked


def test_a_node_counts_as_at_work_until_it_was_idle_for_a_while() -> None:
    worked_s = last_worked({}, {"a", "b"}, 100.0)
    assert worked_s == {"a": 100.0, "b": 100.0}
    worked_s = last_worked(worked_s, {"b"}, 100.0 + IDLE_S - 1)
    assert worked_s == {"a": 100.0, "b": 100.0 + IDLE_S - 1}
    assert last_worked(worked_s, set(), 100.0 + IDLE_S).keys() == {"b"}


def test_a_node_that_works_again_is_at_work_again() -> None:
    assert last_worked({"a": 100.0}, {"a"}, 100.0 + IDLE_S) == {"a": 100.0 + IDLE_S}
