"""How pending shards are spread over read tasks; no Ray is started."""

import pickle
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from pipeline.dataset import MAX_READ_TASKS, ShardSource
from pipeline.documents import Prepared
from tests.pipeline.engine_builders import documents


def prepare(numbers: Sequence[int]) -> Iterator[tuple[int, list[Prepared]]]:
    for number in numbers:
        yield number, documents(2, shard=number)


@pytest.mark.parametrize("count", [1, 7, MAX_READ_TASKS, 3 * MAX_READ_TASKS + 1])
def test_every_pending_shard_is_in_one_read_task_in_order(count: int) -> None:
    pending = np.arange(count, dtype=np.int64) * 3 + 5
    tasks = ShardSource(pending, prepare).get_read_tasks(parallelism=2)
    assert len(tasks) == min(count, MAX_READ_TASKS)
    ranges = [task.read_fn.numbers for task in tasks]
    assert np.array_equal(np.concatenate(ranges), pending)
    assert [task.metadata.num_rows for task in tasks] == [len(one) for one in ranges]
    assert max(map(len, ranges)) - min(map(len, ranges)) <= 1


def test_a_read_task_yields_one_block_of_one_row_for_each_shard() -> None:
    [task] = ShardSource(np.array([4], dtype=np.int64), prepare).get_read_tasks(1)
    [block] = task.read_fn()
    assert block.column("shard").to_pylist() == [4]
    assert pickle.loads(block.column("documents")[0].as_py()) == documents(2, shard=4)


def test_a_read_task_holds_one_shard_at_a_time() -> None:
    prepared: list[int] = []

    def noting(numbers: Sequence[int]) -> Iterator[tuple[int, list[Prepared]]]:
        for number in numbers:
            prepared.append(number)
            yield number, []

    pending = np.arange(2 * MAX_READ_TASKS, dtype=np.int64)
    blocks = ShardSource(pending, noting).get_read_tasks(1)[0].read_fn()
    next(blocks)
    assert prepared == [0]


def test_a_read_task_is_small_whatever_the_number_of_shards() -> None:
    pending = np.arange(1_000_000, dtype=np.int64)
    task = ShardSource(pending, prepare).get_read_tasks(1)[0]
    assert len(pickle.dumps(task.read_fn.numbers)) < 3_000
