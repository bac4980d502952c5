"""Repeated ids, in memory and spilled."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpoints.duplicates import DuplicateFinder


def expected(ids: list[str]) -> list[int]:
    seen: set[str] = set()
    found = []
    for position, one in enumerate(ids):
        if one in seen:
            found.append(position)
        seen.add(one)
    return found


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(st.text(max_size=2)), st.integers(1, 7), st.sampled_from([10**6, 200, 1]))
def test_every_later_occurrence_is_found(ids: list[str], step: int, memory_bytes: int) -> None:
    with DuplicateFinder(memory_bytes) as finder:
        for start in range(0, len(ids), step):
            finder.add(ids[start : start + step], start)
        assert sorted(finder.duplicates()) == expected(ids)


@pytest.mark.parametrize("memory_bytes", [10**8, 100_000])
def test_the_order_of_adding_does_not_matter(memory_bytes: int) -> None:
    ids = [f"id-{random.Random(1).randrange(3) if n % 50 == 0 else n}" for n in range(20_000)]
    starts = [*range(0, len(ids), 500)]
    random.Random(2).shuffle(starts)
    with DuplicateFinder(memory_bytes) as finder:
        for start in starts:
            finder.add(ids[start : start + 500], start)
        assert sorted(finder.duplicates()) == expected(ids)


def test_spilled_files_are_removed(tmp_path: Path) -> None:
    with DuplicateFinder(100, tmp_path) as finder:
        finder.add(["a", "b", "a"], 10)
        assert [*tmp_path.iterdir()]
        assert [*finder.duplicates()] == [12]
    assert [*tmp_path.iterdir()] == []


def test_no_ids_have_no_duplicates() -> None:
    assert [*DuplicateFinder().duplicates()] == []
    finder = DuplicateFinder()
    finder.add([], 0)
    assert [*finder.duplicates()] == []
