"""A shard's result object."""

import io
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from checkpoints import keys
from checkpoints.errors import CorruptObjectError
from checkpoints.memory_store import MemoryStore
from checkpoints.plan import Shard
from checkpoints.result import Confidence, ResultRow, Rework
from checkpoints.result_file import decode_rows, read_footer, read_receipt
from tests.checkpoints.checkpoint_builders import (
    FINGERPRINT,
    one_slice,
    receipt_of,
    result_object,
    rows_of,
)

SHARD = Shard(5, (one_slice("a.jsonl", 3), one_slice("b.jsonl", 1, first_row=8)), frozenset({2}))
SURE = Confidence(-0.5, float("-inf"), -1.5, 0.25, 12)
REWORK = Rework(documents=1, tokens=30, engine_s=0.5, usd=0.25, salvaged_tokens=9)


def rich_rows() -> list[ResultRow]:
    rows = rows_of(SHARD, bad={3})
    return [
        replace(
            rows[0],
            confidence=SURE,
            passthrough=(("team", "x"), ("note", None)),
            rework=REWORK,
        ),
        *[replace(row, passthrough=(("team", None), ("note", "")) ) for row in rows[1:]],
    ]  # fmt: skip


def test_rows_come_back_as_they_were_in_order() -> None:
    rows = rich_rows()
    data = result_object(5, rows[::-1], passthrough_names=["team", "note"])
    assert decode_rows(data) == rows


def test_any_parquet_reader_sees_plain_columns() -> None:
    data = result_object(5, rich_rows(), passthrough_names=["team", "note"])
    table = pq.read_table(io.BytesIO(data))
    assert table.column("team").to_pylist() == ["x", None, None, None]
    assert table.column("confidence_tokens").to_pylist() == [12, None, None, None]
    assert [one and one["tokens"] for one in table.column("rework").to_pylist()] == [30] + [
        None
    ] * 3
    assert table.column("status").to_pylist() == ["ok", "ok", "error", "error"]


def test_the_footer_tells_the_receipt_without_the_rows() -> None:
    store = MemoryStore()
    rows = rows_of(SHARD)
    receipt = replace(receipt_of(5, rows), rework=REWORK)
    store.create(keys.result_key(5), result_object(5, rows, write_id="w" * 32, receipt=receipt))
    footer = read_footer(store, 5)
    assert (footer.shard, footer.write_id, footer.rows) == (5, "w" * 32, 4)
    assert footer.fingerprint == FINGERPRINT.value
    assert read_receipt(store, 5) == receipt


def test_a_footer_longer_than_the_first_read_is_read_whole() -> None:
    store = MemoryStore()
    names = [f"column_{number}" * 20 for number in range(300)]
    data = result_object(5, rows_of(SHARD), passthrough_names=names)
    store.create(keys.result_key(5), data)
    assert int.from_bytes(data[-8:-4], "little") > 64 * 1024
    assert read_footer(store, 5).passthrough_names == tuple(names)


def test_two_writes_of_the_same_rows_differ() -> None:
    rows = rows_of(SHARD)
    assert result_object(5, rows) != result_object(5, rows)


def test_text_that_no_file_can_hold_is_kept_as_far_as_it_goes() -> None:
    rows = rows_of(SHARD)
    rows[0] = replace(rows[0], result="half \ud83d a pair, whole \U0001f600", id="\udc00")
    found = decode_rows(result_object(5, rows))
    assert found[0].result == "half \ufffd a pair, whole \U0001f600"
    assert found[0].id == "\ufffd"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda rows: rows[:-1], "receipt"),
        (lambda rows: [*rows[:-1], rows[0]], "ordinals"),
        (lambda rows: [*rows[1:], replace(rows[0], ordinal=4)], "ordinals"),
        (lambda rows: [replace(rows[0], status="error"), *rows[1:]], "receipt"),
    ],
)
def test_rows_that_do_not_add_up_are_refused(change, named: str) -> None:  # type: ignore[no-untyped-def]
    rows = rows_of(SHARD)
    with pytest.raises(ValueError, match=named):
        result_object(5, change(rows), receipt=receipt_of(5, rows))


@pytest.mark.parametrize("names", [["id"], ["confidence_tokens"], ["a", "a"]])
def test_a_passthrough_name_that_is_taken_is_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match="passthrough"):
        result_object(5, rows_of(SHARD), passthrough_names=names)


@pytest.mark.parametrize("cut", [0, 3, 8, 100, -1])
def test_a_damaged_object_is_corrupt(cut: int) -> None:
    store = MemoryStore()
    data = result_object(5, rows_of(SHARD))[:cut]
    store.create(keys.result_key(5), data)
    with pytest.raises(CorruptObjectError, match="shard-00000005"):
        read_footer(store, 5)
    with pytest.raises(CorruptObjectError):
        decode_rows(data)
