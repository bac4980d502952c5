"""The fast scanner, the exact one and the standard library agree on where records lie."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.loaders import borders
from pipeline.loaders.borders import Records, csv_records, line_records

# Few characters, so that the dangerous ones meet.
csv_bytes = st.text(alphabet='a,"\n\r', max_size=60).map(str.encode)
fields = st.text(alphabet='a ,"\n\r', max_size=8)
tables = st.lists(st.lists(fields, min_size=2, max_size=3), min_size=1, max_size=8)


def pieces(buffer: bytes, found: Records) -> list[bytes]:
    return [
        buffer[start:end]
        for start, end in zip(found.starts.tolist(), found.ends.tolist(), strict=True)
    ]


def csv_pieces(buffer: bytes) -> list[bytes]:
    return pieces(buffer, csv_records(buffer, delimiter=b",", at_end=True))


def exact_ends(buffer: bytes, *, at_end: bool) -> list[int]:
    return borders._csv_ends_one_by_one(buffer, b",", at_end).tolist()


@given(csv_bytes)
@settings(max_examples=500)
def test_counting_quotes_gives_the_exact_borders_or_none(buffer: bytes) -> None:
    import numpy as np

    for at_end in (True, False):
        quick = borders._csv_ends_at_once(np.frombuffer(buffer, np.uint8), b",", at_end)
        if quick is not None:
            exact = exact_ends(buffer, at_end=at_end)
            # Where a quote may still be closed or doubled later, either may decide less.
            shorter = min(len(exact), len(quick))
            assert quick.tolist()[:shorter] == exact[:shorter]
            if at_end:
                assert quick.tolist() == exact


@given(csv_bytes, st.lists(st.integers(0, 60), max_size=5))
@settings(max_examples=300)
def test_csv_read_in_chunks_has_the_records_of_the_whole(buffer: bytes, cuts: list[int]) -> None:
    found: list[bytes] = []
    pending = b""
    edges = sorted({min(cut, len(buffer)) for cut in cuts} | {len(buffer)})
    position = 0
    for edge in edges:
        pending += buffer[position:edge]
        position = edge
        records = csv_records(pending, delimiter=b",", at_end=edge == len(buffer))
        found += pieces(pending, records)
        pending = pending[records.consumed_bytes :]
    assert found == csv_pieces(buffer)


@given(csv_bytes, st.data())
@settings(max_examples=300)
def test_csv_cut_at_any_border_has_the_same_records(buffer: bytes, data: st.DataObject) -> None:
    whole = csv_records(buffer, delimiter=b",", at_end=True)
    if len(whole.starts):
        cut = data.draw(st.sampled_from(whole.starts.tolist()))
        assert csv_pieces(buffer[:cut]) + csv_pieces(buffer[cut:]) == pieces(buffer, whole)


@given(tables, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.booleans())
def test_csv_written_by_the_standard_library_has_its_records(
    rows: list[list[str]], line_end: str, quote_all: bool, ends_with_newline: bool
) -> None:
    if line_end == "\n" and not quote_all:  # then the standard library leaves CR unquoted
        rows = [[field.replace("\r", "") for field in row] for row in rows]
    out = io.StringIO()
    quoting = csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    csv.writer(out, lineterminator=line_end, quoting=quoting).writerows(rows)
    text = out.getvalue() if ends_with_newline else out.getvalue().removesuffix(line_end)
    found = [next(csv.reader([piece.decode()])) for piece in csv_pieces(text.encode())]
    assert found == rows


@given(st.lists(st.sampled_from([b"{}", b"", b" ", b"\t\r", b"[1]", b'"\\n"']), max_size=12))
def test_jsonl_records_are_the_lines_with_content(lines: list[bytes]) -> None:
    buffer = b"\n".join(lines)
    found = line_records(buffer, at_end=True)
    assert [piece.rstrip(b"\n") for piece in pieces(buffer, found)] == [
        line for line in lines if line.strip()
    ]


def test_an_unclosed_quote_beyond_the_limit_costs_its_line_also_in_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(borders, "LONGEST_RECORD_BYTES", 20)
    buffer = b'"a\nb\nc\n' + b"dddd\n" * 6 + b'"e"\n'
    assert csv_pieces(buffer)[:3] == [b'"a\n', b"b\n", b"c\n"]
    early = csv_records(buffer[:12], delimiter=b",", at_end=False)
    assert early.consumed_bytes == 0
    late = csv_records(buffer[:25], delimiter=b",", at_end=False)
    assert pieces(buffer, late)[:3] == [b'"a\n', b"b\n", b"c\n"]
