"""A shard's result object."""

import io
import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoints import keys
from checkpoints.errors import CorruptObjectError
from checkpoints.journal import Finished, Journal, load_journal
from checkpoints.memory_store import MemoryStore
from checkpoints.plan import Shard
from checkpoints.result import Confidence, ResultRow, Rework
from checkpoints.result_file import decode_rows, parse_footer, read_footer, read_receipt
from tests.checkpoints.checkpoint_builders import (
    FINGERPRINT,
    one_slice,
    receipt_of,
    result_object,
    rows_of,
)

SHARD = Shard(5, (one_slice("a.jsonl", 3), one_slice("b.jsonl", 1, first_row=8)), frozenset({2}))
SURE = Confidence(-0.5, float("-inf"), -1.5, 0.25, 12)
SURE_OF_FIELDS = Confidence(
    *(-0.5, -1.0, -1.5, 0.25, 12),
    *(-0.25, float("-inf"), -0.75, 0.5, 7),
    self_check=0.875,
    fields=(("total", -0.5), ("", float("-inf")), ("größe", 0.0)),
)
REWORK = Rework(
    documents=1, tokens=30, engine_s=0.5, usd=0.25, salvaged_tokens=9, prefilled_again_tokens=44
)


def rich_rows() -> list[ResultRow]:
    rows = rows_of(SHARD, bad={3})
    return [
        replace(
            rows[0],
            confidence=SURE,
            passthrough=(("team", "x"), ("note", None)),
            rework=REWORK,
        ),
        replace(rows[1], confidence=SURE_OF_FIELDS, passthrough=(("team", None), ("note", ""))),
        *[replace(row, passthrough=(("team", None), ("note", ""))) for row in rows[2:]],
    ]


def test_rows_come_back_as_they_were_in_order() -> None:
    rows = rich_rows()
    data = result_object(5, rows[::-1], passthrough_names=["team", "note"])
    assert decode_rows(data) == rows


def test_any_parquet_reader_sees_plain_columns() -> None:
    data = result_object(5, rich_rows(), passthrough_names=["team", "note"])
    table = pq.read_table(io.BytesIO(data))
    assert table.column("team").to_pylist() == ["x", None, None, None]
    assert table.column("confidence_tokens").to_pylist() == [12, 12, None, None]
    assert table.column("confidence_value_tokens").to_pylist() == [None, 7, None, None]
    assert table.column("confidence_self_check").to_pylist() == [None, 0.875, None, None]
    assert [dict(one or ()) for one in table.column("confidence_fields").to_pylist()] == [
        {},
        {"total": -0.5, "": float("-inf"), "größe": 0.0},
        {},
        {},
    ]
    assert [one and one["tokens"] for one in table.column("rework").to_pylist()] == [30] + [
        None
    ] * 3
    assert table.column("status").to_pylist() == ["ok", "ok", "error", "error"]


def test_an_object_of_the_format_before_is_read() -> None:
    rows, receipt = rich_rows(), replace(receipt_of(5, rich_rows()), rework=REWORK)
    data = result_object(5, rows, passthrough_names=["team", "note"], receipt=receipt)
    table = pq.read_table(io.BytesIO(data))
    facts = json.loads(table.schema.metadata[b"gleaner"]) | {"format_version": 2}
    del facts["receipt"]["rework"]["prefilled_again_tokens"]
    place = table.schema.get_field_index("rework")
    kind = pa.struct([one for one in table.schema.field(place).type if "prefilled" not in one.name])
    old = pa.array([plain_rework(one) for one in table.column(place).to_pylist()], kind)
    table = table.set_column(place, "rework", old)
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"gleaner": json.dumps(facts)}), sink)
    before = replace(REWORK, prefilled_again_tokens=0)
    assert decode_rows(sink.getvalue()) == [replace(rows[0], rework=before), *rows[1:]]
    assert parse_footer("5", sink.getvalue()).receipt == replace(receipt, rework=before)


def plain_rework(found: dict[str, object] | None) -> dict[str, object] | None:
    """As it was before prompts that are computed again were counted."""
    if found is None:
        return None
    return {name: value for name, value in found.items() if name != "prefilled_again_tokens"}


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


def test_a_field_whose_name_no_file_can_hold_is_kept_as_far_as_it_goes() -> None:
    rows = rows_of(SHARD)
    odd = replace(SURE_OF_FIELDS, fields=(("half \ud83d", -1.0), ("b", -2.0)))
    rows[0] = replace(rows[0], confidence=odd)
    [found, *_] = decode_rows(result_object(5, rows))
    assert found.confidence == replace(odd, fields=(("half \ufffd", -1.0), ("b", -2.0)))


logprobs = st.floats(max_value=0, allow_nan=False)
confidences = st.none() | st.builds(
    Confidence,
    *(logprobs, logprobs, logprobs, st.floats(-1, 1), st.integers(1, 2**40)),
    *(st.none() | logprobs, st.none() | logprobs, st.none() | logprobs),
    *(st.none() | st.floats(-1, 1), st.none() | st.integers(0, 2**40)),
    self_check=st.none() | st.floats(0, 1),
    fields=st.lists(st.tuples(st.text(), logprobs), max_size=3).map(tuple),
)


@given(st.lists(confidences, min_size=4, max_size=4))
def test_every_confidence_comes_back_from_the_file_and_from_the_journal(
    given_ones: list[Confidence | None],
) -> None:
    rows = [
        replace(row, confidence=one) for row, one in zip(rows_of(SHARD), given_ones, strict=True)
    ]
    assert decode_rows(result_object(5, rows)) == rows
    store = MemoryStore()
    Journal(store, 5, "one").append([Finished(row) for row in rows])
    assert list(load_journal(store, 5).rows.values()) == rows


def test_a_file_of_a_version_without_confidence_in_values_is_still_read() -> None:
    rows = [replace(row, confidence=SURE) for row in rows_of(SHARD)]
    old = before_values(result_object(5, rows))
    assert decode_rows(old) == rows
    assert parse_footer("key", old).rows == 4


def before_values(data: bytes) -> bytes:
    """The file as format 2 had it."""
    table = pq.read_table(io.BytesIO(data))
    late = [f"confidence_value_{name}" for name in ("mean_logprob", "min_logprob", "p10_logprob")]
    late += [f"confidence_{name}" for name in ("value_top2_margin", "value_tokens", "self_check")]
    facts = json.loads(table.schema.metadata[b"gleaner"]) | {"format_version": 2}
    table = table.drop_columns([*late, "confidence_fields"])
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"gleaner": json.dumps(facts)}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "names", [["id"], ["confidence_tokens"], ["confidence_fields"], ["a", "a"]]
)
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
