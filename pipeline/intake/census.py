"""How many documents the input holds and where their borders lie, before anything starts.

jsonl and CSV take one streaming pass; Parquet its metadata, with an id field that column too;
one-document files only their listing.
"""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from pipeline.documents import InputSource
from pipeline.intake.census_ids import IdSink, IdTaker
from pipeline.intake.census_parquet import count_rows
from pipeline.intake.census_records import count_records
from pipeline.intake.grains import DOCUMENT_TOKENS, Grains
from pipeline.intake.listing import FileTable
from pipeline.loaders.registry import FORMATS, kind_of


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
        take = IdTaker(source.id_field, ids, documents)
        if is_tabular:
            file = files[first]
            count = count_rows if file.format == "parquet" else count_records
            grains = count(source, file, first, left, grain_bytes, take)
        else:
            last = last if left is None else min(last, first + left)
            grains = _whole_files(files, first, last)
            take.add_names(files, first, last)
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


def _whole_files(files: FileTable, first: int, last: int) -> NDArray[np.int64]:
    sizes, formats = files.sizes[first:last], files.formats[first:last]
    per_token = np.array([facts.bytes_per_token for facts in FORMATS.values()])[formats]
    tokens = np.ceil(sizes / per_token).astype(np.int64) + DOCUMENT_TOKENS
    zeros, ones = np.zeros(len(sizes), np.int64), np.ones(len(sizes), np.int64)
    numbers = np.arange(first, last, dtype=np.int64)
    return np.stack((numbers, zeros, ones, zeros, ones, sizes, tokens))
