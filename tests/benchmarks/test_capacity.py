"""The wall time that the nodes themselves allow."""

from __future__ import annotations

import pytest

from tests.benchmarks.capacity import Change, Span, changes_of, ideal_wall_s


@pytest.mark.parametrize(
    ("changes", "expected_s"),
    [
        ([], 100.0),
        ([Change(50, -1), Change(70, +1)], 110.0),  # 20 node seconds are made up for by two nodes
        ([Change(50, -1)], 150.0),
        ([Change(50, -2), Change(60, +2)], 110.0),
        ([Change(70, +1), Change(50, -1)], 110.0),  # in any order
        ([Change(120, -2)], 100.0),  # after the end
        ([Change(50, -2)], float("inf")),
    ],
)
def test_a_run_is_as_long_as_its_nodes_allow(changes: list[Change], expected_s: float) -> None:
    assert ideal_wall_s(200.0, 2, changes) == pytest.approx(expected_s)


def test_engines_count_from_when_they_are_ready_until_they_are_killed() -> None:
    spans = [Span(0.0, 50.0), Span(10.0), Span(90.0)]
    assert sum(span.until_s(60.0) for span in spans) == pytest.approx(50.0 + 50.0)
    assert ideal_wall_s(100.0, 0, changes_of(spans)) == pytest.approx(60.0)
    assert ideal_wall_s(150.0, 0, changes_of(spans)) == pytest.approx(100.0)
