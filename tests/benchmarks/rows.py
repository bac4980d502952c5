"""The rows that a side of a comparison wrote, as far as its documents are compared.

Boundary: reads Parquet, Gleaner's or stock's; a row is named as the tap names its document, but
for the tier behind Gleaner's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tests.benchmarks.workload import MAX_TOKENS

OK_SHARE = 0.95  # of the documents, of which none is bad; a weak model fails at some


class WrongRowsError(RuntimeError):
    """There is not exactly one row per document, or too few of them are answers."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one document; `was_begun_again` is Gleaner's own account, False for stock."""

    name: str
    is_ok: bool
    output_tokens: int
    was_begun_again: bool = False


def read_rows(results: Path) -> list[Row]:
    """All rows in the Parquet files below a folder; none where there are no files."""
    if not any(results.rglob("*.parquet")):
        return []
    return [row for file in ds.dataset(results, format="parquet").files for row in _rows(file)]


def by_name(rows: Sequence[Row], documents: int) -> dict[str, Row]:
    """One row for each of so many documents.

    Raises:
        WrongRowsError: rows are missing or repeated, or fewer than `OK_SHARE` of them are ok.
    """
    named = {row.name: row for row in rows}
    if len(named) != len(rows):
        name, times = Counter(row.name for row in rows).most_common(1)[0]
        raise WrongRowsError(f"{name} has {times} rows")
    if len(rows) != documents:
        raise WrongRowsError(f"{documents} documents, {len(rows)} rows")
    good = sum(row.is_ok for row in rows)
    if good < OK_SHARE * documents:
        raise WrongRowsError(f"{documents} documents, only {good} rows are ok")
    return named


def row_of(document: str, named: Mapping[str, Row]) -> Row:
    """The row of a document by its name in a tap."""
    return named[document] if document in named else named[document.rpartition(".")[0]]


def _rows(file: str) -> list[Row]:
    with pq.ParquetFile(file) as opened:
        is_gleaner = "ordinal" in opened.schema_arrow.names
        return _of_gleaner(opened, Path(file)) if is_gleaner else _of_stock(opened)


def _of_gleaner(opened: pq.ParquetFile, file: Path) -> list[Row]:
    """The rows of one shard; requests are named by shard and ordinal."""
    shard = int(file.stem.rpartition("-")[2])
    columns = opened.read(["ordinal", "status", "output_tokens", "rework"])
    return [
        Row(
            name=f"{shard}.{row['ordinal']}",
            is_ok=row["status"] == "ok",
            output_tokens=row["output_tokens"],
            was_begun_again=row["rework"] is not None and row["rework"]["documents"] > 0,
        )
        for row in columns.to_pylist()
    ]


def _of_stock(opened: pq.ParquetFile) -> list[Row]:
    """An answer that is cut off at the limit is none, as it is to Gleaner."""
    columns = opened.read(["id", "output_tokens"])
    return [
        Row(
            name=str(row["id"]),
            is_ok=0 < (row["output_tokens"] or 0) < MAX_TOKENS,
            output_tokens=row["output_tokens"] or 0,
        )
        for row in columns.to_pylist()
    ]
