"""How many documents the input holds and where their borders lie, before anything starts.

jsonl and CSV take one streaming pass; Parquet its metadata, with an id field that column too;
one-document files only their listing. Memory is bounded by the longest record and by the grains.

A grain is the smallest piece of input that sharding moves as a whole: some whole records of one
file that follow each other. Grains come in input order, so a document's position in the input is
a plain count.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.documents import InputSource, id_text
from pipeline.input_errors import InputError
from pipeline.listing import FileTable, InputFile
from pipeline.loaders import tabular
from pipeline.loaders.borders import (
    BOM,
    LONGEST_RECORD_BYTES,
    Records,
    csv_records,
    line_records,
)
from pipeline.loaders.registry import FORMATS, kind_of
from pipeline.loaders.tabular import BROKEN_PARQUET, Row
from pipeline.reading import opened

DOCUMENT_TOKENS = 64
"""What every document costs besides its text: the prompt around it and the answer. It enters the
estimate so that shards of many short documents are not heavier than others."""
GRAIN_DOCUMENTS = 500
_CHUNK_BYTES = 8 * 1024 * 1024
_ID_BATCH = 10_000
_SMALLEST_GRAIN_BYTES, _LARGEST_GRAIN_BYTES = 1024, 256 * 1024


class IdSink(Protocol):
    """Where ids go: checkpoints.duplicates.DuplicateFinder."""

    def add(self, ids: Sequence[str], first_position: int) -> None:
        """Take the ids of documents at first_position, first_position + 1, ..."""


@dataclass(frozen=True, slots=True)
class Grains:
    """Columns of equal length, one entry per grain, in input order."""

    file: NDArray[np.int64]  # index into the FileTable
    start: NDArray[np.int64]  # as in checkpoints.plan.Slice
    stop: NDArray[np.int64]
    first_row: NDArray[np.int64]
    documents: NDArray[np.int64]
    size_bytes: NDArray[np.int64]
    estimated_tokens: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.file)


def grain_bytes_for(total_bytes: int) -> int:
    """A grain size that gives an input of any size some 65,000 grains; coarser above 16 GiB."""
    return min(max(total_bytes >> 16, _SMALLEST_GRAIN_BYTES), _LARGEST_GRAIN_BYTES)


def take_census(
    source: InputSource, files: FileTable, *, grain_bytes: int, ids: IdSink | None = None
) -> Grains:
    """All grains of the first `source.limit` documents; with an id field, ids go to `ids`.

    Raises InputError, InputChangedError or InputUnavailableError.
    """
    found: list[NDArray[np.int64]] = []
    documents = 0
    for first, last, is_tabular in _stretches(files):
        left = None if source.limit is None else source.limit - documents
        if left is not None and left <= 0:
            break
        take = _IdTaker(source.id_field, ids, documents)
        if is_tabular:
            grains = _tabular_grains(source, files[first], first, left, grain_bytes, take)
        else:
            last = last if left is None else min(last, first + left)
            grains = _whole_files(files, first, last)
            take.names_of(files, first, last)
        found.append(grains)
        documents += int(grains[4].sum())
    columns = np.concatenate(found, axis=1) if found else np.zeros((7, 0), np.int64)
    return Grains(*columns)


def _stretches(files: FileTable) -> Iterator[tuple[int, int, bool]]:
    """(first, last, is tabular): tabular files one by one, others as long as they follow."""
    kinds = np.array([kind_of(name) == "rows" for name in FORMATS])[files.formats]
    for is_tabular, group in groupby(range(len(files)), key=lambda index: bool(kinds[index])):
        if is_tabular:
            yield from ((index, index + 1, True) for index in group)
        else:
            first = next(group)
            yield first, first + 1 + sum(1 for _ in group), False


class _IdTaker:
    """Hands ids on with their positions; a document without an id leaves a gap."""

    def __init__(self, field: str | None, ids: IdSink | None, position: int) -> None:
        self.field = field if ids is not None else None
        self._ids = ids
        self._position = position

    def add(self, values: Sequence[str | None]) -> None:
        if self._ids is None:
            return
        position = self._position
        for is_missing, group in groupby(values, key=lambda value: value is None):
            run = [value for value in group if value is not None or is_missing]
            if not is_missing:
                self._ids.add([str(value) for value in run], position)
            position += len(run)
        self._position = position

    def names_of(self, files: FileTable, first: int, last: int) -> None:
        if self.field not in ("path", "name"):
            return
        for start in range(first, last, _ID_BATCH):
            uris = files.uris[start : min(start + _ID_BATCH, last)].to_pylist()
            self.add([uri if self.field == "path" else uri.rsplit("/", 1)[-1] for uri in uris])


def _columns(
    file: int,
    format_name: str,
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    first_row: NDArray[np.int64],
    documents: NDArray[np.int64],
    size_bytes: NDArray[np.int64],
    text_bytes: NDArray[np.int64],
) -> NDArray[np.int64]:
    tokens = np.ceil(text_bytes / FORMATS[format_name].bytes_per_token).astype(np.int64)
    tokens += DOCUMENT_TOKENS * documents
    files = np.full(len(start), file, np.int64)
    return np.stack((files, start, stop, first_row, documents, size_bytes, tokens))


def _whole_files(files: FileTable, first: int, last: int) -> NDArray[np.int64]:
    sizes, formats = files.sizes[first:last], files.formats[first:last]
    per_token = np.array([facts.bytes_per_token for facts in FORMATS.values()])[formats]
    tokens = np.ceil(sizes / per_token).astype(np.int64) + DOCUMENT_TOKENS
    zeros, ones = np.zeros(len(sizes), np.int64), np.ones(len(sizes), np.int64)
    numbers = np.arange(first, last, dtype=np.int64)
    return np.stack((numbers, zeros, ones, zeros, ones, sizes, tokens))


def _tabular_grains(
    source: InputSource,
    file: InputFile,
    index: int,
    limit: int | None,
    grain_bytes: int,
    take: _IdTaker,
) -> NDArray[np.int64]:
    if file.format == "parquet":
        return _parquet_grains(source, file, index, limit, grain_bytes, take)
    marks = _Marks(grain_bytes)
    read_id = _id_reader(source, file, take.field)
    for batch in _batches(source, file):
        records = batch.records
        count = len(records.starts)
        if limit is not None:
            count = min(count, limit - marks.documents)
        marks.add(
            batch.offset + records.starts[:count],
            batch.offset + records.ends[:count],
            batch.first_row + records.rows[:count],
        )
        if take.field is not None:
            take.add([read_id(batch, number) for number in range(count)])
        if limit is not None and marks.documents >= limit:
            break
    start, stop, first_row, documents = marks.grains()
    size = stop - start
    return _columns(index, file.format, start, stop, first_row, documents, size, size)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Complete records: `buffer` begins at byte `offset` of the file, with row `first_row`."""

    buffer: bytes
    records: Records
    offset: int
    first_row: int


def _batches(source: InputSource, file: InputFile) -> Iterator[_Batch]:
    delimiter = source.delimiter.encode()

    def scan(buffer: bytes, at_end: bool) -> Records:
        if file.format == "csv":
            return csv_records(buffer, delimiter=delimiter, at_end=at_end)
        return line_records(buffer, at_end=at_end)

    offset = row = 0
    if file.format == "csv":
        offset = tabular.csv_header(file.uri, file.version, source.delimiter).end
    with opened(file.uri, file.version) as data:
        if offset == 0 and data.read(len(BOM)) == BOM:
            offset = len(BOM)
        data.seek(offset)
        pending: list[bytes] = []
        held = 0
        while True:
            chunk = data.read(_CHUNK_BYTES)
            at_end = data.tell() >= file.size_bytes
            pending.append(chunk)
            held += len(chunk)
            if b"\n" in chunk or at_end:
                buffer = b"".join(pending)
                records = scan(buffer, at_end)
                yield _Batch(buffer, records, offset, row)
                row += records.consumed_rows
                offset += records.consumed_bytes
                pending = [buffer[records.consumed_bytes :]]
                held = len(pending[0])
            if at_end:
                return
            if held > LONGEST_RECORD_BYTES + _CHUNK_BYTES:
                raise InputError(
                    "input.uri",
                    f"has a record of more than {LONGEST_RECORD_BYTES >> 20} MiB at byte "
                    f"{offset:,}, so it is hardly {file.format}",
                    file.uri,
                    "correct input.format, or leave the file out",
                )


def _id_reader(
    source: InputSource, file: InputFile, name: str | None
) -> Callable[[_Batch, int], str | None]:
    if name is None:
        return lambda batch, number: None
    if file.format == "csv":
        header = tabular.csv_header(file.uri, file.version, source.delimiter)

        def parse(data: bytes) -> Row:
            return tabular.parse_csv_row(data, header, 0, 0, source.delimiter)
    else:

        def parse(data: bytes) -> Row:
            return tabular.parse_line(data, 0, 0)

    def read_id(batch: _Batch, number: int) -> str | None:
        data = batch.buffer[batch.records.starts[number] : batch.records.ends[number]]
        row = parse(data)
        return None if row.failure is not None else id_text(tabular.exact_id(row, name))

    return read_id


class _Marks:
    """Cuts a stream of records into grains of at most so many documents and about so many bytes."""

    def __init__(self, grain_bytes: int) -> None:
        self._grain_bytes = grain_bytes
        self._starts: list[int] = []
        self._rows: list[int] = []
        self._before: list[int] = []  # documents before each grain
        self._stop = 0
        self.documents = 0

    def add(
        self, starts: NDArray[np.int64], ends: NDArray[np.int64], rows: NDArray[np.int64]
    ) -> None:
        """Records that follow those before."""
        if len(starts) == 0:
            return
        position = 0
        if self._starts:
            position = self._next_cut(ends, self._starts[-1], self._before[-1] - self.documents)
        while position < len(starts):
            self._starts.append(int(starts[position]))
            self._rows.append(int(rows[position]))
            self._before.append(self.documents + position)
            position = self._next_cut(ends, self._starts[-1], position)
        self._stop = int(ends[-1])
        self.documents += len(starts)

    def _next_cut(self, ends: NDArray[np.int64], grain_start: int, first: int) -> int:
        """The first record that no longer fits the grain whose first record is `first`."""
        by_bytes = int(np.searchsorted(ends, grain_start + self._grain_bytes, side="right"))
        return max(min(by_bytes, first + GRAIN_DOCUMENTS), first + 1, 0)

    def grains(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """start, stop, first_row and documents of all grains."""
        starts = np.array(self._starts, np.int64)
        stops = np.append(starts[1:], self._stop)[: len(starts)]
        documents = np.diff(np.array([*self._before, self.documents], np.int64))
        return starts, stops, np.array(self._rows, np.int64), documents[: len(starts)]


def _parquet_grains(
    source: InputSource,
    file: InputFile,
    index: int,
    limit: int | None,
    grain_bytes: int,
    take: _IdTaker,
) -> NDArray[np.int64]:
    zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
    try:
        with opened(file.uri, file.version) as data:
            parquet = pq.ParquetFile(data)
            rows, text_bytes = _row_groups(parquet, source)
            total = int(rows.sum()) if limit is None else min(int(rows.sum()), limit)
            if take.field is not None:
                _take_parquet_ids(parquet, take, total)
    except BROKEN_PARQUET:
        # One error row stands for a file whose rows cannot be counted.
        size = np.array([file.size_bytes], np.int64)
        return _columns(index, "parquet", zero, one, zero, one, size, zero)
    starts: list[NDArray[np.int64]] = []
    weights: list[NDArray[np.float64]] = []
    first = 0
    for count, group_bytes in zip(rows.tolist(), text_bytes.tolist(), strict=True):
        count = min(count, total - first)
        if count <= 0:
            break
        per_row = max(group_bytes / count, 1e-9)
        step = int(min(max(grain_bytes // per_row, 1), GRAIN_DOCUMENTS))
        piece = np.arange(first, first + count, step, dtype=np.int64)
        starts.append(piece)
        weights.append(np.full(len(piece), per_row))
        first += count
    if not starts:
        return np.zeros((7, 0), np.int64)
    start = np.concatenate(starts)
    stop = np.append(start[1:], total)
    documents = stop - start
    size = documents * file.size_bytes // max(int(rows.sum()), 1)
    text = (documents * np.concatenate(weights)).astype(np.int64)
    return _columns(index, "parquet", start, stop, start, documents, size, text)


def _row_groups(parquet: Any, source: InputSource) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and uncompressed bytes of text per row group."""
    rows, text_bytes = [], []
    for number in range(parquet.num_row_groups):
        group = parquet.metadata.row_group(number)
        columns = [group.column(position) for position in range(group.num_columns)]
        texts = [c for c in columns if c.path_in_schema.split(".", 1)[0] in source.text_fields]
        rows.append(group.num_rows)
        text_bytes.append(sum(column.total_uncompressed_size for column in texts or columns))
    return np.array(rows, np.int64), np.array(text_bytes, np.int64)


def _take_parquet_ids(parquet: Any, take: _IdTaker, total: int) -> None:
    if take.field not in parquet.schema_arrow.names:
        take.add([None] * total)
        return
    for batch in parquet.iter_batches(_ID_BATCH, columns=[take.field]):
        values = batch.column(0)[:total].to_pylist()
        take.add([id_text(value) for value in values])
        total -= len(values)
        if total <= 0:
            return
