"""The sample is uniform, the same every time, and found in the plan."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from pipeline.routing.sampling import Draw, locate, new_draw


def test_the_same_draw_gives_the_same_documents_in_the_same_order() -> None:
    draw = Draw.of_json(Draw(7, 1000, 50).as_json())
    assert draw.positions().tolist() == Draw(7, 1000, 50).positions().tolist()
    assert draw.positions().tolist() != Draw(8, 1000, 50).positions().tolist()


def test_no_document_is_drawn_twice_and_all_can_be_drawn() -> None:
    assert sorted(Draw(1, 500, 500).positions().tolist()) == list(range(500))
    assert len(set(Draw(2, 10**9, 5000).positions().tolist())) == 5000


def test_every_document_is_as_likely_as_any_other() -> None:
    drawn = Counter(
        position for seed in range(4000) for position in Draw(seed, 20, 5).positions().tolist()
    )
    assert set(drawn) == set(range(20))
    assert all(abs(times - 1000) < 5 * np.sqrt(1000 * 0.75) for times in drawn.values())


def test_so_is_every_document_at_every_place_of_the_order() -> None:
    firsts = Counter(int(Draw(seed, 10, 10).positions()[0]) for seed in range(5000))
    assert all(abs(times - 500) < 5 * np.sqrt(500 * 0.9) for times in firsts.values())


def test_no_more_is_drawn_than_there_is() -> None:
    assert new_draw(30, 100).size == 30
    assert new_draw(30, 10).seed != new_draw(30, 10).seed


def test_positions_become_shards_and_ordinals() -> None:
    draw = Draw(3, 12, 12)
    found = locate(draw, np.array([5, 1, 0, 6]))
    starts = {0: 0, 1: 5, 3: 6}
    places = zip(found.shards.tolist(), found.ordinals.tolist(), strict=True)
    assert [starts[shard] + ordinal for shard, ordinal in places] == draw.positions().tolist()
    assert found.numbers().tolist() == [0, 1, 3]
    assert found.of_shard(3) == frozenset(range(6))
    assert found.of_shard(2) == frozenset()


def test_a_draw_of_another_plan_is_refused() -> None:
    with pytest.raises(ValueError, match="12 documents"):
        locate(Draw(3, 12, 4), np.array([5, 5]))
