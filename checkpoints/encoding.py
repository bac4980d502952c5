"""Canonical bytes: the same value gives the same bytes on every machine and in every process."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from checkpoints.errors import CorruptObjectError, NewerFormatError

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"


def canonical_json(value: "Json | Mapping[str, object]") -> bytes:
    """ASCII JSON with sorted keys and no blanks; ValueError for NaN and infinities."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("ascii")


def digest(data: bytes) -> str:
    """SHA-256 as hexadecimal text."""
    return hashlib.sha256(data).hexdigest()


def storable(text: str) -> str:
    """`text` as UTF-8 can hold it: a lone surrogate becomes U+FFFD, everything else stays."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def parse_object(key: str, data: bytes, *, newest_format: int) -> dict[str, Any]:
    """The JSON object stored under `key`, its `format_version` checked.

    Raises CorruptObjectError (no JSON object), NewerFormatError (a newer Gleaner wrote it).
    """
    try:
        value = json.loads(data)
    except ValueError as error:
        raise CorruptObjectError(f"{key} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise CorruptObjectError(f"{key} holds {type(value).__name__}, expected a JSON object")
    found = value.get("format_version")
    if not isinstance(found, int):
        raise CorruptObjectError(f"{key} has no format_version")
    if found > newest_format:
        raise NewerFormatError(
            f"{key} has format {found}, this Gleaner reads up to {newest_format}: "
            "upgrade Gleaner, or use the version that started the run"
        )
    return value
