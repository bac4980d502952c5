"""Rows of jsonl, CSV and Parquet: bytes or row ranges in, one Row per record out.

A record that cannot be parsed is a Row with a failure; only I/O errors are raised.
"""

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.failures import Code, Failure, failure
from pipeline.loaders.borders import BOM, LONGEST_RECORD_BYTES, csv_records, line_records
from pipeline.loaders.reading import opened, read_range

_HEAD_BYTES = 64 * 1024
_COUNT_BYTES = 8 * 1024 * 1024
_PARQUET_BATCH_ROWS = 256
BROKEN_PARQUET = (pa.ArrowException, ValueError, OverflowError, OSError)
"""What pyarrow raises for content that is not (whole) Parquet or does not fit Python's types."""

csv.field_size_limit(2 * LONGEST_RECORD_BYTES)  # the module's default refuses texts over 128 KiB


@dataclass(frozen=True, slots=True)
class Row:
    """One record as read: its fields, or why it has none."""

    row: int  # see Document.source_row
    record: Mapping[str, object]
    content: bytes  # what a derived id digests
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """The header row of a CSV file."""

    names: tuple[str, ...]
    end: int  # byte behind it, where the data begins
    failure: Failure | None = None  # then every row of the file has it


def jsonl_rows(uri: str, version: str, start: int, stop: int, first_row: int) -> Iterator[Row]:
    """The records between two record borders."""
    buffer = read_range(uri, version, start, stop)
    found = line_records(buffer, at_end=True)
    for row, (begin, end) in enumerate(
        zip(found.starts.tolist(), found.ends.tolist(), strict=True), first_row
    ):
        line = buffer[begin:end].rstrip(b" \t\r\n")
        try:
            yield Row(row, parse_line(line), line)
        except MalformedLineError as error:
            where = f"line {_lines_before(uri, version, start) + buffer.count(10, 0, begin) + 1:,}"
            if isinstance(error.__cause__, UnicodeDecodeError):
                at_byte = start + begin + error.__cause__.start
                bad = failure(Code.UNDECODABLE, f"{where} is not UTF-8 at byte {at_byte:,}")
            else:
                bad = failure(Code.MALFORMED_ROW, f"{where} {error}")
            yield Row(row, {}, line, bad)


class MalformedLineError(Exception):
    """A jsonl line that is no JSON object; the message completes "line N ..."."""


def parse_line(line: bytes) -> dict[str, Any]:
    """The object in one jsonl line; MalformedLineError, caused by UnicodeDecodeError or not."""
    try:
        value: object = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as cause:
            raise MalformedLineError("is not UTF-8") from cause
        try:
            value = _whole_characters(json.loads(text))  # also takes NaN and lone surrogates
        except (ValueError, RecursionError):
            raise MalformedLineError(f"is not JSON: {error.msg}, column {error.colno}") from error
    if not isinstance(value, dict):
        raise MalformedLineError(f"holds {_kind(value)}, expected a JSON object")
    return value


@lru_cache(maxsize=1024)
def _lines_before(uri: str, version: str, stop: int) -> int:
    """How many lines of the file end before byte `stop`; needed only to name a malformed line."""
    with opened(uri, version) as file:
        lines = 0
        while file.tell() < stop:
            lines += file.read(min(_COUNT_BYTES, stop - file.tell())).count(b"\n")
    return lines


def exact_id(record: Mapping[str, object], name: str, line: bytes) -> object:
    """The value of a jsonl record's id field; beyond 64 bits orjson would round it."""
    value = record.get(name)
    return json.loads(line).get(name) if isinstance(value, float) else value


def csv_rows(
    uri: str, version: str, start: int, stop: int, first_row: int, delimiter: str
) -> Iterator[Row]:
    """The data rows between two record borders, with the file's header read beside them."""
    header = csv_header(uri, version, delimiter)
    buffer = read_range(uri, version, start, stop)
    found = csv_records(buffer, delimiter=delimiter.encode(), at_end=True)
    for row, (begin, end) in enumerate(
        zip(found.starts.tolist(), found.ends.tolist(), strict=True), first_row
    ):
        record = buffer[begin:end].rstrip(b"\r\n")
        yield parse_csv_row(record, header, row, start + begin, delimiter)


@lru_cache(maxsize=256)
def csv_header(uri: str, version: str, delimiter: str) -> Header:
    """The header of a CSV file; its first record that is no empty line."""
    wanted = _HEAD_BYTES
    with opened(uri, version) as file:
        while True:
            file.seek(0)
            head = file.read(wanted)
            header = parse_header(head, delimiter, at_end=len(head) < wanted)
            if header is not None:
                return header
            wanted *= 8


def parse_header(head: bytes, delimiter: str, *, at_end: bool) -> Header | None:
    """The header at the beginning of a file; None when it is longer than `head`."""
    skipped = len(BOM) if head.startswith(BOM) else 0
    found = csv_records(head[skipped:], delimiter=delimiter.encode(), at_end=at_end)
    if len(found.starts) == 0:
        return Header((), len(head)) if at_end else None
    begin, end = skipped + int(found.starts[0]), skipped + int(found.ends[0])
    fields = _csv_fields(head[begin:end], "the header row", begin, delimiter)
    if isinstance(fields, Failure):
        return Header((), end, fields)
    twice = sorted({name for name in fields if fields.count(name) > 1})
    if twice:
        reason = f"the header row names column {twice[0]!r} twice"
        return Header((), end, failure(Code.MALFORMED_ROW, reason))
    return Header(tuple(fields), end)


def parse_csv_row(data: bytes, header: Header, row: int, offset: int, delimiter: str) -> Row:
    """One data row; `row` counts from 0 behind the header, `offset` is its byte in the file."""
    if header.failure is not None:
        return Row(row, {}, data, header.failure)
    fields = _csv_fields(data, f"row {row + 1}", offset, delimiter)
    if isinstance(fields, Failure):
        return Row(row, {}, data, fields)
    if len(fields) != len(header.names):
        reason = (
            f"row {row + 1} (byte {offset:,}) has {len(fields)} fields, "
            f"the header has {len(header.names)}"
        )
        return Row(row, {}, data, failure(Code.MALFORMED_ROW, reason))
    return Row(row, dict(zip(header.names, fields, strict=True)), data)


def _csv_fields(data: bytes, what: str, offset: int, delimiter: str) -> list[str] | Failure:
    bad = _undecodable(data, what, offset)
    if bad is not None:
        return bad
    text = data.decode("utf-8").rstrip("\r\n")
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        return failure(Code.MALFORMED_ROW, f"{what} (byte {offset:,}) is not CSV: {error}")


def parquet_rows(
    uri: str,
    version: str,
    start: int,
    stop: int,
    wanted: Collection[str] | None,
) -> Iterator[Row]:
    """Rows start..stop; with `wanted` given, only those columns are read.

    Raises one of BROKEN_PARQUET when the file is broken.
    """
    with opened(uri, version) as file:
        parquet = pq.ParquetFile(file, pre_buffer=True)
        columns = None
        if wanted is not None:
            columns = [name for name in parquet.schema_arrow.names if name in wanted]
        first = 0
        row = start
        for group in range(parquet.num_row_groups):
            rows = parquet.metadata.row_group(group).num_rows
            if first + rows > start and first < stop:
                for batch in _group_batches(parquet, group, columns, start - first, stop - first):
                    for record in batch.to_pylist():
                        content = b"" if columns is not None else _content(record)
                        yield Row(row, record, content)
                        row += 1
            first += rows


def _group_batches(
    parquet: Any, group: int, columns: list[str] | None, start: int, stop: int
) -> Iterator[Any]:
    """Batches of one row group, cut to its rows start..stop (either may lie outside)."""
    position = 0
    for batch in parquet.iter_batches(_PARQUET_BATCH_ROWS, row_groups=[group], columns=columns):
        begin, end = max(start - position, 0), min(stop - position, batch.num_rows)
        if begin < end:
            yield batch.slice(begin, end - begin)
        position += batch.num_rows
        if position >= stop:
            return


def _content(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, sort_keys=True, default=str).encode("utf-8", "surrogatepass")


def _undecodable(data: bytes, what: str, offset: int) -> Failure | None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"{what} is not UTF-8 at byte {offset + error.start:,} of the file"
        return failure(Code.UNDECODABLE, reason)
    return None


def _whole_characters(value: Any) -> Any:
    """`value` with lone surrogates, which no UTF-8 can hold, replaced by U+FFFD."""
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
    return value


def _kind(value: object) -> str:
    names: dict[type, str] = {list: "a list", str: "a text", bool: "a truth value"}
    return names.get(type(value), "null" if value is None else "a number")
