"""Formats: which there are, how a file's name tells its own, and how heavy their bytes are."""

from dataclasses import dataclass
from typing import Literal

UNSUPPORTED = "unsupported"
"""The format of a file whose name ends in nothing that is known; it becomes one error row."""

ONE_DOCUMENT = frozenset({"txt", "md", "html", "pdf", UNSUPPORTED})
"""Formats in which a file is one document."""


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """What the planner needs to know about a format."""

    name: str
    extensions: tuple[str, ...]
    bytes_per_token: float
    """English text has about 4 bytes per token; markup, JSON syntax and PDF structure come on top.
    Only the balance of shards depends on it."""


FORMATS = {
    facts.name: facts
    for facts in (
        FormatFacts("jsonl", ("jsonl", "ndjson"), 4.5),
        FormatFacts("csv", ("csv",), 4.0),
        FormatFacts("parquet", ("parquet", "pq"), 4.0),
        FormatFacts("txt", ("txt", "text"), 4.0),
        FormatFacts("md", ("md", "markdown"), 4.0),
        FormatFacts("html", ("html", "htm", "xhtml"), 10.0),
        FormatFacts("pdf", ("pdf",), 40.0),
        FormatFacts(UNSUPPORTED, (), 1e6),
    )
}
FORMAT_NAMES = tuple(FORMATS)
_BY_EXTENSION = {ext: name for name, facts in FORMATS.items() for ext in facts.extensions}
_COMPRESSIONS = frozenset({"gz", "gzip", "bz2", "xz", "zst", "zip", "tar", "tgz", "7z", "lz4"})


def format_of(uri: str, wanted: str = "auto") -> str:
    """The format in which `uri` is read: the wanted one, else by its extension."""
    return _BY_EXTENSION.get(_extension(uri), UNSUPPORTED) if wanted == "auto" else wanted


def why_unsupported(uri: str) -> str:
    """One sentence on why no format fits the file."""
    extension = _extension(uri)
    if extension in _COMPRESSIONS:
        return f"files ending in .{extension} are compressed: unpack them first"
    known = ", ".join(sorted(_BY_EXTENSION))
    ending = f"ending in .{extension} have" if extension else "without an extension have"
    return f"files {ending} no known format ({known}): set input.format or leave the file out"


def kind_of(name: str) -> Literal["rows", "whole"]:
    """Whether a file of this format holds rows or is one document."""
    return "whole" if name in ONE_DOCUMENT else "rows"


def _extension(uri: str) -> str:
    name = uri.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[-1].lower() if "." in name else ""
