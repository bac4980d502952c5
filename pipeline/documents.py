"""The values that flow from the input to the engines: source, document, prepared document.

Ids, text and copied fields of a record are decided here, by the same rules for every format:

* With `id_field` set, a record's id is that field as text. A one-document file (txt, md, html,
  pdf) has two fields, `path` (its URI) and `name` (the last part of it); with any other
  `id_field` its id is derived.
* A derived id is a digest of the URI, the row and the content: 24 hexadecimal digits, the same in
  every run.
* The text of a record is its `text_fields` in order, joined by a blank line; null counts as empty.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pipeline.failures import Code, Failure, failure

Format: TypeAlias = Literal["auto", "jsonl", "csv", "parquet", "txt", "md", "html", "pdf"]
_DERIVED_ID_DIGITS = 24


@dataclass(frozen=True, slots=True)
class InputSource:
    """Which documents a run reads, and where in them the id and the text are."""

    uris: tuple[str, ...]
    format: Format = "auto"
    id_field: str | None = None
    text_fields: tuple[str, ...] = ("text",)
    passthrough: tuple[str, ...] = ()
    limit: int | None = None
    delimiter: str = ","  # of CSV; one ASCII character


@dataclass(frozen=True, slots=True)
class Document:
    """One document as loaded; with a failure set, `text` may be empty."""

    ordinal: int  # position in its shard
    id: str
    text: str
    fields: Mapping[str, object]
    passthrough: tuple[tuple[str, str | None], ...]
    source: str  # URI
    source_row: int  # from 0: line of a jsonl file, data row of a CSV or Parquet file, else 0
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """One document as the engines take it: token ids per tier in which it fits, or a failure.

    With rules, `start` is the tier at which it begins; it may be one in which it does not fit.
    """

    ordinal: int
    id: str
    source: str
    source_row: int
    passthrough: tuple[tuple[str, str | None], ...]
    prompts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    failure: Failure | None = None
    start: str | None = None
    rule: str | None = None  # the name of the rule that chose `start`; None: none matched
    gold: str | None = None  # the right answer, of documents that come with one


def derived_id(uri: str, row: int, content: bytes) -> str:
    """A stable id for a document that has none of its own."""
    digest = hashlib.sha256()
    digest.update(f"{uri}\n{row}\n".encode("utf-8", "surrogatepass"))
    digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:_DERIVED_ID_DIGITS]


def id_text(value: object) -> str | None:
    """The id that a field's value stands for; None when it cannot identify a document."""
    if value is None or isinstance(value, (dict, list, bytes)):
        return None
    return str(value) or None


def record_text(
    record: Mapping[str, object], text_fields: tuple[str, ...]
) -> tuple[str, Failure | None]:
    """The text of a record, or why it has none."""
    parts = []
    for name in text_fields:
        if name not in record:
            return "", failure(Code.MISSING_FIELD, f"the record has no field {name!r} for its text")
        value = record[name]
        if isinstance(value, bytes):
            try:
                parts.append(value.decode("utf-8"))
            except UnicodeDecodeError as error:
                reason = f"field {name!r} is not UTF-8 at byte {error.start}"
                return "", failure(Code.UNDECODABLE, reason)
        elif value is not None:
            try:
                parts.append(as_text(value))
            except RecursionError:
                return "", failure(Code.MALFORMED_ROW, f"field {name!r} nests too deep")
    text = "\n\n".join(part for part in parts if part)
    if text_fields and not text.strip():
        names = ", ".join(repr(name) for name in text_fields)
        return "", failure(Code.EMPTY_TEXT, f"field {names} is empty")
    return text, None


def passthrough_of(
    record: Mapping[str, object], names: tuple[str, ...]
) -> tuple[tuple[str, str | None], ...]:
    """The copied fields as text; None for null, for a field that the record does not have, and for
    one that nests too deep to be written."""
    return tuple((name, text_or_none(record.get(name))) for name in names)


def text_or_none(value: object) -> str | None:
    """A field's value as text; None for null and for what nests too deep to be written."""
    try:
        return None if value is None else as_text(value)
    except RecursionError:
        return None


def as_text(value: object) -> str:
    """A field's value as text: text as it is, nested values as JSON, bytes as UTF-8 or hex."""
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value.hex()
    return str(value)
