"""The `input` part: which documents, and where in them the id and the text are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from jobs.spec.base import Count, OneOrMany, Part, Text, require

# The columns that a result has of its own: checkpoints/result_file.py's RESERVED_COLUMNS, written
# out because that file imports pyarrow; a test compares them.
RESULT_COLUMNS = frozenset(
    {
        *("ordinal", "id", "status", "result", "error_code", "error", "tier", "finish_reason"),
        *("prompt_tokens", "output_tokens", "engine_s", "cost_usd"),
        *("fingerprint", "source", "source_row", "rework", "steps"),
    }
)
CONFIDENCE_PREFIX = "confidence_"


class InputSpec(Part):
    """Which documents to read."""

    uri: Annotated[OneOrMany, Field(min_length=1)]
    """A file, a folder, a glob, or a list of those: a local path, s3://bucket/prefix, or any fsspec
    URL. A relative path starts at the job file's folder."""

    format: Literal["auto", "jsonl", "csv", "parquet", "txt", "md", "html", "pdf"] = "auto"
    """auto goes by each file's extension; anything else applies to all files."""

    id_field: Text | None = None
    """The field that identifies a document. Without it the id is derived from
    content and location."""

    text_fields: Annotated[OneOrMany, Field(min_length=1)] = ("text",)
    """The field, or fields joined by a blank line, that make up {{ text }} (jsonl, csv,
    parquet)."""

    passthrough: tuple[Text, ...] = ()
    """Fields copied as they are into the result, for joining it with other data."""

    limit: Count | None = None
    """Read only the first so many documents: for a trial run."""

    @field_validator("passthrough")
    @classmethod
    def _columns_are_free(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        taken = [n for n in names if n in RESULT_COLUMNS or n.startswith(CONFIDENCE_PREFIX)]
        require(
            not taken,
            f"the result has a column of its own called {', '.join(taken)}",
            "rename the field in the input, or leave it out",
        )
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, f"names {', '.join(twice)} twice", "name each field once")
        return names
