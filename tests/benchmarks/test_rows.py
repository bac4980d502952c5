"""The rows that a comparison reads, from files as both sides write them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from checkpoints.keys import result_key
from checkpoints.result import Rework
from tests.benchmarks.rows import Row, WrongRowsError, by_name, read_rows, row_of
from tests.benchmarks.workload import MAX_TOKENS
from tests.checkpoints.checkpoint_builders import result_object
from tests.pipeline.engine_builders import error_row, row


def some(ok: int, bad: int = 0) -> list[Row]:
    """So many rows that are ok, and so many that are not."""
    return [Row(f"0.{ordinal}", ordinal < ok, 50) for ordinal in range(ok + bad)]


def test_rows_of_gleaner_are_named_by_shard_and_ordinal(tmp_path: Path) -> None:
    file = tmp_path / result_key(7)
    file.parent.mkdir()
    rows = [replace(row(0), rework=Rework(documents=1)), row(1), error_row(2)]
    file.write_bytes(result_object(7, rows))
    assert read_rows(tmp_path) == [
        Row("7.0", True, rows[0].output_tokens, was_begun_again=True),
        Row("7.1", True, rows[1].output_tokens),
        Row("7.2", False, rows[2].output_tokens),
    ]


def test_a_row_of_stock_is_ok_when_its_answer_came_to_an_end(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["whole", "cut off", "empty", "none"],
            "answer": ["{}", "{", "", None],
            "output_tokens": [60, MAX_TOKENS, 0, None],
        }
    )
    pq.write_table(table, tmp_path / "part.parquet")
    assert [(one.name, one.is_ok) for one in read_rows(tmp_path)] == [
        ("whole", True),
        ("cut off", False),
        ("empty", False),
        ("none", False),
    ]


def test_a_folder_without_files_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "results") == []


def test_a_few_documents_without_an_answer_are_no_failure() -> None:
    assert len(by_name(some(95, bad=5), 100)) == 100


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (some(94, bad=6), "only 94 rows are ok"),
        (some(99), "100 documents, 99 rows"),
        ([*some(99), some(1)[0]], "0.0 has 2 rows"),
    ],
)
def test_rows_that_are_not_the_documents_answers_are_refused(rows: list[Row], says: str) -> None:
    with pytest.raises(WrongRowsError, match=says):
        by_name(rows, 100)


def test_a_document_is_found_with_the_tier_behind_its_name() -> None:
    named = by_name([*some(1), Row("row-1", True, 60)], 2)
    assert row_of("0.0.large", named).output_tokens == 50
    assert row_of("row-1", named).output_tokens == 60
