"""An input source taken the whole way to documents, as tests want it."""

from collections.abc import Iterator
from pathlib import Path

from checkpoints.memory_store import MemoryStore
from checkpoints.plan import PlanHeader, Shard, read_shards
from pipeline.documents import Document, InputSource
from pipeline.intake.listing import list_inputs
from pipeline.intake.planning import plan_input
from pipeline.loaders.loading import load_documents


def source_of(*uris: Path | str, **given: object) -> InputSource:
    return InputSource(tuple(str(uri) for uri in uris), **given)  # type: ignore[arg-type]


def plan_of(source: InputSource, target_shard_tokens: int | None = None) -> list[Shard]:
    return planned(source, target_shard_tokens)[1]


def planned(
    source: InputSource, target_shard_tokens: int | None = None
) -> tuple[PlanHeader, list[Shard]]:
    store = MemoryStore()
    header = plan_input(list_inputs(source), source, store, target_shard_tokens=target_shard_tokens)
    return header, list(read_shards(store, header, range(header.shards)))


def documents_of(source: InputSource, target_shard_tokens: int | None = None) -> list[Document]:
    """All documents, in input order whatever the shards."""
    found = [
        document
        for shard in plan_of(source, target_shard_tokens)
        for document in load_documents(shard, source)
    ]
    return sorted(found, key=lambda document: (document.source, document.source_row))


def failures_of(documents: list[Document]) -> Iterator[tuple[int, str, str]]:
    for document in documents:
        if document.failure is not None:
            yield document.source_row, document.failure.code.value, document.failure.reason
