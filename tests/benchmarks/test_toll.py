"""What engines made, held and lost, from their samples."""

from __future__ import annotations

from jobs.chaos.fleet import Happened, NodeEvent, node_name
from tests.benchmarks.capacity import Span
from tests.benchmarks.tap import Sample
from tests.benchmarks.toll import ON_THE_WAY_S, generated, in_flight, on_the_way, spans


def engine(node: int, *samples: tuple[float, int, int]) -> list[Sample]:
    """The samples of an engine: (unix_s, in flight, generated)."""
    return [Sample(unix_s, node_name(node), held, made) for unix_s, held, made in samples]


NOTICED = NodeEvent(10.0, 1, Happened.NOTICED, 20.0)
KILLED = NodeEvent(20.0, 1, Happened.KILLED)
LEAVES = engine(1, (1.0, 0, 0), (8.0, 40, 500), (9.9, 50, 700), (10.1, 60, 720), (19.0, 7, 900))
STAYS = engine(2, (1.0, 0, 0), (9.9, 55, 650), (30.0, 0, 2000))
REPLACES = engine(1, (25.0, 5, 5), (30.0, 0, 300))


def test_all_that_any_engine_made_is_generated() -> None:
    assert generated([LEAVES, STAYS, REPLACES]) == 900 + 2000 + 300


def test_in_flight_is_what_the_engine_held_when_it_was_told() -> None:
    assert in_flight([LEAVES, STAYS, REPLACES], [NOTICED, KILLED]) == 50


def test_without_notice_it_is_what_the_engine_held_when_it_was_killed() -> None:
    both = [NodeEvent(10.0, node, Happened.KILLED) for node in (1, 2)]
    assert in_flight([LEAVES, STAYS, REPLACES], both) == 50 + 55


def test_a_node_that_dies_again_counts_with_the_engine_it_had_then() -> None:
    again = NodeEvent(26.0, 1, Happened.KILLED)
    assert in_flight([LEAVES, STAYS, REPLACES], [NOTICED, KILLED, again]) == 50 + 5


def test_a_node_without_an_engine_had_nothing_in_flight() -> None:
    assert in_flight([STAYS], [KILLED]) == 0


def test_on_the_way_is_what_an_engine_made_last() -> None:
    last = engine(1, (9.0, 40, 500), (10.0 - ON_THE_WAY_S, 50, 600), (9.9, 60, 760))
    assert on_the_way([last, STAYS], [NodeEvent(10.0, 1, Happened.KILLED)]) == 160


def test_an_engine_is_there_from_its_readiness_to_the_kill_of_its_node() -> None:
    found = list(spans([LEAVES, STAYS, REPLACES], [NOTICED, KILLED], 1.0))
    assert found == [Span(0.0, 19.0), Span(0.0), Span(24.0)]
