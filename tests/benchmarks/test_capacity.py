"""The wall time that the nodes themselves allow."""

from __future__ import annotations

import pytest

from tests.benchmarks.capacity import Change, ideal_wall_s


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
    assert ideal_wall_s(100.0, 2, changes) == pytest.approx(expected_s)
