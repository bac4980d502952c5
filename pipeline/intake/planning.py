"""From an input source to a sealed plan: list, count, cut, find repeated ids, write."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from checkpoints.duplicates import DuplicateFinder
from checkpoints.plan import PlanHeader, Shard, read_header, write_plan
from checkpoints.store import Store
from pipeline.documents import InputSource
from pipeline.intake.census import take_census
from pipeline.intake.grains import grain_bytes_for
from pipeline.intake.listing import FileTable
from pipeline.intake.sharding import Sharding, cut_shards, default_target_tokens, locate, slices_of
from pipeline.loaders.input_errors import NoDocumentsError, UnknownFieldError
from pipeline.loaders.loading import load_documents

__all__ = ["check_fields", "field_names", "plan_input"]

_DUPLICATE_MEMORY_BYTES = 256 * 1024 * 1024
_SAMPLE_DOCUMENTS, _SAMPLE_FILES = 200, 5
_FILE_FIELDS = frozenset({"path", "name"})


def plan_input(
    files: FileTable,
    source: InputSource,
    store: Store,
    *,
    target_shard_tokens: int | None = None,
) -> PlanHeader:
    """The plan of `source` in the checkpoint `store`; one that is sealed already holds.

    `files` is what list_inputs(source) gave. Raises InputError, InputUnavailableError, and what
    write_plan raises.
    """
    sealed = read_header(store)
    if sealed is not None:
        return sealed
    if source.id_field is None:
        sharding = _shards(source, files, target_shard_tokens, None)
        return write_plan(store, slices_of(sharding, files))
    with DuplicateFinder(memory_bytes=_DUPLICATE_MEMORY_BYTES) as finder:
        sharding = _shards(source, files, target_shard_tokens, finder)
        repeated = np.fromiter(finder.duplicates(), np.int64)
    return write_plan(store, slices_of(sharding, files), _pairs(sharding, repeated))


def field_names(source: InputSource, files: FileTable) -> frozenset[str]:
    """Fields that the first documents of the first files of each format have, to check a spec.

    A field that only later documents have is not seen: such a template says
    `fields.get("name", "")`.
    """
    found: set[str] = {"text", "fields"}
    for index in _first_of_each_format(files):
        one = files[index]
        sample = FileTable(
            files.uris[index : index + 1],
            files.versions[index : index + 1],
            files.sizes[index : index + 1],
            files.formats[index : index + 1],
        )
        limited = _limited(source, _SAMPLE_DOCUMENTS)
        grains = take_census(limited, sample, grain_bytes=grain_bytes_for(one.size_bytes))
        if len(grains):
            sharding = cut_shards(grains, target_tokens=1 << 60)
            for number, slices in enumerate(slices_of(sharding, sample)):
                for document in load_documents(Shard(number, tuple(slices), frozenset()), limited):
                    found.update(document.fields)
    return frozenset(found)


def _first_of_each_format(files: FileTable) -> Iterator[int]:
    for number in np.unique(files.formats):
        yield from np.flatnonzero(files.formats == number)[:_SAMPLE_FILES].tolist()


def _limited(source: InputSource, most: int) -> InputSource:
    limit = most if source.limit is None else min(most, source.limit)
    return InputSource(
        source.uris,
        source.format,
        None,
        source.text_fields,
        source.passthrough,
        limit,
        source.delimiter,
    )


def check_fields(source: InputSource, available: frozenset[str]) -> None:
    """Refuse a source whose id or text field no document has.

    `available` comes from field_names. Raises UnknownFieldError.
    """
    is_files_only = available <= _FILE_FIELDS | {"text", "fields"}
    wanted = [("input.id_field", source.id_field)] if source.id_field is not None else []
    if not is_files_only:
        wanted += [("input.text_fields", name) for name in source.text_fields if name != "text"]
    wanted += [("input.passthrough", name) for name in source.passthrough]
    for field, name in wanted:
        if name not in available - {"text", "fields"}:
            known = ", ".join(sorted(available - {"fields"}))
            raise UnknownFieldError(field, "no document has this field", str(name), f"use {known}")


def _shards(
    source: InputSource,
    files: FileTable,
    target_tokens: int | None,
    finder: DuplicateFinder | None,
) -> Sharding:
    grain_bytes = grain_bytes_for(files.total_bytes)
    if target_tokens is not None:
        grain_bytes = max(min(grain_bytes, target_tokens // 2), 1)
    grains = take_census(source, files, grain_bytes=grain_bytes, ids=finder)
    if len(grains) == 0:
        raise NoDocumentsError(
            "input.uri",
            f"{len(files)} files match, but they hold no documents",
            ", ".join(source.uris),
            "check the files",
        )
    if target_tokens is None:
        target_tokens = default_target_tokens(int(grains.estimated_tokens.sum()))
    return cut_shards(grains, target_tokens=target_tokens)


def _pairs(sharding: Sharding, positions: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    numbers, ordinals = locate(sharding, positions)
    return zip(numbers.tolist(), ordinals.tolist(), strict=True)
