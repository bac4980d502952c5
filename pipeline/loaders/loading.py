"""The documents of one shard, in order: slices in, exactly the planned number of Documents out.

Invariant: content never raises. Only a changed input (InputChangedError) and an unreadable place
(InputAccessError, InputUnavailableError) do, because rows written then would be wrong.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from checkpoints.plan import Shard, Slice
from pipeline.documents import (
    Document,
    InputSource,
    derived_id,
    id_text,
    passthrough_of,
    record_text,
)
from pipeline.failures import Code, Failure, failure
from pipeline.loaders.input_errors import InputChangedError
from pipeline.loaders.markup import html_text, plain_text
from pipeline.loaders.pdf import pdf_text
from pipeline.loaders.reading import read_range, scheme_of
from pipeline.loaders.registry import ONE_DOCUMENT, why_unsupported
from pipeline.loaders.tabular import (
    BROKEN_PARQUET,
    Row,
    csv_rows,
    exact_id,
    jsonl_rows,
    parquet_rows,
)

LONGEST_DOCUMENT_BYTES = 256 * 1024 * 1024
_PARALLEL_READS = 16  # a small object costs a round trip, not bandwidth
_TEXT_OF: dict[str, Callable[[bytes], str | Failure]] = {
    "txt": plain_text,
    "md": plain_text,
    "html": html_text,
    "pdf": pdf_text,
}


def load_documents(
    shard: Shard, source: InputSource, wanted: Collection[str] | None = None
) -> Iterator[Document]:
    """The shard's documents; of Parquet only the `wanted` columns besides the source's own."""
    ordinal = 0
    pieces = _read_ahead(shard.slices, source, wanted)
    for one, documents in zip(shard.slices, pieces, strict=True):
        count = 0
        for make in documents:
            document = make(ordinal)
            if ordinal in shard.duplicates:
                yield _repeated(document)
            else:
                yield document
            ordinal += 1
            count += 1
        if count != one.documents:
            what = f"holds {count} documents where {one.documents} were planned, so it changed"
            raise InputChangedError(one.source, what)


_Make = Callable[[int], Document]  # a document lacks only its ordinal


def _is_remote_file(one: Slice) -> bool:
    return one.format in ONE_DOCUMENT and scheme_of(one.source) not in ("file", "memory")


def _read_ahead(
    slices: tuple[Slice, ...], source: InputSource, wanted: Collection[str] | None
) -> Iterator[Iterable[_Make]]:
    """The documents of each slice, with the bytes of remote files read some files ahead."""
    with ThreadPoolExecutor(_PARALLEL_READS) as pool:
        ahead: deque[Future[bytes] | None] = deque()
        for number, one in enumerate(slices):
            for later in slices[number + len(ahead) : number + _PARALLEL_READS]:
                ahead.append(pool.submit(_read, later) if _is_remote_file(later) else None)
            reading = ahead.popleft()
            if reading is None:
                yield _slice_documents(one, source, wanted)
            else:
                yield [_file_document(one, source, reading.result())]


def _slice_documents(
    one: Slice, source: InputSource, wanted: Collection[str] | None
) -> Iterator[_Make]:
    if one.format in ONE_DOCUMENT:
        yield _file_document(one, source, _read(one))
        return
    for row in _rows(one, source, wanted):
        yield _row_document(one, source, row)


def _read(one: Slice) -> bytes:
    if _is_too_big(one) or one.format not in _TEXT_OF:
        return one.version.encode()  # stands for the content in the id
    return read_range(one.source, one.version, 0, None)


def _is_too_big(one: Slice) -> bool:
    return one.size_bytes > LONGEST_DOCUMENT_BYTES


def _file_document(one: Slice, source: InputSource, data: bytes) -> _Make:
    fields = {"path": one.source, "name": one.source.rsplit("/", 1)[-1]}
    text = _file_text(one, data)
    bad = text if isinstance(text, Failure) else None
    given = fields.get(source.id_field or "")
    copied = passthrough_of(fields, source.passthrough)
    identity = given or derived_id(one.source, 0, data)
    body = "" if isinstance(text, Failure) else text
    return lambda ordinal: Document(ordinal, identity, body, fields, copied, one.source, 0, bad)


def _file_text(one: Slice, data: bytes) -> str | Failure:
    if one.format not in _TEXT_OF:
        return failure(Code.UNSUPPORTED_FORMAT, why_unsupported(one.source))
    if _is_too_big(one):
        most = LONGEST_DOCUMENT_BYTES >> 20
        reason = f"the file has {one.size_bytes >> 20:,} MiB, a document at most {most:,}"
        return failure(Code.TOO_LONG, reason)
    try:
        text = _TEXT_OF[one.format](data)
    except (ValueError, LookupError, ArithmeticError, AssertionError, RecursionError) as error:
        # A parser's own fault on hostile content must cost this document only.
        return failure(Code.UNREADABLE, f"parsing failed: {type(error).__name__}: {error}")
    if isinstance(text, str) and not text.strip():
        return failure(Code.EMPTY_TEXT, "the file holds no text")
    return text


def _rows(one: Slice, source: InputSource, wanted: Collection[str] | None) -> Iterator[Row]:
    place = (one.source, one.version, one.start, one.stop)
    if one.format == "jsonl":
        yield from jsonl_rows(*place, one.first_row)
    elif one.format == "csv":
        yield from csv_rows(*place, one.first_row, source.delimiter)
    else:
        yield from _parquet_rows(one, source, wanted)


def _parquet_rows(one: Slice, source: InputSource, wanted: Collection[str] | None) -> Iterator[Row]:
    columns = None
    if wanted is not None and source.id_field is not None:  # a derived id digests every column
        columns = {source.id_field, *source.text_fields, *source.passthrough, *wanted}
    done = 0
    try:
        for row in parquet_rows(one.source, one.version, one.start, one.stop, columns):
            yield row
            done += 1
    except BROKEN_PARQUET as error:
        bad = failure(Code.UNREADABLE, f"the Parquet file is broken: {error}")
        for number in range(one.first_row + done, one.first_row + one.documents):
            yield Row(number, {}, one.version.encode(), bad)


def _row_document(one: Slice, source: InputSource, row: Row) -> _Make:
    bad, identity = row.failure, None
    if source.id_field is not None and bad is None:
        value = row.record.get(source.id_field)
        if one.format == "jsonl":
            value = exact_id(row.record, source.id_field, row.content)
        identity = id_text(value)
        if identity is None:
            reason = f"the record has no usable id in field {source.id_field!r}"
            bad = failure(Code.MISSING_FIELD, reason)
    text = ""
    if bad is None:
        text, bad = record_text(row.record, source.text_fields)
    identity = identity or derived_id(one.source, row.row, row.content)
    copied = passthrough_of(row.record, source.passthrough)
    return lambda ordinal: Document(
        ordinal, identity, text, row.record, copied, one.source, row.row, bad
    )


def _repeated(document: Document) -> Document:
    return Document(
        document.ordinal,
        document.id,
        "",
        document.fields,
        document.passthrough,
        document.source,
        document.source_row,
        failure(Code.DUPLICATE_ID, f"id {document.id!r} belongs to an earlier document"),
    )
