"""The plan: deterministic, sealed once, whatever planners race or crash."""

from collections.abc import Sequence

import pytest

from checkpoints import keys, plan
from checkpoints.errors import CorruptObjectError
from checkpoints.memory_store import MemoryStore
from checkpoints.plan import Shard, Slice, read_header, read_shards, write_plan
from tests.checkpoints.checkpoint_builders import one_slice
from tests.checkpoints.stepped_world import Actor, Fate, World, land


def many(count: int, documents: int = 2) -> list[list[Slice]]:
    return [[one_slice(f"{number}.jsonl", documents)] for number in range(count)]


def test_a_plan_comes_back_as_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SHARDS_PER_PART", 3)
    store = MemoryStore()
    shards = many(7)
    shards[4].append(one_slice("more.jsonl", 1, first_row=9))
    header = write_plan(store, iter(shards), [(6, 1), (4, 2), (4, 0)])
    assert (header.shards, header.documents, header.duplicates) == (7, 15, 3)
    assert (header.estimated_tokens, header.size_bytes) == (15 * 7, 150)
    assert [part.first_shard for part in header.parts] == [0, 3, 6]
    assert read_header(store) == header
    found = list(read_shards(store, header, range(7)))
    assert [list(shard.slices) for shard in found] == shards
    assert [shard.number for shard in found] == list(range(7))
    assert found[4] == Shard(4, tuple(shards[4]), frozenset({0, 2}))
    assert [shard.number for shard in read_shards(store, header, [6, 0])] == [6, 0]


def test_a_part_is_closed_by_slices_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SLICES_PER_PART", 5)
    shards = [[one_slice(f"{n}-{m}", 1) for m in range(3)] for n in range(3)]
    assert [part.shards for part in write_plan(MemoryStore(), shards).parts] == [1, 1, 1]


def test_the_same_input_gives_the_same_bytes() -> None:
    one, two = MemoryStore(), MemoryStore()
    assert write_plan(one, many(5), [(1, 0)]) == write_plan(two, many(5), [(1, 0)])
    assert one._objects == two._objects


def test_a_sealed_plan_holds_against_any_later_one() -> None:
    store = MemoryStore()
    sealed = write_plan(store, many(5))
    assert write_plan(store, many(4)) == sealed
    assert len(list(read_shards(store, sealed, range(5)))) == 5


def test_without_a_header_there_is_no_plan() -> None:
    store = MemoryStore()
    assert read_header(store) is None
    write_plan(store, many(2))
    store.delete([keys.PLAN_HEADER])
    assert read_header(store) is None


@pytest.mark.parametrize("duplicates", [[(2, 0)], [(0, 2)], [(0, -1)], [(0, 1), (0, 1)]], ids=str)
def test_a_duplicate_outside_the_plan_is_refused(duplicates: list[tuple[int, int]]) -> None:
    store = MemoryStore()
    with pytest.raises(ValueError, match=r"duplicate|is none"):
        write_plan(store, many(2), duplicates)
    assert read_header(store) is None


def test_an_empty_shard_is_refused() -> None:
    with pytest.raises(ValueError, match="shard 1 has no documents"):
        write_plan(MemoryStore(), [[one_slice()], [one_slice(documents=0)]])


def test_a_shard_outside_the_plan_is_refused() -> None:
    store = MemoryStore()
    header = write_plan(store, many(2))
    with pytest.raises(IndexError, match="shard 2"):
        list(read_shards(store, header, [2]))


@pytest.mark.parametrize("damage", ["remove", "change"])
def test_a_damaged_part_stops_the_run(damage: str) -> None:
    store = MemoryStore()
    header = write_plan(store, [[one_slice(f"damage-{damage}", 1)]])
    key = header.parts[0].key
    plan._parts._loaded.clear()
    if damage == "remove":
        store.delete([key])
    else:
        store.replace(key, store.read(key) + b" ")
    with pytest.raises(CorruptObjectError, match="part-00000"):
        list(read_shards(store, header, [0]))


def test_reading_a_few_shards_loads_only_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "SHARDS_PER_PART", 10)
    store = MemoryStore()
    header = write_plan(store, many(100, documents=3))
    plan._parts._loaded.clear()
    loaded: list[str] = []
    whole = store.read
    monkeypatch.setattr(store, "read", lambda key: loaded.append(key) or whole(key))
    list(read_shards(store, header, range(25, 45)))
    assert loaded == [part.key for part in header.parts[2:5]]


def test_planners_that_crash_or_race_leave_one_whole_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every operation of a first planner is its last, or is overtaken by a second planner."""
    monkeypatch.setattr(plan, "SHARDS_PER_PART", 2)
    first, second = many(5), many(3, documents=4)
    for fate in (Fate.CRASH_BEFORE, Fate.CRASH_AFTER, Fate.CRASH_LATE, Fate.DONE):
        for operations in range(8):
            world = World()
            actor = Actor(world, "planner", lambda actor: plan_and_check(actor.checkpoint, first))
            for _ in range(operations):
                actor.step()
            actor.step(fate)
            header = write_plan(world.checkpoint, second)
            while not actor.ended:
                actor.step()
            for write in world.late:
                land(write)
            assert read_header(world.checkpoint) == header
            plan._parts._loaded.clear()
            found = read_shards(world.checkpoint, header, range(header.shards))
            assert [list(shard.slices) for shard in found] in (first, second)


def plan_and_check(store: object, shards: Sequence[Sequence[Slice]]) -> None:
    header = write_plan(store, shards)  # type: ignore[arg-type]
    assert header == read_header(store)  # type: ignore[arg-type]
