"""The census of one jsonl or CSV file: one streaming pass.

Memory is bounded by the longest record.
"""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.documents import InputSource, id_text
from pipeline.intake.census_ids import IdTaker
from pipeline.intake.grains import Marks, grain_columns
from pipeline.intake.listing import InputFile
from pipeline.loaders import tabular
from pipeline.loaders.borders import (
    BOM,
    LONGEST_RECORD_BYTES,
    Records,
    csv_records,
    line_records,
)
from pipeline.loaders.input_errors import InputError
from pipeline.loaders.reading import opened, scheme_of

_LOCAL_CHUNK_BYTES = 1024 * 1024  # stays in the processor's cache
_REMOTE_CHUNK_BYTES = 8 * 1024 * 1024  # one request each


def count_records(
    source: InputSource,
    file: InputFile,
    index: int,
    limit: int | None,
    grain_bytes: int,
    take: IdTaker,
) -> NDArray[np.int64]:
    """The columns of a file's grains, of its first `limit` documents; their ids go to `take`."""
    marks = Marks(grain_bytes)
    read_ids = None if take.field is None else _id_reader(source, file, take.field)
    for batch in _batches(source, file):
        records = batch.records
        count = len(records.starts)
        if limit is not None:
            count = min(count, limit - marks.documents)
        marks.add(
            batch.offset + records.starts[:count],
            batch.offset + records.ends[:count],
        )
        if read_ids is not None:
            bounds = zip(
                records.starts[:count].tolist(), records.ends[:count].tolist(), strict=True
            )
            take.add(read_ids([batch.buffer[start:end] for start, end in bounds]))
        if limit is not None and marks.documents >= limit:
            break
    start, stop, documents = marks.grains()
    size = stop - start
    first_row = np.cumsum(documents) - documents
    return grain_columns(index, file.format, start, stop, first_row, documents, size, size)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Complete records of a buffer that begins at byte `offset` of the file."""

    buffer: bytes
    records: Records
    offset: int


def _batches(source: InputSource, file: InputFile) -> Iterator[_Batch]:
    delimiter = source.delimiter.encode()

    def scan(buffer: bytes, at_end: bool) -> Records:
        if file.format == "csv":
            return csv_records(buffer, delimiter=delimiter, at_end=at_end)
        return line_records(buffer, at_end=at_end)

    offset = 0
    if file.format == "csv":
        offset = tabular.csv_header(file.uri, file.version, source.delimiter).end
    chunk_bytes = _LOCAL_CHUNK_BYTES if scheme_of(file.uri) == "file" else _REMOTE_CHUNK_BYTES
    with opened(file.uri, file.version) as data:
        if offset == 0 and data.read(len(BOM)) == BOM:
            offset = len(BOM)
        data.seek(offset)
        pending: list[bytes] = []
        held = 0
        while True:
            chunk = data.read(chunk_bytes)
            at_end = data.tell() >= file.size_bytes
            pending.append(chunk)
            held += len(chunk)
            if b"\n" in chunk or at_end:
                buffer = b"".join(pending)
                records = scan(buffer, at_end)
                yield _Batch(buffer, records, offset)
                offset += records.consumed_bytes
                pending = [buffer[records.consumed_bytes :]]
                held = len(pending[0])
            if at_end:
                return
            if held > LONGEST_RECORD_BYTES + chunk_bytes:
                raise InputError(
                    "input.uri",
                    f"has a record of more than {LONGEST_RECORD_BYTES >> 20} MiB at byte "
                    f"{offset:,}, so it is hardly {file.format}",
                    file.uri,
                    "correct input.format, or leave the file out",
                )


def _id_reader(
    source: InputSource, file: InputFile, name: str
) -> Callable[[list[bytes]], list[str | None]]:
    if file.format == "jsonl":
        return lambda records: [_json_id(record, name) for record in records]
    header = tabular.csv_header(file.uri, file.version, source.delimiter)
    if name not in header.names:
        return lambda records: [None] * len(records)
    return lambda records: _csv_ids(records, header, name, source.delimiter)


def _json_id(record: bytes, name: str) -> str | None:
    try:
        return id_text(tabular.exact_id(tabular.parse_line(record), name, record))
    except tabular.MalformedLineError:
        return None


def _csv_ids(
    records: list[bytes], header: tabular.Header, name: str, delimiter: str
) -> list[str | None]:
    column = header.names.index(name)
    try:
        texts = [record.decode("utf-8") for record in records]
        rows = list(csv.reader(texts, delimiter=delimiter, strict=True))
    except (UnicodeDecodeError, csv.Error):
        rows = []
    if len(rows) == len(records):
        return [id_text(row[column]) if len(row) == len(header.names) else None for row in rows]
    # A malformed record is among them: one by one, as the loader parses them.
    parsed = (tabular.parse_csv_row(record, header, 0, 0, delimiter) for record in records)
    return [id_text(row.record.get(name)) for row in parsed]
