"""The census of one Parquet file: its metadata, and its id column where ids are wanted."""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.documents import InputSource, id_text
from pipeline.intake.census_ids import IdTaker
from pipeline.intake.grains import GRAIN_DOCUMENTS, grain_columns
from pipeline.intake.listing import InputFile
from pipeline.loaders.reading import opened
from pipeline.loaders.tabular import BROKEN_PARQUET

_ID_BATCH = 10_000


def count_rows(
    source: InputSource,
    file: InputFile,
    index: int,
    limit: int | None,
    grain_bytes: int,
    take: IdTaker,
) -> NDArray[np.int64]:
    """The columns of a file's grains, of its first `limit` rows; their ids go to `take`."""
    zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
    try:
        with opened(file.uri, file.version) as data:
            parquet = pq.ParquetFile(data)
            rows, text_bytes = _row_groups(parquet, source)
            total = int(rows.sum()) if limit is None else min(int(rows.sum()), limit)
            _take_ids(parquet, take, total)
    except BROKEN_PARQUET:
        # One error row stands for a file whose rows cannot be counted.
        size = np.array([file.size_bytes], np.int64)
        return grain_columns(index, "parquet", zero, one, zero, one, size, zero)
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
    return grain_columns(index, "parquet", start, stop, start, documents, size, text)


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


def _take_ids(parquet: Any, take: IdTaker, total: int) -> None:
    if take.field is None or take.field not in parquet.schema_arrow.names:
        return
    try:
        for batch in parquet.iter_batches(_ID_BATCH, columns=[take.field]):
            values = batch.column(0)[:total].to_pylist()
            take.add([id_text(value) for value in values])
            total -= len(values)
            if total <= 0:
                return
    except BROKEN_PARQUET:
        # The metadata still counts the rows; the loader makes an error row of each it cannot read.
        return
