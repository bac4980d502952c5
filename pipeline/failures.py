"""Why a document has no result: a stable code for programs and one sentence for people.

A bad document is a value, never an exception: it becomes an `error` row and the run goes on.
"""

from dataclasses import dataclass
from enum import StrEnum

_LONGEST_REASON = 1_000


class Code(StrEnum):
    """The kinds of failure; part of the result format, so names never change."""

    DUPLICATE_ID = "duplicate_id"
    EMPTY_TEXT = "empty_text"
    UNDECODABLE = "undecodable"
    BROKEN_PDF = "broken_pdf"
    ENCRYPTED_PDF = "encrypted_pdf"
    TOO_LONG = "too_long"
    MISSING_FIELD = "missing_field"
    MALFORMED_ROW = "malformed_row"
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNREADABLE = "unreadable"
    TEMPLATE_ERROR = "template_error"
    OUTPUT_TRUNCATED = "output_truncated"
    INVALID_OUTPUT = "invalid_output"
    ENGINE_CRASH = "engine_crash"
    ENGINE_ERROR = "engine_error"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one document has no result."""

    code: Code
    reason: str


def failure(code: Code, reason: str) -> Failure:
    """A Failure with its reason on one line and of bounded length."""
    return Failure(code, shortened(" ".join(reason.split()), _LONGEST_REASON))


def shortened(text: str, longest: int) -> str:
    """`text`, cut to `longest` characters with the number of those left out."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]} ... ({len(text) - longest:,} more characters)"
